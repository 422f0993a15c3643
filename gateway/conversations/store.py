"""Conversations, read back: a page of them, or one with everything that was said in it.

However long a conversation is, it takes a handful of queries. Records are in `store_records`.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import conversations, exchanges, messages, nodes, records, users
from gateway.conversations.store_records import USAGE_COLUMNS, RecordStore, usage_of
from gateway.conversations.views import Conversation, Exchange, Stored
from gateway.errors import InvalidRequest
from gateway.reading import owned, reading
from gateway.whose import Whose

__all__ = ["ConversationStore", "RecordStore"]

MOST_HASHES = 5_000
"""In one query."""


class ConversationStore:
    """Reads what the linker wrote."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(
        self,
        by: Whose,
        begin: datetime | None,
        end: datetime | None,
        after: UUID | None,
        limit: int,
    ) -> list[Conversation]:
        """The last ones to go on first; `begin` and `end` are times at which one last did.

        Raises InvalidRequest (400) for an `after` that is nobody's or somebody else's,
        StoreUnavailable.
        """
        statement = _conversations(by)
        if begin is not None:
            statement = statement.where(conversations.c.updated_at >= begin)
        if end is not None:
            statement = statement.where(conversations.c.updated_at <= end)
        place = tuple_(conversations.c.updated_at, conversations.c.id)
        order = (conversations.c.updated_at.desc(), conversations.c.id.desc())
        async with reading(self._engine) as connection:
            if after is not None:
                last = await _find(connection, by, after)
                if last is None:
                    raise InvalidRequest("There is no conversation `after` that.", param="after")
                statement = statement.where(place < tuple_(last.updated_at, last.id))
            rows = await connection.execute(statement.order_by(*order).limit(limit))
            return [_conversation(row) for row in rows]

    async def find(self, by: Whose, id: UUID) -> tuple[Conversation, list[Exchange]] | None:
        """With its exchanges, oldest first; None: there is none, or it is somebody else's.
        Raises StoreUnavailable."""
        async with reading(self._engine) as connection:
            found = await _find(connection, by, id)
            if found is None:
                return None
            rows = await _exchanges(connection, id, found.user_id)
            prompts = await _added(connection, id, found.user_id)
            contents = await _contents(connection, found.user_id, _hashes(rows, prompts))
        return _conversation(found), list(_told(rows, prompts, contents))


def _conversations(by: Whose) -> Any:
    source = conversations.outerjoin(users, users.c.id == conversations.c.user_id)
    statement = select(conversations, users.c.name).select_from(source)
    return statement.where(owned(conversations.c.user_id, by))


async def _find(connection: AsyncConnection, by: Whose, id: UUID) -> Row[Any] | None:
    found = await connection.execute(_conversations(by).where(conversations.c.id == id))
    return found.first()


async def _exchanges(
    connection: AsyncConnection, conversation_id: UUID, user_id: int
) -> list[Row[Any]]:
    own = (exchanges.c.conversation_id == conversation_id, exchanges.c.user_id == user_id)
    columns = (
        exchanges.c.id,
        exchanges.c.parent_id,
        exchanges.c.system_hash,
        exchanges.c.answer_message_hash,
        exchanges.c.started_at,
        records.c.model,
        records.c.model_used,
        records.c.status,
        *USAGE_COLUMNS,
    )
    source = exchanges.outerjoin(records, records.c.id == exchanges.c.id)
    statement = select(*columns).select_from(source).where(*own).order_by(exchanges.c.id)
    return list(await connection.execute(statement))


async def _added(
    connection: AsyncConnection, conversation_id: UUID, user_id: int
) -> dict[UUID, list[bytes]]:
    """Hashes of the messages that each exchange added to what its parent had."""
    tips = (
        select(exchanges.c.id, exchanges.c.shared_depth, *_NODE)
        .join(nodes, nodes.c.hash == exchanges.c.prompt_hash)
        .where(
            exchanges.c.conversation_id == conversation_id,
            exchanges.c.user_id == user_id,
            nodes.c.depth > exchanges.c.shared_depth,
        )
    )
    up = tips.cte("up", recursive=True)
    above = (
        select(up.c.id, up.c.shared_depth, *_NODE)
        .join(nodes, nodes.c.hash == up.c.parent_hash)
        .where(nodes.c.user_id == user_id, nodes.c.depth > up.c.shared_depth)
    )
    up = up.union_all(above)
    rows = await connection.execute(
        select(up.c.id, up.c.message_hash).order_by(up.c.id, up.c.depth)
    )
    added: dict[UUID, list[bytes]] = {}
    for id, hash in rows:
        added.setdefault(id, []).append(hash)
    return added


_NODE = (nodes.c.parent_hash, nodes.c.message_hash, nodes.c.depth)


def _hashes(rows: Iterable[Row[Any]], prompts: Mapping[UUID, list[bytes]]) -> set[bytes]:
    of_rows = {hash for row in rows for hash in (row.system_hash, row.answer_message_hash)}
    return {hash for hashes in prompts.values() for hash in hashes} | of_rows - {None}


async def _contents(
    connection: AsyncConnection, user_id: int, hashes: Collection[bytes]
) -> dict[bytes, Stored]:
    contents: dict[bytes, Stored] = {}
    every = list(hashes)
    for start in range(0, len(every), MOST_HASHES):
        some = messages.c.hash.in_(every[start : start + MOST_HASHES])
        statement = select(messages).where(messages.c.user_id == user_id, some)
        rows = await connection.execute(statement)
        contents |= {row.hash: Stored(row.body, row.codec) for row in rows}
    return contents


def _told(
    rows: Iterable[Row[Any]],
    prompts: Mapping[UUID, list[bytes]],
    contents: Mapping[bytes, Stored],
) -> Iterable[Exchange]:
    systems: dict[UUID, bytes | None] = {}
    for row in rows:
        systems[row.id] = row.system_hash
        changed = row.system_hash != systems.get(row.parent_id)
        yield Exchange(
            id=row.id,
            parent_id=row.parent_id,
            created_at=row.started_at,
            model=row.model,
            model_used=row.model_used,
            status=row.status,
            usage=usage_of(row),
            system=contents.get(row.system_hash) if changed else None,
            messages=[contents[hash] for hash in prompts.get(row.id, ()) if hash in contents],
            answer=contents.get(row.answer_message_hash),
        )


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id,
        user=row.name or "",
        title=row.title,
        created_at=row.created_at,
        updated_at=row.updated_at,
        exchange_count=row.exchange_count,
    )
