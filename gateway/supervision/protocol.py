"""One client's connection: HTTP/1.1 in, requests in their order out; bounded in size and time.

httptools parses; a request and its answer are a `Cycle`. When a worker drains and cuts is said in
`gateway.supervision.http`.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any
from urllib.parse import unquote

import httptools
import structlog
from starlette.types import ASGIApp
from uuid_utils import uuid7
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from gateway.errors import GatewayError, HeadTooLarge, MalformedHttp, RequestTooSlow
from gateway.proxy.headers import identity
from gateway.supervision.cycle import Cycle, status_line

log = structlog.get_logger()

MAX_HEAD_BYTES = 64 * 1024
MOST_PIPELINED = 8
"""Requests read ahead while one is answered; beyond that the client is not read from."""
SLOWEST_BYTES_PER_S = 16 * 1024
"""A request may take a second more for so much of it."""
_ASGI = {"version": "3.0", "spec_version": "2.3"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds."""

    body_s: float
    """For a head, and between two pieces of a body."""
    body_total_s: float = inf
    """For a whole request, and one second more for each `SLOWEST_BYTES_PER_S` of it."""
    send_s: float = inf
    """While it takes nothing of an answer that waits for it."""


class State(ServerState):
    """What a worker's connections share."""

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self.patience = patience
        self.draining = False
        """Every answer that begins from now on says `connection: close`."""


class Connection(asyncio.Protocol):
    """A client's connection, made by uvicorn for each that its socket accepts."""

    transport: asyncio.Transport
    flow: FlowControl

    def __init__(
        self,
        config: Config,
        server_state: State,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self._app: ASGIApp = config.loaded_app
        self._state, self._app_state = server_state, app_state
        self._keep_alive_s = config.timeout_keep_alive
        self._loop = _loop or asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        # what follows a request that asked for the end is the client's mistake, not a malformed one
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects_continue = False
        self._latest: Cycle | None = None
        """The request whose head came last."""
        self._answering: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        """Requests that came before those ahead of them were answered."""
        self._in_head = self._in_request = False
        self._head_bytes = self._head_bytes_at_most = self._request_bytes = 0
        self._unsent_bytes = 0
        self._refusal: GatewayError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport, self.flow = transport, FlowControl(transport)
        self._server = _address(transport.get_extra_info("sockname"))
        self._client = _address(transport.get_extra_info("peername"))
        self._heard_at = self._begun_at = self._looked_at = self._taken_at = self._loop.time()
        self._state.connections.add(self)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self.flow.resume_writing()
        answering = [] if self._answering is None else [self._answering]
        for cycle in [*answering, *self._waiting]:
            cycle.lost()
        self._waiting.clear()
        del self._parser  # it refers to this object, and this to it

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self._taken_at = self._loop.time()
        self.flow.resume_writing()

    # --- what comes in

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._request_bytes += len(data)
        goes_on = self._in_head
        self._head_bytes_at_most = len(data) + (self._head_bytes_at_most if goes_on else 0)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # the application says that it does not
        except httptools.HttpParserError:
            self.refuse(self._refusal or MalformedHttp())
            return
        if goes_on and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        self._url, self._headers, self._expects_continue = b"", [], False
        self._in_head = self._in_request = True
        self._begun_at, self._head_bytes, self._request_bytes = self._heard_at, 0, 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Raising makes the parser stop."""
        self._in_head = False
        if self._head_bytes_at_most > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            self._refusal = HeadTooLarge()
            raise self._refusal
        parser, state = self._parser, self._state
        version = parser.get_http_version()
        cycle = Cycle(
            self,
            self._scope(version),
            keep_alive=version != "1.0" and parser.should_keep_alive() and not state.draining,
            expects_continue=self._expects_continue,
        )
        self._latest = cycle
        if self._answering is None:
            self._answer(cycle)
            return
        self._waiting.append(cycle)
        if len(self._waiting) >= MOST_PIPELINED:
            self.flow.pause_reading()  # who is not read from cannot be seen leaving

    def on_body(self, body: bytes) -> None:
        if self._latest is not None and not self._latest.complete:
            self._latest.feed(body)

    def on_message_complete(self) -> None:
        self._in_request = False
        if self._latest is not None and not self._latest.complete:
            self._latest.feed_end()

    def _scope(self, version: str) -> dict[str, Any]:
        url = self._url
        if url[:1] == b"/" and b"#" not in url:
            raw_path, _, query = url.partition(b"?")
        else:
            parsed = httptools.parse_url(url)
            raw_path, query = parsed.path or b"/", parsed.query or b""
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._client,
            "server": self._server,
            "state": self._app_state.copy(),
        }

    def _answer(self, cycle: Cycle) -> None:
        self._answering = cycle
        task = self._loop.create_task(cycle.run(self._app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _size_of_head(self) -> int:
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)

    # --- what goes out

    @property
    def standing_headers(self) -> Sequence[tuple[bytes, bytes]]:
        return self._state.default_headers

    def answered(self) -> None:
        self._state.total_requests += 1
        self._answering = None
        if self.transport.is_closing():
            return
        self._heard_at = self._loop.time()
        self.flow.resume_reading()
        if self._waiting:
            self._answer(self._waiting.popleft())

    def shutdown(self) -> None:
        """No more than what it is answering."""
        if self._latest is None or self._latest.complete:
            self.transport.close()
        else:
            self._latest.keep_alive = False

    # --- what does not

    def look(self, now: float) -> None:
        """Once a second: does the client go on with what it began?"""
        patience = self._state.patience
        passed_s, self._looked_at = now - self._looked_at, now
        if self._takes_nothing(now):
            log.info("client_stalled", unsent_bytes=self._unsent_bytes)
            self.transport.abort()
        elif self.flow.read_paused:  # it is we who keep it waiting
            self._heard_at = now
            self._begun_at += passed_s
        elif self._in_head:
            if now - self._begun_at > patience.body_s and self._answering is None:
                self.refuse(RequestTooSlow())
        elif self._in_request:
            total_s = patience.body_total_s + self._request_bytes / SLOWEST_BYTES_PER_S
            if now - self._heard_at > patience.body_s or now - self._begun_at > total_s:
                self._give_up_body()
        elif self._answering is None and now - self._heard_at > self._keep_alive_s:
            self.transport.close()

    def _takes_nothing(self, now: float) -> bool:
        """Of what waits to be sent, for too long."""
        unsent_bytes = self.transport.get_write_buffer_size()
        if not unsent_bytes or unsent_bytes < self._unsent_bytes:
            self._taken_at = now
        self._unsent_bytes = unsent_bytes
        return now - self._taken_at > self._state.patience.send_s

    def _give_up_body(self) -> None:
        latest = self._latest
        if latest is None or not latest.started:
            self.refuse(RequestTooSlow())
        elif latest.complete:
            self.transport.close()

    # --- what is said of it

    def refuse(self, error: GatewayError) -> None:
        """Whoever answers the request, if anybody does yet, sees a client that has gone."""
        if self.transport.is_closing():
            return
        log.debug("connection_refused", code=error.code, status=error.status)
        latest = self._latest
        if latest is not None and latest.started != latest.complete:
            self.transport.abort()  # in the middle of an answer there is no place for another
            return
        body = error.body()
        headers = [
            *self.standing_headers,
            *identity(str(uuid7()).encode()),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *error.headers(),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([status_line(error.status), *lines, b"\r\n", body]))
        self.transport.close()


def _address(name: Any) -> tuple[str, int] | None:
    """As ASGI wants it; None: not an IP address."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple | list) else None
