"""Monthly partitions on Postgres: made ahead, moved into, dropped; nothing stored is lost by it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group
from sqlalchemy import func, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.ids import first_id
from common.tables import records
from consumer.partitions import Partitions
from consumer.retention import Retention
from tests.support.aged import record_row

THEN = datetime(2031, 11, 21, 12, tzinfo=UTC)
"""Years after any partition that a migration has made."""


@pytest.fixture
async def engine(postgres_database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(postgres_database))
    yield engine
    await engine.dispose()


async def store(engine: AsyncEngine, *moments: datetime) -> None:
    rows = [record_row(serial, at) for serial, at in enumerate(moments)]
    async with engine.begin() as connection:
        await connection.execute(insert(records), rows)


async def where(engine: AsyncEngine) -> list[str]:
    """The partition of each record, oldest first."""
    query = text("SELECT tableoid::regclass::text FROM records ORDER BY id")
    async with engine.connect() as connection:
        return list(await connection.scalars(query))


async def test_this_month_and_the_next_ones_are_made_once(engine: AsyncEngine) -> None:
    made = await Partitions(engine).make(THEN)
    assert made == ["records_2031_11", "records_2031_12", "records_2032_01"]
    assert await Partitions(engine).make(THEN) == []
    await store(engine, THEN, datetime(2031, 12, 1, tzinfo=UTC), datetime(2032, 5, 1, tzinfo=UTC))
    assert await where(engine) == ["records_2031_11", "records_2031_12", "records_default"]


async def test_what_came_before_its_month_moves_into_it(engine: AsyncEngine) -> None:
    await store(engine, THEN, THEN + timedelta(days=400))
    assert await where(engine) == ["records_default"] * 2
    await Partitions(engine).make(THEN)
    assert await where(engine) == ["records_2031_11", "records_default"]


async def test_only_what_is_wholly_past_is_dropped(engine: AsyncEngine) -> None:
    await Partitions(engine).make(THEN)
    await store(engine, THEN, THEN + timedelta(days=11), THEN + timedelta(days=20))
    oldest = first_id(datetime(2031, 12, 5, tzinfo=UTC))
    dropped = await Partitions(engine).drop_before(oldest)
    assert "records_2031_11" in dropped and "records_2031_12" not in dropped
    assert await where(engine) == ["records_2031_12"] * 2


async def test_retention_drops_months_and_deletes_what_is_left_of_one(engine: AsyncEngine) -> None:
    await Partitions(engine).make(THEN)
    await store(engine, THEN, THEN + timedelta(days=12), THEN + timedelta(days=20))
    now = THEN + timedelta(days=18 + 30)
    removed = await Retention(engine, 30).expire(now, lambda what, rows: None)
    assert removed["partitions"] >= 1 and removed["records"] == 1
    assert await where(engine) == ["records_2031_12"]


async def test_partitions_are_made_while_records_come(engine: AsyncEngine) -> None:
    async def storing() -> None:
        for minute in range(60):
            await store(engine, THEN + timedelta(minutes=minute))

    async with create_task_group() as group:
        group.start_soon(storing)
        await Partitions(engine).make(THEN)
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(records)) == 60
    assert await where(engine) == ["records_2031_11"] * 60


async def test_who_is_in_the_way_is_waited_for_only_shortly(engine: AsyncEngine) -> None:
    async with engine.connect() as reader:
        await reader.execute(select(records.c.id))
        with pytest.raises(DBAPIError, match="lock timeout"):
            await Partitions(engine).make(THEN)
    assert await Partitions(engine).make(THEN) != []
