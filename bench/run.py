"""A whole run: sides are started, measured in interleaved rounds, and stopped again.

Interleaved, because a machine's mood changes over minutes: it must hit all sides alike. What one
measurement is stands in `bench.measuring`.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench import machine
from bench.budget import BARE, OURS
from bench.measuring import CONNECTIONS, Measuring
from bench.overload import overload
from bench.programs import BenchError
from bench.sides.direct import Direct
from bench.sides.gateway import Gateway
from bench.sides.litellm import LiteLLM
from bench.sides.nginx import Nginx
from bench.sides.portkey import Portkey
from bench.sides.side import Side
from bench.sides.tensorzero import TensorZero
from bench.stage import Stage

POWER = "gateway, power"
_PEERS: tuple[type[Side], ...] = (TensorZero, Portkey, LiteLLM)
_LOOKED_AT = {OURS, "nginx"}
"""Whose memory under thousands of streams, and time for large prompts, is looked at."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Cast:
    """Who takes part, and who does not."""

    sides: list[Side]
    versions: dict[str, str]
    doing: dict[str, str]
    """What each of them does with a call."""
    absent: list[str]
    """A sentence for each."""


def cast(stage: Stage, *, peers: bool) -> Cast:
    """Those that are installed."""
    ours: list[Side] = [
        Direct(stage.place(BARE)),
        Nginx(stage.place("nginx")),
        Gateway(stage.place(OURS)),
        Gateway(stage.place(POWER), POWER, "power"),
    ]
    here = Cast([], {}, {}, [])
    for side in [*ours, *(peer(stage.place(peer.name)) for peer in _PEERS if peers)]:
        try:
            here.versions[side.name] = side.version()
            here.doing[side.name] = side.doing
            here.sides.append(side)
        except BenchError as error:
            here.absent.append(f"{side.name} was left out: {error}.")
    return here


def perform(measuring: Measuring, here: Cast, say: Say) -> dict[str, int]:
    """Everything, into the book. A side that fails is left out from then on, and named.

    Returns the calls that each side had answered when its memory was taken."""
    with ExitStack() as stack:
        _start(measuring, here, stack, say)
        for number in range(measuring.scale.rounds):
            say(f"Round {number + 1} of {measuring.scale.rounds}")
            for connections in CONNECTIONS:
                beyond = () if connections == CONNECTIONS[0] else (POWER,)
                _each(here, lambda s, c=connections: measuring.calls(s, c), say, but=beyond)  # type: ignore[misc]
            _each(here, measuring.latency, say, but=(POWER,))
            _each(here, measuring.streams, say, but=(POWER,))
            if number == 0:
                _each(here, lambda s: measuring.memory(s, "memory_warm"), say)
        _each(here, lambda s: measuring.memory(s, "memory_after"), say)
        calls = dict(measuring.stage.calls_made)
        say("Large prompts")
        _each(here, measuring.large_prompt, say, only=(BARE, *_LOOKED_AT))
    say("Open streams")
    _each(here, _afresh(measuring, measuring.open_streams), say, only=_LOOKED_AT)
    _each(here, _afresh(measuring, measuring.unread_streams), say, only=_LOOKED_AT)
    say("Overload")
    _each(here, lambda s: overload(measuring, s.name), say, only=(OURS,))
    return calls


def _start(measuring: Measuring, here: Cast, stack: ExitStack, say: Say) -> None:
    def start(side: Side) -> None:
        seconds = side.start()
        stack.callback(side.stop)
        if side.program is not None:
            measuring.book.note(side.name, "start_s", seconds)
            measuring.memory(side, "memory_idle")

    _each(here, start, say)


def _afresh(measuring: Measuring, measure: Callable[[Side], None]) -> Callable[[Side], None]:
    """Started anew for this: memory that a process was given before hides what it takes now. It
    is also one more start that is timed."""

    def alone(side: Side) -> None:
        measuring.book.note(side.name, "start_s", side.start())
        try:
            measure(side)
        finally:
            side.stop()

    return alone


def _each(
    here: Cast,
    measure: Callable[[Side], None],
    say: Say,
    *,
    only: Sequence[str] | set[str] | None = None,
    but: Sequence[str] = (),
) -> None:
    for side in list(here.sides):
        if side.name in but or (only is not None and side.name not in only):
            continue
        try:
            measure(side)
        except (BenchError, OSError) as error:
            say(f"{side.name} failed and is left out from here on: {error}")
            here.absent.append(f"{side.name} failed during the run: {str(error).splitlines()[0]}")
            here.sides.remove(side)


def ceiling(measuring: Measuring) -> str:
    """Of generator and upstream alone, pinned as in the run; as a sentence."""
    stage = measuring.stage
    bare = Direct(stage.place(BARE))
    calls = stage.generate(
        bare, stage.job(bare, mode="calls", connections=CONNECTIONS[0], seconds=2)
    )
    before = machine.cpu_s([stage.upstream.pid])
    streams = stage.generate(
        bare, stage.job(bare, mode="streams", connections=300, rate=50.0, chunks=50)
    )
    used_s = streams.cpu_s + machine.cpu_s([stage.upstream.pid]) - before
    return (
        f"Generator ({stage.generator} for calls, bench.generator for streams and latency) and"
        f" fake upstream, sharing {len(stage.cores.others)} core(s), carry"
        f" {calls.per_second:,.0f} calls/s at {CONNECTIONS[0]} connections and"
        f" {streams.chunks / used_s:,.0f} chunks/s."
    )
