"""Commits: frames of one loop turn share one write.

`process`: a frame is committed once the operating system has it. `power`: once it is synced; frames
that come while a sync is under way share the next one.
"""

import asyncio
import errno
from collections.abc import Callable

import structlog

from common.frames import OVERHEAD_BYTES, FrameKind, encode_frame
from gateway.errors import SpoolFailed, SpoolFull
from gateway.recording.disk import Disk
from gateway.recording.entry import Entry
from gateway.recording.journal import Journal

log = structlog.get_logger()

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


Pending = tuple[Entry, FrameKind, bytes, asyncio.Future[None]]
"""A frame of this turn, and who waits for it. A tuple: there are two for every call."""

Written = Callable[[Entry, FrameKind, int, int, int], None]
"""Told of each frame once it is in the journal: entry, kind, segment number, offset, size."""


class Commits:
    """The frames of this turn, and their way into the journal."""

    def __init__(self, journal: Journal, disk: Disk, written: Written, *, power: bool) -> None:
        self._journal, self._disk, self._written, self._power = journal, disk, written, power
        self._loop = asyncio.get_running_loop()
        self._turn: list[Pending] = []
        self.turn_bytes = 0
        """Of frames that are not written yet."""
        self._healthy = True

    def add(self, entry: Entry, kind: FrameKind, payload: bytes) -> asyncio.Future[None]:
        """Written at the end of the turn. The future fails with SpoolFailed, or, for a begin on a
        full disk, with SpoolFull."""
        frame = encode_frame(kind, entry.id, payload)
        done = self._loop.create_future()
        if not self._turn:
            self._loop.call_soon(self.flush)
        self._turn.append((entry, kind, frame, done))
        self.turn_bytes += len(frame)
        return done

    def flush(self) -> None:
        turn, self._turn, self.turn_bytes = self._turn, [], 0
        try:
            self._write(turn)
        except OSError as error:
            self._report(error)
            # Refuse the calls that begin; what others have under way may still fit.
            _fail([p for p in turn if p[1] == FrameKind.BEGIN], error)
            self._write_alone([p for p in turn if p[1] != FrameKind.BEGIN])
        else:
            self._healthy = True

    def _write(self, turn: list[Pending]) -> None:
        if not turn:
            return
        data = turn[0][2] if len(turn) == 1 else b"".join([p[2] for p in turn])
        number, offset = self._journal.append(data)
        for entry, kind, frame, done in turn:
            self._written(entry, kind, number, offset, len(frame))
            offset += len(frame)
            if self._power:
                self._disk.tell(done)
            elif not done.done():
                done.set_result(None)
        self._disk.sync_soon()

    def _write_alone(self, turn: list[Pending]) -> None:
        try:
            self._write(turn)
        except OSError as error:
            _fail(turn, error)

    def _report(self, error: OSError) -> None:
        if self._healthy:
            log.error("spool_write_failed", error=error.strerror)
        self._healthy = False


def _fail(turn: list[Pending], error: OSError) -> None:
    for entry, kind, frame, done in turn:
        entry.failed(kind, frame[OVERHEAD_BYTES:])
        if not done.done():
            refused = kind == FrameKind.BEGIN and error.errno in _DISK_FULL
            done.set_exception(SpoolFull() if refused else SpoolFailed())
            done.exception()  # not being awaited is allowed
