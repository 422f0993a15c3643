"""Engines for both databases, and the one translation of "it cannot be reached".

Convention on SQLite, where one process writes at a time: `engine.begin()` is for transactions that
write (it queues for the write lock before its first statement, so that reading first and writing
later cannot fail half-way), `engine.connect()` for those that only read.

Not here: tables (`common.tables`), what revision they must have (`common.schema`).
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from common.settings import SettingsError
from common.sqlite_connection import StoppedOnce

APPLICATION_NAME = "openai-gateway"
SAFE_WAL = (3, 51, 3)
"""First SQLite whose WAL survives two connections resetting it (https://sqlite.org/wal.html)."""


class DatabaseUnreachable(SettingsError):
    """The database cannot be reached; the message names the setting and the remedy."""


def make_engine(url: URL, *, pool_size: int = 5, wait_s: float = 10) -> AsyncEngine:
    """At most `pool_size` connections, opened when first needed.

    `wait_s` is how long a connection, and on SQLite a lock, is waited for. What errors say holds no
    parameters: they are people's questions and names, and errors end in logs.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, pool_size, wait_s)
    engine = create_async_engine(
        _with_asyncpg_names(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_s,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            "server_settings": {"application_name": APPLICATION_NAME, "timezone": "UTC"},
        },
    )
    _spare_codecs(engine.sync_engine.dialect)
    return engine


@contextmanager
def reaching(url: URL) -> Iterator[None]:
    """Around start-up's first use of a database. Raises DatabaseUnreachable."""
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        raise DatabaseUnreachable(_sentence(url, error)) from None


def _spare_codecs(dialect: Any) -> None:
    """No column of ours is JSON. SQLAlchemy teaches every new connection to read it all the same;
    should the connection be lost just then, it lets asyncpg's own InterfaceError through, which is
    no DBAPIError, and nobody who waits for a lost database would catch it."""

    async def nothing(_connection: object) -> None: ...

    dialect.setup_asyncpg_json_codec = dialect.setup_asyncpg_jsonb_codec = nothing


class _SQLiteEngine(AsyncEngine):
    """`begin()` takes the write lock first; see the module's convention."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with self.connect() as connection:
            await connection.execution_options(sqlite_begin="IMMEDIATE")
            async with connection.begin():
                yield connection


def _sqlite_engine(url: URL, pool_size: int, wait_s: float) -> AsyncEngine:
    bounds = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": wait_s}
    engine = create_async_engine(
        url,
        # with isolation_level None the driver leaves BEGIN to `_begin`
        connect_args={
            "timeout": wait_s,
            "isolation_level": None,
            "async_creator_fn": StoppedOnce,
        },
        hide_parameters=True,
        **(bounds if url.database not in (None, "", ":memory:") else {}),
    )
    event.listen(engine.sync_engine, "do_connect", _try_to_open)
    event.listen(engine.sync_engine, "connect", _prepare_connection)
    event.listen(engine.sync_engine, "begin", _begin)
    return _SQLiteEngine(engine.sync_engine)


def _try_to_open(_dialect: object, _record: object, arguments: Any, options: Any) -> None:
    """Fail here where a file cannot be opened: the driver's thread would outlive the event loop,
    and say so in a traceback. Raises sqlite3.OperationalError."""
    sqlite3.connect(arguments[0], uri=bool(options.get("uri"))).close()


def _prepare_connection(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    journal = "WAL" if sqlite3.sqlite_version_info >= SAFE_WAL else "TRUNCATE"
    cursor.execute(f"PRAGMA journal_mode = {journal}")
    cursor.close()


def _begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def _with_asyncpg_names(url: URL) -> URL:
    """`sslmode`, as everybody's database address has it, is `ssl` to asyncpg."""
    if "sslmode" not in url.query:
        return url
    mode = url.query["sslmode"]
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def _sentence(url: URL, error: Exception) -> str:
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    if url.get_backend_name() == "sqlite":
        return (
            f"The SQLite database {url.database} cannot be used ({reason}): make DATA_DIR (or the"
            " file of DATABASE_URL) a place that this user may write, on a disk with room."
        )
    return (
        f"The database at {url.host or 'localhost'}:{url.port or 5432} cannot be used ({reason}):"
        " start it, or correct DATABASE_URL (or DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME)."
    )
