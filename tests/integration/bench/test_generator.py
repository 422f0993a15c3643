"""Generator and fake upstream, on real sockets: what they count is what happened."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import machine
from bench.generator.job import Job, Outcome
from bench.programs import BenchError, Program, free_port, wait_until
from bench.sides.side import Target, ask
from bench.stage import Running

CORES = machine.divide().others


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, log = free_port(), tmp_path_factory.mktemp("bench") / "upstream.log"
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    upstream = Program(command, log, cores=CORES, directory=Path(__file__).parents[3])
    try:
        wait_until(lambda: ask(Target(port)) == 200, "the fake upstream answers", 60)
        yield port
    finally:
        upstream.stop()


def outcome(port: int, **how: object) -> Outcome:
    target = {"host": "127.0.0.1", "port": port, "path": "/v1/chat/completions"}
    job = Job(headers={}, model="m", **target, **how)  # type: ignore[arg-type]
    return Running(job, CORES).outcome()


def test_every_call_is_answered(port: int) -> None:
    got = outcome(port, mode="calls", connections=8, most_calls=200)
    assert (got.calls, got.failed) == (200, 0)
    assert got.p50_ms > 0


def test_large_questions_are_answered_too(port: int) -> None:
    got = outcome(port, mode="calls", connections=1, most_calls=3, body_bytes=1_000_000)
    assert (got.calls, got.failed) == (3, 0)


def test_every_chunk_of_every_stream_is_counted(port: int) -> None:
    got = outcome(port, mode="streams", connections=20, rate=100, chunks=25, spread_s=0.1,
                  patience_s=60)  # fmt: skip
    assert (got.calls, got.failed, got.chunks) == (20, 0, 500)
    assert got.chunk_p99_ms >= got.chunk_p50_ms > 0


def test_streams_that_are_not_whole_in_time_have_failed(port: int) -> None:
    got = outcome(port, mode="streams", connections=2, rate=5, chunks=3, spread_s=0,
                  patience_s=-0.5)  # fmt: skip
    assert (got.calls, got.failed) == (0, 2)
    assert got.chunks < 6


def test_nobody_there_is_a_failure_of_the_generator(port: int) -> None:
    job = Job(mode="calls", host="127.0.0.1", port=free_port(), path="/", headers={}, model="m",
              connections=1, most_calls=1)  # fmt: skip
    with pytest.raises(BenchError, match="the generator failed"):
        Running(job, CORES).outcome()
