"""Messages from RabbitMQ: a plain connection, made again whenever it is lost.

The topology is `common.broker`'s.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import structlog
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from anyio import CancelScope, fail_after, move_on_after, sleep
from anyio.streams.memory import MemoryObjectSendStream

from common.broker import Topology, TopologyMismatch, connect, consumers, declare
from consumer.backoff import delays
from consumer.source import Delivery, SourceUnavailable

CLOSE_TIMEOUT_S = 5
OPEN_TIMEOUT_S = 5
LOOK_EVERY_S = 5

log = structlog.get_logger()


class AmqpSource:
    """The queue of one prefix, at most `prefetch` messages ahead of their acknowledgement."""

    def __init__(self, url: str, prefix: str, prefetch: int) -> None:
        self._url, self._topology, self._prefetch = url, Topology(prefix), prefetch
        self._opened: AbstractConnection | None = None
        self._lost = False

    async def open(self) -> None:
        try:
            self._opened = await self._connect()
        except TopologyMismatch as error:
            raise SourceUnavailable(str(error)) from None
        except CONNECTION_EXCEPTIONS as error:
            raise SourceUnavailable(
                f"RabbitMQ at {_place(self._url)} cannot be reached ({_told(error)}): start it, or"
                " correct AMQP_URL."
            ) from None

    async def run(self, inbox: MemoryObjectSendStream[Delivery]) -> None:
        waits = delays()
        while True:
            try:
                connection = self._opened or await self._connect()
                self._opened = None
                log.info("broker_connected", queue=self._topology.queue)
                self._lost, waits = False, delays()
                self._say_lost(await self._deliver(connection, inbox))
            except (TopologyMismatch, *CONNECTION_EXCEPTIONS) as error:
                self._say_lost(_told(error))
            await sleep(next(waits))

    def _say_lost(self, why: str) -> None:
        if not self._lost:
            log.warning("broker_lost", error=why)
        self._lost = True

    async def _connect(self) -> AbstractConnection:
        """With the topology declared. Raises TopologyMismatch or CONNECTION_EXCEPTIONS."""
        connection = await connect(self._url, "consumer")
        try:
            channel = await connection.channel()
            await declare(channel, self._topology)
            await channel.close()
        except BaseException:
            await _close(connection)
            raise
        return connection

    async def _deliver(
        self, connection: AbstractConnection, inbox: MemoryObjectSendStream[Delivery]
    ) -> str:
        """Until nothing comes over this channel any more; returns why. What nobody has taken by
        then is forgotten: it comes again."""
        ended = _Ended()

        async def deliver(message: AbstractIncomingMessage) -> None:
            with ended.waiting():
                await inbox.send(_delivery(message))

        try:
            with fail_after(OPEN_TIMEOUT_S):  # of a queue that goes just now, no answer comes
                channel = await connection.channel()
                channel.close_callbacks.add(ended.closed)
                below = await channel.get_underlay_channel()
                below.on_consumer_cancel_callbacks.add(ended.cancelled)
                await channel.set_qos(prefetch_count=self._prefetch)
                queue = await channel.get_queue(self._topology.queue, ensure=False)
                await queue.consume(deliver)
            while True:
                with move_on_after(LOOK_EVERY_S):
                    return await ended.why()
                if not await self._is_read(connection):
                    return "the queue has lost its reader"
        finally:
            ended.forget()
            await _close(connection)

    async def _is_read(self, connection: AbstractConnection) -> bool:
        """Asked now and then: a queue that is deleted in the moment when its reader comes does not
        tell it. Raises AMQPError if there is no queue."""
        async with connection.channel() as channel:
            return bool(await consumers(channel, self._topology))


class _Ended:
    """How one channel came to its end, and the messages that nobody had taken until then."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._why = "connection closed"
        self._waiting: set[CancelScope] = set()

    def closed(self, _sender: object, error: BaseException | None) -> None:
        """By the broker, too: so it does where a message was held for longer than its
        `consumer_timeout`, because the database was away."""
        if error is not None and not self._over.is_set():
            self._why = _told(error)
        self._over.set()

    def cancelled(self, _frame: object) -> None:
        """The channel is open, but its queue is gone."""
        self._why = "the queue was deleted"
        self._over.set()

    async def why(self) -> str:
        await self._over.wait()
        return self._why

    @contextmanager
    def waiting(self) -> Iterator[None]:
        with CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)

    def forget(self) -> None:
        for scope in self._waiting:
            scope.cancel()


def _delivery(message: AbstractIncomingMessage) -> Delivery:
    async def ack() -> None:
        try:
            await message.ack()
        except CONNECTION_EXCEPTIONS as error:
            log.debug("ack_lost", error=_told(error))

    return Delivery(message.body, bool(message.redelivered), ack)


async def _close(connection: AbstractConnection) -> None:
    """Acknowledgements that were written leave before it closes."""
    with CancelScope(shield=True), move_on_after(CLOSE_TIMEOUT_S):
        await connection.close()


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or '127.0.0.1'}:{parts.port or 5672}"


def _told(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
