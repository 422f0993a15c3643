"""The page docs/benchmarks-consumer.md, made of one run. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bench import machine
from bench.consumer.drain import RECORDS_PER_MESSAGE, Drained
from bench.consumer.reading import Read
from bench.consumer.talks import ANSWER_BYTES, QUESTION_BYTES
from bench.report import Table, markdown

NEEDED_PER_S = 2000
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over; what was not asked for is empty."""

    began: datetime
    drained: Sequence[tuple[str, Drained]]
    rows: int
    reads: Sequence[Read]


def render(run: Run) -> str:
    """Markdown."""
    parts = [
        "# Benchmarks of storing and reading\n",
        f"Written by `make bench-consumer` on {run.began:%Y-%m-%d %H:%M} UTC:"
        f" {machine.description()}.\n",
    ]
    if run.drained:
        parts += ["## Storing and linking\n", *_storing(run.drained)]
    if run.reads:
        parts += [f"## Reading among {run.rows:,} records\n", *_reading(run.reads)]
    parts += [
        "## To repeat it\n",
        "```console\n$ make bench-consumer                     # both, with a million records\n"
        "$ make bench-consumer ROWS=10000000       # a quarter of an hour, 10 GB of disk\n"
        "$ make bench-consumer ARGS=--quick\n```\n",
    ]
    return "\n".join(parts)


def _storing(drained: Sequence[tuple[str, Drained]]) -> Iterator[str]:
    yield (
        "A backlog in RabbitMQ, and one consumer that stores it in Postgres and links it into"
        f" conversations, until nothing waits. Messages hold {RECORDS_PER_MESSAGE} records, each"
        f" a question of {QUESTION_BYTES} bytes, an answer of {ANSWER_BYTES}, and what was said"
        " before. The consumer has one core; RabbitMQ, Postgres and whatever else runs have the"
        " others.\n"
    )
    yield markdown(storing(drained))
    yield (
        "\n- Records per second of CPU say what a core of its own would carry; per second of the"
        " clock, what was carried beside everything else that this machine was doing.\n"
        "- Memory is the consumer's (PSS), looked at twice a second.\n"
    )


def storing(drained: Sequence[tuple[str, Drained]]) -> Table:
    def line(name: str, value: Iterable[object]) -> list[str]:
        return [name, *map(str, value)]

    each = [one for _, one in drained]
    lines = [
        line("records", (f"{d.records:,}" for d in each)),
        line(
            "bytes per record, uncompressed", (f"{d.bodies_bytes / d.records:,.0f}" for d in each)
        ),
        line("records per second of the consumer's CPU", (f"{d.per_core_s:,.0f}" for d in each)),
        line("… its CPU per record, µs", (f"{1e6 / d.per_core_s:,.0f}" for d in each)),
        line("… at least", (f"{NEEDED_PER_S:,}" for _ in each)),
        line("records per second of the clock", (f"{d.per_s:,.0f}" for d in each)),
        line("… waited for its core, % of the time", (f"{_waited(d):.0f}" for d in each)),
        line("Postgres' CPU per record, µs", (_postgres(d) for d in each)),
        line("memory after a tenth, MiB", (f"{_memory(d, 0.1):.0f}" for d in each)),
        line("… after half", (f"{_memory(d, 0.5):.0f}" for d in each)),
        line("… at the end", (f"{_memory(d, 1):.0f}" for d in each)),
        line("load of the machine before", (f"{d.load_before:.1f}" for d in each)),
    ]
    return ["", *(name for name, _ in drained)], lines


def _waited(drained: Drained) -> float:
    """Threads of one process wait for each other, too; so this can exceed 100."""
    return 100 * drained.waited_s / drained.wall_s


def _postgres(drained: Drained) -> str:
    return (
        f"{1e6 * drained.postgres_cpu_s / drained.records:,.0f}" if drained.postgres_cpu_s else "–"
    )


def _memory(drained: Drained, share: float) -> float:
    place = round(share * (len(drained.memory) - 1))
    return drained.memory[place] / _MIB


def _reading(reads: Sequence[Read]) -> Iterator[str]:
    yield (
        "Over HTTP, from a gateway with one worker: the first answer, then the median and the worst"
        " of those that follow, in milliseconds. A tenth of all records are the person's who asks;"
        " the records are of a year, in monthly partitions. A rare model, status or kind is that of"
        " one record in 50,000 to 100,000; behind it, of all that this person or everybody has.\n"
    )
    yield markdown(reading(reads))


def reading(reads: Sequence[Read]) -> Table:
    lines = [
        [
            read.what,
            f"{read.first_ms:,.0f}",
            f"{read.median_ms:,.1f}",
            f"{read.worst_ms:,.0f}",
            f"{read.most_ms:,.0f}",
            "yes" if read.held else "**no**",
        ]
        for read in reads
    ]
    return ["", "first", "median", "worst", "at most", "held"], lines
