"""The monthly partitions of `records` on Postgres: made ahead of time, dropped once wholly past.

Records whose id belongs to no month that there is (a clock that was wrong) go into the default
partition, and move when their month is made. Every change takes locks that calls may have to wait
for, and so gives up soon and is tried again later. On SQLite `records` is one table.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import DDL, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.ids import first_id

MONTHS_AHEAD = 2
"""Beside the present one: a database may be away for weeks, and nobody may be looking."""

_BOUNDS = re.compile(r"FROM \((MINVALUE|'[\da-f-]{36}')\) TO \('([\da-f-]{36})'\)")
_EVERY = text(
    "SELECT class.relname, pg_get_expr(class.relpartbound, class.oid) FROM pg_inherits"
    " JOIN pg_class AS class ON class.oid = inhrelid WHERE inhparent = 'records'::regclass"
)
_PATIENCE = text("SET LOCAL lock_timeout = '2s'")
_ALONE = text("LOCK TABLE ONLY records IN SHARE ROW EXCLUSIVE MODE")
"""Whoever stores waits at the table itself: had they chosen the default partition already, it would
refuse afterwards what they store."""


class Partition(NamedTuple):
    """A part of `records`, by the ids that it holds."""

    name: str
    begin: UUID
    end: UUID
    """Not in it any more."""


class Partitions:
    """The partitions in one database. Everything raises what SQLAlchemy raises."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._on_postgres = engine.dialect.name == "postgresql"

    async def every(self) -> list[Partition]:
        """In the order of time, without the default one."""
        if not self._on_postgres:
            return []
        async with self._engine.connect() as connection:
            return await _every(connection)

    async def make(self, now: datetime) -> list[str]:
        """Those of this month and the next ones that are missing; returns their names."""
        if not self._on_postgres:
            return []
        return [name for month in _months(now) if (name := await self._make(month))]

    async def drop_before(self, oldest: UUID) -> list[str]:
        """Those that hold nothing but older ids; returns their names."""
        past = [one.name for one in await self.every() if one.end <= oldest]
        for name in past:
            async with self._engine.begin() as connection:
                await connection.execute(_PATIENCE)
                await connection.execute(_ddl("DROP TABLE %(name)s", name=name))
        return past

    async def _make(self, month: datetime) -> str | None:
        """None: another partition has that month already."""
        begin, end = first_id(month), first_id(_after(month))
        name = f"records_{month:%Y_%m}"
        async with self._engine.begin() as connection:
            if _overlaps(await _every(connection), begin, end):
                return None
            await connection.execute(_PATIENCE)
            await connection.execute(_ALONE)
            if _overlaps(await _every(connection), begin, end):
                return None
            for statement in _MAKING:
                await connection.execute(_ddl(statement, name=name, begin=begin, end=end))
        return name


_MAKING = (
    "CREATE TABLE %(name)s (LIKE records INCLUDING ALL)",
    "LOCK TABLE records_default IN ACCESS EXCLUSIVE MODE",
    "WITH moved AS (DELETE FROM records_default WHERE id >= '%(begin)s' AND id < '%(end)s'"
    " RETURNING *) INSERT INTO %(name)s SELECT * FROM moved",
    "ALTER TABLE records ATTACH PARTITION %(name)s FOR VALUES FROM ('%(begin)s') TO ('%(end)s')",
)
"""Attaching, unlike making it as a partition, lets readers go on until the last steps."""


def _ddl(statement: str, **context: object) -> DDL:
    """Names and bounds cannot be parameters; these are dates and ids that were made here."""
    return DDL(statement, context=context)  # type: ignore[no-untyped-call]


async def _every(connection: AsyncConnection) -> list[Partition]:
    found = []
    for name, bounds in await connection.execute(_EVERY):
        if match := _BOUNDS.search(bounds):
            begin = UUID(int=0) if match[1] == "MINVALUE" else UUID(match[1].strip("'"))
            found.append(Partition(name, begin, UUID(match[2])))
    return sorted(found, key=lambda one: one.begin)


def _overlaps(partitions: Sequence[Partition], begin: UUID, end: UUID) -> bool:
    return any(one.begin < end and begin < one.end for one in partitions)


def _months(now: datetime) -> list[datetime]:
    months = [datetime(now.year, now.month, 1, tzinfo=UTC)]
    for _ in range(MONTHS_AHEAD):
        months.append(_after(months[-1]))
    return months


def _after(month: datetime) -> datetime:
    years, number = divmod(month.month, 12)
    return datetime(month.year + years, number + 1, 1, tzinfo=UTC)
