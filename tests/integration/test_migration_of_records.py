"""Records stay what they are when their table is cut into months, and when it is put together."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from anyio import to_thread
from sqlalchemy import insert, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.ids import first_id
from common.tables import records
from gateway.migration import downgrade, migrate
from tests.support.aged import record_row

BEFORE = "0003"
NOW = datetime.now(UTC)
TIMES = [
    NOW - timedelta(days=400),
    NOW,
    NOW + timedelta(days=40),
    datetime(9999, 12, 31, tzinfo=UTC),
]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    if request.param == "sqlite":
        return URL.create("sqlite+aiosqlite", database=str(tmp_path / "aged.sqlite"))
    return make_url(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def engine(url: URL) -> AsyncIterator[AsyncEngine]:
    await to_thread.run_sync(migrate, url, BEFORE)
    engine = make_engine(url)
    yield engine
    await engine.dispose()


def aged_rows() -> list[dict[str, Any]]:
    """Of last year, of now, of clocks that were ahead, and one with the lowest id there is."""
    rows = [record_row(number, at) for number, at in enumerate(TIMES, 1)]
    return [*rows, {**record_row(9, NOW), "id": UUID(int=1)}]


async def stored(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        found = await connection.execute(select(records).order_by(records.c.id))
        return [dict(row) for row in found.mappings()]


async def test_records_survive_forward_and_back(engine: AsyncEngine, url: URL) -> None:
    rows = sorted(aged_rows(), key=lambda row: row["id"])
    async with engine.begin() as connection:
        await connection.execute(insert(records), rows)
    before = await stored(engine)
    assert [row["id"] for row in before] == [row["id"] for row in rows]
    for move, revision in ((migrate, "head"), (downgrade, BEFORE), (migrate, "head")):
        await to_thread.run_sync(move, url, revision)
        await engine.dispose()
        assert await stored(engine) == before


async def test_an_id_is_stored_once_wherever_it_belongs(engine: AsyncEngine, url: URL) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(records), aged_rows()[:2])
    await to_thread.run_sync(migrate, url, "head")
    await engine.dispose()
    kind = sqlite if engine.dialect.name == "sqlite" else postgresql
    again = kind.insert(records).on_conflict_do_nothing(index_elements=["id"])
    async with engine.begin() as connection:
        for row in aged_rows() * 2:
            await connection.execute(again.values(row))
    assert len(await stored(engine)) == len(aged_rows())


async def test_on_postgres_records_are_partitioned_by_month(postgres_url: str) -> None:
    await to_thread.run_sync(migrate, make_url(postgres_url))
    engine = make_engine(make_url(postgres_url))
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda c: set(inspect(c).get_table_names()))
    await engine.dispose()
    assert {f"records_{NOW:%Y_%m}", "records_default"} <= tables
    assert len([name for name in tables if name.startswith("records_20")]) == 2


def test_the_first_id_of_a_moment_orders_by_time() -> None:
    assert first_id(NOW - timedelta(milliseconds=1)) < first_id(NOW) < record_row(1, NOW)["id"]
