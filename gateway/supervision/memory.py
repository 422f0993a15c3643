"""Memory that a rush needed and nothing needs any more goes back to the system.

The C library keeps what is freed between things that are not: after a minute of 256 calls at a time
that is 10 MB for good, although nothing has grown.
"""

import asyncio
import ctypes
from collections.abc import Callable
from typing import Any

Trim = Callable[[int], Any]
"""Returns to the system what is free, but for so many bytes; glibc's `malloc_trim`."""

RUSH_CALLS = 500
"""So many since the last time, and it pays to look."""
LULL_CALLS = 20
"""With no more than so many in a second, and under way, nobody has to wait for it: it takes some
milliseconds, in a thread."""


class Returned:
    """When to return memory, and returning it."""

    def __init__(self, trim: Trim | None) -> None:
        """`trim`: None where the C library has nothing of the kind; then nothing happens."""
        self._trim = trim
        self._returned_at = self._answered = 0

    async def look(self, answered: int, under_way: int) -> None:
        """Once a second, with the number of calls so far, and now."""
        lull = answered - self._answered <= LULL_CALLS and under_way <= LULL_CALLS
        self._answered = answered
        if self._trim is not None and lull and answered - self._returned_at >= RUSH_CALLS:
            self._returned_at = answered
            await asyncio.to_thread(self._trim, 0)


def trim() -> Trim | None:
    """The C library's."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
