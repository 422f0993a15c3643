"""What a run has left in its database, its queues and its spools."""

import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Select, Table, func, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from common.broker import Topology, connect
from common.tables import (
    exchanges,
    link_queue,
    record_parts,
    record_quarantine,
    records,
    usage_daily,
)
from tests.support.ledger.books import Entry, recounted
from tests.support.ledger.notes import number_of
from tests.support.ledger.world import World
from tests.support.talking import everything_linked

_TOPOLOGY = Topology("ledger")
LOST = "calls to be stored"


class Store:
    """Read beside the programs."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def entries(self) -> list[Entry]:
        """Every record, with its place."""
        joined = records.join(exchanges, exchanges.c.id == records.c.id, isouter=True)
        rows = await self._rows(select(records, exchanges.c.parent_id).select_from(joined))
        return [entry_of(row) for row in rows]

    async def waiting(self, due: set[int]) -> dict[str, int]:
        """What is still on its way; the names of what there is nothing of are left out.

        A message that a consumer holds is in no queue that can be counted: but what it holds is
        `due`, the calls that must be stored.
        """
        spools = [d for d in self.spools() if list(d.glob("*.seg"))]
        found = {
            "records to be linked": await self._count(link_queue),
            "spools of dead workers": max(0, len(spools) - _WORKERS),
            "records in spools": await self._world.gauge("gateway_spool_records"),
            **(await self._queued()),
        }
        if not any(found.values()):
            found[LOST] = len(due - {one.call for one in await self.entries()})
        return {name: many for name, many in found.items() if many}

    async def left_over(self) -> AsyncIterator[str]:
        """What must not be there in the end."""
        for table in (record_quarantine, record_parts, link_queue):
            if many := await self._count(table):
                yield f"{many} rows are left in {table.name}"
        if spools := self.spools():
            yield f"{len(spools)} spools are left"
        for queue, many in (await self._queued()).items():
            if many:
                yield f"{many} {queue}"
        for wrong in miscounted(
            await self._rows(select(records)), await self._rows(select(usage_daily))
        ):
            yield wrong

    async def not_as_rebuilt(self) -> AsyncIterator[str]:
        """Where the trees differ from those that `consumer relink` makes of the same records."""
        async with self._engine() as engine:
            grown = await everything_linked(engine)
            await self._world.run("consumer", "relink")
            rebuilt = await everything_linked(engine)
        for table, rows in grown.items():
            if rows != rebuilt[table]:
                yield f"{len(rows ^ rebuilt[table])} rows of {table} differ from a rebuild"

    def spools(self) -> list[Any]:
        parent = self._world.data / "spool"
        return [d for d in parent.iterdir() if d.is_dir() and not d.name.startswith(".")]

    async def _queued(self) -> dict[str, int]:
        if self._world.embedded:
            return {}
        async with await connect(self._world.rabbit.url, "ledger") as connection:
            channel = await connection.channel()
            found = {}
            for name in (_TOPOLOGY.queue, _TOPOLOGY.dead_queue):
                queue = await channel.declare_queue(name, passive=True)
                found[f"messages in {name}"] = queue.declaration_result.message_count or 0
        return found

    async def _count(self, table: Table) -> int:
        [[many]] = await self._rows(select(func.count()).select_from(table))
        return int(many)

    async def _rows(self, statement: Select[Any]) -> list[Row[Any]]:
        async with self._engine() as engine, engine.connect() as connection:
            return list(await connection.execute(statement))

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[AsyncEngine]:
        engine = create_async_engine(self._world.database, poolclass=NullPool)
        try:
            yield engine
        finally:
            await engine.dispose()


_WORKERS = 2


def entry_of(row: Row[Any]) -> Entry:
    """Of a row of `records`, with its `parent_id` if it was joined."""
    request, response = _body(row.request, row.codec), _body(row.response, row.codec)
    parent = row._mapping.get("parent_id")
    status = (row.status, row.http_status)
    return Entry(row.id, number_of(request), *status, request, response, parent)


def _body(stored: bytes | None, codec: int) -> bytes:
    return zlib.decompress(stored) if stored and codec == 1 else bytes(stored or b"")


def miscounted(rows: list[Row[Any]], rolled_up: list[Row[Any]]) -> Iterator[str]:
    stored = {
        (row.user_id, row.day, row.model): [row.calls, row.prompt_tokens, row.completion_tokens]
        for row in rolled_up
    }
    counted = recounted(rows)
    for key in sorted(stored.keys() | counted.keys()):
        if stored.get(key) != counted.get(key):
            yield f"usage of {key} is {stored.get(key)}, counted anew {counted.get(key)}"
