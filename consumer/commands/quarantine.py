"""`consumer quarantine …`: records that could not be stored."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, TypeVar

import anyio
import typer

from common.database import make_engine, reaching
from common.schema import require_head
from common.settings import SettingsError
from consumer.app import make_preparer
from consumer.commands.output import show as show_table
from consumer.commands.output import tell
from consumer.quarantine import Kept, Quarantine, Tried, beginning
from consumer.settings import load_settings
from consumer.store import Store

T = TypeVar("T")

app = typer.Typer(
    help="Records that could not be understood or stored, as they arrived.\n\n"
    "Look:   consumer quarantine list   ·   consumer quarantine show 3\n\n"
    "After an upgrade that understands them:   consumer quarantine replay --all",
    no_args_is_help=True,
    add_completion=False,
)

Ids = Annotated[
    list[int] | None, typer.Argument(metavar="ID…", help="As `list` shows them.", min=1)
]
All = Annotated[bool, typer.Option("--all", help="Every one of them.")]


@app.command("list")
def list_kept(
    limit: Annotated[int, typer.Option(min=1, help="Most to show.")] = 50,
) -> None:
    """List what is in quarantine, newest first."""
    count, kept = _within(partial(_newest, limit=limit))
    names = ("id", "record", "bytes", "since (UTC)", "reason")
    if kept:
        show_table(names, [(k.id, k.record_id, k.size_bytes, k.seen_at, k.reason) for k in kept])
    tell(f"{count} in quarantine.")


@app.command()
def show(
    id: Annotated[int, typer.Argument(metavar="ID", min=1, help="As `list` shows it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Only its bytes as they arrived, for other tools.")
    ] = False,
) -> None:
    """Show what can be read of one: who called what, never what was said.

    With all that was said:   consumer quarantine show 3 --raw > record.bin
    """
    found = _within(lambda quarantine: quarantine.raw(id))
    if raw:
        sys.stdout.buffer.write(found)
        return
    begin = beginning(found)
    tell(f"{len(found)} bytes. {'Its beginning can be read:' if begin else 'No record in it.'}")
    if begin:
        names = ("version", "kind", "method", "path", "user_id", "model", "streamed")
        show_table(("field", "value"), [(name, getattr(begin, name)) for name in names])


@app.command()
def replay(ids: Ids = None, all: All = False) -> None:
    """Try to store them again; what is stored leaves the quarantine. Exit code 1 if any stays."""
    tried = _within(partial(_replay, ids=_chosen(ids, all)))
    if tried:
        show_table(("id", "outcome"), [(t.id, t.trouble or "stored") for t in tried])
    stored = sum(t.trouble is None for t in tried)
    tell(f"{stored} stored, {len(tried) - stored} still in quarantine.")
    raise SystemExit(int(stored < len(tried)))


@app.command()
def drop(
    ids: Ids = None,
    all: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Throw them away. What was in them is gone then."""
    chosen = _chosen(ids, all)
    if not yes:
        typer.confirm("These records will be gone for good. Go on?", abort=True)
    tell(f"{_within(partial(_drop, ids=chosen))} dropped.")


def _chosen(ids: list[int] | None, all: bool) -> list[int] | None:
    """None: all of them."""
    if bool(ids) == all:
        raise SettingsError("Name the entries by the ids that `list` shows, or give --all.")
    return None if all else ids


async def _newest(quarantine: Quarantine, limit: int) -> tuple[int, list[Kept]]:
    return await quarantine.count(), await quarantine.newest(limit)


async def _replay(quarantine: Quarantine, ids: list[int] | None) -> list[Tried]:
    chosen = await quarantine.ids() if ids is None else ids
    return [await quarantine.replay(id) for id in chosen]


async def _drop(quarantine: Quarantine, ids: list[int] | None) -> int:
    return await quarantine.drop(await quarantine.ids() if ids is None else ids)


def _within(work: Callable[[Quarantine], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with _quarantine() as quarantine:
            return await work(quarantine)

    return anyio.run(opened)


@asynccontextmanager
async def _quarantine() -> AsyncIterator[Quarantine]:
    engine = make_engine(load_settings().database)
    try:
        await require_head(engine)
        with reaching(engine.url):
            yield Quarantine(engine, make_preparer(), Store(engine))
    finally:
        await engine.dispose()
