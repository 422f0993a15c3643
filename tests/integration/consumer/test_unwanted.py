"""What must not be stored is acknowledged and counted: of erased people, or too old."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Table, func, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import record_quarantine, records, retention, tombstones, usage_daily
from consumer.prepare import PreparedRecord, Preparer
from consumer.rejected import Rejected
from consumer.store import Store
from consumer.tokens.encodings import Encodings
from consumer.unwanted import Unwanted
from consumer.usage import Meter
from tests.support.aged import id_at
from tests.support.record_samples import record

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ERASED = 7


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


async def bury(engine: AsyncEngine, user_id: int) -> None:
    async with engine.begin() as connection:
        row = {"user_id": user_id, "erased_at": NOW, "refused": 0}
        await connection.execute(insert(tombstones).values(row))


async def keep_since(engine: AsyncEngine, moment: datetime) -> None:
    async with engine.begin() as connection:
        row = {"id": 1, "kept_since": moment, "refused": 0}
        await connection.execute(insert(retention).values(row))


async def count(engine: AsyncEngine, table: Table) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


def of_age(preparer: Preparer, days: float) -> PreparedRecord:
    at = NOW - timedelta(days=days)
    return preparer.prepare(record(id_at(at, int(days * 10)).bytes))


async def test_nothing_of_an_erased_person_is_stored(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    await bury(engine, ERASED)
    store = Store(engine)
    theirs = [preparer.prepare(record(user_id=ERASED)) for _ in range(2)]
    bad = [Rejected(bytes(16), "bad", record(user_id=ERASED)[:-9]), Rejected(bytes(16), "", b"?")]
    await store.save([*theirs, preparer.prepare(record(user_id=8))], bad)
    assert (await count(engine, records), await count(engine, record_quarantine)) == (1, 1)
    assert await count(engine, usage_daily) == 1
    async with engine.connect() as connection:
        assert await connection.scalar(select(tombstones.c.refused)) == 3


async def test_what_is_older_than_the_retention_is_not_stored(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    store = Store(engine, unwanted=Unwanted(30, lambda: NOW))
    await store.save([of_age(preparer, 30.1), of_age(preparer, 29.9)])
    assert (await count(engine, records), await count(engine, usage_daily)) == (1, 1)


async def test_what_was_expired_once_does_not_come_back(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    """Whatever RETENTION_DAYS says now, and whichever consumer gets the redelivery."""
    await keep_since(engine, NOW - timedelta(days=10))
    await Store(engine).save([of_age(preparer, 10.1), of_age(preparer, 9.9)])
    assert await count(engine, records) == 1
    async with engine.connect() as connection:
        assert await connection.scalar(select(retention.c.refused)) == 1


async def test_without_tombstones_or_retention_everything_is_stored(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    old = [of_age(preparer, 4000), preparer.prepare(record(UUID(int=1).bytes))]
    await Store(engine).save(old)
    assert await count(engine, records) == 2


async def test_a_user_that_no_database_can_hold_is_no_trouble(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    await bury(engine, ERASED)
    batch = [preparer.prepare(record(user_id=2**64 - 1)), preparer.prepare(record())]
    assert len(await Store(engine).save(batch)) == 1
    assert await count(engine, records) == 1
