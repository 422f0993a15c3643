"""`gateway token …`: access tokens, issued, listed and revoked."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from common.settings import SettingsError
from gateway.auth.people import AccessToken, Issued
from gateway.auth.standing import Change
from gateway.commands.output import moment, remark, show, tell
from gateway.commands.spread import spread
from gateway.prepare import opened
from gateway.settings import GatewaySettings, load_settings

app = typer.Typer(
    help="Access tokens: issue, list, revoke.\n\n"
    "Example:   export OPENAI_API_KEY=$(gateway token issue alice --days 30)",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)


@app.command()
def issue(
    user: Annotated[str, typer.Argument(metavar="NAME", help="The user it is for.")],
    days: Annotated[
        int | None, typer.Option(min=1, help="How long it lasts; TOKEN_DAYS if not given.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="LABEL", help="What it is for, to tell tokens apart.")
    ] = None,
) -> None:
    """Issue an access token, and print it alone: it is shown this once and never again.

    Examples:   gateway token issue alice   ·   gateway token issue ci --days 90 --name pipeline
    """
    settings = load_settings()
    days = settings.token_days if days is None else days
    if days > settings.token_days_max:
        raise SettingsError(
            f"--days {days} is more than TOKEN_DAYS_MAX ({settings.token_days_max}) allows: ask for"
            " fewer days, or raise it."
        )
    issued = asyncio.run(_issue(settings, user, days, name))
    tell(issued.token)
    remark(
        f"For {user}, until {moment(issued.expires_at)}. To take it back: gateway token revoke"
        f" {issued.id}"
    )


@app.command("list")
def list_tokens(
    user: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Of this user only.", show_default=False)
    ] = None,
) -> None:
    """List access tokens, newest first: never the token itself, only its last four characters."""
    now, tokens = datetime.now(UTC), asyncio.run(_list(load_settings(), user))
    show(
        ("id", "user", "label", "ends in", "issued", "expires", "last used", "state"),
        [
            (
                str(token.id),
                token.user,
                token.name or "",
                f"…{token.hint}",
                moment(token.created_at),
                moment(token.expires_at),
                moment(token.last_used_at),
                _state(token, now),
            )
            for token in tokens
        ],
        colours={"valid": "green", "revoked": "red", "expired": "yellow"},
    )


@app.command()
def revoke(
    token_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="As `token list` shows it.")
    ],
) -> None:
    """Revoke an access token: every gateway refuses it within a second.

    Example:   gateway token revoke 7
    """
    token = asyncio.run(_revoke(load_settings(), token_id))
    tell(f"Access token {token.id} of {token.user} is revoked.")


async def _issue(settings: GatewaySettings, user: str, days: int, name: str | None) -> Issued:
    async with opened(settings) as store:
        return await store.issue(user, days, name, settings.tokens_per_user, datetime.now(UTC))


async def _list(settings: GatewaySettings, user: str | None) -> list[AccessToken]:
    async with opened(settings) as store:
        return await store.tokens(user)


async def _revoke(settings: GatewaySettings, token_id: int) -> AccessToken:
    async with opened(settings) as store:
        token = await store.revoke(token_id, datetime.now(UTC))
        family = await store.family(token_id)
    await spread(settings, *(Change("token_revoked", each) for each in family))
    return token


def _state(token: AccessToken, now: datetime) -> str:
    if token.revoked_at:
        return "revoked"
    return "valid" if token.expires_at > now else "expired"
