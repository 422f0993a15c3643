"""From the spool into a real queue, over a connection that is cut again and again."""

import secrets
import tracemalloc
from pathlib import Path

import aio_pika
import anyio
from yarl import URL

from common.broker import Topology
from common.message import Batch, Part, join_parts, unpack
from gateway.recording.broker_amqp import AmqpBroker
from gateway.recording.publisher import MAX_MESSAGE_BYTES, Publisher
from tests.conftest import Amqp
from tests.support.recording import contents, record, soon, spool_in
from tests.support.relay import relay_to


async def taken(amqp: Amqp) -> list[Batch | Part]:
    """Everything out of the queue, in its order."""
    found = []
    async with await aio_pika.connect(amqp.url) as connection:
        queue = await (await connection.channel()).get_queue(f"{amqp.prefix}.q")
        while message := await queue.get(fail=False, no_ack=True):
            found.append(unpack(message.body))
    return found


async def in_the_queue(amqp: Amqp) -> set[bytes]:
    found = set()
    for batch in await taken(amqp):
        assert isinstance(batch, Batch)
        found |= {contents(frames)[0].id for frames in batch.records}
    return found


async def test_every_record_arrives_over_a_connection_that_breaks(
    amqp: Amqp, tmp_path: Path
) -> None:
    url = URL(amqp.url)
    made = set()
    async with (
        relay_to(url.host or "", url.port or 5672) as relay,
        spool_in(tmp_path) as spool,
        anyio.create_task_group() as group,
    ):
        through = str(url.with_host("127.0.0.1").with_port(relay.port))
        publisher = Publisher(spool, AmqpBroker(through, Topology(amqp.prefix)))
        group.start_soon(publisher.run)
        for _ in range(6):
            for _ in range(50):
                made.add(await record(spool, b"x" * 2000))
                await anyio.sleep(0.002)
            relay.cut()
        await soon(lambda: not spool.backlog_records, "an empty spool", deadline_s=60)
        group.cancel_scope.cancel()
    assert await in_the_queue(amqp) == made


async def test_a_record_too_large_for_a_message_arrives_in_parts(
    amqp: Amqp, tmp_path: Path
) -> None:
    answer = secrets.token_bytes(3 * MAX_MESSAGE_BYTES)  # nothing that compression makes smaller
    async with spool_in(tmp_path) as spool, anyio.create_task_group() as group:
        group.start_soon(Publisher(spool, AmqpBroker(amqp.url, Topology(amqp.prefix))).run)
        small, large = await record(spool, b"x"), await record(spool, answer)
        await soon(lambda: not spool.backlog_records, "an empty spool", deadline_s=60)
        group.cancel_scope.cancel()
    found = await taken(amqp)
    parts = sorted((p for p in found if isinstance(p, Part)), key=lambda part: part.number)
    assert [part.count for part in parts] == [len(parts)] * len(parts) and len(parts) > 3
    assert {part.record_id for part in parts} == {large}
    begin, whole, _ = contents(join_parts([part.body for part in parts]))
    assert (begin.id, whole) == (large, answer)
    assert small in {contents(f)[0].id for b in found if isinstance(b, Batch) for f in b.records}


async def test_while_the_broker_is_away_memory_holds_no_records(amqp: Amqp, tmp_path: Path) -> None:
    """However long: what waits is on the disk, and arrives once the broker is back."""
    url = URL(amqp.url)
    body, made = secrets.token_bytes(20_000), set()
    async with (
        relay_to(url.host or "", url.port or 5672) as relay,
        spool_in(tmp_path) as spool,
        anyio.create_task_group() as group,
    ):
        relay.refusing = True
        through = str(url.with_host("127.0.0.1").with_port(relay.port))
        group.start_soon(Publisher(spool, AmqpBroker(through, Topology(amqp.prefix))).run)
        await relay.refused.wait()
        tracemalloc.start()
        for _ in range(1_000):
            made.add(await record(spool, body))
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert grown < 0.1 * spool.backlog_records * len(body)
        relay.refusing = False
        await soon(lambda: not spool.backlog_records, "an empty spool", deadline_s=120)
        group.cancel_scope.cancel()
    assert await in_the_queue(amqp) == made
