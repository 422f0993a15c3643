"""Overload: what calls that were accepted notice of those that are refused.

As many streams as may be in flight are open; then, beside them, callers in a closed loop are told
503 as fast as they ask. The same streams once more without those callers say what to compare with.
"""

from bench.generator.job import Job, Outcome
from bench.measuring import Measuring
from bench.sides.gateway import Gateway

STREAMS, RATE = 100, 50.0
CALLERS = 64
_BEFORE_S, _AFTER_S = 0.5, 1.0


def overload(measuring: Measuring, name: str) -> None:
    """Started for this alone, with room for so many calls; figures are noted under `name`."""
    bound = {"MAX_IN_FLIGHT": str(STREAMS)}
    side = Gateway(measuring.stage.place("overload"), name, more=bound)
    side.start()
    try:
        alone, _ = _streams(measuring, side, flooded=False)
        flooded, refused = _streams(measuring, side, flooded=True)
        note = measuring.book.note
        note(name, "overload_slower", (flooded.seconds / alone.seconds - 1) * 100)
        note(name, "overload_chunk_p99", flooded.chunk_p99_ms)
        note(name, "overload_failed", flooded.failed)
        note(name, "overload_refused", refused.failed / max(refused.seconds, 0.001))
        side.finish()
    finally:
        side.stop()


def _streams(measuring: Measuring, side: Gateway, *, flooded: bool) -> tuple[Outcome, Outcome]:
    """Of the streams, and of the callers beside them."""
    stage, refused = measuring.stage, Outcome()
    during_s = measuring.scale.stream_s
    running = stage.begin(_accepted(measuring, side, during_s + _BEFORE_S + _AFTER_S))
    running.wait_open()
    if flooded:
        calls = stage.job(side, mode="calls", connections=CALLERS, seconds=during_s)
        refused = stage.generate(side, calls)
    return running.outcome(), refused


def _accepted(measuring: Measuring, side: Gateway, seconds: float) -> Job:
    chunks = int(RATE * seconds)
    return measuring.stage.job(
        side, mode="streams", connections=STREAMS, rate=RATE, chunks=chunks, spread_s=_BEFORE_S
    )
