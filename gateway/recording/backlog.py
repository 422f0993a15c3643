"""Ended records of one directory that are not confirmed yet, in the order in which they ended."""

import asyncio
from collections import deque
from uuid import UUID

import structlog

from gateway.recording.segments import Segments, size_of

log = structlog.get_logger()


class Backlog:
    """Who is to be published, and where each record's bytes are.

    An index that stays small when a broker is away for hours: an id and a string of 12 bytes for
    each of a record's pieces.
    """

    def __init__(self, segments: Segments) -> None:
        self.segments = segments
        self._records: dict[bytes, bytes] = {}
        self._ready: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def ready(self) -> int:
        """How many are not taken."""
        return len(self._ready)

    def add(self, record_id: bytes, pieces: bytes) -> None:
        """The pieces are held already."""
        self._records[record_id] = pieces
        self._ready.append(record_id)

    def pieces(self, record_id: bytes) -> bytes | None:
        return self._records.get(record_id)

    def moved(self, record_id: bytes, pieces: bytes) -> None:
        self._records[record_id] = pieces

    async def take(self, max_records: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """(id, frames) of the next ones; they are nobody else's until confirmed or put back.

        At least one if there is one, whatever its size. Cancelling loses none. Raises OSError.
        """
        if taken := self._take_active(max_records, max_bytes):
            return taken
        chosen = self._choose(max_records, max_bytes)
        try:
            frames = await self._read(chosen)
        except BaseException:
            for record_id, _ in chosen:
                self.put_back(record_id)
            raise
        return [(id_, read) for (id_, _), read in zip(chosen, frames, strict=True) if read]

    def _take_active(self, max_records: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """The next ones as far as they were written just now: without a thread, as the bytes are
        still in memory."""
        taken: list[tuple[bytes, bytes]] = []
        while self._ready and len(taken) < max_records:
            record_id = self._ready[0]
            pieces = self._records.get(record_id)
            if pieces is not None:
                frames = self.segments.read_active(pieces, max_bytes)
                if frames is None:
                    break
                max_bytes -= len(frames)
                taken.append((record_id, frames))
            self._ready.popleft()
        return taken

    def _choose(self, max_records: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        chosen: list[tuple[bytes, bytes]] = []
        while self._ready and len(chosen) < max_records:
            record_id = self._ready[0]
            pieces = self._records.get(record_id)
            if pieces is not None:
                max_bytes -= size_of(pieces)
                if chosen and max_bytes < 0:
                    break
                chosen.append((record_id, pieces))
            self._ready.popleft()
        return chosen

    async def _read(self, chosen: list[tuple[bytes, bytes]]) -> list[bytes]:
        """From the disk, and so in a thread; empty for what is not there any more."""
        for _, pieces in chosen:
            self.segments.hold(pieces)
        try:
            return await asyncio.to_thread(self.segments.read, [pieces for _, pieces in chosen])
        except EOFError:
            return [await self._read_or_drop(*one) for one in chosen]
        finally:
            for _, pieces in chosen:
                self.segments.release(pieces)

    async def _read_or_drop(self, record_id: bytes, pieces: bytes) -> bytes:
        try:
            [frames] = await asyncio.to_thread(self.segments.read, [pieces])
        except EOFError as error:
            log.error("record_unreadable", record_id=str(UUID(bytes=record_id)), error=str(error))
            self.confirm(record_id)
            return b""
        return frames

    def confirm(self, record_id: bytes) -> bool:
        """Whether it was one of these."""
        pieces = self._records.pop(record_id, None)
        if pieces is None:
            return False
        self.segments.release(pieces)
        return True

    def put_back(self, record_id: bytes) -> bool:
        """Whether it was one of these. Others go first: one that is never taken holds up none."""
        if record_id not in self._records:
            return False
        self._ready.append(record_id)
        return True
