"""consumer.sources.amqp against a real RabbitMQ: acknowledged once, else delivered again."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from aio_pika import Message
from anyio.streams.memory import MemoryObjectReceiveStream

from common.broker import Topology, connect, declare
from consumer.source import Delivery, SourceUnavailable
from consumer.sources.amqp import AmqpSource
from tests.support.relay import relay_to

DEADLINE_S = 60


async def publish(amqp: Any, bodies: Sequence[bytes]) -> None:
    topology = Topology(amqp.prefix)
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel(on_return_raises=True)
        await declare(channel, topology)
        exchange = await channel.get_exchange(topology.exchange)
        for body in bodies:
            await exchange.publish(Message(body), topology.routing_key)


async def waiting(amqp: Any) -> int:
    """Messages in the queue that nobody holds."""
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(Topology(amqp.prefix).queue, passive=True)
        return queue.declaration_result.message_count or 0


@asynccontextmanager
async def running(source: AmqpSource) -> AsyncIterator[MemoryObjectReceiveStream[Delivery]]:
    send, receive = anyio.create_memory_object_stream[Delivery](64)
    await source.open()
    async with anyio.create_task_group() as group, send, receive:
        group.start_soon(source.run, send)
        with anyio.fail_after(DEADLINE_S):
            yield receive
        group.cancel_scope.cancel()


async def take(inbox: MemoryObjectReceiveStream[Delivery], count: int) -> list[Delivery]:
    return [await inbox.receive() for _ in range(count)]


async def test_messages_arrive_and_leave_the_queue_once_acknowledged(amqp: Any) -> None:
    await publish(amqp, [b"a", b"b", b"c"])
    async with running(AmqpSource(amqp.url, amqp.prefix, 8)) as inbox:
        deliveries = await take(inbox, 3)
        assert [(each.body, each.redelivered) for each in deliveries] == [
            (b"a", False), (b"b", False), (b"c", False),
        ]  # fmt: skip
        for delivery in deliveries[:2]:
            await delivery.ack()
    async with running(AmqpSource(amqp.url, amqp.prefix, 8)) as inbox:
        (again,) = await take(inbox, 1)
        assert (again.body, again.redelivered) == (b"c", True)
        await again.ack()
    assert await waiting(amqp) == 0


async def test_no_more_than_prefetch_are_held(amqp: Any) -> None:
    await publish(amqp, [b"%d" % n for n in range(10)])
    async with running(AmqpSource(amqp.url, amqp.prefix, 3)) as inbox:
        held = await take(inbox, 3)
        assert await waiting(amqp) == 7
        await held[0].ack()
        await inbox.receive()
        assert await waiting(amqp) == 6


async def test_lost_connection_is_made_again_and_what_was_held_comes_again(amqp: Any) -> None:
    await publish(amqp, [b"a"])
    place = urlsplit(amqp.url)
    async with relay_to(place.hostname or "", place.port or 5672) as relay:
        url = place._replace(netloc=f"guest:guest@127.0.0.1:{relay.port}").geturl()
        async with running(AmqpSource(url, amqp.prefix, 8)) as inbox:
            (first,) = await take(inbox, 1)
            relay.refusing = True
            relay.cut()
            await first.ack()  # lost, and that harms nobody
            await relay.refused.wait()
            relay.refusing = False
            (again,) = await take(inbox, 1)
            assert (again.body, again.redelivered) == (b"a", True)
            await again.ack()
    assert await waiting(amqp) == 0


async def test_unreachable_broker_is_refused_with_the_settings_name(amqp: Any) -> None:
    source = AmqpSource("amqp://guest:secret@127.0.0.1:1/", amqp.prefix, 8)
    with pytest.raises(SourceUnavailable, match=r"127.0.0.1:1 .*AMQP_URL") as refusal:
        await source.open()
    assert "secret" not in str(refusal.value)


async def test_queue_that_is_otherwise_is_refused_with_the_remedy(amqp: Any) -> None:
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel()
        await channel.declare_queue(Topology(amqp.prefix).queue, durable=True)
    with pytest.raises(SourceUnavailable, match="AMQP_PREFIX"):
        await AmqpSource(amqp.url, amqp.prefix, 8).open()
