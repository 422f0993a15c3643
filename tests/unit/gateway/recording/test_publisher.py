"""The publisher empties the spool, and whatever the broker does, nothing is lost and it goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.message import Batch, join_parts, unpack
from gateway.recording.broker import BrokerDown, Refused
from gateway.recording.broker_memory import MemoryBroker
from gateway.recording.publisher import LONGEST_PAUSE_S, Publisher, pause_s
from gateway.recording.spool import Spool
from tests.support.recording import MIB, contents, record, soon, spool_in


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    async with spool_in(tmp_path / "spool", max_bytes=256 * MIB) as spool:
        yield spool


@asynccontextmanager
async def publishing(spool: Spool, broker: MemoryBroker) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Publisher(spool, broker).run())
        yield
        running.cancel()


async def emptied(spool: Spool) -> None:
    await soon(lambda: not spool.backlog_records, "an empty spool")


def published(broker: MemoryBroker) -> list[bytes]:
    """Frames of every record that arrived, in order."""
    records: list[bytes] = []
    parts: dict[bytes, list[bytes]] = {}
    for message in map(unpack, broker.messages):
        if isinstance(message, Batch):
            records += message.records
            continue
        got = parts.setdefault(message.record_id, [])
        got.append(message.body)
        if len(got) == message.count:
            records.append(join_parts(parts.pop(message.record_id)))
    return records


def published_ids(broker: MemoryBroker) -> list[bytes]:
    return [contents(frames)[0].id for frames in published(broker)]


async def test_records_are_published_in_batches(spool: Spool) -> None:
    made = [await record(spool, b"answer") for _ in range(300)]
    broker = MemoryBroker()
    async with publishing(spool, broker):
        await emptied(spool)
    assert published_ids(broker) == made
    assert len(broker.messages) == 2


async def test_a_record_larger_than_a_message_travels_in_parts(spool: Spool) -> None:
    question = bytes(range(256)) * 12 * 1024
    await record(spool, question, request=question)
    broker = MemoryBroker()
    broker.compresses = False
    async with publishing(spool, broker):
        await emptied(spool)
    assert len(broker.messages) > 5
    [frames] = published(broker)
    assert contents(frames)[1] == question


async def test_nothing_is_lost_while_the_broker_is_down(spool: Spool) -> None:
    broker = MemoryBroker()
    broker.down = True
    async with publishing(spool, broker):
        made = [await record(spool) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert spool.backlog_records == 20
        broker.down = False
        await emptied(spool)
    assert sorted(published_ids(broker)) == sorted(made)


async def test_nothing_is_lost_while_the_broker_refuses(spool: Spool) -> None:
    broker = MemoryBroker()
    broker.refusing = True
    async with publishing(spool, broker):
        made = [await record(spool) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert spool.backlog_records == 20
        broker.refusing = False
        await emptied(spool)
    assert sorted(published_ids(broker)) == sorted(made)


class Choosy(MemoryBroker):
    """Refuses every message that holds one certain record."""

    def __init__(self, hated: bytes) -> None:
        super().__init__()
        self.hated = hated

    async def publish(self, body: bytes, message_id: str) -> None:
        message = unpack(body)
        assert isinstance(message, Batch)
        if any(self.hated in frames for frames in message.records):
            raise Refused("not that one")
        await super().publish(body, message_id)


async def test_a_record_that_is_always_refused_holds_up_no_other(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.recording.publisher.pause_s", lambda failures: 0.001)
    made = [await record(spool) for _ in range(40)]
    broker = Choosy(made[20])
    async with publishing(spool, broker):
        await soon(lambda: spool.backlog_records == 1, "all but one")
    assert sorted({*made[:20], *made[21:]}) == sorted(set(published_ids(broker)))


class Stuck(MemoryBroker):
    """Takes messages and never confirms."""

    async def publish(self, body: bytes, message_id: str) -> None:
        await super().publish(body, message_id)
        await asyncio.Event().wait()


async def test_what_was_not_confirmed_stays_when_it_is_stopped(spool: Spool) -> None:
    made = [await record(spool) for _ in range(5)]
    broker = Stuck()
    async with publishing(spool, broker):
        await soon(lambda: broker.messages, "a message")
    assert spool.backlog_records == 5
    assert {r.id for r in await spool.take(10, MIB)} == set(made)


async def test_stopped_in_the_moment_of_a_failure_it_stops(spool: Spool) -> None:
    class Failing(MemoryBroker):
        async def publish(self, body: bytes, message_id: str) -> None:
            running.cancel()
            raise BrokerDown("just now")

    await record(spool)
    running = asyncio.ensure_future(Publisher(spool, Failing()).run())
    async with asyncio.timeout(30):
        await asyncio.wait([running])
    assert running.cancelled()
    assert spool.backlog_records == 1


class Broken(MemoryBroker):
    """Fails as no adapter should."""

    async def publish(self, body: bytes, message_id: str) -> None:
        if not self.messages:
            self.messages.append(body)
            raise ZeroDivisionError
        await super().publish(body, message_id)


async def test_no_failure_ends_it(spool: Spool) -> None:
    with capture_logs() as logs:
        async with publishing(spool, Broken()):
            await record(spool)
            await emptied(spool)
    assert [e["event"] for e in logs] == ["broker_connected", "publisher_failed"]


async def test_each_change_of_state_is_told_once(spool: Spool) -> None:
    broker = MemoryBroker()
    with capture_logs() as logs:
        async with publishing(spool, broker):
            await soon(lambda: broker.connections, "a connection")
            broker.down = True
            await record(spool)
            await soon(lambda: len(logs) > 1, "the loss")
            await asyncio.sleep(0.3)
            broker.down = False
            await emptied(spool)
    assert [e["event"] for e in logs] == ["broker_connected", "broker_lost", "broker_connected"]


async def test_a_lost_connection_is_made_anew_though_nothing_is_to_be_sent(spool: Spool) -> None:
    broker = MemoryBroker()
    async with publishing(spool, broker):
        await soon(lambda: broker.connections == 1, "a connection")
        await broker.close()
        await soon(lambda: broker.connections == 2, "another")


def test_pauses_grow_up_to_a_bound() -> None:
    longest = [pause_s(n, chance=lambda: 1.0) for n in range(2000)]
    assert longest[:3] == [0.1, 0.2, 0.4]
    assert max(longest) == longest[-1] == LONGEST_PAUSE_S
    assert pause_s(5, chance=lambda: 0.0) == 0
