"""Whether records can leave: the broker, its topology, and who reads; or the local consumer."""

from pathlib import Path

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from common.broker import Topology, TopologyMismatch, declare
from common.local_wire import connected
from common.settings import SettingsError
from gateway.checks.check import Check
from gateway.supervision.broker import reached

_BROKER, _CONSUMERS = "broker", "consumers"


async def check_broker(url: str, prefix: str) -> list[Check]:
    topology = Topology(prefix)
    try:
        async with reached(url) as connection:
            return await _look(connection, topology)
    except SettingsError as refusal:
        return [Check(_BROKER, "fail", "RabbitMQ", str(refusal))]


async def check_local_consumer(path: Path) -> list[Check]:
    try:
        connected(path).close()
    except OSError:
        return [
            Check(_BROKER, "ok", "not configured; records go to a local consumer"),
            Check(
                _CONSUMERS,
                "warn",
                f"nobody listens on {path}",
                "Start gateway serve, which starts the local consumer.",
            ),
        ]
    return [
        Check(_BROKER, "ok", "not configured; records go to a local consumer"),
        Check(_CONSUMERS, "ok", "the local consumer answers"),
    ]


async def _look(connection: AbstractConnection, topology: Topology) -> list[Check]:
    """Looking declares nothing that is not there."""
    try:
        channel = await connection.channel()
        queue = await channel.declare_queue(topology.queue, passive=True)
        dead = await channel.declare_queue(topology.dead_queue, passive=True)
    except ChannelNotFoundEntity:
        detail = f"RabbitMQ answers; there is no queue {topology.queue} yet"
        return [Check(_BROKER, "warn", detail, "Nothing: gateway serve declares it.")]
    try:
        await declare(await connection.channel(), topology)
        found = Check(_BROKER, "ok", f"RabbitMQ answers; queue {topology.queue} is as it must be")
    except (TopologyMismatch, AMQPError) as mismatch:
        found = Check(_BROKER, "fail", f"queue {topology.queue}", str(mismatch))
    waiting = queue.declaration_result.message_count or 0
    reading = queue.declaration_result.consumer_count or 0
    return [found, _readers(reading, waiting), *_dead(dead.declaration_result.message_count or 0)]


def _readers(reading: int, waiting: int) -> Check:
    detail = f"{reading} reading, {waiting} messages waiting"
    if reading:
        return Check(_CONSUMERS, "ok", detail)
    return Check(_CONSUMERS, "warn", detail, "Start one: consumer run, with the same AMQP_URL.")


def _dead(count: int) -> list[Check]:
    if count == 0:
        return []
    remedy = "Look at them with consumer dead-letters."
    return [Check("dead letters", "warn", f"{count} messages could not be stored", remedy)]
