"""`gateway user link` and `gateway user role`: who is one person, and who may administer."""

import asyncio
from datetime import UTC, datetime

from common.settings import SettingsError
from gateway.auth.identities import Identity
from gateway.auth.principal import Role
from gateway.auth.standing import Change
from gateway.commands.output import tell
from gateway.commands.spread import spread
from gateway.prepare import opened, opened_people
from gateway.settings import GatewaySettings, load_settings


def link(
    name: str, other: str | None, provider: str | None, tenant: str, subject: str | None
) -> None:
    settings = load_settings()
    if other is not None and provider is None and subject is None:
        asyncio.run(_join(settings, name, other))
        tell(f"{other} is {name} now: signing in as the one or the other leads to {name}.")
    elif other is None and provider and subject:
        identity = Identity(provider, tenant, subject)
        asyncio.run(_give(settings, name, identity))
        tell(f"Whoever is {subject} at {provider} is {name} now.")
    else:
        raise SettingsError("Name a second user, or give both --provider and --subject.")


def give_role(name: str, role: Role) -> None:
    settings = load_settings()
    asyncio.run(_give_role(settings, name, role))
    tell(f"{name} has the role {role} now.")


async def _join(settings: GatewaySettings, name: str, other: str) -> None:
    async with opened_people(settings) as people:
        changed = await people.join(name, other)
    await spread(settings, *(Change("user_changed", id_) for id_ in changed))


async def _give(settings: GatewaySettings, name: str, identity: Identity) -> None:
    async with opened_people(settings) as people:
        await people.give(name, identity, datetime.now(UTC))


async def _give_role(settings: GatewaySettings, name: str, role: Role) -> None:
    async with opened(settings) as store:
        user = await store.set_role(name, role)
    await spread(settings, Change("user_changed", user.id))
