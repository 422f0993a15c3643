"""consumer.dead_letters: seen where they are, and put back."""

from typing import Any

from aio_pika import Message
from aio_pika.abc import AbstractChannel

from common.broker import Topology, connect, declare
from common.message import pack
from consumer.dead_letters import DeadLetters
from tests.support.record_samples import new_id, record


async def bury(channel: AbstractChannel, topology: Topology, bodies: list[bytes]) -> None:
    """As the broker does with what was delivered too often."""
    await declare(channel, topology)
    exchange = await channel.get_exchange(topology.dead_exchange)
    for body in bodies:
        await exchange.publish(Message(body, message_id="m"), topology.routing_key)


async def count(channel: AbstractChannel, queue: str) -> int | None:
    return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count


async def test_dead_letters_are_listed_and_stay(amqp: Any) -> None:
    topology, letters = Topology(amqp.prefix), DeadLetters(amqp.url, amqp.prefix)
    (body,) = pack([(new_id(), record()) for _ in range(3)], 10**6)
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel()
        await bury(channel, topology, [body, b"unreadable"])
    for _ in range(2):
        found, oldest = await letters.oldest(limit=1)
        assert (found, [letter.records for letter in oldest]) == (2, [3])
    _, every = await letters.oldest(limit=9)
    assert [letter.records for letter in every] == [3, None]


async def test_replayed_dead_letters_are_in_the_queue_again(amqp: Any) -> None:
    topology, letters = Topology(amqp.prefix), DeadLetters(amqp.url, amqp.prefix)
    async with await connect(amqp.url, "test") as connection:
        channel = await connection.channel()
        await bury(channel, topology, [b"a", b"b"])
        assert await letters.replay() == 2
        queue = await channel.get_queue(topology.queue)
        assert [(await queue.get(no_ack=True)).body for _ in range(2)] == [b"a", b"b"]
        assert await count(channel, topology.dead_queue) == 0
    assert await letters.replay() == 0
