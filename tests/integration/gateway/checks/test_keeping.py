"""What `gateway doctor` says of retention and of erasures."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import retention
from gateway.auth.store import AuthStore
from gateway.checks.keeping import check_keeping
from gateway.erasure.store import ErasureStore

NOW = datetime.now(UTC)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


async def keep(engine: AsyncEngine, swept_at: datetime | None) -> None:
    row = {"id": 1, "kept_since": NOW - timedelta(days=30), "swept_at": swept_at, "refused": 2}
    async with engine.begin() as connection:
        await connection.execute(insert(retention).values(row))


async def test_nothing_is_said_where_everything_is_kept(engine: AsyncEngine) -> None:
    assert await check_keeping(engine) == []


@pytest.mark.parametrize(("hours", "state"), [(7, "ok"), (72, "warn"), (None, "warn")])
async def test_retention_that_does_not_happen_is_told(
    engine: AsyncEngine, hours: int | None, state: str
) -> None:
    await keep(engine, None if hours is None else NOW - timedelta(hours=hours))
    [check] = await check_keeping(engine)
    assert (check.name, check.ok, "2 came later" in check.detail) == ("retention", state, True)


async def test_an_erasure_that_was_cut_off_is_told(engine: AsyncEngine) -> None:
    await AuthStore(engine).add_user("alice", "member", NOW)
    store = ErasureStore(engine)
    who = await store.find("alice")
    await store.bury(who, NOW)
    [check] = await check_keeping(engine)
    assert check.ok == "warn" and "gateway user erase alice" in check.remedy
    await store.finish(who, NOW)
    assert await check_keeping(engine) == []


async def test_looking_makes_no_file(tmp_path: Path) -> None:
    absent = tmp_path / "none.sqlite"
    engine = make_engine(URL.create("sqlite+aiosqlite", database=str(absent)))
    assert await check_keeping(engine) == []
    await engine.dispose()
    assert not absent.exists()
