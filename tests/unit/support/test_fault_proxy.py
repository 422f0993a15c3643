"""The fault proxy: what gets through when, and who is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from tests.support.fault_proxy import FaultProxy
from tests.support.recording import soon


class Line:
    """A connection through the proxy to a service that repeats what it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer
        self.leave = writer.transport.abort

    async def says(self, text: bytes) -> None:
        self._writer.write(text)
        await self._writer.drain()

    async def hears(self, text: bytes) -> None:
        async with asyncio.timeout(30):
            assert await self.reader.readexactly(len(text)) == text

    async def hears_nothing_of(self, text: bytes) -> None:
        await self.says(text)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await self.reader.read(1)

    async def is_cut(self) -> None:
        async with asyncio.timeout(30):
            try:
                assert await self.reader.read(1) == b""
            except ConnectionError:
                return


class Lines:
    """Connections through one proxy."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy, self.heard = proxy, list[bytes]()
        self.made: list[Line] = []

    async def new(self) -> Line:
        made = Line(*await asyncio.open_connection("127.0.0.1", self.proxy.port))
        self.made.append(made)
        return made

    async def talking(self) -> Line:
        made = await self.new()
        await made.says(b"hello")
        await made.hears(b"hello")
        return made


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[FaultProxy, Lines]]:

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1000):
            lines.heard.append(piece)
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy("127.0.0.1", port, Random(1)) as proxy:
        lines = Lines(proxy)
        yield proxy, lines
        for made in lines.made:
            made.leave()
    server.close()
    await server.wait_closed()


async def test_cut_breaks_what_is_connected_and_nothing_else() -> None:
    async with echoing() as (proxy, lines):
        first = await lines.talking()
        proxy.cut()
        await first.is_cut()
        await lines.talking()


async def test_refusing_lets_nobody_in_until_it_is_healed() -> None:
    async with echoing() as (proxy, lines):
        first = await lines.talking()
        proxy.refuse()
        await first.is_cut()
        await (await lines.new()).is_cut()
        proxy.heal()
        await lines.talking()


async def test_what_is_frozen_arrives_later() -> None:
    async with echoing() as (proxy, lines):
        first = await lines.talking()
        proxy.freeze()
        await first.hears_nothing_of(b"anybody?")
        proxy.heal()
        await first.hears(b"anybody?")


async def test_delayed_pieces_arrive_in_their_order() -> None:
    async with echoing() as (proxy, lines):
        first = await lines.talking()
        proxy.delay(0.02)
        for digit in b"0123456789":
            await first.says(bytes([digit]))
        await first.hears(b"0123456789")


async def test_lost_answers_were_heard_by_the_service() -> None:
    async with echoing() as (proxy, lines):
        first = await lines.talking()
        proxy.lose_answers()
        await first.hears_nothing_of(b"safe?")
        assert lines.heard[-1] == b"safe?"
        proxy.heal()
        await first.is_cut()


async def test_half_open_connections_are_known_to_one_side_only() -> None:
    async with echoing() as (proxy, lines):
        first = await lines.talking()
        proxy.half_open()
        await first.hears_nothing_of(b"there?")
        assert lines.heard == [b"hello"]
        await soon(lambda: not first.reader.at_eof(), "nothing to be told")
        proxy.heal()
        await first.is_cut()
