"""How often something may be tried: counted in the database, by all workers together.

Who is refused here is refused by this worker's memory until the window ends, so that a flood does
not write to the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import randbelow

from sqlalchemy import Row, case, delete, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import rate_windows
from gateway.connections import inserting, writing
from gateway.errors import TooManyTries

MOST_REFUSED = 10_000
SWEPT_EVERY = 50


@dataclass(frozen=True, slots=True)
class Rate:
    """What may be tried how often."""

    what: str
    who: str
    """An address, or the one that something is tried on."""
    most: int
    window: timedelta

    @property
    def key(self) -> bytes:
        return sha256(f"{self.what}\0{self.who}".encode()).digest()


class RateStore:
    """Everything raises StoreUnavailable (503)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._refused: dict[bytes, datetime] = {}

    async def take(self, rates: Sequence[Rate], now: datetime) -> None:
        """One more try of each. Raises TooManyTries (429)."""
        for rate in rates:
            self._recall(rate, now)
        async with writing(self._engine) as connection:
            if randbelow(SWEPT_EVERY) == 0:
                await connection.execute(delete(rate_windows).where(rate_windows.c.ends_at < now))
            counted = [
                (rate, await _counted(connection, rate, now))
                for rate in sorted(rates, key=lambda rate: rate.key)  # one order: no deadlock
            ]
        for rate, row in counted:
            if row.uses > rate.most:
                self._remember(rate.key, row.ends_at)
                raise _too_many(row.ends_at, now)

    async def give_back(self, rates: Sequence[Rate]) -> None:
        """The try was a good one, and does not count."""
        async with writing(self._engine) as connection:
            for rate in sorted(rates, key=lambda rate: rate.key):
                one = update(rate_windows).where(rate_windows.c.key == rate.key)
                await connection.execute(one.values(uses=rate_windows.c.uses - 1))

    def _recall(self, rate: Rate, now: datetime) -> None:
        """Raises TooManyTries (429)."""
        ends_at = self._refused.get(rate.key)
        if ends_at is None:
            return
        if ends_at > now:
            raise _too_many(ends_at, now)
        del self._refused[rate.key]

    def _remember(self, key: bytes, ends_at: datetime) -> None:
        self._refused[key] = ends_at
        if len(self._refused) > MOST_REFUSED:
            del self._refused[next(iter(self._refused))]


async def _counted(connection: AsyncConnection, rate: Rate, now: datetime) -> Row[int, datetime]:
    """Its uses and the end of its window, with this try."""
    over, ends_at = rate_windows.c.ends_at <= now, now + rate.window
    made = inserting(connection)(rate_windows).values(key=rate.key, ends_at=ends_at, uses=1)
    counting = made.on_conflict_do_update(
        index_elements=[rate_windows.c.key],
        set_={
            "uses": case((over, 1), else_=rate_windows.c.uses + 1),
            "ends_at": case((over, ends_at), else_=rate_windows.c.ends_at),
        },
    )
    found = await connection.execute(
        counting.returning(rate_windows.c.uses, rate_windows.c.ends_at)
    )
    return found.one()


def _too_many(ends_at: datetime, now: datetime) -> TooManyTries:
    return TooManyTries(retry_after_s=(ends_at - now).total_seconds())
