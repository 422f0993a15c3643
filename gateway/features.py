"""What the gateway offers beside the OpenAI surface: accounts, sign-in, bots.

Each feature is made by one function in its `feature` module, from the ground that `gateway.app`
lays; a feature that is not configured is not imported.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import BaseRoute

from gateway.auth.identities import IdentityStore
from gateway.auth.keys import KeyDesk
from gateway.auth.links import Links
from gateway.auth.principals import Principals
from gateway.proxy.under_way import UnderWay
from gateway.settings import GatewaySettings
from gateway.usage.report import UsageReport

Run = Callable[[], Coroutine[Any, Any, Any]]
"""Something that goes on until it is cancelled."""


@dataclass(frozen=True)
class Ground:
    """What features are built on; everything here is made by `gateway.app`, once a worker."""

    settings: GatewaySettings
    engine: AsyncEngine
    principals: Principals
    identities: IdentityStore
    keys: KeyDesk
    links: Links
    under_way: UnderWay
    usage: UsageReport


@dataclass(frozen=True)
class Feature:
    """What one feature adds to a worker."""

    routes: Sequence[BaseRoute] = ()
    runs: Sequence[Run] = ()
    openapi: Mapping[str, Any] = field(default_factory=dict)
    """Paths and schemas, as the other features' `schema` modules give them."""


def features(ground: Ground) -> list[Feature]:
    """Those that the settings ask for."""
    made: list[Feature] = [import_module("gateway.accounts.feature").feature(ground)]
    if _has_pages(ground.settings):
        made.append(import_module("gateway.signin.feature").feature(ground))
    if any(bot.wanted(ground.settings) for bot in import_module("gateway.bots.table").BOTS):
        made.append(import_module("gateway.bots.feature").feature(ground))
    return made


def _has_pages(settings: GatewaySettings) -> bool:
    """Somebody can sign in, or gets one-time links from a bot."""
    providers = import_module("gateway.signin.providers").PROVIDERS
    logins = (entry for entry in providers if not settings.lacking(entry.needs))
    return settings.key_delivery == "link" or any(logins)
