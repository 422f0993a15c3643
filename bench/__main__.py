"""The command: `python -m bench [--peers] [--quick] [--write FILE]`.

Tables go to the terminal; `--write` makes the page docs/benchmarks.md of them.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import machine, page, peers, profile
from bench.budget import OURS
from bench.figures import Book
from bench.measuring import FULL, QUICK, Measuring
from bench.programs import BenchError
from bench.report import budget, comparison
from bench.run import Cast, cast, ceiling, perform
from bench.stage import Stage
from bench.terminal import in_terminal

_HOME = Path(__file__).parent.parent / ".bench"


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    console, said = Console(), Console(stderr=True)
    machine.raise_file_limit()
    if options.peers:
        peers.install(_HOME, said.log)
    began, load = datetime.now(UTC), machine.load()
    scale = QUICK if options.quick else FULL
    try:
        with Stage(_HOME) as stage:
            measuring = Measuring(stage, Book(), scale)
            here = cast(stage, peers=options.peers)
            top = ceiling(measuring)
            said.log(top)
            calls = perform(measuring, here, said.log)
            profiles = profile.take(stage, ("calls", "streams"), said.log)
    except BenchError as error:
        said.print(f"The run was given up: {error}")
        return 1
    run = page.Run(
        began=began,
        load_before=load,
        load_after=machine.load(),
        ceiling=top,
        scale=scale,
        peers=options.peers,
        cast=here,
        book=measuring.book,
        profiles=profiles,
        calls=calls.get(OURS, 0),
    )
    _show(console, measuring.book, here, run)
    if options.write:
        options.write.write_text(page.render(run))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="LiteLLM, Portkey and TensorZero too")
    parser.add_argument("--quick", action="store_true", help="one short round: a rough look")
    parser.add_argument("--write", type=Path, help="write the page of this run to a file")
    return parser


def _show(console: Console, book: Book, here: Cast, run: page.Run) -> None:
    console.print(in_terminal(comparison(book, here.versions)), in_terminal(budget(book)), sep="\n")
    for sentence in page.remarks(run):
        console.print(f"· {sentence}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
