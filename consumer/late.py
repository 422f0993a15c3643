"""What an exchange that arrives late changes among those that are stored already.

It may be the parent of some, and their conversations then become one; or the one that a hint was
meant for. Each of those is given its place again, in the order of ids, and so is whatever
depends on what moved: an exchange depends on earlier ones only, so this ends. Where nothing stored
is later than what arrives, nothing here runs.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, delete, false, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from common.tables import conversations, exchanges, nodes
from consumer.conversations import Exchange, Link, Place, Placed
from consumer.link_rows import unpacked_pairs
from consumer.link_store import among
from consumer.placing import Placing


class Late:
    """Settles what one user's late exchanges have changed; used once."""

    def __init__(self, connection: AsyncConnection, user_id: int) -> None:
        self._connection, self._user_id = connection, user_id
        self._on_postgres = connection.dialect.name == "postgresql"
        self._waiting: list[UUID] = []
        self._touched: set[UUID] = set()

    async def settle(self, arrived: Sequence[Placed], gates: Mapping[bytes, int]) -> None:
        """`gates`: of the nodes that the arrived offer (their prompts, and those with the answer),
        the ones that were stored before, with their depth."""
        self._waiting = list(await self._affected(arrived, gates))
        heapify(self._waiting)
        settled: set[UUID] = set()
        while self._waiting:
            if (id := heappop(self._waiting)) not in settled:
                settled.add(id)
                await self._settle_one(id)
        await self._recount()

    async def _settle_one(self, id: UUID) -> None:
        exchange, before = await self._load(id)
        [placed] = await Placing(self._connection, [exchange], {id: None}).places()
        after = placed.place
        if after == before:
            return
        changed = {
            "parent_id": after.parent_id,
            "link": int(after.link),
            "shared_depth": after.shared_depth,
        }
        own = and_(exchanges.c.id == id, exchanges.c.user_id == self._user_id)
        await self._connection.execute(update(exchanges).where(own).values(changed))
        if after.conversation_id != before.conversation_id:
            moved = await self._move(id, after.conversation_id)
            both = (before.conversation_id, after.conversation_id)
            self._touched.update(both)
            for dependent in await self._dependents(id, both, moved):
                heappush(self._waiting, dependent)

    async def _affected(self, arrived: Sequence[Placed], gates: Mapping[bytes, int]) -> set[UUID]:
        """Stored exchanges for which one of the arrived could be a better parent, or whose hint
        could now mean another conversation."""
        news = {placed.exchange.id for placed in arrived}
        rows = await self._connection.execute(_later(self._user_id, min(news), gates))
        later = [row for row in rows if row.id not in news]
        offers = {p.exchange.pair for p in arrived} | {p.exchange.upstream_id for p in arrived}
        names = {placed.exchange.hint for placed in arrived} | {str(id) for id in news}
        affected = set()
        for row in later:
            wanted = {pair.hash for pair in unpacked_pairs(row.pairs)} | {row.reply_to}
            if (row.hint and row.hint in names) or (wanted & offers) - {None}:
                affected.add(row.id)
        astride = [row.id for row in later if _astride(row, gates.values())]
        return affected | await self._passing(astride, gates)

    async def _passing(self, ids: Collection[UUID], gates: Mapping[bytes, int]) -> set[UUID]:
        """Those of the exchanges in whose prompt one of the gates is."""
        if not ids:
            return set()
        up = _upwards(self._among(exchanges.c.id, ids), min(gates.values()))
        passing = select(up.c.id).distinct().where(up.c.hash.in_(list(gates)))
        return set(await self._connection.scalars(passing))

    async def _load(self, id: UUID) -> tuple[Exchange, Place]:
        own = and_(exchanges.c.id == id, exchanges.c.user_id == self._user_id)
        row = (await self._connection.execute(select(exchanges).where(own))).one()
        up = _upwards(own, 1)
        chain = await self._connection.scalars(select(up.c.hash).order_by(up.c.depth))
        exchange = Exchange(
            id=row.id,
            user_id=row.user_id,
            token_id=row.token_id,
            finished_at=row.finished_at,
            prompt=row.prompt_hash,
            answer=row.answer_hash,
            pair=row.pair_hash,
            upstream_id=row.upstream_id,
            started_at=row.started_at,
            nodes=tuple(chain),
            pairs=unpacked_pairs(row.pairs),
            hint=row.hint,
            reply_to=row.reply_to,
        )
        place = Place(row.conversation_id, row.parent_id, Link(row.link), row.shared_depth)
        return exchange, place

    async def _move(self, id: UUID, conversation_id: UUID) -> set[UUID]:
        """The exchange and all that go on from it, save those that a hint holds elsewhere."""
        root = select(exchanges.c.id).where(
            exchanges.c.id == id, exchanges.c.user_id == self._user_id
        )
        tree = root.cte("tree", recursive=True)
        children = select(exchanges.c.id).join(tree, exchanges.c.parent_id == tree.c.id)
        tree = tree.union_all(children.where(exchanges.c.hint.is_(None)))
        moved = set(await self._connection.scalars(select(tree.c.id)))
        target = {"conversation_id": conversation_id}
        own = self._among(exchanges.c.id, moved)
        await self._connection.execute(update(exchanges).where(own).values(target))
        return moved

    async def _dependents(
        self, id: UUID, places: Collection[UUID], moved: Collection[UUID]
    ) -> set[UUID]:
        """Later exchanges with hints, whose candidates or conversation are others now."""
        named = [str(one) for one in moved]
        hinted = select(exchanges.c.id).where(
            exchanges.c.user_id == self._user_id,
            exchanges.c.id > id,
            exchanges.c.hint.is_not(None),
            or_(
                exchanges.c.conversation_id.in_(places),
                self._among(exchanges.c.hint, named),
            ),
        )
        return set(await self._connection.scalars(hinted))

    async def _recount(self) -> None:
        """Conversations that gained or lost exchanges; of those without any, nothing is left."""
        if not self._touched:
            return
        member = exchanges.c.conversation_id
        counts = select(
            member,
            func.count().label("exchange_count"),
            func.min(exchanges.c.started_at).label("created_at"),
            func.max(exchanges.c.finished_at).label("updated_at"),
        ).where(self._among(member, self._touched), exchanges.c.user_id == self._user_id)
        rows = (await self._connection.execute(counts.group_by(member))).all()
        for row in rows:
            values = {name: getattr(row, name) for name in row._fields[1:]}
            own = conversations.c.id == row.conversation_id
            await self._connection.execute(update(conversations).where(own).values(values))
        if gone := self._touched - {row.conversation_id for row in rows}:
            emptied = self._among(conversations.c.id, gone)
            await self._connection.execute(delete(conversations).where(emptied))

    def _among(self, column: Any, values: Collection[Any]) -> Any:
        return among(self._on_postgres, column, values)


def _later(user_id: int, than: UUID, gates: Mapping[bytes, int]) -> Select[Any]:
    """Later exchanges that might want another place: those not settled by what they quote, and
    those whose link is no deeper than a gate."""
    deepest, shallowest = max(gates.values(), default=-1), min(gates.values(), default=0)
    weak = or_(exchanges.c.shared_depth <= deepest, exchanges.c.link == Link.WINDOW)
    astride = and_(weak, exchanges.c.prompt_depth >= shallowest) if gates else false()
    return select(*(exchanges.c[name] for name in _WANTED)).where(
        exchanges.c.user_id == user_id,
        exchanges.c.id > than,
        or_(
            exchanges.c.hint.is_not(None),
            exchanges.c.pairs.is_not(None),
            exchanges.c.reply_to.is_not(None),
            astride,
        ),
    )


_WANTED = (
    "id",
    "conversation_id",
    "link",
    "shared_depth",
    "prompt_depth",
    "pairs",
    "hint",
    "reply_to",
)


def _astride(row: Any, gates: Iterable[int]) -> bool:
    """A parent at one of these depths would be better than what it has: any is better than one
    found by a pair."""
    least = 1 if row.link == Link.WINDOW else row.shared_depth
    return any(least <= depth <= row.prompt_depth for depth in gates)


def _upwards(which: Any, depth: int) -> Any:
    """(exchange's id, node, depth) of the prompts of these exchanges, down to that depth."""
    tips = (
        select(exchanges.c.id, nodes.c.hash, nodes.c.parent_hash, nodes.c.depth)
        .join(nodes, nodes.c.hash == exchanges.c.prompt_hash)
        .where(which, nodes.c.depth >= literal(depth))
    )
    up = tips.cte("up", recursive=True)
    above = select(up.c.id, nodes.c.hash, nodes.c.parent_hash, nodes.c.depth).join(
        nodes, nodes.c.hash == up.c.parent_hash
    )
    return up.union_all(above.where(nodes.c.depth >= literal(depth)))
