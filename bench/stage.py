"""The stage of a run: the upstream, and the generator set on one side after the other."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from bench import machine
from bench.generator import wrk
from bench.generator.job import ALL_OPEN, Job, Outcome
from bench.programs import BenchError, Program, free_port, wait_until
from bench.sides.side import Place, Side, Target, ask

_OVERTIME_S = 120
_ROOT = Path(__file__).parent.parent


class Stage:
    """Everything but the sides, running while this context is open."""

    def __init__(self, home: Path) -> None:
        """`home` is `.bench`, which holds peers and the files of a run."""
        self.home, self.cores = home, machine.divide()
        self.runs = home / "run"
        self.calls_made: Counter[str] = Counter()
        """By side, since it was started."""
        self._upstream_port = free_port()
        self._next_number = 0
        self._wrk = shutil.which("wrk")
        self._wrk_version = _wrk_version(self._wrk) if self._wrk else ""

    def __enter__(self) -> Self:
        shutil.rmtree(self.runs, ignore_errors=True)
        self.upstream = Program(
            [sys.executable, "-m", "bench.upstream", str(self._upstream_port)],
            self.runs / "upstream.log",
            cores=self.cores.others,
            directory=_ROOT,
        )
        target = Target(self._upstream_port)
        wait_until(lambda: ask(target) == 200, "the fake upstream answers", 20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.upstream.stop()

    @property
    def generator(self) -> str:
        """What makes the calls of the closed loop."""
        return self._wrk_version or "bench.generator (Python)"

    def place(self, name: str) -> Place:
        directory = self.runs / "".join(c if c.isalnum() else "-" for c in name)
        return Place(directory, self.home, self._upstream_port, self.cores)

    def job(self, side: Side, **how: Any) -> Job:
        """Its questions are asked once in a run: equal ones would all be one conversation."""
        target, first = side.target, self._next_number
        self._next_number += 10_000_000
        return Job(
            host=target.host,
            port=target.port,
            path=target.path,
            headers=dict(target.headers),
            model=target.model,
            first_number=first,
            **how,
        )

    def generate(self, side: Side, job: Job, *, in_python: bool = False) -> Outcome:
        """Raises BenchError if the generator fails."""
        if self._wrk is not None and job.mode == "calls" and not in_python:
            outcome = self._by_wrk(self._wrk, job)
        else:
            outcome = Running(job, self.cores.others).outcome()
        self.calls_made[side.name] += outcome.calls
        return outcome

    def begin(self, job: Job) -> "Running":
        return Running(job, self.cores.others)

    def _by_wrk(self, program: str, job: Job) -> Outcome:
        script = self.runs / "questions.lua"
        script.write_text(wrk.lua(job))
        command = wrk.command(program, job, script)
        try:
            done = subprocess.run(
                _on(self.cores.others, command),
                capture_output=True,
                text=True,
                timeout=job.seconds + _OVERTIME_S,
            )
            return wrk.outcome(done.stdout + done.stderr, self._wrk_version)
        except (ValueError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"wrk failed: {error}") from error


class Running:
    """A generator at work."""

    def __init__(self, job: Job, cores: frozenset[int]) -> None:
        command = [sys.executable, "-m", "bench.generator", msgspec.json.encode(job).decode()]
        self._process = subprocess.Popen(_on(cores, command), stdout=subprocess.PIPE, cwd=_ROOT)

    def wait_open(self) -> None:
        """Until every stream has begun."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != ALL_OPEN:
            raise BenchError("the generator ended before its streams had begun")

    def outcome(self) -> Outcome:
        said, _ = self._process.communicate()
        if self._process.returncode or not said:
            raise BenchError("the generator failed; see above")
        return msgspec.json.decode(said.splitlines()[-1], type=Outcome)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def _on(cores: frozenset[int], command: list[str]) -> list[str]:
    """A command that puts itself on these cores before it begins."""
    there = f"os.sched_setaffinity(0, {set(cores)})"
    put = f"import os, sys; {there}; os.execvp(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-S", "-c", put, *command]


def _wrk_version(program: str) -> str:
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    words = (done.stdout + done.stderr).split()
    return " ".join(words[:2]) if words[:1] == ["wrk"] else os.path.basename(program)
