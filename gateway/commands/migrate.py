"""`gateway migrate`."""

from typing import Annotated

import typer

from common.schema import HEAD
from gateway.commands.output import tell
from gateway.prepare import apply_migrations
from gateway.settings import load_settings
from gateway.supervision.listening import claim_data_dir

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def command(
    down: Annotated[
        str | None, typer.Option(metavar="REV", help="Go back to this revision; `base`: to none.")
    ] = None,
) -> None:
    """Bring the database to the newest revision; nothing happens if it has it.

    `gateway serve` does so itself; this is for deployments that migrate before they start. Going
    back may drop what older versions have no place for.

    Examples:   gateway migrate   ·   gateway migrate --down base
    """
    settings = load_settings()
    if settings.database.get_backend_name() == "sqlite":
        claim_data_dir(settings.data_dir)
    apply_migrations(settings.database, down)
    tell(f"The database has revision {down or HEAD}.")
