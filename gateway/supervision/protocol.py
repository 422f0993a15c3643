"""One client's connection: uvicorn's HTTP/1.1 protocol, bounded, and what draining adds to it.

Parsing and ASGI are uvicorn's; it bounds neither the size of a head nor the time that a client may
take to send what it began. When a worker drains and cuts is said in `gateway.supervision.http`.
"""

import asyncio

import structlog
from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from gateway.errors import GatewayError, HeadTooLarge, MalformedHttp, RequestTooSlow
from gateway.proxy.headers import identity

log = structlog.get_logger()

MAX_HEAD_BYTES = 64 * 1024
MOST_PIPELINED = 8
"""Requests read ahead while one is answered; beyond that the client is not read from."""


class State(ServerState):
    """What a worker's connections share."""

    def __init__(self, body_s: float) -> None:
        super().__init__()
        self.body_s = body_s
        """For a head, and between two pieces of a body."""
        self.draining = False
        """Every answer that begins from now on says `connection: close`."""


class Connection(HttpToolsProtocol):
    """A client's connection."""

    server_state: State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._heard_at = self._begun_at = self.loop.time()
        self._in_head = self._in_request = False
        self._head_bytes = self._head_bytes_at_most = 0
        self._refusal: GatewayError | None = None
        self._open: list[RequestResponseCycle] = []

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn tells the newest request alone; with several, an older one is being answered."""
        super().connection_lost(exc)
        for cycle in self._open:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    # --- what comes in

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        goes_on = self._in_head
        self._head_bytes_at_most = len(data) + (self._head_bytes_at_most if goes_on else 0)
        super().data_received(data)
        if goes_on and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_request = True
        self._begun_at, self._head_bytes = self._heard_at, 0

    def on_headers_complete(self) -> None:
        """Raising makes the parser stop, and uvicorn call `send_400_response`."""
        self._in_head = False
        if self._head_bytes_at_most > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            self._refusal = HeadTooLarge()
            raise self._refusal
        super().on_headers_complete()
        self._open = [c for c in self._open if not c.response_complete] + [self.cycle]
        if self.pipeline and len(self.pipeline) < MOST_PIPELINED:
            self.flow.resume_reading()  # who is not read from cannot be seen leaving
        if self.server_state.draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_request = False

    @property
    def _latest(self) -> RequestResponseCycle | None:
        """The request whose head came last; None: there was none yet, whatever the type says."""
        return self.cycle

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    # --- what does not

    def look(self, now: float) -> None:
        """Once a second: is the client still sending what it began?"""
        if self.flow.read_paused:  # it is we who keep it waiting
            self._heard_at = now
        elif self._in_head:
            latest = self._latest
            answering = latest is not None and not latest.response_complete
            if now - self._begun_at > self.server_state.body_s and not answering:
                self._refuse(RequestTooSlow())
        elif self._in_request:
            if now - self._heard_at > self.server_state.body_s:
                self._give_up_body()
        elif self._latest is None and now - self._heard_at > self.timeout_keep_alive:
            self.transport.close()

    def _give_up_body(self) -> None:
        if not self.cycle.response_started:
            self._refuse(RequestTooSlow())
        elif self.cycle.response_complete:
            self.transport.close()

    # --- what is said of it

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or MalformedHttp())

    def _refuse(self, error: GatewayError) -> None:
        """Whoever answers the request, if anybody does yet, sees a client that has gone."""
        if self.transport.is_closing():
            return
        log.debug("connection_refused", code=error.code, status=error.status)
        latest = self._latest
        if latest is not None and latest.response_started != latest.response_complete:
            self.transport.abort()  # in the middle of an answer there is no place for another
            return
        body = error.body()
        headers = [
            *self.server_state.default_headers,
            *identity(str(uuid7()).encode()),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *error.headers(),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body]))
        self.transport.close()
