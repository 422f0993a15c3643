"""Our own HTTP/1.1 client: `send` takes a connection that is kept alive, or opens one.

Answers are in `answer`, their framing in `framing`, sockets in `connection`, the connections of
one upstream in `keepalive`, opening them in `dial`. HTTP/2 is not here, nor are redirects, cookies
or decompression: an answer is passed on as it is.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from math import inf
from time import monotonic

from gateway.upstream.answer import OwnAnswer
from gateway.upstream.connection import Connection, NeverArrived
from gateway.upstream.credential import Upstream
from gateway.upstream.dial import Dialer
from gateway.upstream.framing import Framing
from gateway.upstream.keepalive import KeptAlive
from gateway.upstream.wire import TimedOut, WireRequest


class OwnTransport:
    """Implements Transport. An instance belongs to one event loop."""

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        max_idle_s: float = 4.0,
        tick_s: float = 0.25,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`ssl_context`: for a private certificate authority. `tick_s`: how often timeouts are
        looked at, and so how late they may come; one timer does for all connections."""
        self._dialer = Dialer(ssl_context)
        self._max_idle_s, self._tick_s, self._clock = max_idle_s, tick_s, clock
        self._upstreams: dict[tuple[str, str | None], KeptAlive] = {}
        self._ticking: asyncio.TimerHandle | None = None
        self.dialed = 0
        """Connections opened so far."""
        self.reused = 0
        """Requests written so far to a connection that had carried one before."""

    @property
    def open(self) -> int:
        """Connections that are open now, idle ones included."""
        return sum(kept.open for kept in self._upstreams.values())

    @property
    def idle(self) -> int:
        return sum(kept.idle for kept in self._upstreams.values())

    async def send(self, upstream: Upstream, request: WireRequest) -> OwnAnswer:
        """Raises ValueError for a request that must not be written, or an unusable upstream URL.

        After NotSent, and only then, an iterated body has not been touched.
        """
        kept = self._upstreams.get((upstream.url, upstream.proxy)) or self._keep(upstream)
        head = kept.heads.head(request)
        total_s = upstream.timeouts.total_s
        total_due = inf if total_s is None else self._clock() + total_s
        if (connection := kept.take()) is not None:
            self.reused += 1
            try:
                return await self._exchange(connection, head, upstream, request, total_due)
            except NeverArrived:
                if not isinstance(request.body, bytes):
                    raise
        connection = await self._dial(kept, upstream.timeouts.connect_s, total_due)
        return await self._exchange(connection, head, upstream, request, total_due)

    async def close(self) -> None:
        for kept in self._upstreams.values():
            kept.close()
        if self._ticking is not None and not self.open:
            self._ticking.cancel()
            self._ticking = None

    async def _exchange(
        self,
        connection: Connection,
        head: bytes,
        upstream: Upstream,
        request: WireRequest,
        total_due: float,
    ) -> OwnAnswer:
        body = request.body if isinstance(request.body, bytes) else None
        framing = Framing(head_only=request.method == b"HEAD")
        answer = connection.start(head, body, upstream.timeouts, total_due, framing)
        if isinstance(request.body, bytes):
            await answer.head()
        else:
            await _upload(connection, answer, request.body, upstream.timeouts.first_byte_s)
        return answer

    async def _dial(self, kept: KeptAlive, connect_s: float, total_due: float) -> Connection:
        left_s = total_due - self._clock()
        connection = kept.connection()
        try:
            await self._dialer.dial(
                kept.origin, kept.proxy, min(connect_s, max(0, left_s)), connection
            )
        except TimedOut as error:
            if left_s >= connect_s:
                raise
            late = TimedOut("total")
            late.written = False
            raise late from error
        self.dialed += 1
        if self._ticking is None:
            self._tick()
        return connection

    def _keep(self, upstream: Upstream) -> KeptAlive:
        key = upstream.url, upstream.proxy
        kept = KeptAlive(*key, self._max_idle_s, self._clock)
        self._upstreams[key] = kept
        return kept

    def _tick(self) -> None:
        """Goes on for as long as there is a connection to look at."""
        for kept in self._upstreams.values():
            kept.sweep()
        self._ticking = None
        if self.open:
            loop = asyncio.get_running_loop()
            self._ticking = loop.call_later(self._tick_s, self._tick)


async def _upload(
    connection: Connection, answer: OwnAnswer, body: AsyncIterator[bytes], first_byte_s: float
) -> None:
    """Writes the body, in a task beside, until it or the connection ends, or an error comes.

    An answer below 400 that comes early is held until the body is written: it is about the body.
    """
    try:
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(connection.upload(body, first_byte_s))
            await answer.head()
            if answer.status >= 400:
                writing.cancel()
    except BaseExceptionGroup as failed:
        answer.close()
        raise failed.exceptions[0] from None
    except BaseException:  # cancelled: the group has ended, and with it the writing
        answer.close()
        raise
