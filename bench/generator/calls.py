"""Calls in a closed loop: each connection asks again as soon as it has its answer."""

import asyncio
from time import perf_counter
from typing import cast

from bench.answers import Answer
from bench.figures import percentile
from bench.generator.job import Job, Outcome


class Calls:
    """All connections of one run, and what they have seen."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.asked = job.question()
        self._next = job.first_number
        self._stop_at = 0.0
        self._open = job.connections
        self._done = asyncio.Event()
        self.latencies: list[float] = []
        self.failed = 0

    async def run(self) -> Outcome:
        job, loop = self._job, asyncio.get_running_loop()
        began = perf_counter()
        self._stop_at = began + job.seconds if job.seconds else float("inf")
        async with asyncio.TaskGroup() as group:
            for _ in range(job.connections):
                group.create_task(loop.create_connection(lambda: Caller(self), job.host, job.port))
        await self._done.wait()
        seconds = perf_counter() - began
        outcome = Outcome(seconds=seconds, calls=len(self.latencies), failed=self.failed)
        if self.latencies:
            outcome.p50_ms = percentile(self.latencies, 0.5) * 1000
            outcome.p99_ms = percentile(self.latencies, 0.99) * 1000
        return outcome

    def next_question(self, now: float) -> bytes | None:
        """None: it is time to stop."""
        asked = self._next - self._job.first_number
        if now >= self._stop_at or (self._job.most_calls and asked >= self._job.most_calls):
            return None
        self._next += 1
        return self.asked.numbered(self._next)

    def ended(self) -> None:
        """A connection has."""
        self._open -= 1
        if not self._open:
            self._done.set()


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, calls: Calls) -> None:
        self._calls, self._answer = calls, Answer()
        self._transport: asyncio.Transport
        self._asked_at = 0.0
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask(perf_counter())

    def _ask(self, now: float) -> None:
        request = self._calls.next_question(now)
        if request is None:
            self._waiting = False
            self._transport.close()
            return
        self._waiting, self._asked_at = True, now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self._answer.feed(data):
            return
        now = perf_counter()
        if self._answer.status == 200:
            self._calls.latencies.append(now - self._asked_at)
        else:
            self._calls.failed += 1
        self._ask(now)

    def connection_lost(self, exc: Exception | None) -> None:
        self._calls.failed += self._waiting
        self._calls.ended()
