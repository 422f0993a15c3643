"""The quarantine: what could not be stored, seen, tried again or thrown away by an operator.

The store puts it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.frames import FrameKind, read_frames
from common.message import BadMessage, Part, join_parts
from common.record import Begin, decode_begin
from common.tables import record_quarantine
from consumer.messages import Unit, prepare, units_of
from consumer.parts import Parts
from consumer.prepare import Preparer
from consumer.rejected import Rejected
from consumer.store import Store

table = record_quarantine


class NoSuchEntry(Exception):
    """There is nothing by that id."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Something in quarantine."""

    id: int
    record_id: UUID
    """Zero where even that could not be read."""
    reason: str
    size_bytes: int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of trying again."""

    id: int
    trouble: str | None
    """None: it is stored, and no longer in quarantine."""


class Quarantine:
    """The table, and how to try again what is in it."""

    def __init__(self, engine: AsyncEngine, preparer: Preparer, store: Store) -> None:
        self._engine, self._preparer, self._store = engine, preparer, store
        self._parts = Parts(engine)

    async def newest(self, limit: int) -> list[Kept]:
        size = func.length(table.c.raw)
        columns = (table.c.id, table.c.record_id, table.c.reason, size, table.c.seen_at)
        query = select(*columns).order_by(table.c.id.desc()).limit(limit)
        async with self._engine.connect() as connection:
            return [Kept(*row) for row in await connection.execute(query)]

    async def count(self) -> int:
        async with self._engine.connect() as connection:
            return await connection.scalar(select(func.count()).select_from(table)) or 0

    async def raw(self, id: int) -> bytes:
        """As it arrived. Raises NoSuchEntry."""
        async with self._engine.connect() as connection:
            found = await connection.scalar(select(table.c.raw).where(table.c.id == id))
        if found is None:
            raise NoSuchEntry(f"There is no {id} in quarantine: `list` shows what there is.")
        return bytes(found)

    async def ids(self) -> list[int]:
        """Oldest first."""
        async with self._engine.connect() as connection:
            return list(await connection.scalars(select(table.c.id).order_by(table.c.id)))

    async def drop(self, ids: Sequence[int]) -> int:
        """How many there were."""
        return await self._delete(table.c.id.in_(ids))

    async def replay(self, id: int) -> Tried:
        """Store it after all, if it can be; a part of a record is put with the others.

        Raises NoSuchEntry, DatabaseAway."""
        prepared = prepare(self._preparer, _units(await self.raw(id)))
        if prepared.newer is not None:
            return Tried(id, str(prepared.newer))
        rejected = [*prepared.rejected, *await self._store.save(prepared.records)]
        if rejected:
            return Tried(id, rejected[0].reason)
        for part in prepared.parts:
            if trouble := await self._complete(part):
                return Tried(id, trouble)
        await self._delete(table.c.id == id)
        return Tried(id, None)

    async def _complete(self, part: Part) -> str | None:
        """What is still wrong with the record of which this is a part; None: it is not whole yet,
        or stored."""
        bodies = await self._parts.add(part)
        if bodies is None:
            return None
        try:
            prepared = prepare(self._preparer, [join_parts(bodies)])
        except BadMessage as error:
            return f"parts: {error}"
        rejected = [*prepared.rejected, *await self._store.save(prepared.records)]
        if rejected or prepared.newer:
            return rejected[0].reason if rejected else str(prepared.newer)
        await self._parts.forget(part.record_id)
        return None

    async def _delete(self, which: ColumnElement[bool]) -> int:
        async with self._engine.begin() as connection:
            return (await connection.execute(delete(table).where(which))).rowcount


def beginning(raw: bytes) -> Begin | None:
    """Who called what, if that much can be read."""
    first = next(read_frames(raw), None)
    if first is None or first.kind != FrameKind.BEGIN:
        return None
    try:
        return decode_begin(first.payload)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def _units(raw: bytes) -> list[Unit]:
    """A whole message, if it can be read as one, else the frames of one record."""
    units = units_of(raw)
    return [raw] if any(isinstance(unit, Rejected) for unit in units) else units
