"""consumer.quarantine: what was refused can be looked at, stored after all, or thrown away."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.message import pack
from common.tables import records
from consumer.prepare import Preparer
from consumer.quarantine import NoSuchEntry, Quarantine, beginning
from consumer.rejected import Rejected
from consumer.store import Store
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter
from tests.support.record_samples import end, new_id, record


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def quarantine(engine: AsyncEngine) -> Quarantine:
    return Quarantine(engine, Preparer(Meter(Encodings())), Store(engine))


async def put(engine: AsyncEngine, *raw: bytes) -> None:
    await Store(engine).save([], [Rejected(bytes(16), "for some reason", each) for each in raw])


async def test_what_can_be_stored_by_now_leaves_the_quarantine(
    engine: AsyncEngine, quarantine: Quarantine
) -> None:
    ids = [new_id() for _ in range(3)]
    (whole,) = pack([(id, record(id)) for id in ids[1:]], 10**6)
    await put(engine, record(ids[0]), whole, b"hopeless", record(version=99))
    troubles = [(await quarantine.replay(id)).trouble for id in await quarantine.ids()]
    assert [trouble is None for trouble in troubles].count(True) == 2
    async with engine.connect() as connection:
        stored = set(await connection.scalars(select(records.c.id)))
    assert stored == {UUID(bytes=id) for id in ids}
    kept = {await quarantine.raw(each.id) for each in await quarantine.newest(10)}
    assert b"hopeless" in kept and len(kept) == 2


async def test_parts_of_a_record_are_put_together_again(
    engine: AsyncEngine, quarantine: Quarantine
) -> None:
    """As after an upgrade to a consumer that reads their version."""
    record_id = new_id()
    large = record(record_id, last=end(response=bytes(range(256)) * 1_000))
    await put(engine, *pack([(record_id, large)], 100_000, compress=False))
    tried = [await quarantine.replay(id) for id in await quarantine.ids()]
    assert [each.trouble for each in tried] == [None] * 3
    async with engine.connect() as connection:
        assert list(await connection.scalars(select(records.c.id))) == [UUID(bytes=record_id)]
    assert await quarantine.ids() == []


async def test_what_the_database_refuses_again_stays(
    engine: AsyncEngine, quarantine: Quarantine
) -> None:
    await put(engine, record(user_id=2**64 - 1))
    (id,) = await quarantine.ids()
    assert (await quarantine.replay(id)).trouble is not None
    assert id in await quarantine.ids()


async def test_entries_are_listed_counted_and_dropped(
    engine: AsyncEngine, quarantine: Quarantine
) -> None:
    await put(engine, b"one", b"two")
    (kept,) = await quarantine.newest(1)
    assert (kept.size_bytes, kept.reason, await quarantine.count()) == (3, "for some reason", 2)
    assert await quarantine.drop([kept.id, 10**6]) == 1
    with pytest.raises(NoSuchEntry):
        await quarantine.raw(kept.id)


def test_of_a_damaged_record_its_beginning_can_be_read() -> None:
    begin = beginning(record(path="/x")[:-1])
    assert begin is not None and begin.path == "/x"
    assert beginning(b"nothing") is None
