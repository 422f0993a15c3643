"""A consumer on this machine as the broker: messages and acks on its Unix socket."""

import asyncio
from itertools import count
from pathlib import Path
from typing import cast

from common import local_wire
from gateway.recording.broker import BrokerDown, Refused


class LocalBroker:
    """One connection. The consumer acks what it has stored; until then the message is unsafe."""

    compresses = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wire: _Wire | None = None

    async def connect(self) -> None:
        if self._wire is not None and not self._wire.gone.is_set():
            return
        try:
            connection = local_wire.connected(self._path)
        except OSError as error:
            raise BrokerDown(f"no consumer listens on {self._path} ({error.strerror})") from error
        loop = asyncio.get_running_loop()
        _, self._wire = await loop.create_unix_connection(_Wire, sock=connection)

    async def publish(self, body: bytes, message_id: str) -> None:
        if self._wire is None:
            raise BrokerDown("not connected")
        await self._wire.send(body)

    async def lost(self) -> None:
        if self._wire is not None:
            await self._wire.gone.wait()
        raise BrokerDown("the consumer has gone")

    async def consumers(self) -> int | None:
        return 0 if self._wire is None or self._wire.gone.is_set() else 1

    async def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


class _Wire(asyncio.Protocol):
    """The connection: who waits for which tag."""

    def __init__(self) -> None:
        self._acks = local_wire.Acks()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._tags = count(1)
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()

    async def send(self, body: bytes) -> None:
        """Returns when it is acknowledged. Raises BrokerDown or Refused."""
        if self._transport is None or self.gone.is_set():
            raise BrokerDown("the consumer has gone")
        tag = next(self._tags)
        try:
            self._transport.writelines((local_wire.head(tag, body), body))
        except ValueError as error:
            raise Refused(str(error)) from error
        acked = self._waiting[tag] = asyncio.get_running_loop().create_future()
        try:
            await acked
        finally:
            self._waiting.pop(tag, None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for tag in self._acks.feed(data):
            acked = self._waiting.get(tag)
            if acked is not None and not acked.done():
                acked.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        for acked in self._waiting.values():
            if not acked.done():
                acked.set_exception(BrokerDown("the consumer has gone"))
