"""`consumer dead-letters …`: messages that RabbitMQ gave up delivering."""

from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from common.settings import SettingsError
from consumer.commands.output import show, tell
from consumer.settings import load_settings

if TYPE_CHECKING:
    from consumer.dead_letters import DeadLetters

app = typer.Typer(
    help="Messages that were delivered too often without being stored.\n\n"
    "Nothing is lost with them. Look:   consumer dead-letters list\n\n"
    "Once what kept them from being stored is mended:   consumer dead-letters replay",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("list")
def list_letters(
    limit: Annotated[int, typer.Option(min=1, help="Most to show.")] = 20,
) -> None:
    """List the oldest dead letters; they stay where they are."""
    count, letters = anyio.run(_dead_letters().oldest, limit)
    names = ("records", "bytes", "died at (UTC)", "reason")
    if letters:
        show(names, [(x.records, x.size_bytes, x.died_at, x.reason) for x in letters])
    tell(f"{count} dead letters.")


@app.command()
def replay() -> None:
    """Put every dead letter back into the queue. Records that were stored already stay single."""
    tell(f"{anyio.run(_dead_letters().replay)} put back into the queue.")


def _dead_letters() -> "DeadLetters":
    settings = load_settings()
    if settings.amqp_url is None:
        raise SettingsError(
            "AMQP_URL is not set: without RabbitMQ there are no dead letters, records wait in the"
            " gateway's spool."
        )
    letters: DeadLetters = import_module("consumer.dead_letters").DeadLetters(
        settings.amqp_url.get_secret_value(), settings.amqp_prefix
    )
    return letters
