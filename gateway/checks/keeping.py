"""How far back records are kept, whether what is older is gone, and erasures that were cut off."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.database import DatabaseUnreachable
from common.schema import HEAD, stored_revision
from common.tables import retention, tombstones, users
from gateway.checks.check import Check

OVERDUE = timedelta(days=2)
"""Consumers remove what is too old every few hours."""


async def check_keeping(engine: AsyncEngine) -> list[Check]:
    """Nothing is said where the database cannot be asked, or is not migrated: another check says
    so."""
    try:
        if await stored_revision(engine) != HEAD:
            return []
        async with engine.connect() as connection:
            kept = (await connection.execute(select(retention))).one_or_none()
            unfinished = await _unfinished(connection)
    except (SQLAlchemyError, OSError, DatabaseUnreachable):
        return []
    found = [] if kept is None else [_retention(kept, datetime.now(UTC))]
    return [*found, *(_cut_off(name) for name in unfinished)]


async def _unfinished(connection: AsyncConnection) -> list[str]:
    names = (
        select(users.c.name)
        .join(tombstones, tombstones.c.user_id == users.c.id)
        .where(tombstones.c.finished_at.is_(None))
        .order_by(users.c.name)
    )
    return list(await connection.scalars(names))


def _retention(kept: Row[tuple[object, ...]], now: datetime) -> Check:
    detail = f"records are kept since {kept.kept_since:%Y-%m-%d %H:%MZ}"
    if kept.refused:
        detail += f"; {kept.refused} came later than that"
    if kept.swept_at is None or kept.swept_at < now - OVERDUE:
        remedy = "See that a consumer runs with RETENTION_DAYS, or run consumer retention."
        return Check("retention", "warn", f"{detail}; what is older is not all gone", remedy)
    return Check("retention", "ok", detail)


def _cut_off(name: str) -> Check:
    remedy = f"Run gateway user erase {name} again, unless that is running just now."
    return Check("erasure", "warn", f"that of {name} has not come to its end", remedy)
