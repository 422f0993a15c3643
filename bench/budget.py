"""What must be reached, and by how much it is missed where it is. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.figures import Book

OURS, BARE = "gateway", "upstream"


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of the budget."""

    what: str
    value: Callable[[Book], float | None]
    """None: it was not measured in this run."""
    limit: float
    unit: str
    at_least: bool = False
    figure: str = ""
    """Where in the table it belongs."""

    @property
    def required(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{self.unit}"

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def verdict(self, value: float | None) -> str:
        if value is None:
            return "not measured"
        if self.is_met(value):
            return "met"
        if not self.limit:
            return "missed"
        return f"missed by {abs(value - self.limit) / self.limit * 100:.0f} %"


def _own(figure: str) -> Callable[[Book], float | None]:
    return lambda book: book.median(OURS, figure)


def _times(figure: str, other: str) -> Callable[[Book], float | None]:
    return lambda book: book.ratio(figure, OURS, other)


def _added(figure: str) -> Callable[[Book], float | None]:
    return lambda book: book.added(figure, OURS, BARE)


def _within(figure: str, of: str) -> Callable[[Book], float | None]:
    """One of our figures as a share of another of ours."""

    def share(book: Book) -> float | None:
        one, other = book.median(OURS, figure), book.median(OURS, of)
        return one / other if one is not None and other else None

    return share


def _growth(since: str) -> Callable[[Book], float | None]:
    """Of the worker's memory, in percent."""

    def percent(book: Book) -> float | None:
        share = _within("memory_after", since)(book)
        return None if share is None else (share - 1) * 100

    return percent


BUDGET = (
    Limit("calls/s at 64 connections: times TensorZero's", _times("calls_64", "TensorZero"), 2,
          " ×", True, "calls_64"),
    Limit("… times Portkey's", _times("calls_64", "Portkey"), 10, " ×", True, "calls_64"),
    Limit("… times LiteLLM's", _times("calls_64", "LiteLLM"), 100, " ×", True, "calls_64"),
    Limit("… times nginx's", _times("calls_64", "nginx"), 0.2, " ×", True, "calls_64"),
    Limit("calls/s at 256 connections: times those at 64", _within("calls_256", "calls_64"), 0.9,
          " ×", True, "calls_256"),
    Limit("added latency at 1 connection, p50", _added("latency_p50"), 0.6, " ms",
          figure="latency_p50"),
    Limit("300 streams: chunks relayed", _own("streams_relayed"), 100, " %", True,
          "streams_relayed"),
    Limit("… added time to first chunk, p50", _added("streams_first_p50"), 5, " ms",
          figure="streams_first_p50"),
    Limit("… CPU per chunk: times TensorZero's", _times("streams_cpu_us", "TensorZero"), 0.8,
          " ×", figure="streams_cpu_us"),
    Limit("2,000 open streams: memory of each", _own("open_kib"), 25, " KiB", figure="open_kib"),
    Limit("… dropped", _own("open_dropped"), 0, "", figure="open_dropped"),
    Limit("stream whose client does not read", _own("unread_mib"), 2, " MiB",
          figure="unread_mib"),
    Limit("overload: accepted streams slower by", _own("overload_slower"), 10, " %",
          figure="overload_slower"),
    Limit("1 MB prompt: the event loop's time", _own("large_loop_ms"), 5, " ms",
          figure="large_loop_ms"),
    Limit("memory of an idle worker", _own("memory_idle"), 50, " MB", figure="memory_idle"),
    Limit("… its growth over the run", _growth("memory_idle"), 5, " %", figure="memory_after"),
    Limit("… its growth from the first round to the last", _growth("memory_warm"), 5, " %",
          figure="memory_after"),
    Limit("start to first answered call", _own("start_s"), 1.5, " s", figure="start_s"),
    Limit("… times LiteLLM's", _times("start_s", "LiteLLM"), 0.1, " ×", figure="start_s"),
)  # fmt: skip
