"""Readiness follows what is found, and each change is logged once."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.metrics import Metrics
from gateway.status.readiness import Readiness
from gateway.status.watch import Watch, within


@dataclass
class World:
    """A spool, a database and a broker that say what the test wants."""

    backlog_records: int = 0
    backlog_bytes: int = 0
    full: bool = False
    answers: bool = True
    reading: int | None = 1

    async def database(self) -> bool:
        return self.answers

    async def consumers(self) -> int | None:
        return self.reading


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def watch(world: World, readiness: Readiness) -> Watch:
    return Watch(readiness, Metrics(), world, 1000, world.database, world.consumers)


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    with capture_logs() as events:
        yield events


async def test_first_look_makes_ready(watch: Watch, readiness: Readiness) -> None:
    assert "database_unreachable" in readiness.reasons()
    await watch.look_outside()
    assert readiness.reasons() == {} and readiness.consumers == 1


async def test_database_that_was_reached_once_is_a_warning(
    world: World, watch: Watch, readiness: Readiness, logged: list[EventDict]
) -> None:
    for world.answers in (True, False, False, True):
        await watch.look_outside()
    assert [event["event"] for event in logged] == ["database_lost", "database_back"]
    world.answers = False
    await watch.look_outside()
    assert readiness.reasons() == {} and "database_lost" in readiness.warnings()


async def test_spool_levels_are_told_apart(
    world: World, watch: Watch, readiness: Readiness, logged: list[EventDict]
) -> None:
    for world.backlog_bytes, world.full in ((849, False), (850, False), (950, True), (10, False)):
        watch.look_at_spool()
        watch.look_at_spool()
    assert [event["event"] for event in logged] == ["spool_filling", "spool_full", "spool_eased"]
    assert readiness.spool_bytes == 10 and not readiness.spool_full


async def test_consumers_gone_and_back(world: World, watch: Watch, logged: list[EventDict]) -> None:
    for world.reading in (*([0, None] * 10), 0, 2, None, 2):
        await watch.look_outside()
    assert [event["event"] for event in logged] == ["consumers_gone", "consumers_back"]


async def test_consumer_that_is_a_little_late_is_nobodys_business(
    world: World, watch: Watch, logged: list[EventDict]
) -> None:
    for world.reading in (*([0] * 5), 1, *([0] * 5), 1):
        await watch.look_outside()
    assert logged == []


async def test_question_without_an_answer_is_given_up(watch: Watch) -> None:
    never = asyncio.get_running_loop().create_future()
    assert await within(never, otherwise=7, seconds=0.01) == 7


async def test_run_looks_outside_and_at_the_spool(watch: Watch, readiness: Readiness) -> None:
    class Looked(Exception):
        pass

    def look_at_spool() -> None:
        assert readiness.database_was_reached
        raise Looked

    watch.look_at_spool = look_at_spool  # type: ignore[method-assign]
    with pytest.raises(Looked):
        await watch.run()
