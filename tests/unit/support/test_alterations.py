"""What tests alter in our programs is there to be altered, and altering it works."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.alterations import environment
from tests.support.alterations.failpoints import STEPS, armed
from tests.support.alterations.mutants import MUTANTS

PLACES = {(step.module, step.place) for step in STEPS}
PLACES |= {(module, place) for mutant in MUTANTS.values() for module, place, _ in mutant.changes}
BEFORE_SAVE = next(step for step in STEPS if step.name == "before storing")
SAVE = """
import asyncio
from consumer.store import Store
from sqlalchemy.ext.asyncio import create_async_engine
print(asyncio.run(Store(create_async_engine("sqlite+aiosqlite://")).save([])))
"""


@pytest.mark.parametrize(("module", "place"), sorted(PLACES))
def test_every_place_exists(module: str, place: str) -> None:
    found: Any = import_module(module)
    for name in place.split("."):
        found = getattr(found, name)
    assert callable(found)


def test_names_are_all_different() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)


def test_program_dies_at_an_armed_step_once(tmp_path: Path) -> None:
    with armed(tmp_path, BEFORE_SAVE) as hit:
        first, second = (_run(environment(tmp_path)) for _ in range(2))
        assert (first.returncode, hit.exists()) == (-9, True)
        assert (second.returncode, second.stdout) == (0, "[]\n")


def test_program_that_is_not_altered_has_no_failpoints(tmp_path: Path) -> None:
    with armed(tmp_path, BEFORE_SAVE) as hit:
        unaltered = {"PYTHONPATH": environment()["PYTHONPATH"].rpartition(":")[2]}
        assert _run(unaltered).returncode == 0 and not hit.exists()


def _run(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SAVE],
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
