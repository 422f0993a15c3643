"""Retention: what began before RETENTION_DAYS ago is removed, a batch at a time.

Every step may be cut off and done again. First it is written down how far back records are kept, so
that no consumer stores an older one from then on; then records go, whole partitions where it can
be; then their exchanges, and conversations that lose an exchange are found again by the linker from
what is left of them; at last the nodes and messages that nobody refers to any more. Usage stays,
and so does what was counted.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from anyio import sleep
from sqlalchemy import (
    Column,
    ColumnElement,
    Delete,
    Select,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from common.ids import NOBODY, first_id
from common.tables import (
    conversations,
    exchanges,
    link_queue,
    record_parts,
    record_quarantine,
    records,
    retention,
    sweep_queue,
)
from common.tables.retention import THE_ONE
from consumer.link_store import LinkStore, among
from consumer.partitions import Partitions
from consumer.sweep import Sweep

BATCH_ROWS = 500
BATCH_CONVERSATIONS = 50
MOST_WAITING = 5_000
"""While more records wait for the linker, no more are given to it."""
_PAUSE_S = 1.0

Progress = Callable[[str, int], None]
"""Told of so many more rows removed of a table."""
Removed = dict[str, int]


class Retention:
    """Removes what is too old, in one database."""

    def __init__(self, engine: AsyncEngine, days: int, *, spare_linker: bool = False) -> None:
        """`spare_linker`: a linker is running, and must not be given too much at once."""
        self._engine, self._days, self._spare_linker = engine, days, spare_linker
        self._partitions = Partitions(engine)
        kind = sqlite if engine.dialect.name == "sqlite" else postgresql
        self._insert = kind.insert

    async def expire(self, now: datetime, progress: Progress) -> Removed:
        """Everything that is too old now. Raises what SQLAlchemy raises; then do it again."""
        removed: Removed = {}

        def count(what: str, rows: int) -> None:
            if not rows:
                return
            removed[what] = removed.get(what, 0) + rows
            progress(what, rows)

        kept_since = await self._keep_since(now - timedelta(days=self._days))
        oldest = first_id(kept_since)
        for _ in await self._partitions.drop_before(oldest):
            count("partitions", 1)
        async for what, rows in self._emptied(oldest):
            count(what, rows)
        count(record_quarantine.name, await self._delete_unreadable(kept_since))
        async for what, rows in Sweep(self._engine).run():
            count(what, rows)
        await self._note_swept(now)
        return removed

    async def last_swept(self) -> datetime | None:
        async with self._engine.connect() as connection:
            return await connection.scalar(select(retention.c.swept_at))

    async def _keep_since(self, moment: datetime) -> datetime:
        """Never further back than before: what was removed is not stored again."""
        row = {"id": THE_ONE, "kept_since": moment, "refused": 0}
        later = self._insert(retention).values(row)
        later = later.on_conflict_do_update(
            index_elements=[retention.c.id],
            set_={"kept_since": later.excluded.kept_since},
            where=retention.c.kept_since < later.excluded.kept_since,
        )
        async with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # whoever stores by the old bound ends
                await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
                await connection.execute(text("LOCK TABLE retention IN ACCESS EXCLUSIVE MODE"))
            await connection.execute(later)
            return await connection.scalar(select(retention.c.kept_since)) or moment

    async def _note_swept(self, now: datetime) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(update(retention).values(swept_at=now))

    async def _emptied(self, oldest: UUID) -> AsyncIterator[tuple[str, int]]:
        for key in _KEYS:
            while rows := await self._delete_some(key, oldest):
                yield key.table.name, rows
        for user_id in await self._users(oldest):
            while rows := await self._forget_some(user_id, oldest):
                yield "exchanges", rows
                await self._linker_at_ease()

    async def _delete_some(self, key: Column[UUID], oldest: UUID) -> int:
        some = select(key).where(key > NOBODY, key < oldest).order_by(key).limit(BATCH_ROWS)
        async with self._engine.begin() as connection:
            if not (ids := list(await connection.scalars(some))):
                return 0
            chosen = among(connection.dialect.name == "postgresql", key, ids)
            gone = await connection.execute(delete(key.table).where(chosen))
            return gone.rowcount

    async def _delete_unreadable(self, kept_since: datetime) -> int:
        """What lies in quarantine without an id was seen later than it began."""
        past = delete(record_quarantine).where(
            record_quarantine.c.record_id == NOBODY, record_quarantine.c.seen_at < kept_since
        )
        async with self._engine.begin() as connection:
            return (await connection.execute(past)).rowcount

    async def _linker_at_ease(self) -> None:
        while self._spare_linker:
            waiting = select(link_queue.c.record_id).limit(MOST_WAITING).subquery()
            async with self._engine.connect() as connection:
                count = await connection.scalar(select(func.count()).select_from(waiting))
            if (count or 0) < MOST_WAITING:
                return
            await sleep(_PAUSE_S)

    async def _users(self, oldest: UUID) -> list[int]:
        whose = select(exchanges.c.user_id).distinct().where(exchanges.c.id < oldest)
        async with self._engine.connect() as connection:
            return list(await connection.scalars(whose))

    async def _forget_some(self, user_id: int, oldest: UUID) -> int:
        """Some conversations that lose exchanges, whole; what is left of them is linked again.

        An exchange has its parent within its conversation, so nothing else depends on these.
        Returns how many exchanges are gone for good.
        """
        own = exchanges.c.user_id == user_id
        async with self._engine.begin() as connection:
            await LinkStore(connection).lock([user_id])
            chosen = (
                select(exchanges.c.conversation_id)
                .distinct()
                .where(own, exchanges.c.id < oldest)
                .limit(BATCH_CONVERSATIONS)
            )
            places = list(await connection.scalars(chosen))
            if not places:
                return 0
            inside = exchanges.c.conversation_id.in_(places)
            remaining = _still_stored(own, inside, exchanges.c.id >= oldest)
            again = self._insert(link_queue).from_select(["record_id"], remaining)
            await connection.execute(again.on_conflict_do_nothing())
            past = (own, inside, exchanges.c.id < oldest)
            gone = await connection.execute(delete(exchanges).where(*past))
            await connection.execute(delete(exchanges).where(own, inside))
            await connection.execute(_conversations(user_id, places))
            swept = self._insert(sweep_queue).values(user_id=user_id)
            await connection.execute(swept.on_conflict_do_nothing())
            return gone.rowcount


_KEYS = (
    records.c.id,
    link_queue.c.record_id,
    record_parts.c.record_id,
    record_quarantine.c.record_id,
)
"""What is about one record, by its id; records first, so that nothing is linked any more."""


def _still_stored(*which: ColumnElement[bool]) -> Select[Any]:
    """Ids of these exchanges whose requests remain, so that they can be linked."""
    source = exchanges.join(records, records.c.id == exchanges.c.id)
    return select(exchanges.c.id).select_from(source).where(*which, records.c.request.is_not(None))


def _conversations(user_id: int, ids: list[UUID]) -> Delete:
    return delete(conversations).where(
        conversations.c.user_id == user_id, conversations.c.id.in_(ids)
    )
