"""consumer.fresh: bounded, oldest first, and never in the way of storing."""

import anyio
import pytest

from consumer.fresh import Fresh
from consumer.prepare import PreparedRecord, Preparer
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter
from tests.support.record_samples import end, record


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Meter(Encodings()))


def size(prepared: PreparedRecord) -> int:
    return prepared.row.request_size_bytes + prepared.row.response_size_bytes


def test_what_is_kept_is_given_out_once_with_its_bodies(preparer: Preparer) -> None:
    fresh, some = Fresh(), [preparer.prepare(record()) for _ in range(3)]
    fresh.keep(some)
    ids = {prepared.row.id for prepared in some}
    found = fresh.take(ids)
    assert [(stored.id, parsed) for stored, parsed in found] == [
        (prepared.row.id, prepared.parsed) for prepared in some
    ]
    assert fresh.take(ids) == []


def test_what_cannot_be_linked_is_not_kept(preparer: Preparer) -> None:
    fresh = Fresh()
    failed = preparer.prepare(record(last=end(status="upstream_error")))
    fresh.keep([failed, preparer.prepare(record(kind="embedding"))])
    assert fresh.take({failed.row.id}) == []


def test_full_it_keeps_the_oldest(preparer: Preparer) -> None:
    some = [preparer.prepare(record()) for _ in range(5)]
    fresh = Fresh(max_bytes=2 * size(some[0]))
    fresh.keep(some)
    found = fresh.take({prepared.row.id for prepared in some})
    assert [stored.id for stored, _ in found] == [prepared.row.id for prepared in some[:2]]


def test_what_somebody_else_has_linked_makes_room(preparer: Preparer) -> None:
    some = [preparer.prepare(record()) for _ in range(4)]
    fresh = Fresh(max_bytes=3 * size(some[0]))
    fresh.keep(some[:3])
    assert len(fresh.take({some[2].row.id})) == 1
    fresh.keep(some[:1])
    assert [stored.id for stored, _ in fresh.take({some[0].row.id})] == [some[0].row.id]


async def test_room_comes_with_the_linker_or_with_time(preparer: Preparer) -> None:
    fresh, one = Fresh(max_bytes=1), preparer.prepare(record())
    await fresh.room()
    fresh.keep([one])
    await fresh.room()  # nobody takes: the time is over
    async with anyio.create_task_group() as group:
        group.start_soon(fresh.room)
        await anyio.lowlevel.checkpoint()
        fresh.clear()
    fresh.keep([one])
    assert len(fresh.take({one.row.id})) == 1
