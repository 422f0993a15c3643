"""Parts of records too large for one message, kept until the last of them has arrived.

Parts may arrive in any order, twice, and at different consumers. What the record holds is
`consumer.prepare`'s.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.message import Part
from common.tables import record_parts, records
from consumer.faults import DATABASE_ERRORS
from consumer.inserts import inserts_for
from consumer.store import DatabaseAway, told


class Parts:
    """The parts seen so far of records that are not whole."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._inserts = inserts_for(engine.dialect.name)

    async def add(self, part: Part) -> list[bytes] | None:
        """Keep it. Returns every part's body, in order, if it was the last one that was missing.

        The caller stores the record and then forgets the parts; if it dies in between, its message
        comes again and finds the parts here. Raises DatabaseAway.
        """
        try:
            await self._keep(part)
            return await self._all_of(part)
        except DATABASE_ERRORS as error:
            raise DatabaseAway(told(error)) from error

    async def forget(self, record_id: bytes) -> None:
        """Once the record has been stored. Raises DatabaseAway."""
        try:
            async with self._engine.begin() as connection:
                these = record_parts.c.record_id == UUID(bytes=record_id)
                await connection.execute(delete(record_parts).where(these))
        except DATABASE_ERRORS as error:
            raise DatabaseAway(told(error)) from error

    async def _keep(self, part: Part) -> None:
        row = {
            "record_id": UUID(bytes=part.record_id),
            "number": part.number,
            "count": part.count,
            "body": part.body,
            "seen_at": datetime.now(UTC),
        }
        async with self._engine.begin() as connection:
            await self._inserts.add(connection, record_parts, [row])

    async def _all_of(self, part: Part) -> list[bytes] | None:
        """After `_keep` has committed, so that of two consumers with the last two parts at least
        one sees both."""
        record_id = UUID(bytes=part.record_id)
        these = record_parts.c.record_id == record_id
        async with self._engine.connect() as connection:
            stored = await connection.scalar(select(records.c.id).where(records.c.id == record_id))
            if stored is None:
                numbers = await connection.scalars(select(record_parts.c.number).where(these))
                if set(numbers) != set(range(part.count)):
                    return None
                bodies = select(record_parts.c.body).where(these).order_by(record_parts.c.number)
                return list(await connection.scalars(bodies))
        await self.forget(part.record_id)
        return None
