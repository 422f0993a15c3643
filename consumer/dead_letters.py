"""Dead letters: messages that were delivered too often without being acknowledged.

A consumer died of them, or the database was away for days. Nothing is lost with them: they are seen
and put back into the queue from here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from common.broker import Topology, TopologyMismatch, connect, declare
from common.message import BadMessage, Batch, unpack
from consumer.source import SourceUnavailable

PUBLISH_TIMEOUT_S = 15


@dataclass(frozen=True, slots=True)
class DeadLetter:
    records: int | None
    """None: it is part of a record, or cannot be read."""
    size_bytes: int
    reason: str
    died_at: datetime | None


class DeadLetters:
    """The dead letters of one prefix."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url, self._topology = url, Topology(prefix)

    async def oldest(self, limit: int) -> tuple[int, list[DeadLetter]]:
        """How many there are, and the first of them; they go back to where they were."""
        async with self._channel() as channel:
            queue = await channel.declare_queue(self._topology.dead_queue, passive=True)
            count = queue.declaration_result.message_count or 0
            found = []
            for _ in range(min(limit, count)):
                message = await queue.get(fail=False)
                if message is not None:
                    found.append(_letter(message))
            return count, found

    async def replay(self) -> int:
        """Back into the queue with every one that is there now; returns how many it were."""
        async with self._channel() as channel:
            queue = await channel.declare_queue(self._topology.dead_queue, passive=True)
            exchange = await channel.get_exchange(self._topology.exchange, ensure=False)
            count = 0
            for _ in range(queue.declaration_result.message_count or 0):
                message = await queue.get(fail=False)
                if message is None:
                    break
                again = Message(
                    message.body,
                    delivery_mode=DeliveryMode.PERSISTENT,
                    message_id=message.message_id,
                )
                await exchange.publish(again, self._topology.routing_key, timeout=PUBLISH_TIMEOUT_S)
                await message.ack()
                count += 1
            return count

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        """Raises SourceUnavailable."""
        try:
            async with await connect(self._url, "dead-letters") as connection:
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await declare(channel, self._topology)
                yield channel
        except TopologyMismatch as error:
            raise SourceUnavailable(str(error)) from None
        except CONNECTION_EXCEPTIONS as error:
            raise SourceUnavailable(
                f"RabbitMQ cannot be used ({type(error).__name__}: {error}): start it, or correct"
                " AMQP_URL."
            ) from None


def _letter(message: AbstractIncomingMessage) -> DeadLetter:
    deaths: Any = message.headers.get("x-death") or [{}]
    died_at = deaths[0].get("time")
    return DeadLetter(
        _records_in(message.body),
        len(message.body),
        str(deaths[0].get("reason", "unknown")),
        died_at if isinstance(died_at, datetime) else None,
    )


def _records_in(body: bytes) -> int | None:
    try:
        content = unpack(body)
    except BadMessage:
        return None
    return len(content.records) if isinstance(content, Batch) else None
