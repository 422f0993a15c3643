"""The second adapter of the wire's port, on httpx2: to compare with, and to fall back on.

It differs from our own where httpx2 leaves no choice: no connection is replaced that turns out to
be closed, an early answer waits until the request is written, a chunked answer is `complete` only
once `read` has returned b"", heads may be 100 KiB long, and a proxy of http:// upstreams is
spoken to without CONNECT.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from gateway.upstream.credential import Timeouts, Upstream
from gateway.upstream.origin import HOP_BY_HOP, Heads, Origin, Proxy
from gateway.upstream.wire import (
    BadAnswer,
    Headers,
    Lost,
    NotSent,
    TimedOut,
    WireError,
    WireRequest,
)

_ENDED = ("Server disconnected", "peer closed", "peer unexpectedly closed")
"""How httpx2 begins to say that the connection ended; it has no class for it."""


class Httpx2Answer:
    """Implements WireAnswer."""

    def __init__(
        self, transport: "Httpx2Transport", response: httpx2.Response, limits: "_Limits"
    ) -> None:
        self.status = response.status_code
        self.headers: Headers = end_to_end(response.headers.raw)
        self.complete = False
        self._transport, self._response, self._limits = transport, response, limits
        self._pieces = aiter(response.stream)  # type: ignore[arg-type]
        length = response.headers.get("content-length")
        self._remaining = int(length) if length is not None else None
        self._failure: WireError | None = None

    async def begin(self, head_only: bool) -> None:
        """Raises BadAnswer for what is no answer to what was asked."""
        version = self._response.extensions["http_version"]
        if version not in (b"HTTP/1.0", b"HTTP/1.1") or not 200 <= self.status <= 599:
            await self._response.aclose()
            raise BadAnswer(f"{version!r} with status {self.status}")
        if head_only or self.status in (204, 304):
            self._remaining = 0
        if self._remaining == 0:
            await self._end()

    async def read(self) -> bytes:
        if self.complete:
            return b""
        if self._failure is not None:
            raise self._failure
        try:
            async with self._limits.mapped():
                piece: bytes = await anext(self._pieces, b"")
                if self._remaining is not None:
                    self._remaining -= len(piece)
                if not piece or self._remaining == 0:
                    await self._end()
        except WireError as error:
            self._failure = error
            raise
        return piece

    async def _end(self) -> None:
        """Gives the connection back: httpx2 does so once it has told that there is no more."""
        async for _ in self._pieces:
            raise BadAnswer("bytes follow the end of the answer")
        await self._response.aclose()
        self.complete = True

    def close(self) -> None:
        if not self.complete and self._failure is None:
            self._failure = Lost("closed by the gateway")
            self._transport.abandon(self._response)


class _Limits:
    """The timeouts of one call, and httpx2's errors as ours."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._idle_s = timeouts.idle_s
        self._phase = "first_byte"
        self.extension = {
            "connect": timeouts.connect_s,
            "read": timeouts.first_byte_s,
            "write": timeouts.idle_s,
            "pool": None,
        }
        """httpx2 looks into it whenever it begins to wait, so that it may change on the way."""
        now = asyncio.get_running_loop().time()
        self._due = None if timeouts.total_s is None else now + timeouts.total_s

    def headed(self) -> None:
        self._phase = "idle"
        self.extension["read"] = self._idle_s

    @asynccontextmanager
    async def mapped(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._due):
                yield
        except TimeoutError:
            raise TimedOut("total") from None
        except (httpx2.TransportError, OSError) as error:
            raise self._ours(error) from error

    def _ours(self, error: Exception) -> WireError:
        said = f"{type(error).__name__}: {error}"
        match error:
            case httpx2.ConnectTimeout():
                return TimedOut("connect")
            case httpx2.WriteTimeout():
                return TimedOut("idle")
            case httpx2.ReadTimeout():
                return TimedOut(self._phase)
            case httpx2.ConnectError() | httpx2.ProxyError():
                return NotSent(said)
            case httpx2.RemoteProtocolError() if not str(error).startswith(_ENDED):
                return BadAnswer(said)
        return Lost(said)


class Httpx2Transport:
    """Implements Transport. An instance belongs to one event loop."""

    def __init__(
        self, *, ssl_context: ssl.SSLContext | None = None, max_idle_s: float = 4.0
    ) -> None:
        self._tls = ssl_context or ssl.create_default_context()
        self._max_idle_s = max_idle_s
        self._clients: dict[str | None, httpx2.AsyncHTTPTransport] = {}
        self._heads: dict[str, Heads] = {}
        self._abandoned: list[httpx2.Response] = []

    async def send(self, upstream: Upstream, request: WireRequest) -> Httpx2Answer:
        """Raises ValueError as our own transport does."""
        await self._sweep()
        limits = _Limits(upstream.timeouts)
        asked = self._request(upstream, request, limits)
        async with limits.mapped():
            response = await self._client(upstream.proxy).handle_async_request(asked)
            limits.headed()
            answer = Httpx2Answer(self, response, limits)
            await answer.begin(request.method == b"HEAD")
        return answer

    async def close(self) -> None:
        await self._sweep()
        for client in self._clients.values():
            await client.aclose()

    def abandon(self, response: httpx2.Response) -> None:
        """Its connection ends now; httpx2's books are put right by the next call, as that waits."""
        raw: Any = response.extensions["network_stream"].get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            with socket.fromfd(raw.fileno(), raw.family, raw.type) as same:
                try:
                    same.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the upstream was faster
        self._abandoned.append(response)

    async def _sweep(self) -> None:
        while self._abandoned:
            await self._abandoned.pop().aclose()

    def _client(self, proxy: str | None) -> httpx2.AsyncHTTPTransport:
        if proxy not in self._clients:
            if proxy is not None:
                Proxy.of(proxy)
            self._clients[proxy] = httpx2.AsyncHTTPTransport(
                verify=self._tls,
                trust_env=False,
                proxy=proxy,
                limits=httpx2.Limits(
                    max_connections=None,
                    max_keepalive_connections=None,
                    keepalive_expiry=self._max_idle_s,
                ),
            )
        return self._clients[proxy]

    def _request(self, upstream: Upstream, request: WireRequest, limits: _Limits) -> httpx2.Request:
        if upstream.url not in self._heads:
            self._heads[upstream.url] = Heads(Origin.of(upstream.url))
        heads = self._heads[upstream.url]
        heads.head(request)  # refuses what ours refuses
        return httpx2.Request(
            request.method.decode(),
            upstream.url,
            headers=list(request.headers),
            content=request.body,
            extensions={"timeout": limits.extension, "target": heads.target(request)},
        )


def end_to_end(raw: Headers) -> Headers:
    """Without hop-by-hop headers and those that `connection` names; names in lower case."""
    headers = [(name.lower(), value) for name, value in raw]
    named = {
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    }
    return [h for h in headers if h[0] not in HOP_BY_HOP and h[0] not in named]
