"""The fake upstream's side of a connection: requests in, and bytes out as crooked as wanted.

On a bare asyncio protocol, because a proper server would not let itself be cut, reset or lied for.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httptools


@dataclass
class Received:
    """One request as it arrived, and what became of its connection."""

    connection: int
    """Connections are numbered from 1."""
    method: str = ""
    target: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    hung_up: bool = False
    """The caller closed the connection before its answer was whole."""
    answered: bool = False

    def header(self, name: str) -> str | None:
        """None: there was no such header. The name is given in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def path(self) -> str:
        """Below `/v1`."""
        return self.target.split("?")[0].removeprefix("/v1")

    @property
    def key(self) -> str | None:
        bearer = self.header("authorization")
        return bearer.removeprefix("Bearer ") if bearer else self.header("api-key")


class Connection(asyncio.Protocol):
    """One caller's connection. Requests are answered in turn by `answer`."""

    def __init__(self, number: int, answer: Callable[["Connection", Received], Awaitable[None]]):
        self.number, self._answer = number, answer
        self.lost = asyncio.Event()
        self._parser = httptools.HttpRequestParser(self)
        self._request = Received(number)
        self._queue: asyncio.Queue[Received] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._answering = asyncio.ensure_future(self._answer_in_turn())

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()
        self._answering.cancel()

    def on_message_begin(self) -> None:
        self._request = Received(self.number)

    def on_url(self, url: bytes) -> None:
        self._request.target += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._request.body += body

    def on_message_complete(self) -> None:
        self._request.method = self._parser.get_method().decode()
        self._queue.put_nowait(self._request)

    async def _answer_in_turn(self) -> None:
        while True:
            request = await self._queue.get()
            try:
                await self._answer(self, request)
            finally:
                request.hung_up = self.lost.is_set() and not request.answered

    def head(self, status: int, headers: dict[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {status} Fake\r\n{lines}\r\n".encode())

    def chunk(self, data: bytes) -> None:
        """One piece of a body in chunked coding; an empty one ends it."""
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def break_off(self, how: str) -> None:
        """`close`, `reset`, or `hang` until the caller goes."""
        if how == "hang":
            await self.lost.wait()
        elif how == "reset":
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()
