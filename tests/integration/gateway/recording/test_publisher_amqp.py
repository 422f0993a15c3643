"""From the spool into a real queue, over a connection that is cut again and again."""

from pathlib import Path

import aio_pika
import anyio
from yarl import URL

from common.broker import Topology
from common.message import Batch, unpack
from gateway.recording.broker_amqp import AmqpBroker
from gateway.recording.publisher import Publisher
from tests.conftest import Amqp
from tests.support.recording import contents, record, soon, spool_in
from tests.support.relay import relay_to


async def in_the_queue(amqp: Amqp) -> set[bytes]:
    found = set()
    async with await aio_pika.connect(amqp.url) as connection:
        queue = await (await connection.channel()).get_queue(f"{amqp.prefix}.q")
        while message := await queue.get(fail=False, no_ack=True):
            batch = unpack(message.body)
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
