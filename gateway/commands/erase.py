"""`gateway user erase`: a person's content, identities and tokens, gone for good."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from common.settings import SettingsError
from gateway.auth.standing import Change
from gateway.commands.output import remark, tell
from gateway.commands.spread import spread
from gateway.erasure.erased import Erased
from gateway.prepare import opened_traces
from gateway.settings import GatewaySettings, load_settings

_TOLD = ("records", "conversations", "messages")


def erase(name: str, yes: bool) -> None:
    settings = load_settings()
    who, counts = asyncio.run(_find(settings, name))
    if not yes:
        _confirm(who, counts)
    asyncio.run(_erase(settings, who, counts))


def _confirm(who: Erased, counts: dict[str, int]) -> None:
    """Raises typer.Abort (exit code 1), SettingsError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise SettingsError("Nobody can be asked here whether to go on: give --yes.")
    content = ", ".join(f"{counts[what]} {what}" for what in _TOLD)
    typer.confirm(
        f"Everything of {who.name} ({content}) will be gone for good, and their keys stop working."
        " Go on?",
        abort=True,
        err=True,
    )


async def _find(settings: GatewaySettings, name: str) -> tuple[Erased, dict[str, int]]:
    async with opened_traces(settings) as store:
        who = await store.find(name)
        return who, await store.count(who)


async def _erase(settings: GatewaySettings, who: Erased, counts: dict[str, int]) -> None:
    """Gateways are told before the long part begins; where they cannot be, it is done all the
    same, and the exit code says so at the end."""
    async with opened_traces(settings) as store:
        await store.bury(who, datetime.now(UTC))
        untold: typer.Exit | None = None
        try:
            await spread(settings, Change("user_blocked", who.user_id))
        except typer.Exit as left:
            untold = left
        removed = await _counted(store.remove(who), sum(counts.values()))
        left_name = await store.finish(who, datetime.now(UTC))
        unreadable = await store.unreadable()
    _say(who, left_name, removed, unreadable)
    if untold is not None:
        raise untold


async def _counted(steps: AsyncIterator[tuple[str, int]], total: int) -> dict[str, int]:
    removed: dict[str, int] = {}
    with _bar(total) as show:
        async for what, rows in steps:
            removed[what] = removed.get(what, 0) + rows
            show(rows)
    return removed


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("erasing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("erasing", total=total)
        yield lambda rows: progress.advance(task, rows)


def _say(who: Erased, left_name: str, removed: dict[str, int], unreadable: int) -> None:
    counts = ", ".join(f"{rows} {what.replace('_', ' ')}" for what, rows in removed.items())
    tell(f"{who.name} is erased. Removed: {counts or 'nothing'}.")
    remark(
        f"Their usage stays, as that of {left_name}. What of theirs is still on its way (spool,"
        " queue, dead letters) will not be stored; dead letters go with `consumer dead-letters"
        " replay`."
    )
    if unreadable:
        remark(
            f"{unreadable} in quarantine cannot be read, so nobody can tell whose they are: see"
            " `consumer quarantine list`."
        )
