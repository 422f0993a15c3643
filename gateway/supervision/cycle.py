"""One request on a client's connection, and its answer: ASGI's `receive` and `send`.

Reading bytes and putting requests in their order is `gateway.supervision.protocol`'s. The head of
an answer waits for the first bytes of its body, as ASGI has it, so that both leave together.
"""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import structlog
from starlette.types import ASGIApp, Message
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl

from gateway.errors import GatewayError
from gateway.proxy.sink import HANG_UP

log = structlog.get_logger()

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}
_BODILESS = (204, 304)
_CLOSE, _CHUNKED = (b"connection", b"close"), (b"transfer-encoding", b"chunked")


def status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


class Carrier(Protocol):
    """The connection that a request came on."""

    transport: asyncio.Transport
    flow: FlowControl

    @property
    def standing_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """What every answer carries."""
        ...

    def answered(self) -> None:
        """The answer is out whole: the next request has its turn."""
        ...

    def refuse(self, error: GatewayError) -> None:
        """Say so, and close."""
        ...


class Cycle:
    """A request and its answer, from the request's head on."""

    __slots__ = (
        "_carrier", "_chunked", "_expects_continue", "_head", "_left", "_news", "_on_gone",
        "_pieces", "_size", "_waiter", "complete", "disconnected", "keep_alive", "more_body",
        "scope", "started",
    )  # fmt: skip

    def __init__(
        self, carrier: Carrier, scope: dict[str, Any], *, keep_alive: bool, expects_continue: bool
    ) -> None:
        self._carrier, self.scope, self.keep_alive = carrier, scope, keep_alive
        scope["extensions"] = {HANG_UP: self.when_gone}
        self._expects_continue = expects_continue
        self._pieces: list[bytes] = []
        self._size = 0
        self.more_body = True
        self._news = False
        """Something that `receive` has not told yet."""
        self._waiter: asyncio.Future[None] | None = None
        self._on_gone: Callable[[], None] | None = None
        self._head = b""
        self._left: int | None = None
        """Bytes of the body that were announced and not sent; None: they come in chunks."""
        self._chunked = False
        self.started = self.complete = self.disconnected = False

    async def run(self, app: ASGIApp) -> None:
        """Until it is answered; a client whose answer will not end sees its connection closed."""
        carrier = self._carrier
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:  # the edge of a request; the application answers what it foresees
            if not self.complete:
                log.exception("unforeseen_failure", path=self.scope["path"])
        finally:
            self._on_gone = None
            if not (self.complete or self.disconnected):
                if self.started:
                    carrier.transport.close()
                else:
                    carrier.refuse(GatewayError())

    # --- what the connection tells

    def feed(self, body: bytes) -> None:
        self._pieces.append(body)
        self._size += len(body)
        if self._size > HIGH_WATER_LIMIT:
            self._carrier.flow.pause_reading()
        self._wake()

    def feed_end(self) -> None:
        self.more_body = False
        self._wake()

    def lost(self) -> None:
        """The client is gone."""
        if not self.complete:
            self.disconnected = True
            self._wake()
            if self._on_gone is not None:
                self._on_gone()

    def _wake(self) -> None:
        self._news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- what the application calls

    def when_gone(self, tell: Callable[[], None]) -> None:
        """Call this once the client hangs up; at once if it has."""
        if self.disconnected:
            tell()
        else:
            self._on_gone = tell

    async def receive(self) -> Message:
        carrier = self._carrier
        if self._expects_continue and not self.started:
            self._expects_continue = False
            if not self.disconnected:
                carrier.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not (self.disconnected or self.complete):
            carrier.flow.resume_reading()
            if not self._news:
                self._waiter = asyncio.get_running_loop().create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        pieces, self._pieces, self._size, self._news = self._pieces, [], 0, False
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if not self.more_body:
            carrier.flow.resume_reading()  # who is not read from cannot be seen leaving
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """Raises RuntimeError for an answer that would not be HTTP."""
        flow = self._carrier.flow
        if flow.write_paused and not self.disconnected:
            await flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            if self.started:
                raise RuntimeError("an answer starts once")
            self._start(message["status"], message.get("headers", ()))
        elif not self.started or self.complete:
            raise RuntimeError("a body stands between the start of its answer and its end")
        else:
            self._write(message.get("body", b""), bool(message.get("more_body")))

    def _start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.started = True
        every = [*self._carrier.standing_headers, *headers]
        named = dict(every)
        if b"close" in named.get(b"connection", b"").lower():
            self.keep_alive = False
        if (length := named.get(b"content-length")) is not None:
            self._left = int(length)
        elif self.scope["method"] == "HEAD" or status in _BODILESS:
            self._left = 0
        elif self.scope["http_version"] == "1.1":
            self._chunked = True
            every.append(_CHUNKED)
        else:
            self.keep_alive = False  # the end of the connection ends the body
        if not self.keep_alive and b"connection" not in named:
            every.append(_CLOSE)
        block = b"\r\n".join(map(b": ".join, every))
        breaks = len(every) - 1
        if block.count(b"\n") != breaks or block.count(b"\r") != breaks or b"\0" in block:
            raise RuntimeError("a header holds a line break or NUL")
        self._head = b"".join((status_line(status), block, b"\r\n\r\n"))

    def _write(self, body: bytes, more_body: bool) -> None:
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            body, self._left = b"", 0
        if self._chunked:
            size = b"%x\r\n" % len(body) if body else b""
            end = b"" if more_body else b"0\r\n\r\n"
            body = b"".join((head, size, body, b"\r\n" if body else b"", end))
        else:
            if self._left is not None:
                self._left -= len(body)
                if self._left < 0 or (self._left and not more_body):
                    raise RuntimeError("a body is not as long as its head says")
            body = head + body
        if body:
            self._carrier.transport.write(body)
        if not more_body:
            self._finish()

    def _finish(self) -> None:
        self.complete, self._on_gone = True, None
        self._wake()
        if not self.keep_alive:
            self._carrier.transport.close()
        self._carrier.answered()
