"""Records that must not be stored: of people who were erased, or older than what is kept.

They are acknowledged and counted. This is asked in the transaction that stores, so that an erasure,
which waits for such transactions to end, leaves nothing behind.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    any_,
    bindparam,
    null,
    select,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from common.ids import NOBODY, first_id
from common.peek import beginning
from common.tables import retention, tombstones
from common.tables.base import UTCDateTime
from consumer.prepare import PreparedRecord
from consumer.rejected import Rejected

log = structlog.get_logger()


class _Bounds(NamedTuple):
    """What is not stored now."""

    erased: Collection[int]
    """Of the users that were asked about."""
    oldest: UUID
    """Ids below this one are not kept."""


class _Count:
    """What was left out."""

    def __init__(self) -> None:
        self.erased: Counter[int] = Counter()
        self.expired = 0


class Unwanted:
    """Tells which records are not to be stored."""

    def __init__(
        self,
        retention_days: int | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`retention_days`: RETENTION_DAYS; None: only what was expired already is too old."""
        self._days, self._clock = retention_days, clock

    async def left_out(
        self,
        connection: AsyncConnection,
        records: Sequence[PreparedRecord],
        rejected: Sequence[Rejected],
    ) -> tuple[Sequence[PreparedRecord], Sequence[Rejected]]:
        """Those that are to be stored, in the transaction that stores them."""
        users = {record.row.user_id for record in records}
        whose = [_user_of(bad.raw) for bad in rejected]
        bounds = await self._bounds(connection, users | {id for id in whose if id is not None})
        if not bounds.erased and bounds.oldest == NOBODY:
            return records, rejected
        count = _Count()
        wanted = [r for r in records if _wanted(bounds, count, r.row.user_id, r.row.id)]
        kept = [
            bad
            for bad, user_id in zip(rejected, whose, strict=True)
            if _wanted(bounds, count, user_id, UUID(bytes=bad.record_id))
        ]
        await _add_up(connection, count)
        return wanted, kept

    async def _bounds(self, connection: AsyncConnection, users: Collection[int]) -> _Bounds:
        erased, oldest = set(), self._oldest()
        question = _QUESTIONS[connection.dialect.name]
        asked = {"users": [id for id in users if 0 < id < 2**63]}  # others are no number here
        for user_id, kept_since in await connection.execute(question, asked):
            if kept_since is None:
                erased.add(user_id)
            else:
                oldest = max(oldest, first_id(kept_since))
        return _Bounds(erased, oldest)

    def _oldest(self) -> UUID:
        if self._days is None:
            return NOBODY
        return first_id(self._clock() - timedelta(days=self._days))


def _wanted(bounds: _Bounds, count: _Count, user_id: int | None, id: UUID) -> bool:
    if user_id in bounds.erased:
        count.erased[user_id or 0] += 1
        return False
    if NOBODY < id < bounds.oldest:
        count.expired += 1
        return False
    return True


def _question(among: ColumnElement[bool]) -> CompoundSelect[Any]:
    """Both tables in one: they are small, and this is asked with every batch."""
    nothing = type_coerce(null(), UTCDateTime()), type_coerce(null(), BigInteger())
    erased = select(tombstones.c.user_id, nothing[0]).where(among)
    return erased.union_all(select(nothing[1], retention.c.kept_since))


_USERS = bindparam("users", type_=ARRAY(BigInteger))
_QUESTIONS = {
    "postgresql": _question(tombstones.c.user_id == any_(_USERS)),
    "sqlite": _question(tombstones.c.user_id.in_(bindparam("users", expanding=True))),
}


async def _add_up(connection: AsyncConnection, count: _Count) -> None:
    for user_id, refused in sorted(count.erased.items()):
        own = update(tombstones).where(tombstones.c.user_id == user_id)
        await connection.execute(own.values(refused=tombstones.c.refused + refused))
    if count.expired:
        values = {"refused": retention.c.refused + count.expired}
        await connection.execute(update(retention).values(values))
    if count.expired or count.erased:
        log.info("records_refused", erased=count.erased.total(), expired=count.expired)


def _user_of(raw: bytes) -> int | None:
    user_id = beginning(raw).get("user_id")
    return user_id if isinstance(user_id, int) else None
