"""Spool directories of living workers are locked; whoever gets the lock of one may adopt it.

The kernel releases a lock when its process dies, however it dies.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

LOCK = "lock"


def make_locked(parent: Path) -> tuple[Path, int]:
    """A new directory and its lock's descriptor. Raises OSError.

    It gets its name only once it is locked, so nobody can adopt it in between.
    """
    name = str(uuid4())
    unborn = parent / f".{name}"
    unborn.mkdir(mode=0o700)
    fd = os.open(unborn / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unborn.rename(parent / name)
    return parent / name, fd


def try_lock(directory: Path) -> int | None:
    """The lock's descriptor; None if its worker lives, or another adopter was quicker."""
    try:
        fd = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        with suppress(OSError):
            directory.rmdir()  # somebody was killed between deleting the lock and this
        return None
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), (directory / LOCK).stat()):
            return fd
    os.close(fd)
    return None


def living_or_dead(parent: Path) -> list[Path]:
    """The directories of all workers that ever were and still have something there."""
    return sorted(d for d in parent.iterdir() if not d.name.startswith(".") and d.is_dir())
