"""A worker follows decisions and reports, whatever the database does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import pytest

from gateway.admin.desk import Desk
from gateway.admin.standing import Decision, Standing
from gateway.errors import StoreUnavailable
from gateway.upstream.health import State
from gateway.upstream.pool import Pool
from gateway.upstream.retry import Blame, Verdict
from tests.support.scripted_wire import ScriptedAnswer, ScriptedTransport, credentials

AT = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class Memory:
    """A store that remembers."""

    decided: dict[str, Decision] = field(default_factory=dict)
    reports: list[list[Standing]] = field(default_factory=list)
    away: bool = False

    def decide(self, number: int, state: str) -> None:
        name = "openai/key-0"
        self.decided[name] = Decision(number, name, state, "root", "why", AT)  # type: ignore[arg-type]

    async def decisions(self) -> Mapping[str, Decision]:
        if self.away:
            raise StoreUnavailable
        return dict(self.decided)

    async def report(self, worker: str, standings: list[Standing], now: datetime) -> None:
        self.reports.append(standings)

    async def leave(self, worker: str) -> None:
        """Nobody asks."""


class Office:
    """A desk, its store and its pool."""

    def __init__(self) -> None:
        self.store = Memory()
        wire = ScriptedTransport(lambda request: ScriptedAnswer())
        self.pool = Pool(
            credentials(2),
            wire,
            lambda those, caller: [*those],
            retry_count=0,
            retry_time_s=0,
            wait_s=0,
        )
        self.desk = Desk(self.pool, self.store)

    def state(self, label: str = "key-0") -> State:
        return self.pool.health[f"openai/{label}"].condition(monotonic()).state

    def reject(self) -> None:
        health = self.pool.health["openai/key-0"]
        health.judged(Verdict(Blame.REJECTED), monotonic(), None, health.taken())


async def test_what_is_decided_out_is_out_until_it_is_decided_in() -> None:
    office = Office()
    await office.desk.look()
    office.store.decide(1, "out")
    await office.desk.look()
    assert (office.state(), office.state("key-1")) == (State.OUT, State.AVAILABLE)
    office.store.decide(2, "in")
    await office.desk.look()
    assert office.state() is State.AVAILABLE


async def test_what_was_decided_before_the_start_holds() -> None:
    office = Office()
    office.store.decide(1, "out")
    await office.desk.look()
    assert office.state() is State.OUT
    assert office.desk.standings()[0].since == pytest.approx(AT.timestamp(), abs=5)


async def test_who_is_decided_in_gets_a_chance_whatever_its_health() -> None:
    office = Office()
    await office.desk.look()
    office.reject()
    office.store.decide(1, "in")
    await office.desk.look()
    assert office.state() is State.AVAILABLE
    office.reject()
    await office.desk.look()
    assert office.state() is State.OUT, "that was one chance"


async def test_an_old_decision_is_no_news_to_a_new_worker() -> None:
    office = Office()
    office.reject()
    office.store.decide(1, "in")
    await office.desk.look()
    assert office.state() is State.OUT


async def test_while_the_database_is_away_the_last_decisions_hold() -> None:
    office = Office()
    office.store.decide(1, "out")
    await office.desk.look()
    office.store.away = True
    with pytest.raises(StoreUnavailable):
        await office.desk.look()
    assert office.state() is State.OUT


async def test_a_change_of_state_is_reported_and_sameness_is_not() -> None:
    office = Office()
    for _ in range(3):
        await office.desk.look()
    assert len(office.store.reports) == 1
    office.reject()
    await office.desk.look()
    assert [report[0].why for report in office.store.reports] == ["none", "rejected"]
