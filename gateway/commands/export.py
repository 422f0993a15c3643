"""`gateway export`: records as lines of JSON, for other programs and for people's own data."""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from common.ids import moment_of
from gateway.commands.output import warn
from gateway.conversations.export import export
from gateway.conversations.views import RecordFilter
from gateway.errors import InvalidRequest, StoreUnavailable
from gateway.prepare import opened_records
from gateway.query import Query, as_id, in_order
from gateway.settings import GatewaySettings, load_settings
from gateway.whose import Whose

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_CUT = 1
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
Show = Callable[[UUID], None]


@app.command()
def command(
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Day or time of the first one.")
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Day (all of it) or time of the last."),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Only what this user asked.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="ID", help="Only what came after this record.")
    ] = None,
) -> None:
    """Write records as JSON, one per line, oldest first: as `GET /records/{id}` shows them.

    Times are UTC unless they say otherwise. Memory stays small however many there are; progress is
    shown on a terminal. The exit code is 1 if it ended early: the database went away, or whoever
    read the lines.

    Example:   gateway export --from 2026-11-01 --to 2026-11-30 --user alice > alice.jsonl
    """
    wanted = RecordFilter(begin=_moment("from", begin), end=_end(end))
    in_order(wanted.begin, wanted.end)
    last = as_id(after) if after else None
    if after and last is None:
        raise InvalidRequest("--after takes the id of a record.")
    raise typer.Exit(asyncio.run(_write(load_settings(), wanted, user, last)))


async def _write(
    settings: GatewaySettings, wanted: RecordFilter, user: str | None, after: UUID | None
) -> int:
    """The exit code. Raises UnknownUser, SettingsError."""
    count, out = 0, sys.stdout.buffer
    async with opened_records(settings) as (records, people):
        by = Whose((await people.user(user)).id) if user else Whose(None)
        with _bar(wanted) as show:
            try:
                async for line in export(records, by, wanted, after):
                    out.write(line.json + b"\n")
                    count, after = count + 1, line.id
                    show(line.id)
                out.flush()
            except BrokenPipeError:  # whoever read has had enough
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return _CUT
            except StoreUnavailable:
                out.flush()
                again = f"go on with --after {after}" if after else "try again"
                warn(f"The database went away after {count} records; {again} once it is back.")
                return _CUT
    return 0


def _moment(name: str, text: str | None) -> datetime | None:
    """Raises InvalidRequest."""
    given = [(name, text)] if text is not None else []
    return Query(given, (name,)).moment(name)


def _end(text: str | None) -> datetime | None:
    """Of a day, its last moment."""
    moment = _moment("to", text)
    if moment is None or not _DAY.fullmatch(text or ""):
        return moment
    return moment + timedelta(days=1, microseconds=-1)


@contextmanager
def _bar(wanted: RecordFilter) -> Iterator[Show]:
    """How far in time it has come, and how many records that was; on a terminal only."""
    columns = (
        TextColumn("{task.fields[count]} records"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task, count, first = bar.add_task("exporting", total=1.0, count=0), 0, wanted.begin
        last = min(wanted.end or datetime.now(UTC), datetime.now(UTC))

        def show(id: UUID) -> None:
            nonlocal count, first
            count += 1
            now = moment_of(id) or last
            first = first or now
            part = (now - first) / max(last - first, timedelta(milliseconds=1))
            bar.update(task, completed=min(1.0, max(0.0, part)), count=count)

        yield show
