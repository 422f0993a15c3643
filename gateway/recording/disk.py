"""The spool's thread: it syncs what was written, closes old segments and deletes what is obsolete.

The event loop writes and reads; it never waits for a disk.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from gateway.errors import SpoolFailed
from gateway.recording.journal import Chores, Journal
from gateway.recording.locks import LOCK

log = structlog.get_logger()


@dataclass(slots=True)
class _Round:
    """One visit to the disk, and who waits for it."""

    chores: Chores
    waiting: list[asyncio.Future[None]]
    after: list[Callable[[], None]]
    failures: list[tuple[int, OSError]] = field(default_factory=list)


class Disk:
    """Syncs the journal at most `every_s` seconds after a write; one round at a time."""

    def __init__(self, journal: Journal, every_s: float) -> None:
        self._journal, self._every_s = journal, every_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[asyncio.Future[None]] = []
        self._after: list[Callable[[], None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Future[_Round] | None = None
        self._wanted = False
        self._closed = False

    def sync_soon(self) -> None:
        if self._closed:
            return
        if self._round is not None:
            self._wanted = True
        elif self._timer is None:
            self._timer = self._loop.call_later(self._every_s, self._start)

    def tell(self, done: asyncio.Future[None]) -> None:
        """Resolve it once all written so far is synced; SpoolFailed if it could not be."""
        self._waiting.append(done)
        self.sync_soon()

    def delete(self, paths: Iterable[Path]) -> None:
        """In this order, once all written so far is synced.

        What cannot be deleted is found again after the next start, and published again.
        """
        for path in paths:
            self._do_after(path.unlink)

    def remove(self, directory: Path, lock: int) -> None:
        """A spool directory that is empty but for its lock."""
        self._do_after((directory / LOCK).unlink)
        self._do_after(directory.rmdir)
        self.release(lock)

    def release(self, lock: int) -> None:
        self._do_after(partial(os.close, lock))

    def _do_after(self, action: Callable[[], None]) -> None:
        self._after.append(action)
        self.sync_soon()

    async def close(self) -> None:
        """A last round for all that is left."""
        await self._rest()
        self._start()
        self._closed = True
        await self._rest()
        self._thread.shutdown()

    async def _rest(self) -> None:
        while self._round is not None:
            await asyncio.wait([self._round])
            await asyncio.sleep(0)  # its callback

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        this = _Round(self._journal.chores(), self._waiting, self._after)
        self._waiting, self._after, self._wanted = [], [], False
        self._round = self._loop.run_in_executor(self._thread, _do, this)
        self._round.add_done_callback(self._finish)

    def _finish(self, done: asyncio.Future[_Round]) -> None:
        self._round = None
        this = done.result()
        for number, error in this.failures:
            log.error("spool_sync_failed", segment=number, error=error.strerror)
            self._journal.distrust(number)
        if this.failures:
            self._after = this.after + self._after  # what replaced those may not be on disk
        for waiting in this.waiting:
            if waiting.done():
                continue
            if this.failures:
                waiting.set_exception(SpoolFailed())
                waiting.exception()  # not being awaited is allowed
            else:
                waiting.set_result(None)
        if self._wanted or self._after:
            self.sync_soon()


def _do(this: _Round) -> _Round:
    for number, fd in this.chores.sync:
        try:
            os.fdatasync(fd)
        except OSError as error:
            this.failures.append((number, error))
    for fd in this.chores.close:
        with suppress(OSError):
            os.close(fd)
    if this.chores.directory is not None:
        _sync_directory(this, this.chores.directory)
    if not this.failures:
        for action in this.after:
            with suppress(OSError):
                action()
    return this


def _sync_directory(this: _Round, directory: Path) -> None:
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        this.failures.append((-1, error))
