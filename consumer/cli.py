"""The program `consumer`: its commands, and how a refusal ends it.

Each command is a file in consumer/commands.
"""

import sys

import typer

from common.settings import SettingsError
from consumer.commands import dead_letters, quarantine
from consumer.commands.relink import relink
from consumer.commands.retention import retention
from consumer.commands.run import REFUSED, run
from consumer.linker import UnknownUser
from consumer.quarantine import NoSuchEntry
from consumer.store import DatabaseAway

ABSENT = 1
"""What was asked for is not there."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(relink)
app.command()(retention)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(dead_letters.app, name="dead-letters")


@app.callback()
def consumer() -> None:
    """Stores every record that the gateways send, and links them into conversations.

    Store:   consumer run

    What could not be stored:   consumer quarantine list

    Settings come from the environment and a .env file, the same as the gateway's: DATABASE_URL,
    AMQP_URL, DATA_DIR. `consumer COMMAND --help` shows examples.
    """


def main() -> None:
    """The console's entry. One sentence on standard error for whatever is refused."""
    try:
        app()
    except (SettingsError, DatabaseAway) as error:
        _refuse(error, REFUSED)
    except (UnknownUser, NoSuchEntry) as error:
        _refuse(error, ABSENT)


def _refuse(error: Exception, code: int) -> None:
    sys.stderr.write(f"{error}\n")
    sys.exit(code)
