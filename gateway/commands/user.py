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
from gateway.commands.password import password as change_password
from gateway.commands.person import give_role
from gateway.commands.person import link as link_person
from gateway.commands.spread import spread
from gateway.prepare import opened
from gateway.settings import GatewaySettings, load_settings

app = typer.Typer(
    help="People: add, list, block, unblock, link, role, password, erase.\n\n"
    "Example:   gateway user add alice && gateway token issue alice",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
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


@app.command()
def link(
    name: Name,
    other: Annotated[
        str | None,
        typer.Argument(metavar="OTHER", help="A user who is the same person.", show_default=False),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Instead of OTHER: feishu, oidc, slack, …")
    ] = None,
    tenant: Annotated[str, typer.Option(help="The company or issuer at that provider.")] = "",
    subject: Annotated[str | None, typer.Option(help="The person's id at that provider.")] = None,
) -> None:
    """Say that two users, or a user and an identity, are one person.

    What led to OTHER leads to NAME from now on, and OTHER's access tokens are NAME's; records and
    usage stay as they were made.

    Examples:   gateway user link alice alice-2   ·   gateway user link alice --provider oidc
    --tenant https://id.example.com --subject 42
    """
    link_person(name, other, provider, tenant, subject)


@app.command()
def role(
    name: Name, role: Annotated[Role, typer.Argument(metavar="ROLE", help="member or admin.")]
) -> None:
    """Make a user an admin, or a member again.

    Example:   gateway user role alice admin
    """
    give_role(name, role)


@app.command()
def password(
    name: Name,
    email: Annotated[
        str | None, typer.Option(help="To log in with; theirs from now on, if it is nobody's.")
    ] = None,
) -> None:
    """Set the password of a user who logs in with an e-mail address. Their keys go on working.

    It is asked for, or read from standard input:   pwgen 20 1 | gateway user password alice
    """
    change_password(name, email)


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
