"""A broker that keeps messages in a list, and fails when told to; for tests."""

import asyncio

from gateway.recording.broker import BrokerDown, Refused


class MemoryBroker:
    """Set `down` or `refusing` and see what happens."""

    compresses = True

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.down = False
        self.refusing = False
        self.connections = 0
        self._connected = False
        self._gone = asyncio.Event()

    async def connect(self) -> None:
        if self.down:
            raise BrokerDown("told to be down")
        if not self._connected:
            self._connected = True
            self._gone.clear()
            self.connections += 1

    async def publish(self, body: bytes, message_id: str) -> None:
        if self.down or not self._connected:
            await self.close()
            raise BrokerDown("told to be down" if self.down else "not connected")
        if self.refusing:
            raise Refused("told to refuse")
        self.messages.append(body)

    async def lost(self) -> None:
        await self._gone.wait()
        raise BrokerDown("the connection was closed")

    async def consumers(self) -> int | None:
        return None if self.down else 0

    async def close(self) -> None:
        self._connected = False
        self._gone.set()
