"""consumer.store on both databases: each record once, usage of new ones only, the bad one apart."""

from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from anyio import create_task_group
from sqlalchemy import Table, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import link_queue, record_quarantine, records, usage_daily
from consumer.prepare import PreparedRecord, Preparer
from consumer.rejected import Rejected
from consumer.store import DatabaseAway, Store
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter
from tests.support.record_samples import STARTED_US, end, new_id, record

TOO_LARGE = 2**64 - 1
"""A user id that MessagePack can carry and no database column can hold."""


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> Store:
    return Store(engine)


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


async def rows(engine: AsyncEngine, table: Table) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        found = await connection.execute(select(table))
        return [dict(row._mapping) for row in found]


async def test_record_is_stored_whole(
    engine: AsyncEngine, store: Store, preparer: Preparer
) -> None:
    prepared = preparer.prepare(record(client_address="::1", conversation_hint="c-1", token_id=7))
    assert await store.save([prepared]) == []
    assert await rows(engine, records) == [prepared.row._asdict()]


async def test_redelivery_changes_nothing(
    engine: AsyncEngine, store: Store, preparer: Preparer
) -> None:
    batch = [preparer.prepare(record()) for _ in range(3)]
    for again in (batch, batch, [*batch, *batch], batch[1:]):
        await store.save(again)
    assert len(await rows(engine, records)) == 3
    (usage,) = await rows(engine, usage_daily)
    assert (usage["calls"], usage["prompt_tokens"], usage["completion_tokens"]) == (3, 30, 6)


async def test_usage_is_rolled_up_by_user_day_and_model(
    engine: AsyncEngine, store: Store, preparer: Preparer
) -> None:
    tomorrow = STARTED_US + 86_400_000_000
    every = [
        record(user_id=1, model="a"),
        record(user_id=1, model="a"),
        record(user_id=1, model="b"),
        record(user_id=2, model=None),
        record(user_id=1, model="a", started_at_us=tomorrow),
    ]
    await store.save([preparer.prepare(frames) for frames in every])
    found = {(u["user_id"], u["model"], u["calls"]) for u in await rows(engine, usage_daily)}
    assert found == {(1, "a", 2), (1, "a", 1), (1, "b", 1), (2, "", 1)}
    assert len({u["day"] for u in await rows(engine, usage_daily)}) == 2


async def test_only_answered_conversations_are_queued_for_linking(
    engine: AsyncEngine, store: Store, preparer: Preparer
) -> None:
    linked = [new_id() for _ in range(4)]
    every = [
        record(linked[0]),
        record(linked[1], kind="completion"),
        record(linked[2], kind="response", last=end(status="client_gone", response=b"")),
        record(linked[3], last=end(status="interrupted", response=b'{"cut')),
        record(kind="embedding"),
        record(request=b"no json"),
        record(request_type="multipart/form-data"),
        record(last=end(status="upstream_error", http_status=500)),
    ]
    await store.save([preparer.prepare(frames) for frames in every])
    queued = await rows(engine, link_queue)
    assert {row["record_id"] for row in queued} == {UUID(bytes=id) for id in linked}


async def test_upstream_errors_are_stored_and_not_rolled_up(
    engine: AsyncEngine, store: Store, preparer: Preparer
) -> None:
    await store.save([preparer.prepare(record(last=end(status="upstream_error")))])
    assert len(await rows(engine, records)) == 1
    assert await rows(engine, usage_daily) == []


@pytest.mark.parametrize("place", [0, 3, 6])
async def test_record_that_the_database_refuses_goes_into_quarantine_alone(
    engine: AsyncEngine, store: Store, preparer: Preparer, place: int
) -> None:
    batch = [preparer.prepare(record()) for _ in range(6)]
    bad_id = new_id()
    bad = preparer.prepare(record(bad_id, user_id=TOO_LARGE))
    rejected = await store.save([*batch[:place], bad, *batch[place:]])
    assert [each.record_id for each in rejected] == [bad_id]
    assert {row["id"] for row in await rows(engine, records)} == {each.row.id for each in batch}
    (kept,) = await rows(engine, record_quarantine)
    assert (kept["record_id"].bytes, kept["raw"]) == (bad_id, bad.frames)
    assert sum(u["calls"] for u in await rows(engine, usage_daily)) == 6


async def test_the_same_thing_is_in_quarantine_once(engine: AsyncEngine, store: Store) -> None:
    bad = Rejected(bytes(16), "no message", b"\0raw\xff")
    for _ in range(2):
        await store.save([], [bad, bad, Rejected(bytes(16), "no message", b"other")])
    assert len(await rows(engine, record_quarantine)) == 2


async def test_two_stores_at_once_neither_block_each_other_nor_count_twice(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    batch = [preparer.prepare(record(user_id=n % 7, model=f"m{n % 5}")) for n in range(60)]

    async def store_all(order: Sequence[PreparedRecord]) -> None:
        for start in range(0, len(order), 20):
            await Store(engine).save(order[start : start + 20])

    async with create_task_group() as group:
        for seed in range(4):
            group.start_soon(store_all, Random(seed).sample(batch, k=len(batch)))
    assert len(await rows(engine, records)) == 60
    assert sum(u["calls"] for u in await rows(engine, usage_daily)) == 60


async def test_batch_larger_than_a_statement_may_be(
    engine: AsyncEngine, store: Store, preparer: Preparer
) -> None:
    prepared = preparer.prepare(record())
    batch = [
        PreparedRecord(prepared.row._replace(id=UUID(bytes=new_id())), True, b"")
        for _ in range(2_500)
    ]
    await store.save(batch)
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(records)) == 2_500


async def test_database_without_its_tables_is_away_and_keeps_nothing(
    engine: AsyncEngine, store: Store, preparer: Preparer
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE link_queue"))
    with pytest.raises(DatabaseAway, match="link_queue"):
        await store.save([preparer.prepare(record())])
    assert await rows(engine, records) == []


async def test_records_of_a_clock_that_jumps_are_stored_once_each_on_their_day(
    engine: AsyncEngine, store: Store, preparer: Preparer
) -> None:
    day_us = 86_400_000_000
    jumps = [0, day_us, -3_600_000_000, 40 * day_us, 1]
    every = [preparer.prepare(record(started_at_us=STARTED_US + jump)) for jump in jumps]
    for batch in (every, every[::-1]):
        assert await store.save(batch) == []
    stored = {row["started_at"] for row in await rows(engine, records)}
    assert stored == {prepared.row.started_at for prepared in every}
    counted = {(u["day"], u["calls"]) for u in await rows(engine, usage_daily)}
    days = [moment.date() for moment in stored]
    assert counted == {(day, days.count(day)) for day in days}


async def test_database_that_takes_nothing_is_waited_for(
    postgres_database: str, preparer: Preparer
) -> None:
    """Read-only, as a standby is, and as an administrator makes it when the disk is full."""
    url = make_url(postgres_database)
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def make_read_only(value: str) -> None:
        writing = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(plain, server_settings=writing)
        setting = f'ALTER DATABASE "{url.database}" SET default_transaction_read_only = {value}'
        await connection.execute(setting)
        await connection.close()

    await make_read_only("on")
    engine = make_engine(url)
    with pytest.raises(DatabaseAway, match="read-only"):
        await Store(engine).save([preparer.prepare(record())])
    await engine.dispose()
    await make_read_only("off")
    assert await Store(engine).save([preparer.prepare(record())]) == []
    assert len(await rows(engine, records)) == 1
    await engine.dispose()
