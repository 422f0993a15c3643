"""kill -9 at every step of both programs: each time all that was asked is stored, once, and what
was answered is stored as it was answered.

Where the programs die is said in `tests.support.alterations.failpoints`.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.alterations import environment
from tests.support.alterations.failpoints import CONSUMER_STEPS, GATEWAY_STEPS, STEPS, Step, armed
from tests.support.fake_behaviour import Behaviour
from tests.support.fake_upstream import FakeUpstream
from tests.support.ledger.once import AT_ONCE, Calls
from tests.support.places import own_services
from tests.support.processes import command_of, descendants
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)
SETTINGS = {
    "SERVER_WORKERS": "2",
    "SPOOL_MAX_BYTES": str(32 * 1024 * 1024),  # segments of 256 KiB
    "DRAIN_TIMEOUT_S": "1",
}
TEXTS = {
    "roll": "Hello " + os.urandom(30_000).hex(),
    "compact": "Hello " + os.urandom(30_000).hex(),
    "parts": "Hello " + os.urandom(1_200_000).hex(),  # travels in parts
}


class House:
    """One mode's programs, started anew when they die, and where their failpoints are armed."""

    def __init__(self, played: Scene, failpoints: Path) -> None:
        self.scene, self.failpoints = played, failpoints
        self.unsupervised = "AMQP_URL" in played.gateway.environment
        self.numbers = count(1)

    @contextmanager
    def provoking(self, step: Step) -> Iterator[None]:
        """Half of all calls are slow, if it is long ones that come to the step."""
        if step.needs in ("long", "compact"):
            self.scene.upstream.behave(Behaviour(delay_chunk_s=0.4), model="m-1")
        try:
            yield
        finally:
            self.scene.upstream.behave_well()

    def kill_a_worker(self) -> None:
        """It is started again at once."""
        pids = descendants(self.scene.gateway.programs[-1].process.pid)
        worker = next(pid for pid in pids if "consumer" not in command_of(pid))
        os.kill(worker, signal.SIGKILL)

    def revive(self) -> None:
        """The consumer that no supervisor of ours looks after; it may take a moment to die."""
        programs = self.scene.gateway.programs
        eventually(lambda: any(p.process.poll() is not None for p in programs), "its death")
        for index, program in enumerate([*programs]):
            if program.process.poll() is not None:
                self.scene.gateway.start("consumer", "run")
                programs[index] = programs.pop()


def cases(mode: str) -> list[Any]:
    """What both modes share is tested in one: the gateway where it is quick to start again."""
    usual = GATEWAY_STEPS if mode == "embedded" else CONSUMER_STEPS
    steps = [step for step in STEPS if step.only == mode or (step in usual and step.only is None)]
    return [pytest.param(step, id=step.name) for step in steps]


@contextmanager
def house(directory: Path, settings: dict[str, str]) -> Iterator[House]:
    failpoints = directory / "failpoints"
    failpoints.mkdir()
    altered = SETTINGS | settings | environment(failpoints, briefly=True)
    with scene(directory, altered, _prepared) as played:
        yield House(played, failpoints)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("embedded"), {}) as made:
        yield made


@pytest.fixture(scope="module")
def serviced(services: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with own_services(services.postgres, services.amqp, services.redis) as place:
        with house(tmp_path_factory.mktemp("services"), place) as made:
            yield made


def _prepared(upstream: FakeUpstream) -> dict[str, str]:
    """Calls of an odd number have the other model: all of a sort can be made slow."""
    return {"OPENAI_URL": upstream.url, "OPENAI_API_KEY": "sk-one@org,sk-two@org"}


@pytest.mark.parametrize("step", cases("embedded"))
def test_killed_embedded(embedded: House, step: Step) -> None:
    check(embedded, step)


@pytest.mark.parametrize("step", cases("services"))
def test_killed_with_services(serviced: House, step: Step) -> None:
    check(serviced, step)


def check(house: House, step: Step) -> None:
    """Whoever comes to the step dies there; then the books are compared."""
    calls = Calls(house.scene, house.numbers)
    with house.provoking(step), armed(house.failpoints, step) as hit:
        if step.needs == "restart":
            house.kill_a_worker()
        vast = step.needs == "parts"
        calls.until(hit.exists, TEXTS.get(step.needs, "Hello"), 1 if vast else AT_ONCE)
    if house.unsupervised and step in CONSUMER_STEPS:
        house.revive()
    calls.until(lambda: bool(calls.seen) and calls.seen[-1].good)
    assert calls.discrepancies() == []
