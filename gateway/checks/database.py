"""Whether the database answers, and whether its revision is ours."""

import sqlite3
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import SAFE_WAL, DatabaseUnreachable
from common.schema import HEAD, SchemaUnknown, require_known
from gateway.checks.check import Check

_NAME = "database"


async def check_database(engine: AsyncEngine) -> list[Check]:
    """SQLite is asked only once its file exists: looking must not make one."""
    url = engine.url
    if url.get_backend_name() == "sqlite" and not _exists(url.database):
        detail = f"SQLite, {url.database}: not there yet"
        return [Check(_NAME, "warn", detail, "Nothing: gateway serve makes it.")]
    try:
        revision = await require_known(engine)
    except (DatabaseUnreachable, SchemaUnknown) as refusal:
        return [Check(_NAME, "fail", _place(url), str(refusal))]
    if revision != HEAD:
        detail = f"{_place(url)}, revision {revision or 'none'}; this version needs {HEAD}"
        row = Check(_NAME, "warn", detail, "Run gateway migrate; gateway serve does so too.")
    else:
        row = Check(_NAME, "ok", f"{_place(url)}, revision {revision}")
    return [row, *_sqlite_note(url)]


def _exists(path: str | None) -> bool:
    return Path(path or "").exists()


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"SQLite, {url.database}"
    return f"Postgres, {url.host or 'localhost'}:{url.port or 5432}/{url.database}"


def _sqlite_note(url: URL) -> list[Check]:
    if url.get_backend_name() != "sqlite":
        return []
    version = sqlite3.sqlite_version
    journal = (
        "a write-ahead log" if sqlite3.sqlite_version_info >= SAFE_WAL else "a rollback journal"
    )
    return [Check("SQLite", "ok", f"version {version}, with {journal}")]
