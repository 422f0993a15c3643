"""No answer is without a record, whatever is killed, frozen, cut, filled or deleted meanwhile.

Real programs, and servers of their own. `--ledger-seed` repeats a run, `--ledger-seconds` makes it
longer; the seed is printed. `make ledger` runs it for as long as one likes.
"""

from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from tests.support.ledger.run import play

MODES = ("services", "embedded")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A server that may not run as root has to get through to its own: pytest's are its user's."""
    made = Path(mkdtemp(prefix="ledger-"))
    made.chmod(0o755)
    yield made
    rmtree(made, ignore_errors=True)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
async def test_ledger_has_no_discrepancy(
    mode: str, request: pytest.FixtureRequest, directory: Path
) -> None:
    seed = request.config.getoption("--ledger-seed") or SystemRandom().randrange(2**32)
    seconds = request.config.getoption("--ledger-seconds")
    print(f"{mode}, seed {seed}, in {directory}")
    report = await play(mode, directory, seed, seconds)  # type: ignore[arg-type]
    print(report)
    assert not report.discrepancies
    assert report.calls["good"]
