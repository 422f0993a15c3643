"""`make mutants`: each safeguard is taken out, and the ledger has to find that it is missing.

A mutant is run with one seed after the other until a discrepancy is found; which one says that it
lives. The table goes to docs/durability.md by hand.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.support.alterations.mutants import MUTANTS
from tests.support.ledger.run import play

SEEDS = range(1, 4)
MODES = ("services", "embedded")


def main() -> int:
    """1: a mutant lives."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(MUTANTS), choices=list(MUTANTS))
    parser.add_argument("--mode", nargs="*", default=list(MODES), choices=MODES)
    parser.add_argument("--seconds", type=float, default=12, help="of calls and faults in each run")
    given = parser.parse_args()
    sys.stdout.write("| safeguard | without it | mode | found |\n| --- | --- | --- | --- |\n")
    alive = 0
    for name in given.only:
        for mode in given.mode:
            if MUTANTS[name].only in (None, mode):
                found = _hunted(name, mode, given.seconds)
                alive += found is None
                told = found or "**lives**"
                sys.stdout.write(f"| {name} | {MUTANTS[name].says} | {mode} | {told} |\n")
                sys.stdout.flush()
    return 1 if alive else 0


def _hunted(name: str, mode: str, seconds: float) -> str | None:
    """The first discrepancy, and in which run; None: there was none in any."""
    for run, seed in enumerate(SEEDS, 1):
        directory = Path(tempfile.mkdtemp(prefix="mutant-"))
        try:
            report = asyncio.run(play(mode, directory, seed, seconds, name))  # type: ignore[arg-type]
        except (TimeoutError, ExceptionGroup) as error:
            return f"run {run}: never ready again ({type(error).__name__})"
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        if report.discrepancies:
            return f"run {run}: {len(report.discrepancies)}, as “{report.discrepancies[-1]}”"
    return None


if __name__ == "__main__":
    sys.exit(main())
