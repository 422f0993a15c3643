"""Records, read back: a page of them, or one with its bodies."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.ids import first_id
from common.tables import exchanges, records, users
from gateway.conversations.views import Body, Record, RecordFilter, Usage
from gateway.reading import owned, reading
from gateway.whose import Whose

CLOCK_SLACK = timedelta(minutes=1)
"""By how much the time in an id and that of its record may differ."""

USAGE_COLUMNS = (
    records.c.prompt_tokens,
    records.c.completion_tokens,
    records.c.cached_tokens,
    records.c.reasoning_tokens,
    records.c.usage_source,
)
_COLUMNS = (
    records.c.id,
    records.c.kind,
    records.c.model,
    records.c.model_used,
    records.c.status,
    records.c.http_status,
    records.c.started_at,
    records.c.attempts,
    *USAGE_COLUMNS,
    exchanges.c.conversation_id,
    exchanges.c.parent_id,
    users.c.name,
)
_BODIES = tuple(
    records.c[name]
    for name in (
        "codec",
        "request_type",
        "request",
        "request_size_bytes",
        "request_sha256",
        "response_type",
        "response",
        "response_size_bytes",
        "response_sha256",
    )
)
_SOURCE = records.outerjoin(exchanges, exchanges.c.id == records.c.id).outerjoin(
    users, users.c.id == records.c.user_id
)


class RecordStore:
    """Reads what the consumer stored."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(
        self, by: Whose, wanted: RecordFilter, after: UUID | None, limit: int
    ) -> list[Record]:
        """Newest first, those behind `after`. Raises StoreUnavailable."""
        statement = _select(*_COLUMNS).where(owned(records.c.user_id, by), *_conditions(wanted))
        if after is not None:
            statement = statement.where(records.c.id < after)
        statement = statement.order_by(records.c.id.desc()).limit(limit)
        async with reading(self._engine) as connection:
            return [_record(row) for row in await connection.execute(statement)]

    async def find(self, by: Whose, id: UUID) -> tuple[Record, Body, Body] | None:
        """With its request and its response; None: there is none, or it is somebody else's.
        Raises StoreUnavailable."""
        own = (owned(records.c.user_id, by), records.c.id == id)
        async with reading(self._engine) as connection:
            row = (await connection.execute(_select(*_COLUMNS, *_BODIES).where(*own))).first()
        if row is None:
            return None
        return _record(row), _body(row, "request"), _body(row, "response")

    async def sizes(
        self, by: Whose, wanted: RecordFilter, after: UUID | None, limit: int
    ) -> list[tuple[UUID, int]]:
        """Ids, oldest first, those behind `after`, and the bytes of both bodies.
        Raises StoreUnavailable."""
        size = records.c.request_size_bytes + records.c.response_size_bytes
        conditions = _conditions(wanted)
        if after is not None:
            conditions = [*conditions, records.c.id > after]
        statement = select(records.c.id, size).where(owned(records.c.user_id, by), *conditions)
        statement = statement.order_by(records.c.id).limit(limit)
        async with reading(self._engine) as connection:
            return [(row[0], row[1]) for row in await connection.execute(statement)]

    async def whole(self, ids: Collection[UUID]) -> list[tuple[Record, Body, Body]]:
        """These, oldest first, with their bodies. Raises StoreUnavailable."""
        statement = _select(*_COLUMNS, *_BODIES).where(records.c.id.in_(ids))
        async with reading(self._engine) as connection:
            rows = await connection.execute(statement.order_by(records.c.id))
            return [(_record(row), _body(row, "request"), _body(row, "response")) for row in rows]


def usage_of(row: Row[Any]) -> Usage | None:
    if row.usage_source is None:
        return None
    return Usage(
        row.prompt_tokens or 0,
        row.completion_tokens or 0,
        row.cached_tokens or 0,
        row.reasoning_tokens or 0,
        row.usage_source,
    )


def _select(*columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).select_from(_SOURCE)


def _conditions(wanted: RecordFilter) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        records.c[name] == getattr(wanted, name)
        for name in ("kind", "model", "status")
        if getattr(wanted, name) is not None
    ]
    if wanted.conversation_id is not None:
        conditions.append(exchanges.c.conversation_id == wanted.conversation_id)
    # ids begin with the time, and it is them that the index is about
    if wanted.begin is not None:
        least = first_id(wanted.begin - CLOCK_SLACK)
        conditions += [records.c.id >= least, records.c.started_at >= wanted.begin]
    if wanted.end is not None:
        most = first_id(wanted.end + CLOCK_SLACK)
        conditions += [records.c.id < most, records.c.started_at <= wanted.end]
    return conditions


def _record(row: Row[Any]) -> Record:
    return Record(
        id=row.id,
        kind=row.kind,
        model=row.model,
        model_used=row.model_used,
        status=row.status,
        http_status=row.http_status,
        conversation_id=row.conversation_id,
        parent_id=row.parent_id,
        user=row.name or "",
        created_at=row.started_at,
        attempts=row.attempts,
        usage=usage_of(row),
    )


def _body(row: Row[Any], which: str) -> Body:
    return Body(
        getattr(row, f"{which}_type"),
        getattr(row, which),
        row.codec,
        getattr(row, f"{which}_size_bytes"),
        getattr(row, f"{which}_sha256"),
    )
