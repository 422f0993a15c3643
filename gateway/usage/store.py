"""Usage per person, day and model, from the daily roll-up alone: however many records there are,
this reads a few rows per person and day."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.tables import usage_daily, users
from gateway.reading import owned, reading
from gateway.usage.report import UsageRow
from gateway.whose import Whose

GROUPS = ("user", "day", "model")
COUNTS = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


class UsageStore:
    """Reads the roll-up that the consumer writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def usage(
        self, by: Whose, begin: date | None, end: date | None, groups: Collection[str]
    ) -> list[UsageRow]:
        """From and to these days, inclusive; in the order of `GROUPS`. Raises StoreUnavailable."""
        columns = {"user": users.c.name, "day": usage_daily.c.day, "model": usage_daily.c.model}
        chosen = [columns[name].label(name) for name in GROUPS if name in groups]
        sums = [func.sum(usage_daily.c[name]).label(name) for name in COUNTS]
        statement = select(*chosen, *sums).where(owned(usage_daily.c.user_id, by))
        if "user" in groups:
            joined = usage_daily.join(users, users.c.id == usage_daily.c.user_id)
            statement = statement.select_from(joined)
        if begin is not None:
            statement = statement.where(usage_daily.c.day >= begin)
        if end is not None:
            statement = statement.where(usage_daily.c.day <= end)
        if chosen:
            statement = statement.group_by(*chosen).order_by(*chosen)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(statement)).all()
        return [
            UsageRow(
                {name: str(getattr(row, name)) for name in GROUPS if name in groups},
                {name: int(getattr(row, name) or 0) for name in COUNTS},
            )
            for row in rows
        ]
