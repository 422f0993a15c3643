"""RabbitMQ when it is not as it should be: full, stopped in its tracks, declared otherwise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from yarl import URL

from common.broker import Topology
from gateway.recording import broker_amqp
from gateway.recording.broker import BrokerDown, Refused
from gateway.recording.broker_amqp import AmqpBroker
from tests.conftest import Amqp
from tests.support.relay import Relay, relay_to


@asynccontextmanager
async def connected(url: str, topology: Topology) -> AsyncIterator[AmqpBroker]:
    broker = AmqpBroker(url, topology)
    await broker.connect()
    try:
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def relayed(amqp: Amqp) -> AsyncIterator[tuple[Relay, AmqpBroker]]:
    url = URL(amqp.url)
    async with relay_to(url.host or "", url.port or 5672) as relay:
        through = str(url.with_host("127.0.0.1").with_port(relay.port))
        async with connected(through, Topology(amqp.prefix)) as broker:
            yield relay, broker


async def test_messages_are_persistent_and_dead_letters_are_kept(amqp: Amqp) -> None:
    topology = Topology(amqp.prefix, delivery_limit=2)
    async with connected(amqp.url, topology) as broker:
        await broker.publish(b"poison", "1")
    async with await aio_pika.connect(amqp.url) as connection, asyncio.timeout(60):
        channel = await connection.channel()
        queue = await channel.get_queue(topology.queue)
        for _ in range(3):
            message = await queue.get(timeout=20)
            assert message is not None
            assert (message.body, message.delivery_mode) == (b"poison", 2)
            await message.nack(requeue=True)
        dead = await channel.get_queue(topology.dead_queue)
        async with dead.iterator() as letters:
            letter = await anext(letters)
            assert letter.body == b"poison"
            await letter.ack()


async def test_a_full_queue_refuses(amqp: Amqp) -> None:
    async with connected(amqp.url, Topology(amqp.prefix, max_bytes=100_000)) as broker:
        with pytest.raises(Refused):
            for n in range(100):
                await broker.publish(b"x" * 50_000, str(n))


async def test_a_queue_that_is_gone_refuses_and_is_declared_anew(amqp: Amqp) -> None:
    async with connected(amqp.url, Topology(amqp.prefix)) as broker:
        async with await aio_pika.connect(amqp.url) as connection:
            await (await connection.channel()).queue_delete(f"{amqp.prefix}.q")
        with pytest.raises(Refused, match="NO_ROUTE"):
            await broker.publish(b"body", "1")
        assert await broker.consumers() is None
        await broker.connect()
        await broker.publish(b"body", "2")


async def test_an_exchange_that_is_gone_is_declared_anew(amqp: Amqp) -> None:
    async with connected(amqp.url, Topology(amqp.prefix)) as broker:
        async with await aio_pika.connect(amqp.url) as connection:
            await (await connection.channel()).exchange_delete(amqp.prefix)
        with pytest.raises(BrokerDown):
            await broker.publish(b"body", "1")
        await broker.connect()
        await broker.publish(b"body", "2")


async def test_another_topology_of_that_name_is_told_with_its_remedy(amqp: Amqp) -> None:
    async with await aio_pika.connect(amqp.url) as connection:
        await (await connection.channel()).declare_queue(f"{amqp.prefix}.q", durable=True)
    broker = AmqpBroker(amqp.url, Topology(amqp.prefix))
    with pytest.raises(BrokerDown, match="AMQP_PREFIX"):
        await broker.connect()
    await broker.close()


async def test_wrong_credentials_and_no_server_are_down(amqp: Amqp) -> None:
    for url in (str(URL(amqp.url).with_password("wrong")), "amqp://127.0.0.1:1/"):
        broker = AmqpBroker(url, Topology(amqp.prefix))
        with pytest.raises(BrokerDown):
            await broker.connect()
        await broker.close()


async def test_a_broker_that_stops_answering_is_down_after_a_while(
    amqp: Amqp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a memory or disk alarm; and as frozen by SIGSTOP."""
    monkeypatch.setattr(broker_amqp, "CONFIRM_TIMEOUT_S", 0.5)
    monkeypatch.setattr(broker_amqp, "_CLOSE_TIMEOUT_S", 0.5)
    async with relayed(amqp) as (relay, broker):
        relay.passing.clear()
        async with asyncio.timeout(30):
            with pytest.raises(BrokerDown, match="does not answer"):
                await broker.publish(b"body", "1")
            relay.passing.set()
            await broker.connect()
            await broker.publish(b"body", "2")


async def test_every_publish_in_flight_learns_that_the_connection_is_lost(amqp: Amqp) -> None:
    async with relayed(amqp) as (relay, broker):
        relay.passing.clear()
        in_flight = [asyncio.ensure_future(broker.publish(b"x", str(n))) for n in range(8)]
        await asyncio.sleep(0.1)
        relay.cut()
        async with asyncio.timeout(30):
            results = await asyncio.gather(*in_flight, return_exceptions=True)
        assert all(isinstance(result, BrokerDown) for result in results)
