"""The segments of one spool directory: files of frames, and how much in each is still needed.

Here: reading back, counting, and which files may go. Who appends is in `journal.py`, what the
frames of a dead worker mean in `recovery.py`.
"""

import errno
import os
import struct
from pathlib import Path

PIECE = struct.Struct("<III")
"""Where bytes of a record are: segment number, offset, size. A record has a string of these."""
SUFFIX = ".seg"


class Segment:
    """One file, and the number of pieces of unconfirmed records in it."""

    __slots__ = ("number", "path", "pieces", "size_bytes")

    def __init__(self, directory: Path, number: int, size_bytes: int = 0) -> None:
        self.number, self.size_bytes = number, size_bytes
        self.path = directory / f"{number:08}{SUFFIX}"
        self.pieces = 0


class Segments:
    """The segments of one directory, oldest first.

    They go from the oldest on only. So while a record's begin is on disk, all that followed is too,
    and no crash can make a confirmed record look interrupted.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.size_bytes = 0
        self.live_bytes = 0
        """Bytes of unconfirmed records."""
        self._segments: dict[int, Segment] = {}

    def add(self, segment: Segment) -> None:
        self._segments[segment.number] = segment
        self.size_bytes += segment.size_bytes

    def hold(self, pieces: bytes) -> None:
        """These are needed, once more than before."""
        for number, _, size in PIECE.iter_unpack(pieces):
            self._segments[number].pieces += 1
            self.live_bytes += size

    def hold_one(self, number: int, size_bytes: int) -> None:
        self._segments[number].pieces += 1
        self.live_bytes += size_bytes

    def release(self, pieces: bytes) -> None:
        for number, _, size in PIECE.iter_unpack(pieces):
            self._segments[number].pieces -= 1
            self.live_bytes -= size

    def pop_obsolete(self) -> list[Path]:
        """The oldest files in which nothing is needed any more; forgotten here, not yet deleted."""
        gone = []
        for segment in self._segments.values():
            if segment.pieces or self._is_active(segment):
                break
            gone.append(segment)
        for segment in gone:
            del self._segments[segment.number]
            self.size_bytes -= segment.size_bytes
        return [segment.path for segment in gone]

    def read(self, records: list[bytes]) -> list[bytes]:
        """The bytes of each record, given its pieces; in a thread only while the pieces are held.

        Raises OSError; EOFError if bytes are not there any more.
        """
        files: dict[int, int] = {}
        try:
            return [self._join(pieces, files) for pieces in records]
        finally:
            for fd in files.values():
                os.close(fd)

    def _join(self, pieces: bytes, files: dict[int, int]) -> bytes:
        parts = []
        for number, offset, size in PIECE.iter_unpack(pieces):
            if (fd := files.get(number)) is None:
                fd = files[number] = _open(self._segments[number].path)
            parts.append(read_exactly(fd, offset, size))
        return b"".join(parts)

    def read_active(self, pieces: bytes, max_bytes: int) -> bytes | None:
        """A record's bytes, if all are in the segment that is being written, and not too many."""
        return None

    def _is_active(self, segment: Segment) -> bool:
        return False


def read_exactly(fd: int, offset: int, size: int) -> bytes:
    """Raises OSError; EOFError if the bytes are not there, or cannot be read from this disk."""
    data = _pread(fd, offset, size)
    while len(data) < size:
        more = _pread(fd, offset + len(data), size - len(data))
        if not more:
            raise EOFError(f"{size} bytes at {offset} are not there")
        data += more
    return data


def _pread(fd: int, offset: int, size: int) -> bytes:
    try:
        return os.pread(fd, size, offset)
    except OSError as error:
        if error.errno == errno.EIO:
            raise EOFError(f"{size} bytes at {offset} cannot be read") from error
        raise


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise EOFError(f"{path.name} is gone") from error


def size_of(pieces: bytes) -> int:
    return sum(size for _, _, size in PIECE.iter_unpack(pieces))
