"""Which revision of the schema this code needs, known without importing Alembic.

The migrations themselves are in migrations/; `gateway.migration` applies them.
"""

from pathlib import Path

from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import reaching
from common.settings import SettingsError

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every revision in migrations/versions, oldest first; a test compares."""
HEAD = REVISIONS[-1]


class SchemaOutdated(SettingsError):
    """The database is older than this code; `gateway migrate` helps."""


class SchemaUnknown(SettingsError):
    """The database was migrated by a newer version of this code."""


async def stored_revision(engine: AsyncEngine) -> str | None:
    """None: nothing was ever migrated there. Raises DatabaseUnreachable."""
    if _is_absent(engine.url):
        return None
    with reaching(engine.url):
        async with engine.connect() as connection:
            return await connection.run_sync(_read)


async def require_known(engine: AsyncEngine) -> str | None:
    """The stored revision. Raises SchemaUnknown, DatabaseUnreachable."""
    revision = await stored_revision(engine)
    if revision is not None and revision not in REVISIONS:
        raise SchemaUnknown(
            f"The database of DATABASE_URL (or DB_…, DATA_DIR) has revision {revision}, which this"
            f" version does not know (its newest is {HEAD}): install the version that migrated it,"
            " or give another database."
        )
    return revision


async def require_head(engine: AsyncEngine) -> None:
    """Raises SchemaOutdated, SchemaUnknown, DatabaseUnreachable."""
    revision = await require_known(engine)
    if revision != HEAD:
        what = f"has revision {revision}" if revision else "is empty"
        raise SchemaOutdated(
            f"The database of DATABASE_URL (or DB_…, DATA_DIR) {what}, but this version needs"
            f" {HEAD}: run `gateway migrate`, or `gateway serve`, which does so itself."
        )


def _is_absent(url: URL) -> bool:
    """Of SQLite's file: looking must not make it."""
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


def _read(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
