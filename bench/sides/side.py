"""A side: something that stands between generator and upstream, and can be measured."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from json import dumps
from pathlib import Path
from time import monotonic, sleep

from bench import machine
from bench.machine import Cores
from bench.programs import BenchError, Program, wait_until
from bench.traffic import MODEL

_ANSWER_S = 30
_RESTED_S, _MOMENT_S, _IDLE = 40, 0.3, 0.15


@dataclass(frozen=True, slots=True)
class Place:
    """Where a side lives during a run."""

    directory: Path
    """Its own, for configuration, logs and data."""
    tools: Path
    """Where peers are installed."""
    upstream_port: int
    cores: Cores

    @property
    def upstream_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream_port}/v1"


@dataclass(frozen=True, slots=True)
class Target:
    """Where its calls go to."""

    port: int
    path: str = "/v1/chat/completions"
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = MODEL
    """The upstream's model, as this side calls it."""
    host: str = "127.0.0.1"


class Side(ABC):
    """One competitor. Started once, measured many times, stopped once."""

    name: str
    doing: str
    """What it does with a call, so that like is compared with like."""
    starts_within_s = 60.0
    program: Program | None = None
    target: Target

    def __init__(self, place: Place) -> None:
        self.place = place

    @abstractmethod
    def version(self) -> str:
        """Of what is measured. Raises BenchError, saying what is missing."""

    @abstractmethod
    def launch(self, cores: frozenset[int]) -> Program | None:
        """Start it, set `target`, and return without waiting."""

    def prepare(self) -> None:
        """What has to be there before it starts, and is no part of starting."""
        return

    def measured(self) -> list[int]:
        """The processes whose time and memory are counted."""
        return machine.family(self.program.pid) if self.program else []

    def start(self) -> float:
        """Until the first call is answered, on all cores; the seconds that took. Then it is put
        where it is measured. Raises BenchError."""
        self.place.directory.mkdir(parents=True, exist_ok=True)
        self.prepare()
        began = monotonic()
        self.program = self.launch(self.place.cores.measured | self.place.cores.others)
        try:
            wait_until(self._is_up, f"{self.name} answers", self.starts_within_s, 0.005)
        except BenchError as error:
            said = self.program.last_words() if self.program else ""
            self.stop()
            raise BenchError(f"{error}\n{said}") from error
        seconds = monotonic() - began
        self.settle_in()
        return seconds

    def settle_in(self) -> None:
        """The measured processes on their core, all others of it elsewhere."""
        measured, cores = self.measured(), self.place.cores
        for pid in machine.family(self.program.pid) if self.program else []:
            machine.pin(pid, cores.measured if pid in measured else cores.others)

    def finish(self) -> dict[str, float]:
        """Wait until nothing is left to do of what it was asked; figures of that, if there are.

        Some go on for long with calls whose clients have left, on the core of whoever is next.
        """
        self.rest()
        return {}

    def rest(self) -> None:
        """Until it has been idle for a moment; not for ever, as nobody is bound to become idle."""
        deadline = monotonic() + _RESTED_S
        pids = machine.family(self.program.pid) if self.program else []
        while pids and monotonic() < deadline:
            before = machine.cpu_s(pids)
            sleep(_MOMENT_S)
            if machine.cpu_s(pids) - before < _IDLE * _MOMENT_S:
                return

    def stop(self) -> None:
        if self.program is not None:
            self.program.stop()

    def _is_up(self) -> bool:
        if self.program is not None and not self.program.runs:
            raise BenchError(f"{self.name} has ended")
        return self._answers()

    def _answers(self) -> bool:
        return ask(self.target) == 200


def ask(target: Target) -> int:
    """The status of one small call; 0 if there is no answer."""
    body = dumps(
        {"model": target.model, "messages": [{"role": "user", "content": "Are you there?"}]}
    )
    connection = HTTPConnection(target.host, target.port, timeout=_ANSWER_S)
    try:
        headers = {"Content-Type": "application/json", **target.headers}
        connection.request("POST", target.path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()
