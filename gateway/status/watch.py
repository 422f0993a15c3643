"""Looks every second at what readiness and gauges tell, and logs each change once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog

from gateway.metrics import Metrics
from gateway.status.readiness import Readiness

log = structlog.get_logger()

T = TypeVar("T")

_EVERY_S = 1
_OUTSIDE_EVERY = 5
"""The database and the broker are asked at every fifth look while all is well."""
_FILLING = 0.85
_GONE_AFTER = 10
"""Looks that find no consumer before it is said: one that starts with us, or is restarted, is not
there at once."""


class Backlog(Protocol):
    """What the spool says of itself."""

    @property
    def backlog_records(self) -> int: ...

    @property
    def backlog_bytes(self) -> int: ...

    @property
    def full(self) -> bool: ...


class Watch:
    """Keeps one worker's readiness and gauges up to date; `run` belongs to the app's task group.

    `database` says whether it answers, `consumers` how many read (None: not known); neither
    raises, and both are given at most five seconds.
    """

    def __init__(
        self,
        readiness: Readiness,
        metrics: Metrics,
        spool: Backlog,
        spool_max_bytes: int,
        database: Callable[[], Awaitable[bool]],
        consumers: Callable[[], Awaitable[int | None]],
    ) -> None:
        self._readiness, self._metrics = readiness, metrics
        self._spool, self._spool_max_bytes = spool, spool_max_bytes
        self._database, self._consumers = database, consumers
        self._looks_unread = 0
        """Looks in a row that found nobody reading; a broker that does not answer is no look."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look_outside()
            for _ in range(_OUTSIDE_EVERY if self._all_is_well() else 1):
                self.look_at_spool()
                await asyncio.sleep(_EVERY_S)

    def _all_is_well(self) -> bool:
        """Outside. What is not well is looked at more often: somebody waits for it."""
        return bool(self._readiness.database and self._readiness.consumers)

    def look_at_spool(self) -> None:
        now, spool = self._readiness, self._spool
        was = (now.spool_full, now.spool_filling)
        now.spool_records, now.spool_bytes = spool.backlog_records, spool.backlog_bytes
        now.spool_full = spool.full
        now.spool_filling = now.spool_bytes >= _FILLING * self._spool_max_bytes
        self._metrics.spool(now.spool_records, now.spool_bytes)
        if (now.spool_full, now.spool_filling) == was:
            return
        if now.spool_full:
            log.error("spool_full", records=now.spool_records, size_bytes=now.spool_bytes)
        elif now.spool_filling:
            log.warning("spool_filling", records=now.spool_records, size_bytes=now.spool_bytes)
        else:
            log.info("spool_eased", records=now.spool_records, size_bytes=now.spool_bytes)

    async def look_outside(self) -> None:
        """Ask the database and the broker, side by side."""
        reached, reading = await asyncio.gather(
            within(self._database(), False), within(self._consumers(), None)
        )
        self._note_database(reached)
        self._note_consumers(reading)

    def _note_database(self, reached: bool) -> None:
        now = self._readiness
        was, now.database = now.database, reached
        now.database_was_reached |= reached
        if was is not False and not reached:
            log.error("database_lost")
        elif was is False and reached:
            log.info("database_back")

    def _note_consumers(self, reading: int | None) -> None:
        self._readiness.consumers = reading
        self._metrics.consumers(reading)
        if reading is None:
            return
        was, self._looks_unread = self._looks_unread, 0 if reading else self._looks_unread + 1
        if self._looks_unread == _GONE_AFTER:
            log.warning("consumers_gone")
        elif reading and was >= _GONE_AFTER:
            log.info("consumers_back", consumers=reading)


async def within(answer: Awaitable[T], otherwise: T, seconds: float = 5) -> T:
    """The answer, or `otherwise` if it is not there in time."""
    try:
        return await asyncio.wait_for(answer, seconds)
    except TimeoutError:
        return otherwise
