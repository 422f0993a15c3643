"""The books of a run are compared: what was asked, what was given, what is stored.

Pure: everything is an argument, and every discrepancy a sentence.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.support.ledger.notes import Seen
from tests.support.ledger.upstream import WORD

CHECKPOINT_S = 3.0
"""An answer's bytes are on disk a second after they were relayed; a test allows for a machine that
is busy."""


@dataclass(frozen=True)
class Entry:
    """One row of `records`, its bodies as they travelled."""

    id: UUID
    call: int
    status: str
    http_status: int | None
    request: bytes
    response: bytes
    parent: UUID | None = None
    """Its place in the tree."""


@dataclass(frozen=True)
class Asleep:
    """A time in which a gateway could not write: frozen, or its disk full."""

    begin: float
    end: float


class Books:
    """All of one run."""

    def __init__(
        self,
        seen: Sequence[Seen],
        asked: Iterable[int],
        answered: Mapping[int, int],
        entries: Sequence[Entry],
        asleep: Sequence[Asleep] = (),
    ) -> None:
        """`asked`: calls that reached the upstream; `answered`: the call of each answer there."""
        self._seen, self._asked, self._answered = seen, set(asked), answered
        self._entries, self._asleep = entries, asleep
        self._by_call = {entry.call: entry for entry in entries}

    def discrepancies(self) -> Iterator[str]:
        """None at all, or the promise is broken."""
        counts = Counter(entry.call for entry in self._entries)
        for call, times in counts.items():
            if times > 1:
                yield f"call {call} is stored {times} times"
        for call in sorted(self._asked - counts.keys()):
            yield f"call {call} was on its way to the upstream and has no record"
        made = {seen.call.number: seen for seen in self._seen}
        for entry in self._entries:
            yield from self._unasked(entry, made.get(entry.call))
        for seen in self._seen:
            yield from self._unkept(seen, self._by_call.get(seen.call.number))

    def _unasked(self, entry: Entry, seen: Seen | None) -> Iterator[str]:
        if seen is None or entry.request != seen.call.request:
            yield f"{entry.id} stores a question that nobody asked"
            return
        if seen.id is not None and seen.id != str(entry.id):
            yield f"call {entry.call} was told {seen.id} and is stored as {entry.id}"
        words = WORD.findall(entry.response)
        if [int(place) for _, _, place in words] != list(range(len(words))):
            yield f"call {entry.call} is stored with words missing, or twice"
        for call, number in {(int(call), int(number)) for call, number, _ in words}:
            if not call == entry.call == self._answered.get(number):
                yield f"call {entry.call} is stored with an answer to {call}"

    def _unkept(self, seen: Seen, entry: Entry | None) -> Iterator[str]:
        if not seen.recorded:
            return
        name = f"call {seen.call.number} ({seen.call.manner}, {seen.id})"
        if entry is None:
            yield f"{name} was answered {seen.status} and has no record"
        elif seen.whole and not seen.told_of_failing_record:
            yield from _differs(name, seen, entry)
        elif not seen.whole:
            yield from self._lacks(name, seen, entry)
        if entry is not None and seen.good and seen.call.follows is not None:
            before = self._by_call.get(seen.call.follows)
            if before is not None and entry.parent != before.id:
                yield f"{name} follows {seen.call.follows}, and hangs at {entry.parent}"

    def _lacks(self, name: str, seen: Seen, entry: Entry) -> Iterator[str]:
        had, has = seen.body, entry.response
        if not (had.startswith(has) or has.startswith(had)):
            yield f"{name} was given {len(had)} bytes that are not those stored"
        due = max((size for at, size in seen.arrivals if self._is_due(at, seen)), default=0)
        if len(has) < due:
            yield f"{name} had {due} bytes long before it broke off, {len(has)} are stored"

    def _is_due(self, at: float, seen: Seen) -> bool:
        """Whether what arrived then has to be on disk, had nobody slept."""
        slept = (min(s.end, seen.ended_at) - max(s.begin, at) for s in self._asleep)
        return seen.ended_at - at - sum(s for s in slept if s > 0) > CHECKPOINT_S


def _differs(name: str, seen: Seen, entry: Entry) -> Iterator[str]:
    if entry.response != seen.body:
        yield f"{name} had {len(seen.body)} bytes whole, stored are {len(entry.response)} others"
    if entry.http_status != seen.status:
        yield f"{name} was answered {seen.status}, stored is {entry.http_status}"
    if seen.good != (entry.status == "complete"):
        yield f"{name} was good: {seen.good}, and is stored as {entry.status}"


def recounted(rows: Iterable[Any]) -> dict[tuple[Any, ...], list[int]]:
    """What `usage_daily` must say of these rows of `records`."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        if row.status != "upstream_error":
            key = (row.user_id, row.started_at.date(), row.model or "")
            counts = [1, row.prompt_tokens or 0, row.completion_tokens or 0]
            sums[key] = [a + b for a, b in zip(sums.get(key, [0, 0, 0]), counts, strict=True)]
    return sums
