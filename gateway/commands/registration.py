"""`gateway registration …`: whether people may register with e-mail and password."""

import asyncio
from datetime import UTC, datetime
from getpass import getuser

import typer

from gateway.accounts.switches import REGISTRATION, Switch
from gateway.commands.output import moment, tell
from gateway.prepare import opened_switches
from gateway.settings import load_settings

app = typer.Typer(
    help="Registration with e-mail and password: open, close, show.\n\n"
    "Example:   gateway registration open",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)


@app.command("open")
def open_() -> None:
    """Let anybody who reaches the gateway register; every worker follows within a second."""
    asyncio.run(_turn(True))
    tell("Registration is open.")


@app.command()
def close() -> None:
    """Let nobody else register. Who has registered can go on logging in."""
    asyncio.run(_turn(False))
    tell("Registration is closed.")


@app.command()
def show() -> None:
    """Whether it is open, and since when."""
    switch = asyncio.run(_find())
    state = "open" if switch.enabled else "closed"
    since = f" since {moment(switch.changed_at)}, by {switch.changed_by}"
    tell(f"Registration is {state}{since if switch.changed_at else ''}.")


async def _turn(enabled: bool) -> None:
    async with opened_switches(load_settings()) as switches:
        await switches.turn(REGISTRATION, enabled, _by(), datetime.now(UTC))


async def _find() -> Switch:
    async with opened_switches(load_settings()) as switches:
        return await switches.find(REGISTRATION)


def _by() -> str:
    """In containers, people often have no name."""
    try:
        return f"{getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"
