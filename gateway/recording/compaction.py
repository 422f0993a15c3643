"""Moving what lives out of the way: segments are deleted from the oldest on, so one long stream, or
one record that no broker takes, would otherwise keep everything that was written after it.

A record is moved by writing all its frames anew, inside one frame that stands in place of the
earlier ones: whole or not at all, whenever a crash comes. No more bytes are moved than are freed.
"""

import asyncio

from common.frames import OVERHEAD_BYTES, FrameKind, encode_frame, read_frames
from gateway.recording.backlog import Backlog
from gateway.recording.disk import Disk
from gateway.recording.entry import Entry
from gateway.recording.journal import Journal
from gateway.recording.segments import PIECE, Segment

MANY_PIECES = 1000
"""A long stream's checkpoints are moved together from time to time, or its index would grow."""


class Compaction:
    """Moves the records of one journal."""

    def __init__(
        self, journal: Journal, disk: Disk, open_: dict[bytes, Entry], backlog: Backlog
    ) -> None:
        self._journal, self._disk = journal, disk
        self._open, self._backlog = open_, backlog

    async def run(self) -> None:
        """While it is worth it. Raises OSError; EOFError if a file ends too early."""
        while self._journal.suspects:
            await self._vacate(self._journal.suspects.pop())
        while self._journal.is_wasteful:
            await self._vacate(self._journal.oldest)
            if not (paths := self._journal.pop_obsolete()):
                break  # something grew while it was moved: next time
            self._disk.delete(paths)
        for entry in list(self._open.values()):
            if len(entry.pieces) > MANY_PIECES * PIECE.size:
                await self._move(entry.id)

    async def _vacate(self, segment: Segment) -> None:
        for record_id in await asyncio.to_thread(_records_in, segment):
            await self._move(record_id)

    async def _move(self, record_id: bytes) -> None:
        pieces = self._pieces(record_id)
        if not pieces:
            return
        self._journal.hold(pieces)  # while a thread reads
        try:
            [frames] = await asyncio.to_thread(self._journal.read, [pieces])
            if self._pieces(record_id) == pieces:
                self._replace(record_id, pieces, frames)
        finally:
            self._journal.release(pieces)

    def _pieces(self, record_id: bytes) -> bytes | None:
        if (entry := self._open.get(record_id)) is not None:
            return entry.pieces
        return self._backlog.pieces(record_id)

    def _replace(self, record_id: bytes, pieces: bytes, frames: bytes) -> None:
        number, offset = self._journal.append(encode_frame(FrameKind.MOVED, record_id, frames))
        self._disk.sync_soon()
        moved = PIECE.pack(number, offset + OVERHEAD_BYTES, len(frames))
        self._journal.hold(moved)
        self._journal.release(pieces)
        if (entry := self._open.get(record_id)) is not None:
            entry.pieces = moved
        else:
            self._backlog.moved(record_id, moved)


def _records_in(segment: Segment) -> list[bytes]:
    """Ids of all records that have a frame there."""
    return list(dict.fromkeys(frame.record_id for frame in read_frames(segment.path.read_bytes())))
