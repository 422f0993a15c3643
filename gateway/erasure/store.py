"""What there is of a person in the database, and its removal, a batch at a time.

First comes the tombstone, in a transaction that waits for everybody who stores records just now:
from then on nothing of theirs is stored, wherever it comes from (`consumer.unwanted`). Whatever is
removed afterwards stays removed, so an erasure that was cut off is finished by another.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Row,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from common.peek import beginning, beginning_of_part
from common.tables import (
    credential_decisions,
    link_queue,
    metadata,
    record_parts,
    record_quarantine,
    records,
    switches,
    tombstones,
    users,
)
from gateway.erasure.erased import Erased
from gateway.errors import UnknownUser

BATCH_ROWS = 500
KEPT = ("tombstones", "usage_daily", "users")
"""Numbers of calls and tokens stay, without a name; so does that somebody was erased."""
FIRST = ("records", "exchanges", "conversations", "nodes", "messages")
"""Records before what is made of them."""
_ENOUGH_BYTES = 64 * 1024
"""Of what lies in quarantine or in parts, to tell whose it is."""


class ErasureStore:
    """The traces of people in one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, name: str) -> Erased:
        """Also somebody whose erasure was cut off. Raises UnknownUser."""
        finished = exists().where(
            tombstones.c.user_id == users.c.id, tombstones.c.finished_at.is_not(None)
        )
        async with self._engine.connect() as connection:
            whose = select(users.c.id).where(users.c.name == name.strip(), ~finished)
            user_id = await connection.scalar(whose)
        if user_id is None:
            raise UnknownUser(f"There is no user called {name}.")
        return Erased(user_id, name.strip())

    async def count(self, who: Erased) -> dict[str, int]:
        """Rows by table, of those that name their user."""
        async with self._engine.connect() as connection:
            counts = {}
            for table in own_tables():
                query = select(func.count()).where(table.c.user_id == who.user_id)
                counts[table.name] = int(await connection.scalar(query) or 0)
        return counts

    async def bury(self, who: Erased, now: datetime) -> None:
        """From now on no token of theirs is accepted, and no record stored."""
        barred = {"erased_at": now, "blocked_at": func.coalesce(users.c.blocked_at, now)}
        known = select(tombstones.c.user_id).where(tombstones.c.user_id == who.user_id)
        async with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text("LOCK TABLE tombstones IN ACCESS EXCLUSIVE MODE"))
            if await connection.scalar(known) is None:
                row = {"user_id": who.user_id, "erased_at": now, "refused": 0}
                await connection.execute(insert(tombstones).values(row))
            await connection.execute(update(users).where(users.c.id == who.user_id).values(barred))

    async def remove(self, who: Erased) -> AsyncIterator[tuple[str, int]]:
        """So many more rows of this table are gone; ends when there is nothing left."""
        removed = True
        while removed:
            removed = False
            async for what, rows in self._pass(who.user_id):
                removed = True
                yield what, rows

    async def unreadable(self) -> int:
        """What lies in quarantine and says of nobody that it is theirs."""
        count = 0
        async for row in self._in_quarantine():
            count += "user_id" not in beginning(row.start)
        return count

    async def finish(self, who: Erased, now: datetime) -> str:
        """The name goes last. Returns what stands in its place."""
        name = f"erased-{who.user_id}"
        async with self._engine.begin() as connection:
            if await connection.scalar(select(users.c.id).where(users.c.name == name)):
                name = f"{name}-{int(now.timestamp())}"
            for column in (credential_decisions.c.decided_by, switches.c.changed_by):
                renamed = update(column.table).where(column == who.name)
                await connection.execute(renamed.values({column.name: name}))
            own = users.c.id == who.user_id
            await connection.execute(update(users).where(own).values(name=name, role="member"))
            done = update(tombstones).where(tombstones.c.user_id == who.user_id)
            await connection.execute(done.values(finished_at=now))
        return name

    async def _pass(self, user_id: int) -> AsyncIterator[tuple[str, int]]:
        """Records that wait to be linked come first: who is at it is waited for."""
        while rows := await self._unqueue(user_id):
            yield link_queue.name, rows
        for table in own_tables():
            while rows := await self._delete_some(table, user_id):
                yield table.name, rows
        async for what, rows in self._nameless(user_id):
            yield what, rows

    async def _unqueue(self, user_id: int) -> int:
        theirs = (
            select(link_queue.c.record_id)
            .join(records, records.c.id == link_queue.c.record_id)
            .where(records.c.user_id == user_id)
            .limit(BATCH_ROWS)
        )
        return await self._delete(link_queue, [link_queue.c.record_id], theirs)

    async def _delete_some(self, table: Table, user_id: int) -> int:
        keys = list(table.primary_key)
        some = select(*keys).where(table.c.user_id == user_id).limit(BATCH_ROWS)
        return await self._delete(table, keys, some)

    async def _delete(self, table: Table, keys: Sequence[Column[Any]], which: Any) -> int:
        async with self._engine.begin() as connection:
            if not (chosen := [tuple(row) for row in await connection.execute(which)]):
                return 0
            alone = len(keys) == 1
            mine = keys[0].in_([row[0] for row in chosen]) if alone else tuple_(*keys).in_(chosen)
            gone = delete(table).where(mine)
            return (await connection.execute(gone)).rowcount

    async def _nameless(self, user_id: int) -> AsyncIterator[tuple[str, int]]:
        """What does not say whose it is, but holds the beginning of a record that does."""
        async for row in self._in_quarantine():
            if beginning(row.start).get("user_id") == user_id:
                yield await self._drop(record_quarantine.c.id, row.id)
        async for row in self._first_parts():
            if beginning_of_part(row.start).get("user_id") == user_id:
                yield await self._drop(record_parts.c.record_id, row.record_id)

    async def _drop(self, key: Column[Any], value: int | UUID) -> tuple[str, int]:
        async with self._engine.begin() as connection:
            gone = await connection.execute(delete(key.table).where(key == value))
        return str(key.table), gone.rowcount

    async def _in_quarantine(self) -> AsyncIterator[Row[Any]]:
        start = func.substr(record_quarantine.c.raw, 1, _ENOUGH_BYTES).label("start")
        query = select(record_quarantine.c.id, start).order_by(record_quarantine.c.id)
        last = 0
        while rows := await self._some(query.where(record_quarantine.c.id > last)):
            for row in rows:
                yield row
            last = rows[-1].id

    async def _first_parts(self) -> AsyncIterator[Row[Any]]:
        start = func.substr(record_parts.c.body, 1, _ENOUGH_BYTES).label("start")
        query = select(record_parts.c.record_id, start).where(record_parts.c.number == 0)
        query, last = query.order_by(record_parts.c.record_id), UUID(int=0)
        while rows := await self._some(query.where(record_parts.c.record_id > last)):
            for row in rows:
                yield row
            last = rows[-1].record_id

    async def _some(self, query: Any) -> Sequence[Row[Any]]:
        async with self._engine.connect() as connection:
            return (await connection.execute(query.limit(BATCH_ROWS // 10))).all()


def own_tables() -> list[Table]:
    """Every table that says whose its rows are, in the order in which they are emptied: a new one
    is among them without a word here."""
    theirs = [t for t in reversed(metadata.sorted_tables) if "user_id" in t.c]
    theirs = [table for table in theirs if table.name not in KEPT]
    return sorted(theirs, key=lambda t: FIRST.index(t.name) if t.name in FIRST else len(FIRST))
