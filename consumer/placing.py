"""The places of some exchanges, found together: whom to ask the database for, and what follows.

An exchange's earlier batch-mates count as much as what is stored; so they are placed one after the
other, with what the database knows fetched for all of them before. Nothing is written here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from common.tables import conversations, exchanges
from consumer.candidates import Key, Probe, candidates
from consumer.conversations import Candidate, Exchange, Placed, place
from consumer.mates import Mates

FIRST_PROBES = 4
"""How many of the longest beginnings are asked for first: nearly every parent is among them."""
NEXT_PROBES = (60, 500)
"""How many then, for what is left; the last of these again and again."""


@dataclass(slots=True)
class _Search:
    """The search for one exchange's candidates, longest beginnings first."""

    exchange: Exchange
    conversation_id: UUID | None
    floor: int = 0
    """Shorter beginnings cannot matter: a batch-mate has this one."""
    found: list[Candidate] = field(default_factory=list)

    def probe(self, hash: bytes) -> Probe:
        exchange = self.exchange
        return Probe(hash, exchange.user_id, exchange.id, self.conversation_id)

    def beginnings(self, skip: int, count: int) -> range:
        """Depths, deepest first, without the first `skip`."""
        deepest = len(self.exchange.nodes) - skip
        return range(deepest, max(1, self.floor, deepest - count + 1) - 1, -1)


class Placing:
    """Finds the places of one batch of exchanges; used once."""

    def __init__(
        self,
        connection: AsyncConnection,
        batch: Iterable[Exchange],
        systems: Mapping[UUID, bytes | None],
    ) -> None:
        """`systems`: hashes of the system messages of the batch."""
        self._connection = connection
        self._batch = sorted(batch, key=lambda exchange: exchange.id)
        self._systems = systems
        self._mates = Mates(self._batch)
        self._placed: dict[UUID, Placed] = {}
        self._named: dict[tuple[int, UUID], UUID] = {}
        self._hinted: dict[tuple[int, str], UUID] = {}
        self._holders: dict[tuple[int, str], UUID] = {}

    async def places(self) -> list[Placed]:
        """In the order of ids."""
        await self._look_up_hints()
        searches = {e.id: self._search_for(e) for e in self._batch}
        await self._search([s for s in searches.values() if s is not None])
        for exchange in self._batch:
            fixed = self._conversation_of(exchange)
            search = searches[exchange.id]
            if search is None or search.conversation_id != fixed:
                search = _Search(exchange, fixed)
                await self._search([search] if fixed not in searches else [])
            self._place(exchange, search.found, fixed)
        return list(self._placed.values())

    @property
    def taken_over(self) -> set[UUID]:
        """Conversations whose hint now belongs to an earlier exchange."""
        return {
            known for key, known in self._hinted.items() if self._holders.get(key, known) < known
        }

    async def _look_up_hints(self) -> None:
        """What the database knows of the names that clients gave."""
        hints = {(e.user_id, e.hint) for e in self._batch if e.hint}
        named = {(e.user_id, e.named) for e in self._batch if e.named}
        if hints:
            pair = tuple_(conversations.c.user_id, conversations.c.hint)
            columns = (conversations.c.user_id, conversations.c.hint, conversations.c.id)
            rows = await self._connection.execute(select(*columns).where(pair.in_(hints)))
            self._hinted = {(row.user_id, row.hint): row.id for row in rows}
        if named:
            own = tuple_(exchanges.c.user_id, exchanges.c.id)
            columns = (exchanges.c.user_id, exchanges.c.id, exchanges.c.conversation_id)
            rows = await self._connection.execute(select(*columns).where(own.in_(named)))
            self._named = {(row.user_id, row.id): row.conversation_id for row in rows}

    def _search_for(self, exchange: Exchange) -> _Search | None:
        """None: the conversation that its hint means is not stored yet."""
        if exchange.hint is None:
            return _Search(exchange, None, self._mates.longest_beginning(exchange))
        stored = self._stored_conversation(exchange)
        return _Search(exchange, stored) if stored else None

    def _stored_conversation(self, exchange: Exchange) -> UUID | None:
        named = exchange.named
        if named and named < exchange.id and (exchange.user_id, named) in self._named:
            return self._named[exchange.user_id, named]
        return self._hinted.get((exchange.user_id, exchange.hint or ""))

    def _conversation_of(self, exchange: Exchange) -> UUID | None:
        """The conversation that its hint means: of the exchange named so, else of the first
        exchange with this hint."""
        if exchange.hint is None:
            return None
        named = exchange.named
        if named and named < exchange.id:
            mate = self._placed.get(named)
            if mate and mate.exchange.user_id == exchange.user_id:
                return mate.place.conversation_id
            if stored := self._named.get((exchange.user_id, named)):
                return stored
        key = (exchange.user_id, exchange.hint)
        known = (self._holders.get(key), self._hinted.get(key))
        first = min((id for id in known if id and id < exchange.id), default=exchange.id)
        return self._holders.setdefault(key, first)

    def _place(self, exchange: Exchange, found: list[Candidate], fixed: UUID | None) -> None:
        mates = [
            Candidate(mate, self._placed[mate.id].place.conversation_id, self._systems[mate.id])
            for mate in self._mates.of(exchange)
        ]
        every = [*found, *mates]
        chosen = place(exchange, every, fixed)
        systems = {candidate.offer.id: candidate.system for candidate in every}
        parent_system = systems[chosen.parent_id] if chosen.parent_id else None
        self._placed[exchange.id] = Placed(exchange, chosen, parent_system)

    async def _search(self, searches: Sequence[_Search]) -> None:
        """The best that the database has for each: a reply, else beginnings, else pairs."""
        replying = [s for s in searches if s.exchange.reply_to]
        await self._ask(Key.REPLY, replying, lambda s: [s.exchange.reply_to or b""])
        skip, count, sizes = 0, FIRST_PROBES, iter(NEXT_PROBES)
        left = list(searches)
        while left := [s for s in left if not s.found and s.beginnings(skip, count)]:
            await self._ask_beginnings(left, skip, count)
            skip, count = skip + count, next(sizes, NEXT_PROBES[-1])
        alone = [s for s in searches if not s.found and not s.floor]
        await self._ask(Key.PAIR, alone, lambda s: [pair.hash for pair in s.exchange.pairs])

    async def _ask_beginnings(self, searches: Sequence[_Search], skip: int, count: int) -> None:
        def answered(search: _Search) -> list[bytes]:
            nodes = search.exchange.nodes
            return [nodes[depth - 1] for depth in search.beginnings(skip, count)]

        def prompted(search: _Search) -> list[bytes]:
            nodes = search.exchange.nodes
            depths = search.beginnings(skip, count)
            return [nodes[depth - 1] for depth in depths if depth < len(nodes)]

        await self._ask(Key.ANSWER, searches, answered)
        await self._ask(Key.PROMPT, searches, prompted)

    async def _ask(
        self,
        key: Key,
        searches: Sequence[_Search],
        hashes: Callable[[_Search], Iterable[bytes]],
    ) -> None:
        asking = {search.exchange.id: search for search in searches}
        probes = [search.probe(hash) for search in searches for hash in hashes(search)]
        for probe, candidate in await candidates(self._connection, key, probes):
            asking[probe.before].found.append(candidate)
