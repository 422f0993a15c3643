"""Retention on both databases: what is too old goes, and what stays is as if it had been alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, func, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.ids import NOBODY
from common.tables import (
    conversations,
    exchanges,
    link_queue,
    messages,
    nodes,
    record_parts,
    record_quarantine,
    records,
    retention,
    sweep_queue,
    usage_daily,
)
from consumer.keeping import Keeper
from consumer.linker import Linker
from consumer.retention import Retention
from tests.support.aged import id_at, record_row
from tests.support.talking import EPOCH, Talk, arrive, assistant, everything_linked, user
from tests.support.worlds import World, worlds

DAYS = 30
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


async def count(engine: AsyncEngine, table: Table) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def expire(engine: AsyncEngine, now: datetime) -> dict[str, int]:
    return await Retention(engine, DAYS).expire(now, lambda what, rows: None)


async def link_all(engine: AsyncEngine) -> None:
    while await Linker(engine).link_pending():
        pass


async def emptied(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for table in (records, exchanges, conversations, nodes, messages, link_queue, retention):
            await connection.execute(table.delete())


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(worlds(), st.integers(0, 10))
async def test_what_stays_is_linked_as_if_nothing_else_had_been(
    engine: AsyncEngine, world: World, second: int
) -> None:
    await emptied(engine)
    for batch in world.batches:
        await arrive(engine, batch)
    await link_all(engine)
    now = EPOCH + timedelta(seconds=second, days=DAYS)
    await expire(engine, now)
    await link_all(engine)
    await expire(engine, now)
    assert await count(engine, sweep_queue) == 0
    kept = await everything_linked(engine)
    assert await Linker(engine).relink() == await count(engine, records)
    assert await everything_linked(engine) == kept


async def test_what_is_too_old_is_gone_everywhere_but_in_usage(engine: AsyncEngine) -> None:
    old, new = NOW - timedelta(days=31), NOW - timedelta(days=29)
    rows = [record_row(n, at) for at in (old, new) for n in range(3)]
    async with engine.begin() as connection:
        await connection.execute(insert(records), rows)
        for at in (old, new):
            id = id_at(at)
            await connection.execute(insert(link_queue).values(record_id=id))
            part = {"number": 0, "count": 2, "body": b"x", "seen_at": at}
            await connection.execute(insert(record_parts).values(record_id=id, **part))
            bad = {"reason": "bad", "raw": b"x", "seen_at": at}
            for owner in (id, NOBODY):
                digest = bytes(31) + bytes([at.day])
                row = bad | {"record_id": owner, "raw_sha256": digest}
                await connection.execute(insert(record_quarantine).values(row))
        counts = dict.fromkeys([c.name for c in usage_daily.c][3:], 1)
        usage = {"user_id": 1, "day": old.date(), "model": "m", **counts}
        await connection.execute(insert(usage_daily).values(usage))
    removed = await expire(engine, NOW)
    left = [await count(engine, t) for t in (records, link_queue, record_parts, record_quarantine)]
    assert left == [3, 1, 1, 2]
    assert removed["records"] == 3 and await count(engine, usage_daily) == 1
    assert await expire(engine, NOW) == {}


async def test_a_conversation_goes_on_without_its_beginning(engine: AsyncEngine) -> None:
    talk = Talk()
    first = talk.chat([user("Hello!")], "Hi!")
    second = talk.chat([user("Hello!"), assistant("Hi!"), user("And?")], "Well.")
    await arrive(engine, talk.rows)
    await link_all(engine)
    await expire(engine, EPOCH + timedelta(days=DAYS, seconds=1.5))
    await link_all(engine)
    async with engine.connect() as connection:
        [place] = (await connection.execute(select(exchanges))).all()
        [told] = (await connection.execute(select(conversations))).all()
    assert (place.id, place.parent_id, place.conversation_id) == (second, None, second)
    assert (told.id, told.title, told.exchange_count) == (second, "Hello!", 1)
    assert first < second


class Cut(Exception):
    """The power goes."""


@pytest.mark.parametrize("after", [0, 2, 4])
async def test_a_pass_that_was_cut_off_is_finished_by_the_next(
    engine: AsyncEngine, after: int
) -> None:
    talk = Talk()
    for _ in range(3):
        talk.chat([user("Hello!")], "Hi!")
        talk.chat([user("Hello!"), assistant("Hi!"), user("And?")])
    await arrive(engine, talk.rows)
    await link_all(engine)
    steps = 0

    def progress(what: str, rows: int) -> None:
        nonlocal steps
        steps += 1
        if steps > after:
            raise Cut

    now = EPOCH + timedelta(days=DAYS, seconds=60)
    try:
        await Retention(engine, DAYS).expire(now, progress)
    except Cut:
        pass
    await expire(engine, now)
    await link_all(engine)
    await expire(engine, now)
    for table in (records, exchanges, conversations, nodes, messages, link_queue, sweep_queue):
        assert await count(engine, table) == 0, table.name


async def test_the_bound_never_goes_back(engine: AsyncEngine) -> None:
    await expire(engine, NOW)
    await expire(engine, NOW - timedelta(days=5))
    async with engine.connect() as connection:
        assert await connection.scalar(select(retention.c.kept_since)) == NOW - timedelta(days=DAYS)


async def test_the_keeper_expires_now_and_then_but_not_all_the_time(engine: AsyncEngine) -> None:
    async def keep_at(now: datetime, serial: int) -> int:
        async with engine.begin() as connection:
            await connection.execute(insert(records), [record_row(serial, NOW - timedelta(100))])
        await Keeper(engine, DAYS, lambda: now).round()
        return await count(engine, records)

    assert await keep_at(NOW, 1) == 0
    assert await keep_at(NOW + timedelta(hours=1), 2) == 1
    assert await keep_at(NOW + timedelta(hours=7), 3) == 0


async def test_the_keeper_does_nothing_where_everything_is_kept(engine: AsyncEngine) -> None:
    rows: list[dict[str, Any]] = [record_row(1, NOW - timedelta(days=4000))]
    async with engine.begin() as connection:
        await connection.execute(insert(records), rows)
    keeper = Keeper(engine, None, lambda: NOW)
    await asyncio.gather(keeper.round(), keeper.round())
    assert (await count(engine, records), await count(engine, retention)) == (1, 0)
