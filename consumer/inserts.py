"""Inserting many rows at once: Postgres by arrays, SQLite by one statement repeated.

Rows are dicts with the same keys. What is inserted, and when, is the store's.
"""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Table, bindparam, column, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from common.tables import records

Rows = Sequence[dict[str, Any]]
_AnyInsert = postgresql.Insert | sqlite.Insert


class Inserts(Protocol):
    """How one database takes many rows. Raises what SQLAlchemy raises."""

    async def new(self, connection: AsyncConnection, rows: Rows) -> set[UUID]:
        """Insert into `records`; returns the ids that were not there before."""
        ...

    async def add(
        self, connection: AsyncConnection, table: Table, rows: Rows, sums: Sequence[str] = ()
    ) -> None:
        """Insert what is not there; of what is, raise the columns `sums` by the new values."""
        ...


def inserts_for(dialect_name: str) -> Inserts:
    return _SQLiteInserts() if dialect_name == "sqlite" else _PostgresInserts()


class _PostgresInserts:
    def __init__(self) -> None:
        self._made: dict[tuple[str, tuple[str, ...], tuple[str, ...]], _AnyInsert] = {}
        """Statements by table, columns and sums: making one takes as long as running it."""

    async def new(self, connection: AsyncConnection, rows: Rows) -> set[UUID]:
        insert = self._insert(records, rows, ()).returning(records.c.id)
        return set((await connection.execute(insert, _arrays(rows))).scalars())

    async def add(
        self, connection: AsyncConnection, table: Table, rows: Rows, sums: Sequence[str] = ()
    ) -> None:
        if rows:
            await connection.execute(self._insert(table, rows, sums), _arrays(rows))

    def _insert(self, table: Table, rows: Rows, sums: Sequence[str]) -> _AnyInsert:
        key = (table.name, tuple(rows[0]), tuple(sums))
        if key not in self._made:
            self._made[key] = _resolved(_from_arrays(table, rows), table, sums)
        return self._made[key]


class _SQLiteInserts:
    async def new(self, connection: AsyncConnection, rows: Rows) -> set[UUID]:
        insert = _or_skip(sqlite.insert(records), ["id"])
        result = await connection.execute(insert.returning(records.c.id), list(rows))
        return set(result.scalars())

    async def add(
        self, connection: AsyncConnection, table: Table, rows: Rows, sums: Sequence[str] = ()
    ) -> None:
        if rows:
            await connection.execute(_resolved(sqlite.insert(table), table, sums), list(rows))


def _resolved(insert: _AnyInsert, table: Table, sums: Sequence[str]) -> _AnyInsert:
    if not sums:
        return _or_skip(insert, None)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: table.c[name] + insert.excluded[name] for name in sums},
    )


def _or_skip(insert: _AnyInsert, unique: list[str] | None) -> _AnyInsert:
    return insert.on_conflict_do_nothing(index_elements=unique)


def _from_arrays(table: Table, rows: Rows) -> postgresql.Insert:
    """INSERT … SELECT FROM unnest(…), in the order of the rows."""
    names = list(rows[0])
    types = [table.c[name].type for name in names]
    arrays = [
        bindparam(f"all_{name}", type_=ARRAY(kind)) for name, kind in zip(names, types, strict=True)
    ]
    columns = [column(name, kind) for name, kind in zip(names, types, strict=True)]
    source = func.unnest(*arrays).table_valued(*columns).render_derived(name="new")
    return postgresql.insert(table).from_select(names, select(*source.c))


def _arrays(rows: Rows) -> dict[str, list[Any]]:
    return {f"all_{name}": [row[name] for row in rows] for name in rows[0]}
