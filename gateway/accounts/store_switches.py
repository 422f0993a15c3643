"""What admins switch on and off at run time, followed by every worker within a second."""

from datetime import datetime
from time import monotonic

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.tables import switches
from gateway.accounts.switches import OFF, Switch
from gateway.connections import inserting, reading, writing

GOOD_FOR_S = 0.5


class SwitchStore:
    """Everything raises StoreUnavailable (503)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[float, bool]] = {}

    async def enabled(self, name: str) -> bool:
        """As it was half a second ago, at the oldest."""
        asked_at = monotonic()
        known = self._known.get(name)
        if known is not None and asked_at - known[0] < GOOD_FOR_S:
            return known[1]
        enabled = (await self.find(name)).enabled
        self._known[name] = asked_at, enabled
        return enabled

    async def find(self, name: str) -> Switch:
        query = select(switches).where(switches.c.name == name)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return OFF if row is None else Switch(row.enabled, row.changed_by, row.changed_at)

    async def turn(self, name: str, enabled: bool, by: str, now: datetime) -> Switch:
        row = {"name": name, "enabled": enabled, "changed_by": by, "changed_at": now}
        async with writing(self._engine) as connection:
            made = inserting(connection)(switches).values(row)
            await connection.execute(
                made.on_conflict_do_update(index_elements=[switches.c.name], set_=row)
            )
        self._known.pop(name, None)
        return Switch(enabled, by, now)
