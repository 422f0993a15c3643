"""The numbers of one worker, and those of its siblings: a row of floats each, in shared files.

Counting is adding to an array in memory. Where several workers serve, that memory is a file, so
that whichever of them is asked can add all up, and a worker that dies takes no count with it: the
next one goes on in its file. What the numbers mean is said in `gateway.metrics`.
"""

import fcntl
import os
from array import array
from collections.abc import Iterator
from itertools import count
from mmap import mmap
from pathlib import Path

from gateway.places import PREFIX


class Numbers:
    """Counters, then gauges; `values` is the row to write to.

    A gauge is worth what its living worker says; counters outlive their worker. Raises OSError
    where the file cannot be had.
    """

    def __init__(self, counters: int, gauges: int, directory: Path | None = None) -> None:
        self._counters, self._directory = counters, directory
        self._size_bytes = 8 * (counters + gauges)
        self._own: Path | None = None
        file = -1
        if directory is not None:
            self._own, file = _take(directory, self._size_bytes)
        self.values = memoryview(mmap(file, self._size_bytes)).cast("d")
        for index in range(counters, counters + gauges):
            self.values[index] = 0

    def read(self) -> tuple[list[float], list[list[float]]]:
        """The counters of all workers, added up; the gauges of each living one, ours first."""
        mine: list[float] = [*self.values]
        counters, gauges = mine[: self._counters], [mine[self._counters :]]
        for row, alive in self._siblings():
            counters = [a + b for a, b in zip(counters, row, strict=False)]
            if alive:
                gauges.append(row[self._counters :])
        return counters, gauges

    def _siblings(self) -> Iterator[tuple[list[float], bool]]:
        for path in sorted(self._directory.glob("worker-*")) if self._directory else ():
            if path == self._own:
                continue
            with path.open("rb") as file:
                row = array("d")
                row.frombytes(file.read(self._size_bytes)[: self._size_bytes // 8 * 8])
                if len(row) * 8 == self._size_bytes:
                    yield row.tolist(), not _lock(file.fileno(), fcntl.LOCK_SH)


def forget(directory: Path) -> None:
    """Remove the files of workers that are no more: an earlier start's counts are over.

    With the last of them go the names that they shared.
    """
    for path in directory.glob("worker-*"):
        with path.open("rb") as file:
            if _lock(file.fileno(), fcntl.LOCK_EX):
                path.unlink()
    if not any(directory.glob("worker-*")):
        for path in directory.glob(f"{PREFIX}*"):
            path.unlink()


def _take(directory: Path, size_bytes: int) -> tuple[Path, int]:
    """The first file that no living worker holds; the lock lasts as long as its process."""
    directory.mkdir(parents=True, exist_ok=True)
    for number in count():
        path = directory / f"worker-{number}"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _lock(file, fcntl.LOCK_EX):
            if os.fstat(file).st_size != size_bytes:
                # Written, not merely extended: a hole on a full disk kills whoever writes into it.
                os.pwrite(file, bytes(size_bytes), 0)
                os.truncate(file, size_bytes)
            return path, file
        os.close(file)
    raise AssertionError


def _lock(file: int, mode: int) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
