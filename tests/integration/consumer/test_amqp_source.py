"""consumer.sources.amqp against a real RabbitMQ: acknowledged once, else delivered again."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from aio_pika import Message
from aio_pika.exceptions import ChannelNotFoundEntity
from anyio.streams.memory import MemoryObjectReceiveStream
from pamqp import commands
from pamqp.frame import marshal
from structlog.testing import capture_logs

from common.broker import Topology, connect, declare
from consumer.dead_letters import DeadLetters
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


async def is_there(amqp: Any) -> bool:
    """Whether somebody has declared the queue."""
    try:
        await waiting(amqp)
    except ChannelNotFoundEntity:
        return False
    return True


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


async def test_queue_that_is_deleted_is_declared_anew_and_read(amqp: Any) -> None:
    await publish(amqp, [b"before"])
    async with running(AmqpSource(amqp.url, amqp.prefix, 8)) as inbox:
        await (await inbox.receive()).ack()
        async with await connect(amqp.url, "test") as connection:
            await (await connection.channel()).queue_delete(Topology(amqp.prefix).queue)
        while not await is_there(amqp):
            continue
        await publish(amqp, [b"a"])
        (delivery,) = await take(inbox, 1)
        await delivery.ack()
    assert (delivery.body, await waiting(amqp)) == (b"a", 0)


async def test_channel_that_the_broker_closes_is_opened_again(amqp: Any) -> None:
    """As after `consumer_timeout`, with a message that was held too long."""
    await publish(amqp, [b"%d" % n for n in range(40)])
    place = urlsplit(amqp.url)
    told = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out"
    async with relay_to(place.hostname or "", place.port or 5672) as relay:
        url = place._replace(netloc=f"guest:guest@127.0.0.1:{relay.port}").geturl()
        send, inbox = anyio.create_memory_object_stream[Delivery](4)
        source = AmqpSource(url, amqp.prefix, 16)
        await source.open()
        async with anyio.create_task_group() as group, send, inbox:
            group.start_soon(source.run, send)
            with anyio.fail_after(DEADLINE_S), capture_logs() as lines:
                held = await take(inbox, 2)
                await relay.answer(marshal(commands.Channel.Close(406, told, 0, 0), 1))
                seen = {delivery.body for delivery in held}
                while len(seen) < 40:
                    (delivery,) = await take(inbox, 1)
                    await delivery.ack()
                    seen.add(delivery.body)
                assert [line["error"] for line in lines if line["event"] == "broker_lost"] == [
                    f"ChannelPreconditionFailed: {told}"
                ]
                while inbox.statistics().current_buffer_used or await waiting(amqp):
                    with anyio.move_on_after(0.1):
                        await (await inbox.receive()).ack()
            group.cancel_scope.cancel()


async def test_message_that_kills_consumers_is_never_dropped(amqp: Any) -> None:
    await publish(amqp, [b"deadly"])
    topology, letters = Topology(amqp.prefix), DeadLetters(amqp.url, amqp.prefix)
    async with await connect(amqp.url, "test") as connection:
        for _ in range(topology.delivery_limit + 1):
            channel = await connection.channel()
            queue = await channel.get_queue(topology.queue)
            await queue.get(timeout=DEADLINE_S)
            await channel.close()
    with anyio.fail_after(DEADLINE_S):
        while True:
            if (await letters.oldest(limit=1))[0]:
                break
            await anyio.sleep(0.05)
    for _ in range(25):  # looking is no delivery: RabbitMQ 4 drops after 20 unless told otherwise
        await letters.oldest(limit=1)
    assert topology.dead_queue_arguments["x-delivery-limit"] == 2**31 - 1
    while not await letters.replay():  # what was looked at goes back in the broker's own time
        continue
    async with running(AmqpSource(amqp.url, amqp.prefix, 8)) as inbox:
        (again,) = await take(inbox, 1)
        assert again.body == b"deadly"
        await again.ack()


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
