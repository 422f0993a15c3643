"""The command: `python -m bench.consumer [--quick] [--rows N] [--write FILE] [--only …]`.

Needs the Postgres and the RabbitMQ of DATABASE_URL and AMQP_URL, by default those of this machine,
and makes a database and queues of its own there.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.consumer import page
from bench.consumer.drain import Drained, drain
from bench.consumer.millions import fill
from bench.consumer.places import own_database
from bench.consumer.reading import Read, read
from bench.programs import BenchError
from bench.terminal import in_terminal

BACKLOG, QUICK_BACKLOG = 200_000, 10_000
STREAMED_PART = 5
"""How many times smaller the backlog of streamed answers is."""
ROWS, QUICK_ROWS = 1_000_000, 100_000


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    console, said = Console(), Console(stderr=True)
    began = datetime.now(UTC)
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    backlog = options.backlog or (QUICK_BACKLOG if options.quick else BACKLOG)
    try:
        drained = [] if options.only == "reading" else _drained(backlog, said)
        reads = [] if options.only == "storing" else _reads(rows, options.keep, said)
    except BenchError as error:
        said.print(f"The run was given up: {error}")
        return 1
    if drained:
        console.print(in_terminal(page.storing(drained)))
    if reads:
        console.print(in_terminal(page.reading(reads)))
    if options.write:
        options.write.write_text(page.render(page.Run(began, drained, rows, reads)))
    return 0


def _drained(count: int, said: Console) -> list[tuple[str, Drained]]:
    streams = count // STREAMED_PART
    return [
        ("answers as JSON", drain(count, streamed=False, say=said.log)),
        ("answers as streams of 50 chunks", drain(streams, streamed=True, say=said.log)),
    ]


def _reads(rows: int, keep: bool, said: Console) -> list[Read]:
    with own_database(f"bench_millions_{rows}", keep=keep) as database:
        fill(database, rows, said.log)
        return list(read(database))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.consumer", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look")
    parser.add_argument("--backlog", type=int, help=f"records to store and link ({BACKLOG:,})")
    parser.add_argument("--rows", type=int, help=f"records to read among ({ROWS:,})")
    parser.add_argument("--keep", action="store_true", help="keep them for another run")
    parser.add_argument("--only", choices=("storing", "reading"), help="the one and not the other")
    parser.add_argument("--write", type=Path, help="write the page of this run to a file")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
