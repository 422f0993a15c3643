"""`consumer retention`: remove now what is older than RETENTION_DAYS."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import anyio
import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from common.database import make_engine, reaching
from common.schema import require_head
from common.settings import SettingsError
from consumer.commands.output import tell
from consumer.retention import Progress, Removed, Retention
from consumer.settings import ConsumerSettings, load_settings


def retention(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove now what began more than RETENTION_DAYS ago: records, and all that was made of them.

    Consumers that run do so by themselves every few hours. Usage stays. Safe to repeat, and to
    break off: the next time goes on with it.

    Example:   RETENTION_DAYS=90 consumer retention
    """
    settings = load_settings()
    days = settings.retention_days
    if days is None:
        raise SettingsError("RETENTION_DAYS is not set: records are kept for ever. Set it first.")
    if not yes:
        typer.confirm(f"What is older than {days} days will be gone for good. Go on?", abort=True)
    tell(_told(anyio.run(_expire, settings, days)))


async def _expire(settings: ConsumerSettings, days: int) -> Removed:
    engine = make_engine(settings.database)
    try:
        await require_head(engine)
        with reaching(engine.url), _shown() as progress:
            return await Retention(engine, days).expire(datetime.now(UTC), progress)
    finally:
        await engine.dispose()


@contextmanager
def _shown() -> Iterator[Progress]:
    """On standard error, where it is a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task, removed = bar.add_task("looking", total=None), dict[str, int]()

        def show(what: str, rows: int) -> None:
            removed[what] = removed.get(what, 0) + rows
            bar.update(task, description=f"removing {what}: {removed[what]}")

        yield show


def _told(removed: Removed) -> str:
    counts = ", ".join(f"{rows} {what.replace('_', ' ')}" for what, rows in removed.items() if rows)
    return f"Removed: {counts or 'nothing'}."
