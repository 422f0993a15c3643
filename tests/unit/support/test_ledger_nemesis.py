"""The nemesis' schedule: decided by its seed, fair, and never twice on one thing."""

from itertools import combinations

import pytest

from tests.support.alterations.mutants import MUTANTS
from tests.support.ledger.nemesis import FAULTS, LANES, schedule

MODES = ["services", "embedded"]


@pytest.mark.parametrize("mode", MODES)
def test_same_seed_is_the_same_schedule(mode: str) -> None:
    assert schedule(7, 60, mode) == schedule(7, 60, mode) != schedule(8, 60, mode)


@pytest.mark.parametrize("mode", MODES)
def test_every_fault_has_its_turn(mode: str) -> None:
    wanted = {
        fault.name
        for fault in FAULTS
        if (fault.embedded or mode == "services") and fault.only in (None, mode)
    }
    assert {blow.fault.name for blow in schedule(7, 600, mode)} == wanted


@pytest.mark.parametrize("mode", MODES)
def test_faults_at_once_are_few_and_on_different_things(mode: str) -> None:
    planned = schedule(7, 120, mode)
    for one in planned:
        meeting = [b for b in planned if b.at_s <= one.at_s <= b.ends_s]
        assert len(meeting) <= LANES
        for first, second in combinations(meeting, 2):
            assert first.fault.places.isdisjoint(second.fault.places)


def test_disk_that_cannot_be_filled_is_not() -> None:
    planned = schedule(7, 600, "embedded", disk=False)
    assert all(blow.fault.acts_on != "disk" for blow in planned)


def test_only_named_faults_come_if_any_are_named() -> None:
    wanted = {"kill a worker", "kill a consumer"}
    planned = schedule(7, 60, "services", among=wanted)
    assert {blow.fault.name for blow in planned} == wanted


@pytest.mark.parametrize("name", MUTANTS)
def test_what_every_mutant_is_hunted_with_exists(name: str) -> None:
    mutant = MUTANTS[name]
    assert set(mutant.by) <= {fault.name for fault in FAULTS}
    modes = [mutant.only] if mutant.only else MODES
    assert all(schedule(1, 30, mode, among=mutant.by) for mode in modes)
