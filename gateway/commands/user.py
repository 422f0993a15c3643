"""`gateway user …`: who may hold access tokens."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.auth.people import User
from gateway.auth.principal import Role
from gateway.auth.standing import Change
from gateway.commands.erase import erase
from gateway.commands.output import moment, show, tell
from gateway.commands.spread import spread
from gateway.prepare import opened
from gateway.settings import GatewaySettings, load_settings

app = typer.Typer(
    help="People who may hold access tokens: add, list, block, unblock, erase.\n\n"
    "Example:   gateway user add alice && gateway token issue alice",
    no_args_is_help=True,
    add_completion=False,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]


@app.command()
def add(
    name: Name,
    admin: Annotated[
        bool, typer.Option("--admin", help="May see everybody's usage and records.")
    ] = False,
) -> None:
    """Add a user, who has no access token yet.

    Examples:   gateway user add alice   ·   gateway user add bob --admin
    """
    user = asyncio.run(_add(load_settings(), name, "admin" if admin else "member"))
    tell(f"{user.name} is a user now ({user.role}).")


@app.command("list")
def list_users() -> None:
    """List all users."""
    users = asyncio.run(_list(load_settings()))
    show(
        ("name", "role", "since", "blocked since"),
        [(u.name, u.role, moment(u.created_at), moment(u.blocked_at)) for u in users],
    )


@app.command()
def block(name: Name) -> None:
    """Refuse all access tokens of a user, from now on, until unblocked."""
    user = asyncio.run(_block(load_settings(), name, datetime.now(UTC)))
    tell(f"{user.name} is blocked.")


@app.command()
def unblock(name: Name) -> None:
    """Let a blocked user's access tokens work again."""
    user = asyncio.run(_block(load_settings(), name, None))
    tell(f"{user.name} is not blocked any more.")


@app.command("erase")
def erase_user(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove all that a user has said and was answered, their keys and identities, for good.

    Usage stays, without the name. What of theirs is still on its way is not stored any more. Safe
    to repeat: an erasure that was cut off goes on.

    Example:   gateway user erase alice
    """
    erase(name, yes)


async def _add(settings: GatewaySettings, name: str, role: Role) -> User:
    async with opened(settings) as store:
        return await store.add_user(name, role, datetime.now(UTC))


async def _list(settings: GatewaySettings) -> list[User]:
    async with opened(settings) as store:
        return await store.users()


async def _block(settings: GatewaySettings, name: str, at: datetime | None) -> User:
    async with opened(settings) as store:
        user = await store.set_blocked(name, at)
    await spread(settings, Change("user_blocked" if at else "user_changed", user.id))
    return user
