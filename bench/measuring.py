"""One side, one figure, one round: how each is measured, and under which names it is noted."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, sleep

from bench import machine
from bench.figures import Book
from bench.generator.job import Outcome
from bench.programs import BenchError
from bench.sides.side import Side
from bench.stage import Stage

CONNECTIONS = (64, 256)
STREAMS, RATE = 300, 50.0
OPEN_STREAMS = 2000
LARGE_BYTES = 1_000_000
UNREAD_STREAMS = 4
_SLOW_CALLS = 200
"""A side with fewer calls per second than this is not asked at 256 connections: it would take
seconds for each call, and say nothing new."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How long things are measured."""

    rounds: int
    calls_s: float
    warm_up_s: float
    latency_calls: int
    stream_s: float
    large_calls: int


FULL = Scale(3, 3, 1, 1000, 3, 20)
QUICK = Scale(1, 2, 1, 300, 2, 10)


@dataclass(frozen=True, slots=True)
class Measuring:
    """What all measurements of a run share."""

    stage: Stage
    book: Book
    scale: Scale

    def calls(self, side: Side, connections: int) -> None:
        """Calls per second in a closed loop, and what the measured processes used for each."""
        if connections > CONNECTIONS[0] and self._is_slow(side):
            return
        stage, key = self.stage, f"calls_{connections}"
        stage.generate(side, stage.job(
            side, mode="calls", connections=connections, seconds=self.scale.warm_up_s
        ))  # fmt: skip
        with Spent(side) as spent:
            outcome = stage.generate(side, stage.job(
                side, mode="calls", connections=connections, seconds=self.scale.calls_s
            ))  # fmt: skip
        self._note(side, key, outcome.per_second)
        self._remark_failures(side, key, outcome)
        if spent.pids and outcome.calls:
            self._note(side, f"{key}_cpu_us", spent.cpu_s / outcome.calls * 1e6)
            self._note(side, f"{key}_per_cpu_s", outcome.calls / max(spent.cpu_s, 0.001))
            self._note(side, f"{key}_busy", spent.cpu_s / outcome.seconds * 100)
            self._note(side, f"{key}_waited", spent.waited_s / outcome.seconds * 100)
        for figure, value in side.finish().items():
            self._note(side, f"{key}_{figure}", value)

    def _is_slow(self, side: Side) -> bool:
        return (self.book.median(side.name, f"calls_{CONNECTIONS[0]}") or 0) < _SLOW_CALLS

    def latency(self, side: Side) -> None:
        """One call after the other."""
        stage = self.stage
        job = stage.job(
            side, mode="calls", connections=1, most_calls=self.scale.latency_calls, seconds=3
        )
        outcome = stage.generate(side, job, in_python=True)
        self._note(side, "latency_p50", outcome.p50_ms)
        self._note(side, "latency_p99", outcome.p99_ms)
        self._remark_failures(side, "latency_p50", outcome)
        side.finish()

    def streams(self, side: Side) -> None:
        """Paced streams: is every chunk relayed, how late, at what cost?"""
        stage, chunks = self.stage, int(RATE * self.scale.stream_s)
        job = stage.job(side, mode="streams", connections=STREAMS, rate=RATE, chunks=chunks)
        upstream_before = machine.cpu_s([stage.upstream.pid])
        with Spent(side) as spent:
            outcome = stage.generate(side, job)
        upstream_s = machine.cpu_s([stage.upstream.pid]) - upstream_before
        self._note(side, "streams_first_p50", outcome.p50_ms)
        self._note(side, "streams_first_p99", outcome.p99_ms)
        self._note(side, "streams_chunk_p99", outcome.chunk_p99_ms)
        self._note(side, "streams_relayed", outcome.chunks / (STREAMS * chunks) * 100)
        self._remark_failures(side, "streams_relayed", outcome)
        if spent.pids and outcome.chunks:
            self._note(side, "streams_cpu_us", spent.cpu_s / outcome.chunks * 1e6)
            self._note(side, "streams_busy", spent.cpu_s / outcome.seconds * 100)
            self._note(side, "streams_waited", spent.waited_s / outcome.seconds * 100)
        elif outcome.chunks:
            carried = outcome.chunks / (outcome.cpu_s + upstream_s)
            self._note(side, "streams_ceiling", carried)
        side.finish()

    def open_streams(self, side: Side) -> None:
        """Memory of streams that are open, and whether all of them end whole."""
        job = self.stage.job(
            side, mode="streams", connections=OPEN_STREAMS, rate=0.2, chunks=3, spread_s=4.0,
            patience_s=20.0,
        )  # fmt: skip
        before = machine.pss_bytes(side.measured())
        running = self.stage.begin(job)
        running.wait_open()
        sleep(1)
        used = machine.pss_bytes(side.measured()) - before
        outcome = running.outcome()
        self._note(side, "open_kib", used / OPEN_STREAMS / 1024)
        self._note(side, "open_dropped", outcome.failed)
        side.finish()

    def unread_streams(self, side: Side) -> None:
        """Memory of streams whose clients never read, while the upstream goes on."""
        job = self.stage.job(
            side, mode="streams", connections=UNREAD_STREAMS, rate=20_000, chunks=200_000,
            reads=False,
        )  # fmt: skip
        before = machine.pss_bytes(side.measured())
        running = self.stage.begin(job)
        running.wait_open()
        most, until = before, monotonic() + 5
        while monotonic() < until:
            sleep(0.5)
            most = max(most, machine.pss_bytes(side.measured()))
        running.stop()
        self._note(side, "unread_mib", (most - before) / UNREAD_STREAMS / 1024**2)
        side.finish()

    def large_prompt(self, side: Side) -> None:
        """Prompts of a megabyte: how long the event loop is kept by one of them, at most."""
        stage, calls = self.stage, self.scale.large_calls
        job = stage.job(
            side, mode="calls", connections=1, most_calls=calls, seconds=10,
            body_bytes=LARGE_BYTES,
        )  # fmt: skip
        with Spent(side) as spent:
            outcome = stage.generate(side, job, in_python=True)
        self._note(side, "large_p50", outcome.p50_ms)
        self._remark_failures(side, "large_p50", outcome)
        if spent.pids and outcome.calls:
            self._note(side, "large_loop_ms", spent.main_thread_s / outcome.calls * 1000)
        side.finish()

    def memory(self, side: Side, figure: str) -> None:
        if pids := side.measured():
            self._note(side, figure, machine.pss_bytes(pids) / 1e6)

    def _note(self, side: Side, figure: str, value: float) -> None:
        self.book.note(side.name, figure, value)

    def _remark_failures(self, side: Side, figure: str, outcome: Outcome) -> None:
        if outcome.failed:
            self.book.remark(side.name, figure, f"{outcome.failed} failed")


class Spent:
    """What the measured processes of a side used while this context was open."""

    def __init__(self, side: Side) -> None:
        self.pids: Sequence[int] = side.measured()
        self.cpu_s = self.main_thread_s = self.waited_s = 0.0

    def __enter__(self) -> "Spent":
        self.cpu_s, self.main_thread_s = -machine.cpu_s(self.pids), -self._main_threads()
        self.waited_s = -machine.waited_s(self.pids)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self.cpu_s += machine.cpu_s(self.pids)
                self.main_thread_s += self._main_threads()
                self.waited_s += machine.waited_s(self.pids)
            except OSError as error:
                raise BenchError("a measured process has died") from error

    def _main_threads(self) -> float:
        return sum(machine.main_thread_s(pid) for pid in self.pids)
