"""What a worker has on its hands, and how much it may: calls in flight, bytes of bodies held.

Beyond the bounds a call is refused before its body is read, or as soon as its size is known; calls
that were admitted are never given up for it. Who calls, and what for, is no concern of this file.
"""

from random import uniform
from types import TracebackType

import structlog

from gateway.errors import Overloaded

log = structlog.get_logger()

EASED = 0.9
"""Below this share of both bounds it is over."""
_RETRY_S = (0.5, 2.0)
"""Spread, so that those who were refused together do not come back together."""


class Load:
    """One worker's calls and bytes."""

    __slots__ = ("_max_held_bytes", "_max_in_flight", "_refusing", "held_bytes", "in_flight")

    def __init__(self, max_in_flight: int, max_held_bytes: int) -> None:
        self._max_in_flight, self._max_held_bytes = max_in_flight, max_held_bytes
        self._refusing = False
        self.in_flight = self.held_bytes = 0

    def admit(self) -> "Share":
        """One more call, until the `with` block of its share ends. Raises Overloaded (503)."""
        if self.in_flight >= self._max_in_flight:
            self._refuse("The gateway has as many calls in flight as it may have.")
        return Share(self)

    def would_hold(self, size_bytes: int) -> None:
        """Raises Overloaded (503) if there is no room for so much."""
        if self.held_bytes + size_bytes > self._max_held_bytes:
            self._refuse("The gateway holds as many bytes of requests and answers as it may.")

    def note_leaving(self) -> None:
        if (
            self._refusing
            and self.in_flight < EASED * self._max_in_flight
            and self.held_bytes < EASED * self._max_held_bytes
        ):
            self._refusing = False
            log.info("overload_over", in_flight=self.in_flight, held_bytes=self.held_bytes)

    def _refuse(self, why: str) -> None:
        if not self._refusing:
            self._refusing = True
            log.warning("overload_begun", in_flight=self.in_flight, held_bytes=self.held_bytes)
        raise Overloaded(why, retry_after_s=uniform(*_RETRY_S))  # noqa: S311 - spread, no secret


class Share:
    """What one call has of the load; given back whole, however its `with` block ends."""

    __slots__ = ("_held_bytes", "_load")

    def __init__(self, load: Load) -> None:
        self._load, self._held_bytes = load, 0

    def __enter__(self) -> "Share":
        self._load.in_flight += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        load = self._load
        load.in_flight -= 1
        load.held_bytes -= self._held_bytes
        self._held_bytes = 0
        load.note_leaving()

    def foresee(self, size_bytes: int) -> None:
        """So much was announced. Raises Overloaded (503) if there is no room for it."""
        self._load.would_hold(size_bytes)

    def hold(self, size_bytes: int) -> None:
        """So much more has come. Raises Overloaded (503)."""
        self._load.would_hold(size_bytes)
        self.note(size_bytes)

    def note(self, size_bytes: int) -> None:
        """So much more is held, of a call that goes on whatever it takes."""
        self._held_bytes += size_bytes
        self._load.held_bytes += size_bytes
