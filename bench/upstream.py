"""The fake upstream: answers at once, or streams at the pace that the question asks for.

As bare as a server can be, so that what is measured is what stands before it. It keeps
connections alive, stops writing to a receiver that does not read, and never fails.

    python -m bench.upstream PORT
"""

import asyncio
import re
import sys
from time import monotonic
from typing import cast

import uvloop

from bench import traffic
from bench.pace import due_s

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_ANSWER = traffic.answer()
_MODELS = traffic.whole(
    {"object": "list", "data": [{"id": traffic.MODEL, "object": "model", "owned_by": "bench"}]}
)


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport
        self._received = b""
        self._stream: Stream | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0 or not _is_whole(received, head_end):
            self._received = received
            return
        self._received = b""
        if received.startswith(b"GET"):
            self._transport.write(_MODELS)
        elif b'"stream"' in received and (plan := traffic.plan_of(received)) is not None:
            usage = b'"include_usage"' in received
            self._stream = Stream(self._loop, self._transport, plan, usage)
            self._stream.begin()
        else:
            self._transport.write(_ANSWER)

    def pause_writing(self) -> None:
        if self._stream is not None:
            self._stream.paused = True

    def resume_writing(self) -> None:
        if self._stream is not None and self._stream.paused:
            self._stream.paused = False
            self._stream.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stream is not None:
            self._stream.stop()


class Stream:
    """One streamed answer under way."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        plan: traffic.Plan,
        usage: bool,
    ) -> None:
        self._loop, self._transport, self._plan, self._usage = loop, transport, plan, usage
        self._began, self._written = 0.0, 0
        self._timer: asyncio.TimerHandle | None = None
        self.paused = False

    def begin(self) -> None:
        self._began = self._loop.time()
        self._written = 1
        self._transport.write(traffic.STREAM_HEAD + traffic.content_event(monotonic()))
        self.go_on()

    def go_on(self) -> None:
        """The next chunk when it is due; what is overdue at once."""
        due = due_s(self._began, self._plan.rate, self._written)
        self._timer = self._loop.call_at(due, self._write)

    def _write(self) -> None:
        if self._written >= self._plan.chunks:
            self._transport.write(traffic.closing_events(usage=self._usage))
            return
        self._written += 1
        self._transport.write(traffic.content_event(monotonic()))
        if not self.paused:
            self.go_on()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _is_whole(received: bytes, head_end: int) -> bool:
    length = _LENGTH.search(received, 0, head_end)
    if length is not None:
        return len(received) >= head_end + 4 + int(length[1])
    return not _CHUNKED.search(received, 0, head_end) or received.endswith(b"\r\n0\r\n\r\n")


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(loop), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
