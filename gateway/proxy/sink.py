"""Where an answer goes: the port, and its HTTP side. Also the watch for the client's hang-up."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from starlette.types import Receive, Send

from gateway.errors import GatewayError
from gateway.proxy.pings import Pings


class ClientGone(Exception):
    """The client went away in the middle of its own request."""


class Sink(Protocol):
    """Takes an answer: `start`, any number of `write`, then `finish`, or else `abort`."""

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more."""
        ...

    @property
    def cut_by(self) -> GatewayError | None:
        """Why `cut` ended it; None: it did not."""
        ...

    def cut(self, error: GatewayError) -> bool:
        """Cancel the task that answers, which says this and nothing after it. False: it has ended
        anyway."""
        ...

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None: ...

    async def write(self, piece: bytes) -> None:
        """Waits while the receiver is slow."""
        ...

    def keep_awake(self, every_s: float) -> None:
        """Events are written, each whole: from now on say between them that there will be more,
        whenever nothing was written for so long. Not part of the answer."""
        ...

    async def finish(self, piece: bytes) -> None:
        """The last bytes."""
        ...

    def abort(self) -> None:
        """What was written is not whole, and must not look as if it were."""
        ...


HANG_UP = "gateway.hang_up"
"""An ASGI extension: `scope["extensions"][HANG_UP](tell)` has `tell` called, from the event loop,
when the client hangs up. A server without it is watched through `receive`, by a task of its own.
"""

WhenGone = Callable[[Callable[[], None]], None]
"""Has something called once the client has hung up."""


class HttpSink:
    """An HTTP client; while this context is open, its hang-up cancels the task that answers it."""

    __slots__ = (
        "_headers",
        "_pings",
        "_receive",
        "_send",
        "_task",
        "_watch",
        "_when_gone",
        "cut_by",
        "ended",
        "gone",
        "started",
    )

    def __init__(
        self,
        receive: Receive,
        send: Send,
        headers: Sequence[tuple[bytes, bytes]],
        when_gone: WhenGone | None = None,
    ) -> None:
        """`headers`: what every answer carries. `when_gone`: what `HANG_UP` gives, if anything."""
        self._receive, self._send, self._headers = receive, send, headers
        self._when_gone = when_gone
        self._task: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pings: Pings | None = None
        self.gone = self.started = self.ended = False
        self.cut_by: GatewayError | None = None

    def __enter__(self) -> "HttpSink":
        self._task = asyncio.current_task()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """A cancellation by the hang-up ends here, and one whose reason the client was told; any
        other goes on."""
        self._stop_watching()
        self._stop_pings()
        told = self.gone or self.ended or self.cut_by is not None
        if told and kind is asyncio.CancelledError and self._task is not None:
            self._task.uncancel()
            return True
        return False

    def watch(self) -> None:
        """From now on: the request has been read whole, so `receive` can only tell of the end."""
        if self._when_gone is not None:
            self._when_gone(self._hung_up)
        else:
            self._watch = asyncio.get_running_loop().create_task(self._await_hang_up())

    async def _await_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._hung_up()

    def _hung_up(self) -> None:
        if self._task is not None and not self.ended:
            self.gone = True
            self._task.cancel()

    def cut(self, error: GatewayError) -> bool:
        if self._task is None or self.gone or self.ended or self.cut_by is not None:
            return False
        self.cut_by = error
        self._task.cancel()
        return True

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.started = True
        every = [*headers, *self._headers]
        await self._send({"type": "http.response.start", "status": status, "headers": every})

    async def write(self, piece: bytes) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._pings is not None:
            self._pings.sent()

    def keep_awake(self, every_s: float) -> None:
        self._pings = Pings(self._send, every_s)

    def _stop_pings(self) -> None:
        if self._pings is not None:
            self._pings.stop()
            self._pings = None

    async def finish(self, piece: bytes) -> None:
        self._stop_watching()  # the server calls a finished answer a disconnect, too
        self._stop_pings()
        await self._send({"type": "http.response.body", "body": piece})
        self.ended = True

    def abort(self) -> None:
        """Returning without the end of the body makes the server close the connection."""
        self.ended = True
