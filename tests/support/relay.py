"""A TCP relay in front of a real service, whose connections a test can cut, stall and refuse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from anyio import create_task_group


class Relay:
    """`cut` breaks what is connected; while `refusing`, nothing new gets through; unless `passing`,
    connections stay open and no byte does."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.refusing = False
        self.refused = asyncio.Event()
        self.passing = asyncio.Event()
        self.passing.set()

    async def answer(self, data: bytes) -> None:
        """To every client, as if the service had said it; while it says nothing itself."""
        for client in self._clients:
            client.write(data)
            await client.drain()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            self.refused.set()
            writer.transport.abort()
            return
        self._clients.add(writer)
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        async with create_task_group() as group:
            group.start_soon(self._pump, reader, back)
            group.start_soon(self._pump, there, writer)
        self._writers -= {writer, back}
        self._clients.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self.passing.wait()
                if writer.transport.is_closing():
                    break
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def relay_to(host: str, port: int) -> AsyncIterator[Relay]:
    relay = Relay(host, port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        relay.cut()
        relay.passing.set()
