"""Sweeping: nodes and messages that no exchange of their user leads to any more are removed.

One user at a time, under the lock that the linker takes for them, and not while records of theirs
wait to be linked: these may lead to the same ones again.
"""

from collections.abc import AsyncIterator

from sqlalchemy import CTE, ColumnElement, Delete, Select, Subquery, delete, exists, select, union
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import exchanges, link_queue, messages, nodes, records, sweep_queue
from consumer.link_store import LinkStore


class Sweep:
    """Empties the sweep queue of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._on_sqlite = engine.dialect.name == "sqlite"

    async def run(self) -> AsyncIterator[tuple[str, int]]:
        """How many rows of which table were removed, user by user; users whose records wait to be
        linked are left for another time. Raises what SQLAlchemy raises."""
        async with self._engine.connect() as connection:
            users = list(await connection.scalars(select(sweep_queue.c.user_id)))
        for user_id in users:
            async with self._engine.begin() as connection:
                found = await self._sweep(connection, user_id)
            for what, rows in found:
                yield what, rows

    async def _sweep(self, connection: AsyncConnection, user_id: int) -> list[tuple[str, int]]:
        await LinkStore(connection).lock([user_id])
        if await connection.scalar(_waiting(user_id)):
            return []
        dead_nodes = await connection.execute(self._dead_nodes(user_id))
        dead_messages = await connection.execute(self._dead_messages(user_id))
        done = delete(sweep_queue).where(sweep_queue.c.user_id == user_id)
        await connection.execute(done)
        return [("nodes", dead_nodes.rowcount), ("messages", dead_messages.rowcount)]

    def _dead_nodes(self, user_id: int) -> Delete:
        dead = self._in_none(nodes.c.hash, _live_nodes(user_id))
        return delete(nodes).where(nodes.c.user_id == user_id, dead)

    def _dead_messages(self, user_id: int) -> Delete:
        """After the nodes."""
        dead = self._in_none(messages.c.hash, _live_messages(user_id))
        return delete(messages).where(messages.c.user_id == user_id, dead)

    def _in_none(self, hash: ColumnElement[bytes], live: CTE | Subquery) -> ColumnElement[bool]:
        """Each database has one way of asking that it answers by hashing."""
        if self._on_sqlite:
            return hash.not_in(select(live.c.hash))
        return ~exists().where(live.c.hash == hash)


def _waiting(user_id: int) -> Select[tuple[bool]]:
    theirs = (link_queue.c.record_id == records.c.id, records.c.user_id == user_id)
    return select(exists().where(*theirs))


def _live_nodes(user_id: int) -> CTE:
    """The prompts of the exchanges that there are, and all their beginnings."""
    tips = (
        select(nodes.c.hash, nodes.c.parent_hash)
        .join(exchanges, exchanges.c.prompt_hash == nodes.c.hash)
        .where(exchanges.c.user_id == user_id)
    )
    live = tips.cte("live", recursive=True)
    above = select(nodes.c.hash, nodes.c.parent_hash).join(live, nodes.c.hash == live.c.parent_hash)
    return live.union(above)


def _live_messages(user_id: int) -> Subquery:
    named = [select(nodes.c.message_hash.label("hash")).where(nodes.c.user_id == user_id)]
    for column in (exchanges.c.answer_message_hash, exchanges.c.system_hash):
        theirs = (exchanges.c.user_id == user_id, column.is_not(None))
        named.append(select(column.label("hash")).where(*theirs))
    return union(*named).subquery("live")
