"""The page docs/benchmarks.md, made of one run. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bench import machine
from bench.budget import OURS
from bench.figures import Book
from bench.measuring import Scale
from bench.profile import Profile
from bench.report import budget, comparison, markdown
from bench.run import Cast

QUIET_PERCENT = 5
"""A process that waits longer than this for a core of its own does not have it to itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over."""

    began: datetime
    load_before: float
    load_after: float
    ceiling: str
    scale: Scale
    peers: bool
    cast: Cast
    book: Book
    profiles: list[Profile]
    calls: int
    """That the gateway has answered before its memory was taken for the last time."""


def remarks(run: Run) -> Iterator[str]:
    """What must be known to read the tables."""
    yield run.ceiling
    yield (
        "`*`: within 20 % of what generator and upstream reach with nothing between them, so it may"
        " be their limit and not the side's."
    )
    yield (
        "The measured process has one core to itself; generator, upstream, the gateway's parent and"
        " its consumer share the others. The consumer stores while calls are made: it takes part of"
        " the generator's core, and nothing is measured until it has caught up."
    )
    yield from _disturbed(run.book)
    yield f"The gateway's memory was taken after {run.calls:,} calls."
    yield (
        f"Load of the machine in the minute before the run: {run.load_before:.2f}; in its last"
        f" minute (the run itself): {run.load_after:.2f}."
    )
    yield from run.cast.absent


def render(run: Run) -> str:
    scale = run.scale
    command = "make bench-peers" if run.peers else "make bench"
    parts = [
        "# Benchmarks\n",
        f"One run on one machine, written by `{command}` on {run.began:%Y-%m-%d %H:%M} UTC:"
        f" {machine.description()}. Medians of {scale.rounds} interleaved round(s); each figure of"
        f" calls after {scale.warm_up_s:g} s of warm-up and over {scale.calls_s:g} s. A question is"
        " 0.6 kB and an answer 1 kB of JSON; the upstream answers at once, or streams at the pace"
        " that it is asked for. Figures of another machine, or of a busy one, are others; the"
        " ratios are what to look at.\n",
        markdown(comparison(run.book, run.cast.versions)),
        _listed(remarks(run)),
        "## Against the budget\n",
        markdown(budget(run.book)),
        "## What each side was doing\n",
        _sides(run),
        *_profiles(run.profiles),
        "## To repeat it\n",
        "```console\n$ make bench          # this gateway, nginx, and the upstream itself\n"
        "$ make bench-peers    # LiteLLM, Portkey and TensorZero too, installed below .bench/\n"
        "$ make bench ARGS=--quick\n$ .venv/bin/python -m bench.profile calls streams large\n```\n",
    ]
    return "\n".join(parts)


def _disturbed(book: Book) -> Iterator[str]:
    """Where other programs had part of the measured core: the worker's threads share it, too, but
    only those of one process."""
    waited = book.median(OURS, "calls_64_waited") or 0
    if waited > QUIET_PERCENT:
        yield (
            f"The machine was not idle: at 64 connections the {OURS}'s worker waited for its core"
            f" {waited:.0f} % of the time, because other programs had it. Rates and latencies are"
            " worse by that, and not for all sides alike; calls per second of CPU say what a whole"
            " core would carry."
        )


def _listed(sentences: Iterator[str]) -> str:
    return "".join(f"- {sentence}\n" for sentence in sentences)


def _sides(run: Run) -> str:
    return "".join(
        f"- **{name}** ({version}): {run.cast.doing[name]}\n"
        for name, version in run.cast.versions.items()
    )


def _profiles(profiles: list[Profile]) -> Iterator[str]:
    if profiles:
        yield "## Where the time goes\n"
        yield (
            "CPU of the gateway's worker, sampled. A sample belongs to the innermost of these areas"
            " on its stack; what C code does for an area, system calls included, counts as its"
            " own.\n"
        )
    for profile in profiles:
        yield (
            f"At {profile.load.title}: {profile.cpu_us:.0f} µs per {profile.load.unit}"
            f" ({profile.samples:,} samples).\n"
        )
        lines = [
            [name, f"{share:.1f} %", f"{share * profile.cpu_us / 100:.0f}"]
            for name, share in profile.by_area
        ]
        yield markdown((["area", "share", "µs"], lines))
