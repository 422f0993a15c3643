"""`python -m tests.support.ledger`: runs of the ledger, as long and as often as one likes."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from tests.support.ledger.run import play


def main() -> int:
    """1: a discrepancy was found; what the programs printed is kept then."""
    parser = argparse.ArgumentParser(prog="ledger", description=__doc__)
    parser.add_argument("--mode", choices=["services", "embedded", "both"], default="both")
    parser.add_argument("--minutes", type=float, default=1, help="of calls and faults, for each")
    parser.add_argument("--seed", type=int, help="to see a run again; else another one each time")
    parser.add_argument("--times", type=int, default=1, help="runs, each with the next seed")
    given = parser.parse_args()
    first = SystemRandom().randrange(2**32) if given.seed is None else given.seed
    modes = ["services", "embedded"] if given.mode == "both" else [given.mode]
    failed = 0
    for seed in range(first, first + given.times):
        for mode in modes:
            failed += _run(mode, seed, given.minutes * 60)
    return 1 if failed else 0


def _run(mode: str, seed: int, seconds: float) -> bool:
    """Whether it found anything; what the programs said is kept then."""
    directory = Path(tempfile.mkdtemp(prefix=f"ledger-{mode}-"))
    sys.stdout.write(f"{mode}, seed {seed}, in {directory}\n")
    sys.stdout.flush()
    report = asyncio.run(play(mode, directory, seed, seconds))  # type: ignore[arg-type]
    sys.stdout.write(f"{report}\n\n")
    sys.stdout.flush()
    if not report.discrepancies:
        shutil.rmtree(directory, ignore_errors=True)
    return bool(report.discrepancies)


if __name__ == "__main__":
    sys.exit(main())
