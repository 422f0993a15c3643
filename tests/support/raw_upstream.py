"""An upstream on a thread of its own that answers each model with a script: raw bytes, or none.

For what a proper server cannot be made to send. It reads whole requests and finds the script by
the model that they name; lists of models it answers by itself.
"""

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.scripted_server import Peer, Received, Script

_STARTED_S = 10
_LIST = b'{"object": "list", "data": []}'


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """A whole answer; `length` is declared in place of the true one."""
    declared = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"content-length: {declared}", *headers]
    if not any(line.startswith("content-type:") for line in headers):
        lines.append("content-type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*pieces: bytes, kind: str = "text/event-stream", end: bool = True) -> bytes:
    """An answer in chunked coding; without `end` it is not over."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + coded + (b"0\r\n\r\n" if end else b"")


def model_of(request: Received) -> str:
    """As the body says it, JSON or form."""
    try:
        return str(json.loads(request.body)["model"])
    except (ValueError, KeyError):
        found = re.search(rb'name="model"\r\n\r\n([^\r\n]+)', request.body)
        return found[1].decode() if found else ""


class RawUpstream:
    """Listens from entering the `with` block to leaving it."""

    def __init__(
        self, find: Callable[[str], Script | None], tls: ssl.SSLContext | None = None
    ) -> None:
        """`find`: the script of a model."""
        self._find, self._tls = find, tls
        self.requests: list[Received] = []
        """Those that named a model."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        name = "http://127.0.0.1" if self._tls is None else "https://localhost"
        return f"{name}:{self._port}/v1"

    def asked(self, model: str) -> list[Received]:
        """Every request for it so far."""
        return [request for request in self.requests if model_of(request) == model]

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_STARTED_S), "the raw upstream did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_STARTED_S)

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._converse(Peer(len(self._tasks), reader, writer)))
            self._tasks.add(task)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=self._tls, limit=2**20)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _converse(self, peer: Peer) -> None:
        try:
            while not peer.transport.is_closing():
                request = await peer.request()
                script = self._find(model_of(request))
                if script is None:
                    await peer.send(answer(_LIST))
                else:
                    self.requests.append(request)
                    await script(peer)
        except (EOFError, ConnectionError):
            pass  # the gateway has closed: what most scripts come to
        finally:
            peer.transport.abort()
