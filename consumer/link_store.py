"""The tables that linking reads and writes, within one transaction.

Which exchange is whose parent is decided elsewhere (`consumer.placing`), and what a late one
changes among those that are stored already is `consumer.late`'s.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    any_,
    bindparam,
    case,
    delete,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from common.tables import conversations, exchanges, link_queue, messages, nodes, records, users
from consumer.conversations import Link, Placed
from consumer.inserts import Inserts, inserts_for
from consumer.link_rows import exchange_row, grown, node_row
from consumer.linkable import Linkable, StoredRecord
from consumer.prepare import LINKED_KINDS, LINKED_STATUSES

MOST_HASHES = 10_000
"""In one query."""


class LinkStore:
    """One transaction of the linker."""

    def __init__(self, connection: AsyncConnection, inserts: Inserts | None = None) -> None:
        self.connection = connection
        self._on_postgres = connection.dialect.name == "postgresql"
        self._inserts = inserts or inserts_for(connection.dialect.name)

    async def prepare(self) -> None:
        """Fresh tables have no statistics, and plans made without them read whole tables."""
        if self._on_postgres:
            await self.connection.execute(text("SET LOCAL enable_seqscan = off"))
            await self.connection.execute(text("SET LOCAL jit = off"))

    async def waiting(
        self, limit: int, max_bytes: int, among: Collection[UUID] | None
    ) -> dict[UUID, bool]:
        """Records to link, oldest first, as many as memory should hold; at least one if any wait.
        And whether each still has a request.

        Those that another linker holds are left to it.
        """
        size = func.coalesce(records.c.request_size_bytes + records.c.response_size_bytes, 0)
        queued = select(
            link_queue.c.record_id, size, records.c.request.is_not(None)
        ).outerjoin_from(link_queue, records, records.c.id == link_queue.c.record_id)
        if among is not None:
            queued = queued.where(self._among(link_queue.c.record_id, among))
        queued = queued.order_by(link_queue.c.record_id).limit(limit)
        rows = await self.connection.execute(
            queued.with_for_update(of=link_queue, skip_locked=True)
        )
        taken: dict[UUID, bool] = {}
        total = 0
        for record_id, size_bytes, asks in rows:
            total += size_bytes
            if taken and total > max_bytes:
                break
            taken[record_id] = asks
        return taken

    async def records(self, ids: Collection[UUID]) -> list[StoredRecord]:
        columns = [records.c[name] for name in StoredRecord.__dataclass_fields__]
        statement = select(*columns).where(self._among(records.c.id, ids))
        return [StoredRecord(*row) for row in await self.connection.execute(statement)]

    async def lock(self, user_ids: Iterable[int]) -> None:
        """One linker at a time for each of these users, until the transaction ends."""
        if self._on_postgres:  # SQLite has one writer anyway
            keys = func.unnest(bindparam("keys", type_=ARRAY(BigInteger))).column_valued("key")
            locks = select(func.pg_advisory_xact_lock(keys))
            await self.connection.execute(locks, {"keys": sorted(map(_lock_key, user_ids))})

    async def still_waiting(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of the records that nobody has taken out of the queue meanwhile."""
        waiting = self._among(link_queue.c.record_id, ids)
        return set(await self.connection.scalars(select(link_queue.c.record_id).where(waiting)))

    async def linked(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of the records that have their place already."""
        rows = await self.connection.scalars(
            select(exchanges.c.id).where(self._among(exchanges.c.id, ids))
        )
        return set(rows)

    async def known_nodes(self, hashes: Collection[bytes]) -> dict[bytes, int]:
        """Depths of those nodes that are stored."""
        known: dict[bytes, int] = {}
        every = list(hashes)
        for start in range(0, len(every), MOST_HASHES):
            some = self._among(nodes.c.hash, every[start : start + MOST_HASHES])
            rows = await self.connection.execute(select(nodes.c.hash, nodes.c.depth).where(some))
            known |= {row.hash: row.depth for row in rows}
        return known

    async def users_with_later(self, user_ids: Collection[int], than: UUID) -> set[int]:
        """Users of whom exchanges are stored that began after this one."""
        own = self._among(exchanges.c.user_id, user_ids)
        later = select(exchanges.c.user_id).distinct().where(own, exchanges.c.id > than)
        return set(await self.connection.scalars(later))

    async def give_up_hints(self, ids: Collection[UUID]) -> None:
        if ids:
            own = self._among(conversations.c.id, ids)
            await self.connection.execute(update(conversations).where(own).values(hint=None))

    async def add(self, batch: Sequence[tuple[Linkable, Placed]]) -> None:
        """Messages and nodes that are new, exchanges, conversations."""
        beginnings = await self._stored_beginnings(batch)
        await self._add_contents(batch, beginnings)
        rows = [exchange_row(linkable, placed) for linkable, placed in batch]
        await self._inserts.add(self.connection, exchanges, rows)
        await self._add_to_conversations(batch)

    async def done(self, ids: Collection[UUID]) -> None:
        waiting = self._among(link_queue.c.record_id, ids)
        await self.connection.execute(delete(link_queue).where(waiting))

    async def users(self, name: str | None) -> list[int]:
        """Everybody who has records, or the one of that name."""
        if name is not None:
            found = select(users.c.id).where(users.c.name == name)
        else:
            found = select(records.c.user_id).distinct().order_by(records.c.user_id)
        return list(await self.connection.scalars(found))

    async def start_again(self, user_id: int) -> int:
        """Forget everything derived of a user's records, and let these wait to be linked."""
        await self.lock([user_id])
        for table in (exchanges, conversations, nodes, messages):
            await self.connection.execute(delete(table).where(table.c.user_id == user_id))
        linked = select(records.c.id).where(
            records.c.user_id == user_id,
            records.c.kind.in_(LINKED_KINDS),
            records.c.status.in_(LINKED_STATUSES),
            records.c.request.is_not(None),
        )
        insert = postgresql.insert if self._on_postgres else sqlite.insert
        queue = insert(link_queue).from_select(["record_id"], linked).on_conflict_do_nothing()
        await self.connection.execute(queue)
        count = select(func.count()).select_from(linked.subquery())
        return int(await self.connection.scalar(count) or 0)

    async def _stored_beginnings(
        self, batch: Sequence[tuple[Linkable, Placed]]
    ) -> Mapping[UUID, int]:
        """How many messages of each prompt need not be stored again.

        Nodes are stored from the root on, in one transaction: if one is known, so are those above.
        """
        beginnings: dict[UUID, int] = {}
        asked: list[Linkable] = []
        for linkable, placed in batch:
            link, shared = placed.place.link, placed.place.shared_depth
            if link in (Link.ANSWER, Link.PROMPT):
                # the parent's answer has a node only since somebody quotes it
                beginnings[placed.exchange.id] = shared - (link is Link.ANSWER)
            else:
                asked.append(linkable)
        known = await self.known_nodes({n for one in asked for n in one.exchange.nodes})
        for one in asked:
            depths = (known.get(node, 0) for node in one.exchange.nodes)
            beginnings[one.exchange.id] = max(depths, default=0)
        return beginnings

    async def _add_contents(
        self, batch: Sequence[tuple[Linkable, Placed]], beginnings: Mapping[UUID, int]
    ) -> None:
        new_nodes: dict[bytes, dict[str, Any]] = {}
        new_messages: dict[bytes, dict[str, Any]] = {}
        for linkable, placed in batch:
            user_id = placed.exchange.user_id
            known = beginnings[placed.exchange.id]
            for node in linkable.nodes(known):
                new_nodes.setdefault(node[0], node_row(user_id, *node))
            system = linkable.system
            changed = system is not None and system.hash != placed.parent_system
            for content in linkable.contents(known, changed):
                if content.hash not in new_messages:
                    body, codec = content.packed()
                    row = {"user_id": user_id, "hash": content.hash, "body": body, "codec": codec}
                    new_messages[content.hash] = row
        await self._inserts.add(self.connection, messages, list(new_messages.values()))
        await self._inserts.add(self.connection, nodes, list(new_nodes.values()))

    async def _add_to_conversations(self, batch: Sequence[tuple[Linkable, Placed]]) -> None:
        by_id = {placed.exchange.id: linkable for linkable, placed in batch}
        rows = list(grown(placed for _, placed in batch))
        began = [row | {"title": by_id[row["id"]].title} for row in rows if row["id"] in by_id]
        await self._inserts.add(self.connection, conversations, began)
        if others := [row for row in rows if row["id"] not in by_id]:
            await self.connection.execute(
                _grow_conversation(), [_parameters(row) for row in others]
            )

    def _among(self, column: Column[Any], values: Collection[Any]) -> ColumnElement[bool]:
        return among(self._on_postgres, column, values)


def among(on_postgres: bool, column: Column[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """One of these; on Postgres as one array, so that the statement is the same for any number."""
    if on_postgres:
        return column == any_(literal(list(values), ARRAY(column.type)))
    return column.in_(values)


def _lock_key(user_id: int) -> int:
    """Numbers that nobody else's advisory locks use."""
    return int.from_bytes(sha256(b"link user %d" % user_id).digest()[:8], "big", signed=True)


def _parameters(row: Mapping[str, Any]) -> dict[str, int | UUID | datetime]:
    return {
        f"its_{name}": row[name] for name in ("id", "created_at", "updated_at", "exchange_count")
    }


def _grow_conversation() -> Any:
    table = conversations.c
    created = bindparam("its_created_at", type_=table.created_at.type)
    updated = bindparam("its_updated_at", type_=table.updated_at.type)
    return (
        update(conversations)
        .where(table.id == bindparam("its_id"))
        .values(
            exchange_count=table.exchange_count + bindparam("its_exchange_count"),
            created_at=case((table.created_at > created, created), else_=table.created_at),
            updated_at=case((table.updated_at < updated, updated), else_=table.updated_at),
        )
    )
