"""The segments that this worker writes: append whole or not at all, and roll to a new file.

When a write happens and when it is synced is decided in `commits.py`.
"""

import errno
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from common.frames import FrameKind, encode_frame
from gateway.recording.segments import PIECE, Segment, Segments

HEADER = struct.Struct("<I")
"""Payload of a segment's first frame: how many bytes of the segment before it are good."""
NOBODY = bytes(16)
_MODE = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC


@dataclass(slots=True)
class Chores:
    """What the disk thread is to do, in this order."""

    sync: list[tuple[int, int]] = field(default_factory=list)
    """Segment number and descriptor."""
    directory: Path | None = None
    """Has new files: to be synced as well."""
    close: list[int] = field(default_factory=list)


class Journal(Segments):
    """The segments of one living worker. Only the newest is appended to."""

    def __init__(self, directory: Path, roll_bytes: int) -> None:
        super().__init__(directory)
        self._roll_bytes = roll_bytes
        self._active: Segment | None = None
        self._fd = -1
        self._next_number = 0
        self._last_size = 0
        self._dirty = False
        self._sealed: list[tuple[int, int, bool]] = []
        self._created = False
        self.suspects: list[Segment] = []
        """Could not be synced: what lives there had better be moved while it can be read."""

    def append(self, data: bytes) -> tuple[int, int]:
        """Segment number and offset of `data`. Raises OSError, and nothing of it stays."""
        active = self._active
        if active is None or active.size_bytes + len(data) > self._roll_bytes:
            active = self._roll()
        offset = active.size_bytes
        self._write(active, data)
        self.size_bytes += len(data)
        self._dirty = True
        return active.number, offset

    def seal(self) -> None:
        """Append to another file from now on; this one is synced and closed by the next chores."""
        if self._active is not None:
            self._sealed.append((self._active.number, self._fd, self._dirty))
            self._last_size = self._active.size_bytes
            self._active, self._fd, self._dirty = None, -1, False

    def distrust(self, number: int) -> None:
        """A sync of this segment failed: never ask its descriptor again, as the kernel may have
        dropped the very pages that it will then call synced."""
        if self._active is not None and self._active.number == number:
            self.seal()
        self._sealed = [(n, fd, dirty and n != number) for n, fd, dirty in self._sealed]
        if number in self._segments:
            self.suspects.append(self._segments[number])

    def chores(self) -> Chores:
        """What has to be synced and closed since the last time."""
        chores = Chores()
        for number, fd, dirty in self._sealed:
            if dirty and number in self._segments:
                chores.sync.append((number, fd))
            chores.close.append(fd)
        self._sealed.clear()
        if self._dirty and self._active is not None:
            chores.sync.append((self._active.number, self._fd))
        self._dirty = False
        if self._created:
            chores.directory, self._created = self.directory, False
        return chores

    def read_active(self, pieces: bytes, max_bytes: int) -> bytes | None:
        if self._active is None:
            return None
        parts = []
        for number, offset, size in PIECE.iter_unpack(pieces):
            max_bytes -= size
            if number != self._active.number or max_bytes < 0:
                return None
            try:
                parts.append(os.pread(self._fd, size, offset))
            except OSError:
                return None  # whoever reads it the long way will say what is wrong
            if len(parts[-1]) != size:
                return None
        return b"".join(parts)

    @property
    def is_wasteful(self) -> bool:
        """Half of it is dead, and held by something old: worth moving what lives."""
        dead_bytes = self.size_bytes - self.live_bytes
        return len(self._segments) >= _FEWEST_TO_COMPACT and dead_bytes > self.size_bytes // 2

    @property
    def oldest(self) -> Segment:
        return next(iter(self._segments.values()))

    @property
    def active_bytes(self) -> int:
        return self._active.size_bytes if self._active else 0

    def _roll(self) -> Segment:
        if self._active is not None and self._active.size_bytes <= _HEADER_BYTES:
            return self._active  # what is to come is larger than a segment
        self.seal()
        segment = Segment(self.directory, self._next_number)
        self._fd = os.open(segment.path, _MODE, 0o600)
        try:
            self._write(segment, _header(self._last_size))
        except OSError:
            os.close(self._fd)
            segment.path.unlink()  # its number comes again: a gap would mean a lost file
            raise
        self._next_number += 1
        self._active, self._created = segment, True
        self.add(segment)
        return segment

    def _write(self, segment: Segment, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._undo(segment)
            raise
        segment.size_bytes += written

    def _undo(self, segment: Segment) -> None:
        try:
            os.ftruncate(self._fd, segment.size_bytes)
        except OSError:
            self.seal()  # rubbish may stay at its end; the next header says what is good

    def _is_active(self, segment: Segment) -> bool:
        return segment is self._active


def _header(good_bytes: int) -> bytes:
    return encode_frame(FrameKind.SEGMENT, NOBODY, HEADER.pack(good_bytes))


_FEWEST_TO_COMPACT = 4
_HEADER_BYTES = len(_header(0))
