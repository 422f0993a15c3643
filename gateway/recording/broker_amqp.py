"""RabbitMQ as the broker: persistent messages into a quorum queue, each confirmed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelPreconditionFailed, DeliveryError

from common.broker import Topology, TopologyMismatch, connect, consumers, declare
from gateway.recording.broker import BrokerDown, Refused

CONFIRM_TIMEOUT_S = 15
"""A broker under a memory or disk alarm does not refuse: it just stops reading."""
_CLOSE_TIMEOUT_S = 5


class AmqpBroker:
    """One connection with one channel; after any doubt both are made anew, topology included."""

    compresses = True

    def __init__(self, url: str, topology: Topology) -> None:
        self._url, self._topology = url, topology
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None

    async def connect(self) -> None:
        if self._exchange is not None and self._channel and not self._channel.is_closed:
            return
        await self.close()
        with _down():
            self._connection = await connect(self._url, "gateway: records")
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                self._channel = await self._connection.channel(
                    publisher_confirms=True, on_return_raises=True
                )
                await declare(self._channel, self._topology)
                self._exchange = await self._channel.get_exchange(
                    self._topology.exchange, ensure=False
                )

    async def publish(self, body: bytes, message_id: str) -> None:
        if self._exchange is None:
            raise BrokerDown("not connected")
        message = Message(body, message_id=message_id, delivery_mode=DeliveryMode.PERSISTENT)
        try:
            with _down():
                await self._exchange.publish(
                    message, self._topology.routing_key, mandatory=True, timeout=CONFIRM_TIMEOUT_S
                )
        except (BrokerDown, Refused):
            self._exchange = None  # the next connect declares everything again
            raise

    async def lost(self) -> None:
        if self._channel is not None:
            with _down():
                await self._channel.closed()
        raise BrokerDown("the connection was closed")

    async def consumers(self) -> int | None:
        """On a channel of its own: asking for a queue that is gone closes the channel."""
        if self._connection is None or self._connection.is_closed:
            return None
        try:
            with _down():
                async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                    channel = await self._connection.channel()
                    try:
                        return await consumers(channel, self._topology)
                    finally:
                        await channel.close()
        except (BrokerDown, Refused):
            return None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        self._channel = self._exchange = None
        if connection is not None:
            try:
                with _down():
                    async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                        await connection.close()
            except BrokerDown:
                return  # gone already


@contextmanager
def _down() -> Iterator[None]:
    """What the client library raises, in our words."""
    try:
        yield
    except TopologyMismatch as error:
        raise BrokerDown(str(error)) from error
    except (DeliveryError, ChannelPreconditionFailed) as error:
        raise Refused(str(error)) from error
    except TimeoutError as error:
        raise BrokerDown("RabbitMQ does not answer") from error
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerDown(str(error) or type(error).__name__) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BrokerDown("the connection was closed") from error  # the library cancels its waiters
