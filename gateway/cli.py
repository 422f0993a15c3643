"""The program `gateway`: its commands, and how a refusal ends it.

Each command is a file in gateway/commands, loaded when it is asked for: serving needs everything,
`token issue` next to nothing.
"""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from common.settings import SettingsError
from gateway.errors import GatewayError, NotFound

COMMANDS = {
    "serve": "Serve OpenAI's API, until SIGTERM or Ctrl-C.",
    "doctor": "Check settings, keys, database, broker, consumers, Redis and disk.",
    "migrate": "Bring the database to the newest revision.",
    "user": "People: add, list, block, unblock, link, role, password, erase.",
    "token": "Access tokens: issue, list, revoke.",
    "registration": "Registration with e-mail and password: open, close, show.",
    "export": "Write records as lines of JSON, by time and user.",
    "upstreams": "Provider keys: how they are doing; put one out, or back.",
}
REFUSED = 2
"""A setting or an argument must be corrected first."""
ABSENT = 1
"""What was asked for is not there."""


class CommandTable(TyperGroup):
    """The commands of gateway/commands: listed by COMMANDS, loaded when called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Good for the list of commands, and to tell whether there is such a one."""
        line = COMMANDS.get(cmd_name)
        return TyperCommand(cmd_name, help=line) if line else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        command = typer.main.get_command(import_module(f"gateway.commands.{name}").app)
        command.name = name
        return name, command, rest


app = typer.Typer(
    cls=CommandTable,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def gateway() -> None:
    """An OpenAI-compatible gateway: shared provider keys, personal access tokens, every answer
    recorded.

    Serve:   gateway serve

    Let somebody in:   gateway user add alice && gateway token issue alice

    Look around:   gateway doctor

    Settings come from the environment, a .env file and gateway.toml; `gateway COMMAND --help` shows
    examples.
    """


def main() -> None:
    """The console's entry. One sentence on standard error for whatever is refused."""
    try:
        app()
    except SettingsError as error:
        _refuse(str(error), REFUSED)
    except GatewayError as error:
        _refuse(error.message, ABSENT if isinstance(error, NotFound) else REFUSED)


def _refuse(sentence: str, code: int) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(code)
