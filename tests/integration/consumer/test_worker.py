"""consumer.worker with a made-up source: stored, then acknowledged; poison alone is set apart."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.streams.memory import MemoryObjectSendStream
from sqlalchemy import Table, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.message import pack
from common.tables import record_parts, record_quarantine, records, usage_daily
from consumer.decode import NewerRecord
from consumer.parts import Parts
from consumer.prepare import PreparedRecord, Preparer
from consumer.rejected import Rejected
from consumer.source import Delivery
from consumer.store import DatabaseAway, Store
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter
from consumer.worker import Limits, Worker
from tests.support.poison import POISON, REFUSED, poisonous
from tests.support.record_samples import end, new_id, record

DEADLINE_S = 60


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


class Inbox:
    """A source that delivers what it is told to, and remembers what was acknowledged."""

    def __init__(self, send: MemoryObjectSendStream[Delivery]) -> None:
        self._send = send
        self.acked: list[int] = []
        self.sent = 0
        self.ack_seen = asyncio.Event()

    async def deliver(self, bodies: Iterable[bytes], redelivered: bool = False) -> None:
        for body in bodies:
            number, self.sent = self.sent, self.sent + 1
            await self._send.send(Delivery(body, redelivered, partial(self._ack, number)))

    async def _ack(self, number: int) -> None:
        self.acked.append(number)
        self.ack_seen.set()

    async def all_acked(self) -> None:
        with anyio.fail_after(DEADLINE_S):
            while len(self.acked) < self.sent:
                self.ack_seen.clear()
                await self.ack_seen.wait()


@asynccontextmanager
async def working(
    engine: AsyncEngine, preparer: Preparer, store: Store | None = None
) -> AsyncIterator[tuple[Inbox, Worker]]:
    send, receive = anyio.create_memory_object_stream[Delivery](64)
    limits = Limits(messages=8, records=4, wait_ms=5)
    worker = Worker(
        receive, preparer, store or Store(engine), Parts(engine), limits, asyncio.Event()
    )
    async with anyio.create_task_group() as group, send, receive:
        group.start_soon(worker.run)
        yield Inbox(send), worker
        worker.stop()


def messages(every: Sequence[bytes], max_bytes: int = 10**6) -> list[bytes]:
    return pack([(new_id(), frames) for frames in every], max_bytes)


async def rows(engine: AsyncEngine, table: Table) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        return [dict(row._mapping) for row in await connection.execute(select(table))]


async def test_everything_is_stored_before_it_is_acknowledged(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    ids = [new_id() for _ in range(10)]
    async with working(engine, preparer) as (inbox, _):
        await inbox.deliver(messages([record(id) for id in ids[:7]]))
        await inbox.deliver(messages([record(id) for id in ids[7:]]))
        await inbox.all_acked()
        assert {row["id"].bytes for row in await rows(engine, records)} == set(ids)


@pytest.mark.parametrize("redelivered", [False, True])
async def test_what_comes_again_is_stored_once(
    engine: AsyncEngine, preparer: Preparer, redelivered: bool
) -> None:
    bodies = messages([record() for _ in range(3)])
    async with working(engine, preparer) as (inbox, _):
        await inbox.deliver(bodies)
        await inbox.deliver(bodies, redelivered)
        await inbox.deliver(bodies * 2, redelivered)
        await inbox.all_acked()
    assert len(await rows(engine, records)) == 3
    assert [row["calls"] for row in await rows(engine, usage_daily)] == [3]


@pytest.mark.parametrize("redelivered", [False, True])
async def test_poison_never_keeps_its_mates_from_being_stored(
    engine: AsyncEngine, preparer: Preparer, redelivered: bool
) -> None:
    mates = [new_id() for _ in range(len(POISON) + len(REFUSED))]
    poison = poisonous()
    mixed = [frames for mate, bad in zip(mates, poison, strict=True) for frames in
             (record(mate), bad)]  # fmt: skip
    async with working(engine, preparer) as (inbox, _):
        await inbox.deliver(messages(mixed, 30_000_000), redelivered)
        await inbox.deliver([b"", b"\xff" * 100, messages([record()] * 30)[0][:-9]], redelivered)
        await inbox.all_acked()
    stored = {row["id"].bytes for row in await rows(engine, records)}
    assert set(mates) <= stored and len(stored) == len(mates) + len(POISON)
    assert len(await rows(engine, record_quarantine)) == len(REFUSED) + 3


async def test_newer_record_stops_the_worker_and_keeps_its_message(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    mate = new_id()
    send, receive = anyio.create_memory_object_stream[Delivery](8)
    limits = Limits(messages=8, records=256, wait_ms=50)
    worker = Worker(receive, preparer, Store(engine), Parts(engine), limits, asyncio.Event())
    inbox = Inbox(send)
    await inbox.deliver(messages([record(mate), record(version=99)]))
    await inbox.deliver(messages([record()]))
    with send, receive, pytest.raises(NewerRecord, match="upgrade the consumers"):
        await worker.run()
    assert inbox.acked == [1]
    assert mate in {row["id"].bytes for row in await rows(engine, records)}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (0, 0, 1, 3, 3, 2, 1)])
async def test_large_record_is_whole_once_its_last_part_has_come(
    engine: AsyncEngine, preparer: Preparer, order: tuple[int, ...]
) -> None:
    record_id = new_id()
    large = record(record_id, last=end(response=bytes(range(256)) * 2_000))
    parts = pack([(record_id, large)], 140_000, compress=False)
    assert len(parts) == 4
    async with working(engine, preparer) as (inbox, _):
        for number in order:
            await inbox.deliver([parts[number]])
            await inbox.all_acked()
    (row,) = await rows(engine, records)
    assert row["id"].bytes == record_id and row["response_size_bytes"] == 512_000
    assert await rows(engine, record_parts) == []


async def test_parts_of_one_record_at_two_consumers(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    ids = [new_id() for _ in range(5)]
    async with working(engine, preparer) as (one, _), working(engine, preparer) as (other, _):
        for record_id in ids:
            large = record(record_id, last=end(response=bytes(range(256)) * 1_000))
            first, second = pack([(record_id, large)], 140_000, compress=False)
            async with anyio.create_task_group() as group:
                group.start_soon(one.deliver, [first])
                group.start_soon(other.deliver, [second])
        await one.all_acked()
        await other.all_acked()
    assert {row["id"].bytes for row in await rows(engine, records)} == set(ids)
    assert await rows(engine, record_parts) == []


async def test_parts_that_make_no_record_go_into_quarantine(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    record_id = new_id()
    large = record(record_id, last=end(response=bytes(range(256)) * 1_000))
    first, second = pack([(record_id, large)], 140_000, compress=False)
    async with working(engine, preparer) as (inbox, _):
        await inbox.deliver([first, second[:-5]])
        await inbox.all_acked()
    assert [row["record_id"].bytes for row in await rows(engine, record_quarantine)] == [record_id]
    assert await rows(engine, record_parts) == []


class Away(Store):
    """A store whose database is away until it is told otherwise."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.tries = asyncio.Queue[None]()
        self.back = False

    async def tried(self, times: int) -> None:
        with anyio.fail_after(DEADLINE_S):
            for _ in range(times):
                await self.tries.get()

    async def save(
        self, records: Sequence[PreparedRecord], rejected: Sequence[Rejected] = ()
    ) -> list[Rejected]:
        self.tries.put_nowait(None)
        if not self.back:
            raise DatabaseAway("gone")
        return await super().save(records, rejected)


async def test_while_the_database_is_away_nothing_is_acknowledged_or_lost(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    store = Away(engine)
    async with working(engine, preparer, store) as (inbox, _):
        await inbox.deliver(messages([record()]))
        await store.tried(3)
        assert inbox.acked == []
        store.back = True
        await inbox.all_acked()
    assert len(await rows(engine, records)) == 1


async def test_told_to_stop_while_the_database_is_away_it_leaves_everything(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    store = Away(engine)
    async with working(engine, preparer, store) as (inbox, worker):
        await inbox.deliver(messages([record()]), redelivered=True)
        await inbox.deliver(messages([record()]))
        await store.tried(2)
        worker.stop()
    assert inbox.acked == []


async def test_lost_and_recovered_database_is_noticed_unaided(
    engine: AsyncEngine, preparer: Preparer
) -> None:
    async with working(engine, preparer) as (inbox, _):
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE records RENAME TO hidden"))
        await inbox.deliver(messages([record()]))
        await anyio.sleep(0.2)
        assert inbox.acked == []
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE hidden RENAME TO records"))
        await inbox.all_acked()
    assert len(await rows(engine, records)) == 1


async def test_stop_finishes_the_batch_under_way(engine: AsyncEngine, preparer: Preparer) -> None:
    async with working(engine, preparer) as (inbox, worker):
        await inbox.deliver(messages([record() for _ in range(50)], 3_000))
        await inbox.ack_seen.wait()
        worker.stop()
    stored = {row["id"].bytes for row in await rows(engine, records)}
    assert len(stored) >= len(inbox.acked) > 0
