"""What people do in a chat client, in any order, with records that arrive whenever they like: every
exchange has the parent that its person meant."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import conversations, exchanges, link_queue, messages, nodes, records
from consumer.linker import Linker
from tests.support.talking import (
    Message,
    Talk,
    arrive,
    as_linkable,
    assistant,
    everything_linked,
    expected_places,
    places,
    system,
    user,
)

numbers = st.integers(0, 10**6)


@dataclass(frozen=True)
class Asked:
    """One exchange as its person sees it."""

    id: UUID
    parent: UUID | None
    prompt: list[Message]
    answer: Message

    @property
    def said(self) -> list[Message]:
        return [*self.prompt, self.answer]


class ChatClient(RuleBasedStateMachine):
    """One person; no two messages say the same, so what was meant is never in doubt."""

    def __init__(self, portal: BlockingPortal, engine: AsyncEngine) -> None:
        super().__init__()
        self._portal, self._engine = portal, engine
        self._talk = Talk()
        self._asked: list[Asked] = []
        self._on_the_way: list[dict[str, Any]] = []
        self._arrived: list[dict[str, Any]] = []
        self._said = 0
        portal.call(emptied, engine)

    @rule()
    def begin(self) -> None:
        self._ask([self._question()], None)

    @precondition(lambda self: self._asked)
    @rule(which=numbers)
    def go_on(self, which: int) -> None:
        """From any exchange: that from an older one is a second tab, or a branch."""
        before = self._pick(which)
        self._ask([*before.said, self._question()], before.id)

    @precondition(lambda self: self._asked)
    @rule(which=numbers)
    def regenerate(self, which: int) -> None:
        before = self._pick(which)
        self._ask(before.prompt, before.parent)

    @precondition(lambda self: self._asked)
    @rule(which=numbers)
    def edit(self, which: int) -> None:
        before = self._pick(which)
        if before.prompt[-1]["role"] == "user":
            self._ask([*before.prompt[:-1], self._question()], before.parent)

    @precondition(lambda self: self._asked)
    @rule(which=numbers, keep=st.integers(1, 3))
    def drop_the_oldest(self, which: int, keep: int) -> None:
        """Not so many that it begins as another did: then it is that one which goes on."""
        before = self._pick(which)
        kept = before.said[-2 * keep :]
        if kept[0] not in [asked.prompt[0] for asked in self._asked]:
            self._ask([*kept, self._question()], before.id)

    @precondition(lambda self: self._asked)
    @rule(which=numbers)
    def summarise(self, which: int) -> None:
        before = self._pick(which)
        self._ask([self._question(), *before.said[-2:], self._question()], before.id)

    @precondition(lambda self: self._asked)
    @rule(which=numbers)
    def use_tools(self, which: int) -> None:
        before = self._pick(which)
        call_id = f"call_{self._said}"
        function = {"name": "look", "arguments": '{"at": "it"}'}
        calls = assistant(
            None, tool_calls=[{"id": call_id, "type": "function", "function": function}]
        )
        first = self._ask([*before.said, self._question()], before.id, calls)
        result = {"role": "tool", "tool_call_id": call_id, "content": "seen"}
        self._ask([*first.said, result], first.id)

    @precondition(lambda self: self._on_the_way)
    @rule(order=st.randoms(use_true_random=False))
    def some_arrive(self, order: Any) -> None:
        some = order.sample(self._on_the_way, order.randint(1, len(self._on_the_way)))
        self._arrive(some)
        wanted = expected_places(as_linkable(row).exchange for row in self._arrived)
        assert self._portal.call(places, self._engine) == wanted

    def teardown(self) -> None:
        self._arrive(self._on_the_way[::-1])
        found = self._portal.call(places, self._engine)
        assert {id: place.parent_id for id, place in found.items()} == {
            asked.id: asked.parent for asked in self._asked
        }
        before = self._portal.call(everything_linked, self._engine)
        self._portal.call(Linker(self._engine).relink)
        assert self._portal.call(everything_linked, self._engine) == before

    def _pick(self, which: int) -> Asked:
        return self._asked[which % len(self._asked)]

    def _question(self) -> Message:
        self._said += 1
        return user(f"Question {self._said}")

    def _ask(
        self, prompt: list[Message], parent: UUID | None, answer: Message | None = None
    ) -> Asked:
        self._said += 1
        answer = answer or assistant(f"Answer {self._said}")
        id = self._talk.chat([system(f"It is {self._said}."), *prompt], answer)
        self._on_the_way.append(self._talk.rows.pop())
        self._asked.append(Asked(id, parent, prompt, answer))
        return self._asked[-1]

    def _arrive(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._portal.call(arrive, self._engine, rows)
        self._on_the_way = [row for row in self._on_the_way if row not in rows]
        self._arrived += rows
        while self._portal.call(Linker(self._engine).link_pending):
            pass


async def emptied(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for table in (records, link_queue, exchanges, conversations, nodes, messages):
            await connection.execute(table.delete())


@pytest.fixture
def client(database_url: str) -> Iterator[Callable[[], ChatClient]]:
    with start_blocking_portal() as portal:
        engine = make_engine(make_url(database_url))
        yield lambda: ChatClient(portal, engine)
        portal.call(engine.dispose)


def test_every_exchange_has_the_parent_that_was_meant(client: Callable[[], ChatClient]) -> None:
    few = settings(
        max_examples=8,
        stateful_step_count=14,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(client, settings=few)  # type: ignore[arg-type]  # it only calls it
