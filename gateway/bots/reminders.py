"""Reminders: three days before a key expires its owner is told in the chat, once.

One process at a time looks, under a lease; that a key was reminded of is a row beside the job.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Never

import anyio
import structlog

from common.leases import Leases, while_owner
from gateway.bots.store import BotStore
from gateway.errors import StoreUnavailable

BEFORE = timedelta(days=3)
EVERY_S = 60.0
EVENTS_KEPT = timedelta(days=30)
"""Providers deliver again within hours; what is not signed could be replayed for longer."""

log = structlog.get_logger()


class Reminders:
    """Looks for keys that are about to expire, and forgets events that cannot come again."""

    def __init__(
        self,
        store: BotStore,
        providers: Collection[str],
        wake: Callable[[], None],
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._providers, self._wake = store, providers, wake
        self._every_s, self._clock = every_s, clock

    async def run(self, leases: Leases, owner: str) -> None:
        """Until cancelled."""
        await while_owner(leases, "bot reminders", owner, self._for_ever)

    async def _for_ever(self) -> Never:
        while True:
            with suppress(StoreUnavailable):
                await self.look()
            await anyio.sleep(self._every_s)

    async def look(self) -> None:
        """Raises StoreUnavailable."""
        now = self._clock()
        for expiring in await self._store.expiring(self._providers, now, BEFORE):
            if (id := await self._store.remind(expiring, now)) is not None:
                log.info("bot_reminder", token_id=expiring.key.id, job_id=id)
                self._wake()
        await self._store.forget(now - EVENTS_KEPT)
