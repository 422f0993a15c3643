"""One worker's side of administration: follows admins' decisions, and reports how its keys do.

Once a second, beside the calls; while the database is away, the last decisions hold.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex
from time import monotonic, time
from typing import Never, Protocol

from anyio import move_on_after

from gateway.admin.standing import Decision, Standing, standing
from gateway.errors import StoreUnavailable
from gateway.upstream.health import State
from gateway.upstream.pool import Pool

EVERY_S = 0.8
AGAIN_S = 5.0
"""While no state changes, counts are told so often, also to show that somebody is there."""
ANSWER_S = 5.0


class DeskStore(Protocol):
    """Each raises StoreUnavailable."""

    async def decisions(self) -> Mapping[str, Decision]: ...

    async def report(self, worker: str, standings: list[Standing], now: datetime) -> None: ...

    async def leave(self, worker: str) -> None: ...


class Desk:
    """`run` belongs to the app's task group."""

    def __init__(self, pool: Pool, store: DeskStore) -> None:
        self._pool, self._store = pool, store
        self.worker = token_hex(8)
        self._newest: int | None = None
        """Of the decisions that were followed; None: there was no look yet."""
        self._said: list[tuple[str, State, str]] = []
        self._said_at = -AGAIN_S

    async def run(self) -> Never:
        """Until cancelled."""
        try:
            while True:
                with suppress(StoreUnavailable, TimeoutError):
                    async with asyncio.timeout(ANSWER_S):
                        await self.look()
                await asyncio.sleep(EVERY_S)
        finally:
            with move_on_after(1, shield=True), suppress(StoreUnavailable):
                await self._store.leave(self.worker)

    async def look(self) -> None:
        """Raises StoreUnavailable."""
        self.follow(await self._store.decisions())
        found, now = self.standings(), monotonic()
        states = [(one.id, one.state, one.why) for one in found]
        if states != self._said or now - self._said_at >= AGAIN_S:
            await self._store.report(self.worker, found, datetime.now(UTC))
            self._said, self._said_at = states, now

    def follow(self, decisions: Mapping[str, Decision]) -> None:
        """What was decided out is out. Who is decided in gets a chance at once, whatever its
        health says; decisions from before this worker began are no news."""
        now, ahead_s = monotonic(), time() - monotonic()
        for credential in self._pool.credentials:
            health, decision = self._pool.health[credential.id], decisions.get(credential.id)
            out = decision is not None and decision.state == "out"
            at = decision.at.timestamp() - ahead_s if decision is not None else now
            health.withdraw(min(now, at) if out else None)
            news = self._newest is not None and decision is not None and decision.id > self._newest
            if news and not out:
                health.recovered(now)
        self._newest = max((d.id for d in decisions.values()), default=0)

    def standings(self) -> list[Standing]:
        now, in_flight = monotonic(), self._pool.calls_in_flight
        ahead_s = time() - now
        health = self._pool.health
        return [
            standing(c, health[c.id], in_flight.get(c.id, 0), now, ahead_s)
            for c in self._pool.credentials
        ]
