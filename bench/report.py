"""The tables: what each side reached, and how that stands to the budget. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.budget import BARE, BUDGET, OURS
from bench.figures import Book

BOUNDED_FROM = 0.8
"""From this share of the generator's own ceiling on, a figure says little of the side."""
NONE = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the big table."""

    title: str
    value: Callable[[Book, str], float | None]
    decimals: int = 0
    figure: str = ""
    """Whose remarks belong here."""
    ceiling: bool = False
    """Whether the bare upstream's value is the most that could have been measured."""


def _plain(title: str, figure: str, decimals: int = 0, *, ceiling: bool = False) -> Row:
    return Row(title, lambda book, side: book.median(side, figure), decimals, figure, ceiling)


def _added(title: str, figure: str, decimals: int) -> Row:
    def added(book: Book, side: str) -> float | None:
        return None if side == BARE else book.added(figure, side, BARE)

    return Row(title, added, decimals, figure)


def _against_us(title: str, figure: str) -> Row:
    """How many times as much as each of the others the gateway reaches."""

    def ratio(book: Book, side: str) -> float | None:
        return None if side == OURS else book.ratio(figure, OURS, side)

    return Row(title, ratio, 2)


ROWS = (
    _plain("calls/s, 64 connections", "calls_64", ceiling=True),
    _against_us("… gateway ÷ this", "calls_64"),
    _plain("… CPU per call, µs", "calls_64_cpu_us"),
    _plain("… core used, %", "calls_64_busy"),
    _plain("… waited for its core, %", "calls_64_waited"),
    _plain("… calls per second of CPU", "calls_64_per_cpu_s"),
    _against_us("… gateway ÷ this, by CPU", "calls_64_per_cpu_s"),
    _plain("… records waiting at the end", "calls_64_backlog"),
    _plain("… seconds until they were stored", "calls_64_drain_s", 1),
    _plain("calls/s, 256 connections", "calls_256", ceiling=True),
    _plain("… CPU per call, µs", "calls_256_cpu_us"),
    _plain("latency, 1 connection, p50, ms", "latency_p50", 2),
    _added("… added, p50", "latency_p50", 2),
    _added("… added, p99", "latency_p99", 2),
    _plain("300 streams × 50/s: chunks relayed, %", "streams_relayed", 1),
    _added("… added time to first chunk, p50, ms", "streams_first_p50", 2),
    _added("… p99", "streams_first_p99", 2),
    _plain("… chunk's way from upstream to client, p99, ms", "streams_chunk_p99", 1),
    _plain("… CPU per chunk, µs", "streams_cpu_us", 1),
    _plain("… core used, %", "streams_busy"),
    _plain("… waited for its core, %", "streams_waited"),
    _plain("2,000 open streams: KiB each", "open_kib", 1),
    _plain("… dropped", "open_dropped"),
    _plain("unread stream: MiB each", "unread_mib", 2),
    _plain("overload: accepted streams slower by, %", "overload_slower", 1),
    _plain("… those that failed", "overload_failed"),
    _plain("… their chunks' way, p99, ms", "overload_chunk_p99", 1),
    _plain("… calls refused per second", "overload_refused"),
    _plain("1 MB prompt: event loop, ms", "large_loop_ms", 2),
    _plain("… latency p50, ms", "large_p50", 2),
    _plain("idle memory, MB (PSS)", "memory_idle", 1),
    _plain("… after the first round", "memory_warm", 1),
    _plain("… after all rounds", "memory_after", 1),
    _plain("start to first answer, s", "start_s", 2),
)


Table = tuple[Sequence[str], list[list[str]]]
"""The names of its columns, and its lines."""


def comparison(book: Book, sides: Iterable[str]) -> Table:
    names = list(sides)
    lines = [[row.title, *(_cell(row, book, side) for side in names)] for row in ROWS]
    measured = [line for line in lines if set(line[1:]) != {NONE}]
    return ["", *names], measured


def _cell(row: Row, book: Book, side: str) -> str:
    value = row.value(book, side)
    if value is None:
        return NONE
    text = f"{value:,.{row.decimals}f}"
    if row.ceiling and is_bounded(value, row.value(book, BARE)) and side != BARE:
        text += " *"
    remark = book.remark_on(side, row.figure)
    return f"{text} ({remark})" if remark else text


def is_bounded(value: float, ceiling: float | None) -> bool:
    """Whether it may be the generator's limit rather than the side's."""
    return ceiling is not None and value >= BOUNDED_FROM * ceiling


def budget(book: Book) -> Table:
    """A limit of which nothing was measured is there too, and says so."""
    lines = []
    for limit in BUDGET:
        value = limit.value(book)
        shown = NONE if value is None else f"{value:.4g}{limit.unit}"
        lines.append([limit.what, limit.required, shown, limit.verdict(value)])
    return ["budget", "required", "measured", "verdict"], lines


def markdown(table: Table) -> str:
    columns, lines = table
    rule = ["---", *("---:" for _ in columns[1:])]
    return "".join(f"| {' | '.join(line)} |\n" for line in [columns, rule, *lines])
