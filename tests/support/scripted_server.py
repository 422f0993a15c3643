"""An upstream that does to the wire exactly what a test's script says, on the test's own loop.

It knows just enough of HTTP to tell where a request ends. For an upstream that behaves, see
`fake_upstream`.
"""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

DEADLINE_S = 30
"""For anything that a test waits for; everything takes milliseconds."""


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        found = [value for n, value in self.headers if n.lower() == name]
        return b", ".join(found) if found else None


class Peer:
    """The upstream's end of one connection."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        """Of the connection, from 0."""
        self.reader, self.writer = reader, writer
        self.transport: asyncio.WriteTransport = writer.transport

    async def request(self) -> Received:
        """The next whole request. Raises EOFError when the client has closed instead."""
        head = await self.head()
        length, coding = head.header(b"content-length"), head.header(b"transfer-encoding")
        if coding is not None:
            body = b"".join([piece async for piece in self.chunks()])
        else:
            body = await self.reader.readexactly(int(length or 0))
        return Received(head.line, head.headers, body)

    async def head(self) -> Received:
        lines = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        headers = [re.split(rb": ?", line, maxsplit=1) for line in lines[1:]]
        return Received(lines[0], [(name, value) for name, value in headers], b"")

    async def chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)

    async def send(self, *parts: bytes) -> None:
        """Each part arrives by itself. Raises ConnectionError once the client has closed."""
        for part in parts:
            if self.transport.is_closing():
                raise ConnectionResetError
            self.writer.write(part)
            await settled()

    def end(self) -> None:
        """An orderly end: FIN, after everything sent has gone out."""
        self.writer.close()

    def reset(self) -> None:
        """RST, at once. A client that was faster has nothing to notice any more."""
        if self.transport.is_closing():
            return
        no_lingering = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, no_lingering
        )
        self.transport.abort()

    def pause(self) -> None:
        """Reads no more, so that the client cannot write for long."""
        reading = self.writer.transport
        if isinstance(reading, asyncio.ReadTransport):
            reading.pause_reading()

    async def gone(self) -> None:
        """Returns once the client has closed this connection."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while await self.reader.read(65536):
                    pass
        except OSError as error:
            assert not isinstance(error, TimeoutError), "the client keeps the connection"


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class ScriptedServer:
    """Where it listens, and who came."""

    host: str
    port: int
    scheme: str
    peers: list[Peer] = field(default_factory=list)
    scripts: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/v1"

    async def finished(self) -> None:
        """Returns once every script has run to its end; those that wait for `gone` prove it."""
        done, late = await asyncio.wait(self.scripts, timeout=DEADLINE_S)
        assert done and not late


@asynccontextmanager
async def scripted(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[ScriptedServer]:
    """Runs the script for each connection. A script that fails makes the test fail."""
    async with asyncio.TaskGroup() as group:

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(len(server.peers), reader, writer)
            server.peers.append(peer)
            server.scripts.add(group.create_task(_serve(script, peer)))

        listening = await asyncio.start_server(connected, host, 0, ssl=tls, limit=2**20)
        port = listening.sockets[0].getsockname()[1]
        server = ScriptedServer(
            "localhost" if tls and host == "127.0.0.1" else host, port, "https" if tls else "http"
        )
        try:
            yield server
        finally:
            listening.close()
            for task in server.scripts:
                task.cancel()
            for peer in server.peers:
                peer.transport.abort()


async def _serve(script: Script, peer: Peer) -> None:
    try:
        await script(peer)
    except (EOFError, ConnectionError):
        pass  # the client has closed: what a script may wait for


async def settled() -> None:
    """Lets what was written travel and be read: both ends are on this loop."""
    for _ in range(3):
        await asyncio.sleep(0)


async def until(true: Callable[[], object], what: str) -> None:
    """Fails if `true` has not become so by the deadline."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not true():  # noqa: ASYNC110 (what is waited for has no event)
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None
