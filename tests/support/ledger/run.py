"""One run of the ledger: calls and blows for a while, then peace, then the books are compared."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic

from tests.support.alterations.mutants import MUTANTS
from tests.support.ledger.blows import Blows
from tests.support.ledger.books import Books
from tests.support.ledger.clients import Clients
from tests.support.ledger.nemesis import Blow, schedule
from tests.support.ledger.notes import Seen
from tests.support.ledger.stored import LOST, Store
from tests.support.ledger.world import Mode, World, world

CLIENTS = 9
_DRAINED_S = 150
_LOST_S = 30
"""With nothing on its way that could bring what is lacking."""
_LOOK_S = 0.3


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    calls: Counter[str]
    blows: Counter[str]
    starts: int
    """Of our programs, by those who keep them."""
    records: int
    discrepancies: list[str]
    took: dict[str, float]
    """Seconds of each part."""

    def __str__(self) -> str:
        calls = ", ".join(f"{many} {what}" for what, many in sorted(self.calls.items()))
        blows = ", ".join(f"{many} x {name}" for name, many in sorted(self.blows.items()))
        found = [f"  {what}" for what in self.discrepancies[:40]]
        return "\n".join(
            [
                f"calls: {calls}; {self.records} records; {self.starts} starts",
                f"blows: {blows}",
                "took: " + ", ".join(f"{name} {s:.1f} s" for name, s in self.took.items()),
                f"{len(self.discrepancies)} discrepancies",
                *found,
            ]
        )


async def play(
    mode: Mode,
    directory: Path,
    seed: int,
    seconds: float,
    mutant: str | None = None,
) -> Report:
    """One run in an empty directory. `seconds`: of calls and blows; before and after it takes its
    time. What the programs printed is in the directory then."""
    clock = Clock()
    async with world(mode, directory, seed, mutant) as made:
        clients, blows = Clients(made.port, Random(seed)), Blows(made)
        clock.tell("start")
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(clients.live(made.tokens[number % len(made.tokens)]))
            among = MUTANTS[mutant].by if mutant else None
            planned = schedule(seed, seconds, mode, disk=made.disk.mounted, among=among)
            await _fight(blows, planned)
            clients.stop()
            made.heal()
        clock.tell("calls and blows")
        return await _settle(made, clients, blows, clock)


async def _fight(blows: Blows, planned: list[Blow]) -> None:
    async with asyncio.TaskGroup() as dealing:
        for blow in planned:
            dealing.create_task(blows.deal(blow))


async def _settle(made: World, clients: Clients, blows: Blows, clock: "Clock") -> Report:
    """Peace: everything drains and is stopped; then the books."""
    store = Store(made)
    due = {*made.upstream.asked, *(one.call.number for one in clients.seen if one.recorded)}
    found = await _drained(made, store, due)
    clock.tell("drain")
    found += await _stopped(made)
    clock.tell("stop")
    found += [left async for left in store.left_over()]
    entries = await store.entries()
    upstream = made.upstream
    books = Books(clients.seen, upstream.asked, upstream.answered, entries, blows.asleep)
    found += books.discrepancies()
    found += [wrong async for wrong in store.not_as_rebuilt()]
    clock.tell("books")
    return Report(
        Counter(_outcome(seen) for seen in clients.seen),
        Counter(blows.dealt),
        sum(kept.starts for kept in made.programs),
        len(entries),
        found,
        clock.took,
    )


async def _drained(made: World, store: Store, due: set[int]) -> list[str]:
    """Waits until nothing is on its way and the calls that are due are stored; what still is, if
    that takes too long."""
    await made.ready()
    began = lost_since = monotonic()
    while waiting := await store.waiting(due):
        now = monotonic()
        if waiting.keys() != {LOST}:
            lost_since = now
        if now - began >= _DRAINED_S or now - lost_since >= _LOST_S:
            break
        await asyncio.sleep(_LOOK_S)
    took_s = monotonic() - began
    return [f"{many} {what} after {took_s:.0f} s" for what, many in waiting.items()]


async def _stopped(made: World) -> list[str]:
    """Gateways first, as their last records have to be taken by somebody."""
    found = []
    for kept in made.programs:
        if code := await kept.stop():
            found.append(f"a program asked to stop exited with {code}")
    return found


def _outcome(seen: Seen) -> str:
    if seen.id is None:
        return "without answer"
    if seen.good:
        return "good"
    if not seen.whole:
        return "in part"
    return f"told {seen.status}"


class Clock:
    """How long each part took."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._since = monotonic()

    def tell(self, part: str) -> None:
        """It is over."""
        now = monotonic()
        self.took[part], self._since = now - self._since, now
