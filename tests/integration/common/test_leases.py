"""Leases on both databases: one owner, renewal, expiry, and work that runs under one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group, fail_after
from sqlalchemy import update
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common import tables
from common.database import make_engine
from common.leases import Leases, new_owner, while_owner

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url), pool_size=4, wait_s=30)
    yield engine
    await engine.dispose()


@pytest.fixture
def leases(engine: AsyncEngine) -> Leases:
    return Leases(engine)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


async def test_one_owner_at_a_time(leases: Leases) -> None:
    owners = [new_owner() for _ in range(8)]
    tries = await asyncio.gather(*(leases.acquire("sweep", one, NOON) for one in owners))
    assert tries.count(True) == 1
    assert await leases.acquire("another", owners[0], NOON)


async def test_its_owner_renews_it(leases: Leases) -> None:
    assert await leases.acquire("sweep", "a", NOON, 30)
    assert await leases.acquire("sweep", "a", after(20), 30)
    assert not await leases.acquire("sweep", "b", after(40), 30)


async def test_who_was_killed_is_followed(leases: Leases) -> None:
    assert await leases.acquire("sweep", "killed", NOON, 30)
    assert not await leases.acquire("sweep", "next", after(29), 30)
    assert await leases.acquire("sweep", "next", after(30), 30)
    assert not await leases.acquire("sweep", "killed", after(31), 30)


async def test_only_its_owner_gives_it_back(leases: Leases) -> None:
    assert await leases.acquire("sweep", "a", NOON)
    await leases.release("sweep", "b")
    assert not await leases.acquire("sweep", "b", NOON)
    await leases.release("sweep", "a")
    assert await leases.acquire("sweep", "b", NOON)


async def test_work_is_done_by_one_at_a_time_and_by_all_in_turn(leases: Leases) -> None:
    working, most, done = 0, 0, 0

    async def work() -> None:
        nonlocal working, most, done
        working += 1
        most = max(most, working)
        await asyncio.sleep(0.02)
        working -= 1
        done += 1

    with fail_after(30):
        async with create_task_group() as group:
            for _ in range(3):
                group.start_soon(_work, leases, work)
    assert (most, done) == (1, 3)


async def _work(leases: Leases, work: object) -> None:
    await while_owner(leases, "sweep", new_owner(), work, lasts_s=3)  # type: ignore[arg-type]


async def test_work_is_cancelled_when_its_lease_is_lost(
    engine: AsyncEngine, leases: Leases
) -> None:
    starts: list[datetime] = []

    async def work() -> None:
        starts.append(datetime.now(UTC))
        if len(starts) == 1:
            async with engine.begin() as connection:
                await connection.execute(update(tables.leases).values(owner="a thief"))
            await asyncio.sleep(3600)

    with fail_after(30):
        await while_owner(leases, "sweep", new_owner(), work, lasts_s=0.6)
    assert len(starts) == 2


async def test_what_the_work_raises_comes_alone_and_the_lease_is_free(leases: Leases) -> None:
    async def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await while_owner(leases, "sweep", new_owner(), work)
    assert await leases.acquire("sweep", "next", datetime.now(UTC))


async def test_a_stop_gives_it_back(leases: Leases) -> None:
    working = asyncio.Event()

    async def work() -> None:
        working.set()
        await asyncio.sleep(3600)

    task = asyncio.ensure_future(while_owner(leases, "sweep", new_owner(), work))
    with fail_after(30):
        await working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await leases.acquire("sweep", "next", datetime.now(UTC))
