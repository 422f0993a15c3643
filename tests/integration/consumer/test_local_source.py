"""consumer.sources.local: gateways connect, send, and are told what is stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream

from common.local_wire import Acks, connected, message
from consumer.source import Delivery, SourceUnavailable
from consumer.sources.local import LocalSource

DEADLINE_S = 60


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[MemoryObjectReceiveStream[Delivery]]:
    source = LocalSource(path)
    send, receive = anyio.create_memory_object_stream[Delivery](64)
    await source.open()
    async with anyio.create_task_group() as group, send, receive:
        group.start_soon(source.run, send)
        with anyio.fail_after(DEADLINE_S):
            yield receive
        group.cancel_scope.cancel()


class Gateway:
    """The other end of the wire."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._acks = reader, writer, Acks()

    def send(self, tag: int, body: bytes) -> None:
        self._writer.write(message(tag, body))

    async def acked(self) -> list[int]:
        while not (tags := self._acks.feed(await self._reader.read(1000))):
            continue
        return tags


@asynccontextmanager
async def gateway(path: Path) -> AsyncIterator[Gateway]:
    reader, writer = await asyncio.open_connection(sock=connected(path))
    try:
        yield Gateway(reader, writer)
    finally:
        writer.close()


async def test_messages_arrive_and_acknowledgements_go_back(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    async with running(path) as inbox, gateway(path) as sender:
        for tag in (6, 7, 8):
            sender.send(tag, b"%d" % tag * 200_000)
        await (await inbox.receive()).ack()
        assert await sender.acked() == [6]
        first, second = await inbox.receive(), await inbox.receive()
        assert (first.body, second.body) == (b"7" * 200_000, b"8" * 200_000)
        await second.ack()
        assert await sender.acked() == [8]
        await first.ack()
        assert await sender.acked() == [7]


async def test_new_connection_is_taken_for_a_repetition_until_something_was_stored(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c.sock"
    async with running(path) as inbox, gateway(path) as sender:
        for tag in range(3):
            sender.send(tag, b"a")
        first = await inbox.receive()
        with anyio.move_on_after(0.2):
            pytest.fail(f"{await inbox.receive()} came before the first was stored")
        await first.ack()
        rest = [await inbox.receive() for _ in range(2)]
        assert (first.redelivered, *(each.redelivered for each in rest)) == (True, False, False)


async def test_gateway_that_is_gone_or_babbles_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    async with running(path) as inbox:
        async with gateway(path) as sender:
            sender.send(1, b"a")
            orphan = await inbox.receive()
        _, babbler = await asyncio.open_connection(sock=connected(path))
        babbler.write(b"\xff" * 100)
        async with gateway(path) as sender:
            sender.send(1, b"a")
            again = await inbox.receive()
            await orphan.ack()
            await again.ack()
            assert await sender.acked() == [1]
        babbler.close()


async def test_second_consumer_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    async with running(path):
        with pytest.raises(SourceUnavailable, match="DATA_DIR"):
            await LocalSource(path).open()
    async with running(path):
        assert path.is_socket()


async def test_directory_that_is_none_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceUnavailable, match="DATA_DIR"):
        await LocalSource(tmp_path / "file" / "c.sock").open()
