"""Streams at a pace: they begin spread out, and each of their chunks is counted."""

import asyncio
import sys
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import cast

from bench.answers import Answer
from bench.figures import percentile
from bench.generator.job import ALL_OPEN, Job, Outcome
from bench.pace import arrivals, length_s
from bench.traffic import TICK

_CONNECTING_AT_ONCE = 50
_MOMENT_BYTES = 17


class Streams:
    """All streams of one run."""

    def __init__(self, job: Job, tell: Callable[[bytes], object]) -> None:
        """`tell` is given ALL_OPEN."""
        self._job, self._tell = job, tell
        self.asked = job.question()
        self._opening = self._open = job.connections
        self._done = asyncio.Event()
        self.first_s: list[float] = []
        self.delays_s: list[float] = []
        self.chunks = self.whole = self.failed = 0

    async def run(self) -> Outcome:
        job, loop = self._job, asyncio.get_running_loop()
        streams = [StreamReader(self, reads=job.reads) for _ in range(job.connections)]
        await self._connect(streams)
        began = perf_counter()
        starts = arrivals(job.connections, job.spread_s, job.rate)
        for number, (stream, start) in enumerate(zip(streams, starts, strict=True)):
            loop.call_later(start, stream.ask, job.first_number + number)
        planned_s = job.spread_s + length_s(job.rate, job.chunks) + 1 / job.rate
        try:
            async with asyncio.timeout(planned_s + job.patience_s):
                await self._done.wait()
        except TimeoutError:
            for stream in streams:
                stream.give_up()
        return self._outcome(perf_counter() - began)

    async def _connect(self, streams: list["StreamReader"]) -> None:
        job, loop = self._job, asyncio.get_running_loop()
        for first in range(0, len(streams), _CONNECTING_AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for stream in streams[first : first + _CONNECTING_AT_ONCE]:
                    group.create_task(
                        loop.create_connection(lambda s=stream: s, job.host, job.port)  # type: ignore[misc]
                    )

    def _outcome(self, seconds: float) -> Outcome:
        outcome = Outcome(seconds=seconds, calls=self.whole, failed=self.failed, chunks=self.chunks)
        if self.first_s:
            outcome.p50_ms = percentile(self.first_s, 0.5) * 1000
            outcome.p99_ms = percentile(self.first_s, 0.99) * 1000
            outcome.chunk_p50_ms = percentile(self.delays_s, 0.5) * 1000
            outcome.chunk_p99_ms = percentile(self.delays_s, 0.99) * 1000
        return outcome

    def opened(self) -> None:
        """A stream has had its first chunk, or failed before it."""
        self._opening -= 1
        if not self._opening:
            self._tell(ALL_OPEN)

    def ended(self, *, whole: bool) -> None:
        self.whole += whole
        self.failed += not whole
        self._open -= 1
        if not self._open:
            self._done.set()


class StreamReader(asyncio.Protocol):
    """One stream, on a connection of its own."""

    def __init__(self, streams: Streams, *, reads: bool) -> None:
        self._streams, self._reads, self._answer = streams, reads, Answer()
        self._transport: asyncio.Transport
        self._asked_at = 0.0
        self._opened = self._ended = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, number: int) -> None:
        self._asked_at = perf_counter()
        self._transport.write(self._streams.asked.numbered(number))
        if not self._reads:
            self._transport.pause_reading()
            self._open()

    def data_received(self, data: bytes) -> None:
        self._count(data)
        if self._answer.feed(data):
            self._end(whole=self._answer.status == 200)

    def _count(self, data: bytes) -> None:
        """The chunks in it, and how long ago the upstream wrote the last of them."""
        now, seen = monotonic(), self._rest + data
        if found := seen.count(TICK):
            streams = self._streams
            last = seen.rfind(TICK) + len(TICK)
            if len(seen) < last + _MOMENT_BYTES:  # its moment comes with the next bytes
                found, last = found - 1, 0
                self._rest = seen[seen.rfind(TICK) :]
            else:
                self._rest = seen[max(last, len(seen) - len(TICK) + 1) :]
                streams.delays_s.append(now - float(seen[last : last + _MOMENT_BYTES]))
            streams.chunks += found
            if found and not self._opened:
                streams.first_s.append(perf_counter() - self._asked_at)
                self._open()
        else:
            self._rest = seen[-len(TICK) + 1 :]

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            self._streams.opened()

    def _end(self, *, whole: bool) -> None:
        if not self._ended:
            self._ended = True
            self._open()
            self._streams.ended(whole=whole)
            self._transport.close()

    def give_up(self) -> None:
        self._end(whole=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(whole=False)


def tell_parent(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
