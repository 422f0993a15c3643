"""Housekeeping in the background: partitions ahead of time, and what is too old removed.

All consumers of a database run this; the one that holds the lease works, the others wait for it.
Whatever goes wrong is said and tried again: storing records never waits for it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from anyio import sleep
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.leases import Leases, new_owner, while_owner
from consumer.partitions import Partitions
from consumer.retention import Retention
from consumer.sweep import Sweep

LEASE = "retention"
ROUND_S = 600.0
EXPIRE_EVERY = timedelta(hours=6)
"""Often enough for days, seldom enough for long conversations, which are linked anew each time."""
_AGAIN_S = 30.0
_LEASE_S = 120.0

log = structlog.get_logger()


class Keeper:
    """Keeps one database in order, until it is cancelled."""

    def __init__(
        self,
        engine: AsyncEngine,
        retention_days: int | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._leases, self._clock = Leases(engine), clock
        self._partitions, self._sweep = Partitions(engine), Sweep(engine)
        self._retention = (
            Retention(engine, retention_days, spare_linker=True) if retention_days else None
        )

    async def run(self) -> None:
        """For ever."""
        await while_owner(self._leases, LEASE, new_owner(), self._keep, lasts_s=_LEASE_S)

    async def _keep(self) -> None:
        while True:
            try:
                await self.round()
            except (SQLAlchemyError, OSError) as error:
                log.warning("keeping_delayed", error=type(error).__name__)
                await sleep(_AGAIN_S)
            else:
                await sleep(ROUND_S)

    async def round(self) -> None:
        """What is to be done now. Raises what SQLAlchemy raises."""
        now = self._clock()
        for name in await self._partitions.make(now):
            log.info("partition_made", partition=name)
        async for _ in self._sweep.run():
            pass
        if self._retention is not None and await self._is_due(self._retention, now):
            log.info("retention_started")
            removed = await self._retention.expire(now, lambda what, rows: None)
            log.info("retention_finished", removed=removed)

    async def _is_due(self, retention: Retention, now: datetime) -> bool:
        swept_at = await retention.last_swept()
        return swept_at is None or swept_at <= now - EXPIRE_EVERY or swept_at > now
