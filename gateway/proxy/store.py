"""Owners of stateful resources, in the database."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.tables import resources
from gateway.errors import NotReady
from gateway.proxy.ownership import Owner

TIMEOUT_S = 5.0


class OwnersUnavailable(NotReady):
    """The database that knows whose this is cannot be reached."""

    code = "database_unavailable"


class ResourceStore:
    """id → (upstream, account, user)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def owners(self, ids: Sequence[str]) -> dict[str, Owner]:
        """Of those that are known. Raises OwnersUnavailable (503)."""
        query = select(resources).where(resources.c.id.in_(ids))
        try:
            async with asyncio.timeout(TIMEOUT_S), self._engine.connect() as connection:
                rows = (await connection.execute(query)).all()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise OwnersUnavailable() from error
        return {row.id: Owner(row.upstream, row.account, row.user_id) for row in rows}

    async def keep(self, ids: Sequence[str], owner: Owner) -> None:
        """Committed when it returns; the first owner stays. Raises OwnersUnavailable (503)."""
        insert = postgres_insert if self._engine.dialect.name == "postgresql" else sqlite_insert
        rows = [
            {
                "id": made,
                "upstream": owner.upstream,
                "account": owner.account,
                "user_id": owner.user_id,
                "created_at": datetime.now(UTC),
            }
            for made in sorted(set(ids))
        ]
        try:
            async with asyncio.timeout(TIMEOUT_S), self._engine.begin() as connection:
                await connection.execute(insert(resources).on_conflict_do_nothing(), rows)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise OwnersUnavailable() from error
