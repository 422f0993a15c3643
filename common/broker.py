"""RabbitMQ: how to connect, and the exchanges and queues that records travel through.

Both programs declare them when they connect. Publishing and consuming are elsewhere.
"""

from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelClosed, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused
from pamqp.common import FieldTable

CONNECT_TIMEOUT_S = 10
HEARTBEAT_S = 10


class TopologyMismatch(Exception):
    """The broker has it otherwise than we need it; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Names below one prefix, and the limits of the queue."""

    prefix: str
    max_bytes: int = 8 * 1024**3
    """Beyond this the broker refuses messages, and they wait in the gateways' spools."""
    delivery_limit: int = 100
    """Deliveries of one message before it goes to the dead letters; never dropped."""

    routing_key = "record"

    @property
    def exchange(self) -> str:
        return self.prefix

    @property
    def queue(self) -> str:
        return f"{self.prefix}.q"

    @property
    def dead_exchange(self) -> str:
        return f"{self.prefix}.dlx"

    @property
    def dead_queue(self) -> str:
        return f"{self.prefix}.dead"

    @property
    def queue_arguments(self) -> FieldTable:
        """Quorum: a confirmed message is on disk. Reject-publish: a full queue says so, and only
        with it are dead letters passed on at least once
        (https://www.rabbitmq.com/docs/quorum-queues#dead-lettering)."""
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": self.delivery_limit,
            "x-dead-letter-exchange": self.dead_exchange,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-max-length-bytes": self.max_bytes,
        }

    @property
    def dead_queue_arguments(self) -> FieldTable:
        """Since RabbitMQ 4.0 a queue without a limit has one of 20, beyond which it drops messages:
        looking at dead letters so often would lose them. "None" can be said to newer brokers only,
        so the limit is one that is never reached
        (https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling)."""
        return {"x-queue-type": "quorum", "x-delivery-limit": _NEVER_REACHED}


_NEVER_REACHED = 2**31 - 1


async def connect(url: str, name: str) -> AbstractConnection:
    """A plain connection: whoever uses it notices its loss and connects again.

    `name` is what the broker's own pages call it. Raises OSError, AMQPError or TimeoutError.
    """
    return await aio_pika.connect(
        url,
        timeout=CONNECT_TIMEOUT_S,
        heartbeat=HEARTBEAT_S,
        client_properties={"connection_name": name},
    )


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Everything by these names, unless it is there already; raises TopologyMismatch if it is
    there with other properties. The channel is closed then."""
    try:
        dead_exchange = await channel.declare_exchange(
            topology.dead_exchange, "fanout", durable=True
        )
        dead = await channel.declare_queue(
            topology.dead_queue, durable=True, arguments=topology.dead_queue_arguments
        )
        await dead.bind(dead_exchange)
        exchange = await channel.declare_exchange(topology.exchange, "direct", durable=True)
        queue = await channel.declare_queue(
            topology.queue, durable=True, arguments=topology.queue_arguments
        )
        await queue.bind(exchange, topology.routing_key)
    except ChannelPreconditionFailed as error:
        raise TopologyMismatch(
            f"RabbitMQ has an exchange or a queue of the prefix {topology.prefix!r} with other"
            f" properties ({error}). Give another AMQP_PREFIX, or delete it once it is empty."
        ) from error
    except ChannelAccessRefused as error:
        raise TopologyMismatch(
            f"The user in AMQP_URL may not declare {topology.prefix!r} and what begins with it"
            f" ({error}). Grant it configure, write and read on these names."
        ) from error
    except ChannelClosed as error:
        raise TopologyMismatch(
            f"RabbitMQ refuses to declare {topology.prefix!r} ({error}). Quorum queues need"
            " RabbitMQ 3.10 or newer."
        ) from error


async def consumers(channel: AbstractChannel, topology: Topology) -> int:
    """How many consumers read the queue. Raises AMQPError; the channel is closed then."""
    queue = await channel.declare_queue(topology.queue, passive=True)
    return queue.declaration_result.consumer_count or 0
