"""Calls made a few at a time, and the books of just these: for tests of one fault at one moment."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count

from sqlalchemy import select

from common.tables import link_queue, record_parts, record_quarantine, records, usage_daily
from tests.support.ledger.books import Books, Entry
from tests.support.ledger.clients import make
from tests.support.ledger.notes import Call, Seen, number_of
from tests.support.ledger.stored import entry_of, miscounted
from tests.support.scene import Scene
from tests.support.waiting import eventually

AT_ONCE = 4
_TRUE_S, _ORDERED_S = 100, 100


class Calls:
    """What one test asks of a running gateway, and what came of it."""

    def __init__(self, house: Scene, numbers: "count[int]", manner: str = "quick") -> None:
        """`numbers`: those of all tests that share the gateway."""
        self._house, self._numbers, self._manner = house, numbers, manner
        self._token = house.token("alice")
        self.seen: list[Seen] = []

    def until(self, true: Callable[[], bool], text: str = "Hello", at_once: int = AT_ONCE) -> None:
        """Calls one after the other, some at once, until that is so. Fails if it never is."""
        asyncio.run(self._until(true, text, at_once))

    async def _until(self, true: Callable[[], bool], text: str, at_once: int) -> None:
        async with asyncio.timeout(_TRUE_S), asyncio.TaskGroup() as group:
            for caller in range(at_once):
                group.create_task(self._call_on(true, text, streamed=caller % 2 == 0))

    async def _call_on(self, true: Callable[[], bool], text: str, *, streamed: bool) -> None:
        while not true():
            number = next(self._numbers)
            messages = [{"role": "user", "content": f"{text} {number}"}]
            seen = Seen(Call(number, self._manner, streamed, messages))
            self.seen.append(seen)
            await make(seen, self._token, self._house.gateway.port)
            await asyncio.sleep(0 if seen.whole else 0.02)

    def discrepancies(self) -> list[str]:
        """What is wrong with what is stored, once it has had its time to be stored."""
        with suppress(AssertionError):  # the list says it better
            eventually(lambda: not self._found(), "the books to be in order", _ORDERED_S)
        return self._found()

    def _found(self) -> list[str]:
        numbers = {seen.call.number for seen in self.seen}
        books = Books(self.seen, self._asked(numbers), {}, self._entries(numbers))
        return [*books.discrepancies(), *self._left(), *self._miscounted()]

    def _asked(self, numbers: set[int]) -> set[int]:
        bodies = (request.body for request in self._house.upstream.requests if request.body)
        named = (body for body in bodies if "user" in json.loads(body))
        return numbers.intersection(number_of(body) for body in named)

    def _entries(self, numbers: Iterable[int]) -> Sequence[Entry]:
        rows = self._house.stored.rows(select(records))
        entries = (entry_of(row) for row in rows)
        return [entry for entry in entries if entry.call in numbers]

    def _left(self) -> list[str]:
        tables = (record_quarantine, record_parts, link_queue)
        rows = {table.name: self._house.stored.rows(select(table)) for table in tables}
        return [f"{len(left)} rows are left in {name}" for name, left in rows.items() if left]

    def _miscounted(self) -> list[str]:
        stored = self._house.stored
        return list(miscounted(stored.rows(select(records)), stored.rows(select(usage_daily))))
