"""The spool: records on this machine's disk, from their begin until the broker has confirmed them.

Here is what the rest of the gateway calls. How bytes get onto the disk is in `commits.py`,
`journal.py` and `disk.py`, what becomes of a dead worker's records in `recovery.py`, `adoption.py`.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from time import time_ns
from typing import Literal, NamedTuple

import structlog

from common.frames import OVERHEAD_BYTES, FrameKind
from common.record import Begin, End, Status, encode
from gateway.errors import SpoolFailed, SpoolFull
from gateway.recording.adoption import Adopted, adopt_all
from gateway.recording.backlog import Backlog
from gateway.recording.commits import Commits
from gateway.recording.compaction import Compaction
from gateway.recording.disk import Disk
from gateway.recording.entry import Entry
from gateway.recording.journal import Journal
from gateway.recording.locks import make_locked
from gateway.recording.segments import PIECE

__all__ = ["Entry", "Spool", "Spooled"]

log = structlog.get_logger()

FULL = 0.95
"""Share of its bytes beyond which calls are refused; the rest is for calls under way."""
CHECKPOINT_EVERY_S = 0.25
SYNC_EVERY_S = 0.05
ADOPT_EVERY_S = 30
_SWEEP_EVERY_S = 0.025
_LARGEST_SEGMENT_BYTES = 16 * 1024 * 1024
_SEAL_IDLE_BYTES = 1024 * 1024


class Spooled(NamedTuple):
    """A record on its way out."""

    id: bytes
    frames: bytes


class Spool:
    """One worker's records, and those of dead workers that it has adopted."""

    def __init__(
        self, directory: Path, *, durability: Literal["process", "power"], max_bytes: int
    ) -> None:
        """`max_bytes` bounds this worker's files and the adopted ones together."""
        self._parent, self._power, self._max_bytes = directory, durability == "power", max_bytes
        self._full_bytes = int(FULL * max_bytes)
        self._open: dict[bytes, Entry] = {}
        self._broken_off: list[Entry] = []
        self._adopted: list[Adopted] = []
        self._adopted_bytes = 0
        self._watched: deque[tuple[float, Entry]] = deque()
        self._sweep_timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Make a directory of one's own. Raises OSError.

        Dead workers' records are adopted by `tend`, so that calls need not wait for it.
        """
        self._loop = asyncio.get_running_loop()
        self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory, self._lock = make_locked(self._parent)
        self._journal = Journal(directory, _segment_bytes(self._max_bytes))
        self._backlog = Backlog(self._journal)
        self._disk = Disk(self._journal, 0 if self._power else SYNC_EVERY_S)
        self._commits = Commits(self._journal, self._disk, self._written, power=self._power)
        self._compaction = Compaction(self._journal, self._disk, self._open, self._backlog)
        self._arrived = asyncio.Event()

    async def close(self) -> None:
        """What is not confirmed stays on disk, for the next start or another worker."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._commits.flush()
        self._journal.seal()
        self._disk.delete(self._journal.pop_obsolete())
        if self._journal.size_bytes == 0:
            self._disk.remove(self._journal.directory, self._lock)
        else:
            self._disk.release(self._lock)
        for adopted in self._adopted:
            self._disk.release(adopted.lock)
        await self._disk.close()

    # --- recording

    async def begin(self, begin: Begin) -> Entry:
        """A record whose begin has committed. Raises SpoolFull (503) or SpoolFailed (503)."""
        payload = encode(begin)
        if self._used_bytes + len(payload) > self._full_bytes:
            raise SpoolFull
        entry = self._open[begin.id] = Entry(self, begin.id)
        try:
            await self._commits.add(entry, FrameKind.BEGIN, payload)
        except BaseException:
            self._forget(entry)  # cancelled or refused: the call is not on its way to anyone
            raise
        return entry

    def write(self, entry: Entry, kind: FrameKind, payload: bytes) -> asyncio.Future[None]:
        if kind != FrameKind.END or self.has_room(len(payload)):
            return self._commits.add(entry, kind, payload)
        self.broke_off(entry)
        refused = self._loop.create_future()
        refused.set_exception(SpoolFailed("The records' disk has no room for this answer."))
        refused.exception()  # not being awaited is allowed
        return refused

    def has_room(self, size_bytes: int) -> bool:
        return self._used_bytes + size_bytes + OVERHEAD_BYTES <= self._max_bytes

    def watch(self, entry: Entry) -> None:
        self._watched.append((self._loop.time() + CHECKPOINT_EVERY_S, entry))
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_later(CHECKPOINT_EVERY_S, self._sweep)

    def broke_off(self, entry: Entry) -> None:
        self._broken_off.append(entry)

    # --- publishing

    async def take(self, max_records: int, max_bytes: int, *, wait_s: float = 0) -> list[Spooled]:
        """Ended records, at least one; having one, wait so long for more to join it.

        Each stays in the spool until it is confirmed. Cancelling loses none. Raises OSError.
        """
        while True:
            while not self._ready():
                self._arrived.clear()
                await self._arrived.wait()
            if wait_s and self._ready() < max_records:
                await asyncio.sleep(wait_s)
            if taken := await self._take(max_records, max_bytes):
                return taken

    def confirm(self, ids: Iterable[bytes]) -> None:
        """These are safe elsewhere."""
        for record_id in ids:
            if not self._backlog.confirm(record_id):
                any(adopted.backlog.confirm(record_id) for adopted in self._adopted)
        self._let_go()

    def put_back(self, ids: Iterable[bytes]) -> None:
        """These were taken in vain."""
        for record_id in ids:
            if not self._backlog.put_back(record_id):
                any(adopted.backlog.put_back(record_id) for adopted in self._adopted)
        self._arrived.set()

    # --- the state of things

    @property
    def backlog_records(self) -> int:
        """Ended and not confirmed."""
        return len(self._backlog) + sum(len(adopted.backlog) for adopted in self._adopted)

    @property
    def backlog_bytes(self) -> int:
        """On disk: what counts against `max_bytes`."""
        return self._used_bytes

    @property
    def full(self) -> bool:
        """New calls are refused."""
        return self._used_bytes >= self._full_bytes

    # --- what has to be seen to

    async def tend(self) -> None:
        """Adopts dead workers' spools, at once and every 30 s, and tidies. Until cancelled."""
        for second in count():
            if second % ADOPT_EVERY_S == 0:
                await self.adopt()
            self._end_broken_off()
            try:
                await self._compaction.run()
            except (OSError, EOFError) as error:
                log.error("spool_compaction_failed", error=str(error))
            await asyncio.sleep(1)

    async def adopt(self) -> int:
        """Take over what dead workers have left; how many directories there were."""
        found = await asyncio.to_thread(adopt_all, self._parent)
        self._adopted += found
        self._let_go()
        self._arrived.set()
        return len(found)

    def _written(
        self, entry: Entry, kind: FrameKind, number: int, offset: int, size_bytes: int
    ) -> None:
        if entry.id not in self._open:
            return  # forgotten before it was written
        self._journal.hold_one(number, size_bytes)
        entry.pieces += PIECE.pack(number, offset, size_bytes)
        if kind == FrameKind.END:
            del self._open[entry.id]
            self._backlog.add(entry.id, entry.pieces)
            self._arrived.set()

    def _forget(self, entry: Entry) -> None:
        del self._open[entry.id]
        self._journal.release(entry.pieces)

    async def _take(self, max_records: int, max_bytes: int) -> list[Spooled]:
        for adopted in self._adopted:
            if adopted.backlog.ready:
                found = await adopted.backlog.take(max_records, max_bytes)
                return [Spooled(id_, adopted.finish(id_, frames)) for id_, frames in found]
        found = await self._backlog.take(max_records, max_bytes)
        return [Spooled(id_, frames) for id_, frames in found]

    def _ready(self) -> int:
        return self._backlog.ready + sum(adopted.backlog.ready for adopted in self._adopted)

    def _sweep(self) -> None:
        """Write the checkpoints that are due: each entry has a time of its own."""
        now = self._loop.time()
        while self._watched and self._watched[0][0] <= now:
            _, entry = self._watched.popleft()
            entry.watched = False
            entry.checkpoint()
        self._sweep_timer = None
        if self._watched:
            self._sweep_timer = self._loop.call_later(_SWEEP_EVERY_S, self._sweep)

    def _end_broken_off(self) -> None:
        """Their clients were not given the answer whole."""
        entries, self._broken_off = self._broken_off, []
        end = End(status=Status.INTERRUPTED.value, finished_at_us=time_ns() // 1000)
        for entry in entries:
            self._commits.add(entry, FrameKind.END, encode(end))

    def _let_go(self) -> None:
        """Delete what nobody needs any more."""
        if not self._journal.live_bytes and self._journal.active_bytes > _SEAL_IDLE_BYTES:
            self._journal.seal()
        self._disk.delete(self._journal.pop_obsolete())
        for adopted in [*self._adopted]:
            self._disk.delete(adopted.segments.pop_obsolete())
            if not adopted.backlog:
                self._adopted.remove(adopted)
                self._disk.remove(adopted.segments.directory, adopted.lock)
        self._adopted_bytes = sum(adopted.segments.size_bytes for adopted in self._adopted)

    @property
    def _used_bytes(self) -> int:
        return self._journal.size_bytes + self._adopted_bytes + self._commits.turn_bytes


def _segment_bytes(max_bytes: int) -> int:
    """A full spool has some dozens of segments at least, so that deleting them gives room soon."""
    return min(_LARGEST_SEGMENT_BYTES, max(4096, max_bytes // 64))
