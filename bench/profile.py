"""Where the microseconds go: the gateway's worker under load, sampled by py-spy.

    python -m bench.profile [calls|streams|large]…

prints it by area, and the functions that take most.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import areas, machine, peers
from bench.generator.job import Job, Outcome
from bench.measuring import CONNECTIONS, LARGE_BYTES, RATE, STREAMS, Spent
from bench.programs import BenchError, Program, wait_until
from bench.sides.gateway import Gateway
from bench.stage import Stage

_SECONDS = 5
_SAMPLES_PER_S = 400

Say = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Load:
    """Something to keep the worker busy with."""

    title: str
    unit: str
    """What the time is divided among."""
    job: Callable[[Stage, Gateway, float], Job]
    units: Callable[[Outcome], int]


def _calls(stage: Stage, side: Gateway, seconds: float) -> Job:
    return stage.job(side, mode="calls", connections=CONNECTIONS[0], seconds=seconds)


def _large(stage: Stage, side: Gateway, seconds: float) -> Job:
    return stage.job(side, mode="calls", connections=2, seconds=seconds, body_bytes=LARGE_BYTES)


def _streams(stage: Stage, side: Gateway, seconds: float) -> Job:
    chunks = int(seconds * RATE)
    return stage.job(side, mode="streams", connections=STREAMS, rate=RATE, chunks=chunks)


LOADS = {
    "calls": Load(f"{CONNECTIONS[0]} connections", "call", _calls, lambda o: o.calls),
    "streams": Load(f"{STREAMS} streams of {RATE:g} chunks/s", "chunk", _streams,
                    lambda o: o.chunks),
    "large": Load("prompts of 1 MB", "call", _large, lambda o: o.calls),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares in percent of the samples in which the worker was busy; most first."""

    load: Load
    cpu_us: float
    """Of a call or chunk, while no sampler looked on."""
    by_area: list[tuple[str, float]]
    by_function: list[tuple[str, float]]
    samples: int


def take(stage: Stage, kinds: Sequence[str], say: Say) -> list[Profile]:
    """Fewer, or none, where that is not possible; it is said why."""
    sampler = stage.home / "py-spy" / "bin" / "py-spy"
    if not sampler.exists():
        say("No profile: py-spy is not installed (make bench-peers installs it into .bench).")
        return []
    side, taken = Gateway(stage.place("profiled"), "profiled"), []
    try:
        side.start()
        for kind in kinds:
            say(f"Profile: {LOADS[kind].title}")
            taken.append(_sample(side, stage, sampler, LOADS[kind]))
    except BenchError as error:
        say(f"No profile: {error}")
    finally:
        side.stop()
    return taken


def _sample(side: Gateway, stage: Stage, sampler: Path, load: Load) -> Profile:
    stage.generate(side, load.job(stage, side, 1))
    with Spent(side) as spent:
        outcome = stage.generate(side, load.job(stage, side, 3))
    stacks = stage.runs / f"stacks-{load.unit}-{load.title.split()[0]}.txt"
    stacks.unlink(missing_ok=True)
    program = Program(
        [
            str(sampler), "record", "--pid", str(side.measured()[0]), "--format", "raw",
            "--rate", str(_SAMPLES_PER_S), "--duration", str(_SECONDS), "--output", str(stacks),
        ],
        stage.runs / "py-spy.log",
        cores=stage.cores.others,
    )  # fmt: skip
    stage.generate(side, load.job(stage, side, _SECONDS + 1))
    wait_until(lambda: not program.runs, "py-spy ends", 60)
    if not stacks.exists():
        raise BenchError(f"py-spy wrote nothing: {program.last_words()}")
    side.finish()
    lines = stacks.read_text().splitlines()
    found = areas.by_area(lines)
    return Profile(
        load,
        spent.cpu_s / max(1, load.units(outcome)) * 1e6,
        _shares(found.most_common(), found.total()),
        _shares(areas.by_function(lines).most_common(30), found.total()),
        found.total(),
    )


def _shares(counted: list[tuple[str, int]], total: int) -> list[tuple[str, float]]:
    return [(name, count / total * 100) for name, count in counted]


def main(arguments: list[str]) -> int:
    console = Console()
    if unknown := set(arguments) - set(LOADS):
        console.print(f"There is no {', '.join(unknown)}; choose from {', '.join(LOADS)}.")
        return 2
    machine.raise_file_limit()
    home = Path(__file__).parent.parent / ".bench"
    peers.install(home, console.log, only=("py-spy",))
    with Stage(home) as stage:
        taken = take(stage, arguments or ["calls"], console.log)
    for profile in taken:
        _show(profile, console)
    return 0 if taken else 1


def _show(profile: Profile, console: Console) -> None:
    console.print(
        f"\n{profile.load.title}: {profile.cpu_us:.0f} µs of CPU per {profile.load.unit},"
        f" {profile.samples} samples"
    )
    for title, shares in (("area", profile.by_area), ("function", profile.by_function)):
        console.print(f"By {title}:")
        for name, share in shares:
            console.print(f"{share:5.1f} %  {share * profile.cpu_us / 100:6.1f} µs  {name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
