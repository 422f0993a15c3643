"""One socket to an upstream: what is written to it, and what its events mean.

Which connection carries which call is decided in `keepalive`; how bytes become an answer, in
`framing`. Here are the events of the socket: bytes, its end, back-pressure, deadlines.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from math import inf
from typing import Protocol, cast

from gateway.upstream.answer import OwnAnswer
from gateway.upstream.credential import Timeouts
from gateway.upstream.endings import check_goodbye, unacknowledged
from gateway.upstream.framing import Framing
from gateway.upstream.wire import BadAnswer, Lost, NotSent, TimedOut, WireError

HIGH_WATER_BYTES = 256 * 1024
"""Reading from the upstream pauses while more than this waits for the client."""
_JOINED_BYTES = 64 * 1024
"""Up to here, head and body are copied together into one write."""


class NeverArrived(Lost):
    """The upstream had closed the connection before the request reached it."""


class Keeper(Protocol):
    """Who owns a connection, and is told what becomes of it."""

    def made(self, connection: "Connection") -> None:
        """It is open."""
        ...

    def began(self, connection: "Connection") -> None:
        """It carries an exchange, and wants to be checked now and then."""
        ...

    def give(self, connection: "Connection", keep_alive_s: int | None) -> None:
        """It has done its work, and can carry another exchange.

        `keep_alive_s`: how long the upstream says that it keeps an idle connection.
        """
        ...

    def gone(self, connection: "Connection") -> None:
        """It is closed. Called once."""
        ...


class Connection(asyncio.Protocol):
    """One socket. It carries one exchange at a time, and none while it is idle."""

    __slots__ = (
        "_answer", "_clock", "_due", "_framing", "_idle_s", "_keeper", "_paused", "_phase",
        "_poll", "_resumed", "_total_due", "_transport", "_writing", "closed", "expires", "used",
    )  # fmt: skip

    def __init__(self, keeper: Keeper, clock: Callable[[], float]) -> None:
        self._keeper, self._clock = keeper, clock
        self._answer: OwnAnswer | None = None
        self._framing: Framing
        self._transport: asyncio.Transport
        self._poll = select.poll()
        self._phase, self._due, self._total_due = "", inf, inf
        self._idle_s = 0.0
        self._paused = self._writing = False
        self._resumed: asyncio.Future[None] | None = None
        """Unset while the socket takes no more bytes."""
        self.closed = True
        """Also before it is open."""
        self.used = False
        """It has carried an exchange, so the upstream may have closed it in the meantime."""
        self.expires = inf
        """When it may no longer be taken, by the owner's clock; set while it is idle."""

    def usable(self, now: float) -> bool:
        """Neither too old, nor closed, nor with anything to read: before a request, that can only
        be the end, or what nobody asked for. One system call."""
        return now < self.expires and self._alive() and not self._poll.poll(0)

    def _alive(self) -> bool:
        """The event loop may have closed the socket a moment before it says so."""
        return not self.closed and not self._transport.is_closing()

    def start(
        self,
        head: bytes,
        body: bytes | None,
        timeouts: Timeouts,
        total_due: float,
        framing: Framing,
    ) -> OwnAnswer:
        """Writes a request; a `body` of None will be written by `upload`. Raises NotSent."""
        if not self._alive():
            raise NotSent("the connection was closed at once")
        self._framing = framing
        self._answer = answer = OwnAnswer(self, framing)
        self._idle_s, self._total_due = timeouts.idle_s, total_due
        self._phase, self._due = "first_byte", inf
        self._keeper.began(self)
        if body is None:
            self._writing = True
            self._transport.write(head)
            return answer
        self._due = self._clock() + timeouts.first_byte_s
        if len(body) <= _JOINED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        return answer

    async def upload(self, body: AsyncIterator[bytes], first_byte_s: float) -> None:
        """Writes a body in chunks, no faster than the upstream takes them. Ends early, without an
        error, when the connection does: the answer says why."""
        async for piece in body:
            if self._poll.poll(0):
                # An answer that came early is read first: writing on could bring a reset with it.
                await asyncio.sleep(0)
            if not self._alive():
                return
            if piece:
                self._transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
            if (resumed := self._resumed) is not None:
                await self._writable(resumed)
        if not self._alive():
            return
        self._transport.write(b"0\r\n\r\n")
        self._writing = False
        if not self._framing.headed:
            self._phase, self._due = "first_byte", self._clock() + first_byte_s

    async def _writable(self, resumed: asyncio.Future[None]) -> None:
        if not self._framing.headed:
            self._phase, self._due = "idle", self._clock() + self._idle_s
        await resumed
        self._resumed = None
        if not self._framing.headed:
            self._due = inf

    def resume(self) -> None:
        """The client has read."""
        if self._paused:
            self._paused = False
            self._due = self._clock() + self._idle_s
            if self._alive():
                self._transport.resume_reading()

    def check(self, now: float) -> None:
        """Ends an exchange that has taken too long."""
        if now >= self._due:
            self.fail(TimedOut(self._phase))
        elif now >= self._total_due:
            self.fail(TimedOut("total"))

    def fail(self, failure: WireError) -> None:
        """Ends exchange and connection."""
        self.abort()
        self._detach(failure)

    def abort(self) -> None:
        """Closes the socket at once. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self._transport.abort()
        self.resume_writing()  # to find out that there is nothing to write to
        self._keeper.gone(self)

    def _detach(self, failure: WireError | None = None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.ended(failure)

    def _answered(self) -> None:
        """The answer is here whole, read or not; the connection is free."""
        written = not self._writing and not self._transport.get_write_buffer_size()
        if self._framing.reusable and written:
            self.resume()
            self.used = True
            self._keeper.give(self, self._framing.keep_alive_s)
        else:
            self.abort()
        self._detach()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.closed = False
        self._keeper.made(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.abort()  # nobody asked
            return
        framing = self._framing
        try:
            framing.feed(data)
        except BadAnswer as error:
            self.fail(error)
            return
        if framing.complete:
            self._answered()
        elif framing.headed:
            self._phase, self._due = "idle", self._clock() + self._idle_s
            if framing.unread > HIGH_WATER_BYTES and not self._paused:
                self._paused, self._due = True, inf  # it is the client that is slow
                self._transport.pause_reading()
            answer.arrived()

    def eof_received(self) -> None:
        if self._answer is None:
            self.abort()
            return
        try:
            check_goodbye(self._transport)
            self._framing.end()
        except Lost as error:
            never = self.used and not self._framing.head_bytes and unacknowledged(self._transport)
            self.fail(NeverArrived(str(error)) if never else error)
        else:
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed:
            self.fail(Lost(f"{type(exc).__name__}: {exc}" if exc else "the connection was lost"))

    def pause_writing(self) -> None:
        self._resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)
