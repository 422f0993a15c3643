"""What every broker adapter does alike: the one in memory, the local wire, and real RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest
from yarl import URL

from common.broker import Topology, consumers
from common.local_wire import WireClosed, ack, listening, read_message
from gateway.recording.broker import Broker, BrokerDown
from gateway.recording.broker_amqp import AmqpBroker
from gateway.recording.broker_local import LocalBroker
from gateway.recording.broker_memory import MemoryBroker
from tests.conftest import Amqp
from tests.support.relay import relay_to


@dataclass
class World:
    """A broker and its other side."""

    broker: Broker
    arrived: Callable[[], Awaitable[list[bytes]]]
    """Bodies of all that was published."""
    cut: Callable[[], Awaitable[None]]
    """Break the connection from the other side."""
    consumers: int
    """How many read."""


@asynccontextmanager
async def in_memory(tmp_path: Path, amqp: Amqp) -> AsyncIterator[World]:
    broker = MemoryBroker()

    async def arrived() -> list[bytes]:
        return broker.messages

    yield World(broker, arrived, broker.close, 0)


@asynccontextmanager
async def local(tmp_path: Path, amqp: Amqp) -> AsyncIterator[World]:
    bodies: list[bytes] = []
    connections: list[asyncio.StreamWriter] = []

    async def consume(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with suppress(WireClosed):
            while True:
                tag, body = await read_message(reader)
                bodies.append(body)
                writer.write(ack(tag))
        writer.close()

    async def arrived() -> list[bytes]:
        return bodies

    async def cut() -> None:
        for connection in connections:
            connection.transport.abort()

    with listening(tmp_path / "consumer.sock") as listener:
        async with await asyncio.start_unix_server(consume, sock=listener) as server:
            yield World(LocalBroker(tmp_path / "consumer.sock"), arrived, cut, 1)
            server.close()
            await cut()


@asynccontextmanager
async def rabbitmq(tmp_path: Path, amqp: Amqp) -> AsyncIterator[World]:
    url = URL(amqp.url)
    async with relay_to(url.host or "", url.port or 5672) as relay:
        through = str(url.with_host("127.0.0.1").with_port(relay.port))

        async def arrived() -> list[bytes]:
            bodies = []
            async with await aio_pika.connect(amqp.url) as connection:
                queue = await (await connection.channel()).get_queue(f"{amqp.prefix}.q")
                while message := await queue.get(fail=False, no_ack=True):
                    bodies.append(message.body)
            return bodies

        async def cut() -> None:
            relay.cut()

        yield World(AmqpBroker(through, Topology(amqp.prefix)), arrived, cut, 0)


@pytest.fixture(params=[in_memory, local, rabbitmq])
async def world(request: pytest.FixtureRequest, tmp_path: Path, amqp: Amqp) -> AsyncIterator[World]:
    async with request.param(tmp_path, amqp) as world:
        yield world
        await world.broker.close()


async def publish(world: World, *bodies: bytes) -> None:
    async with asyncio.TaskGroup() as group:
        for body in bodies:
            group.create_task(world.broker.publish(body, uuid4().hex))


async def test_what_is_published_arrives(world: World) -> None:
    await world.broker.connect()
    bodies = [b"", b"\x00\xff" * 1000, b"x" * 1024 * 1024, *(b"%d" % n for n in range(20))]
    await publish(world, *bodies)
    assert sorted(await world.arrived()) == sorted(bodies)


async def test_connecting_twice_is_connecting_once(world: World) -> None:
    await world.broker.connect()
    await world.broker.connect()
    await publish(world, b"body")
    assert await world.arrived() == [b"body"]


async def test_before_connecting_and_after_closing_it_is_down(world: World) -> None:
    with pytest.raises(BrokerDown):
        await world.broker.publish(b"early", "1")
    await world.broker.connect()
    await world.broker.close()
    with pytest.raises(BrokerDown):
        await world.broker.publish(b"late", "2")
    await world.broker.close()
    await world.broker.connect()
    await publish(world, b"body")
    assert await world.arrived() == [b"body"]


async def test_a_lost_connection_is_noticed_and_can_be_made_anew(world: World) -> None:
    await world.broker.connect()
    async with asyncio.TaskGroup() as group:
        noticing = group.create_task(expect_lost(world.broker))
        await asyncio.sleep(0)
        await world.cut()
        await noticing
    with pytest.raises(BrokerDown):
        await world.broker.publish(b"lost", "1")
    await world.broker.connect()
    await publish(world, b"found")
    assert await world.arrived() == [b"found"]


async def expect_lost(broker: Broker) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(BrokerDown):
            await broker.lost()


async def test_it_tells_how_many_read(world: World) -> None:
    await world.broker.connect()
    assert await world.broker.consumers() == world.consumers


async def test_a_cancelled_publish_harms_no_other(world: World) -> None:
    await world.broker.connect()
    cancelled = asyncio.ensure_future(world.broker.publish(b"cancelled", "1"))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    await publish(world, b"first", b"second")
    assert {b"first", b"second"} <= set(await world.arrived())


async def test_nobody_listens_locally(tmp_path: Path) -> None:
    broker = LocalBroker(tmp_path / "consumer.sock")
    with pytest.raises(BrokerDown, match="no consumer listens"):
        await broker.connect()
    assert await broker.consumers() == 0


async def test_what_the_consumer_has_not_acknowledged_is_not_published(tmp_path: Path) -> None:
    received = asyncio.Event()

    async def take_and_die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        received.set()
        writer.transport.abort()

    with listening(tmp_path / "s") as listener:
        async with await asyncio.start_unix_server(take_and_die, sock=listener) as server:
            broker = LocalBroker(tmp_path / "s")
            await broker.connect()
            with pytest.raises(BrokerDown):
                await broker.publish(b"body", "1")
            assert received.is_set()
            server.close()


async def test_consumers_of_the_queue_are_counted(amqp: Amqp) -> None:
    broker = AmqpBroker(amqp.url, Topology(amqp.prefix))
    await broker.connect()
    async with await aio_pika.connect(amqp.url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(f"{amqp.prefix}.q")
        await queue.consume(ignore)
        assert await broker.consumers() == 1
        assert await consumers(await connection.channel(), Topology(amqp.prefix)) == 1
    await broker.close()
    assert await broker.consumers() is None


async def ignore(message: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Whoever reads this one never acknowledges."""
