"""`gateway user password`: for whoever has forgotten theirs; nothing is ever mailed."""

import asyncio
import sys
from datetime import UTC, datetime

import typer

from gateway.accounts.email import normalised, usable_password
from gateway.accounts.hashing import Argon2
from gateway.commands.output import tell
from gateway.prepare import opened_passwords
from gateway.settings import GatewaySettings, load_settings


def password(name: str, email: str | None) -> None:
    settings = load_settings()
    email = None if email is None else normalised(email)
    hashed = Argon2().hash(usable_password(_asked(), email or ""))
    emails = asyncio.run(_change(settings, name, email, hashed))
    tell(f"{name} logs in with the new password and {' or '.join(emails)}.")


async def _change(
    settings: GatewaySettings, name: str, email: str | None, hashed: str
) -> list[str]:
    async with opened_passwords(settings) as store:
        return await store.change(name, email, hashed, datetime.now(UTC))


def _asked() -> str:
    """Typed twice, unseen; or a line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed
