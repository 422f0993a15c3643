"""Engines: bounded, bound to one writer at a time on SQLite, and clear when there is nobody."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import SAFE_WAL, DatabaseUnreachable, make_engine, reaching
from common.tables import access_tokens, users

NAMED = "INSERT INTO users (name, role, created_at) VALUES (:name, 'member', '2026-11-21 12:00')"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url), pool_size=4, wait_s=30)
    yield engine
    await engine.dispose()


async def test_who_reads_first_and_writes_later_is_never_turned_away(sqlite_database: str) -> None:
    """With SQLite's deferred transactions all but one of these would fail."""
    engine = make_engine(make_url(sqlite_database), pool_size=8, wait_s=30)

    async def count_and_add(number: int) -> None:
        async with engine.begin() as connection:
            before = await connection.scalar(select(func.count()).select_from(users))
            await asyncio.sleep(0.01)
            await connection.execute(text(NAMED), {"name": f"{number} after {before}"})

    await asyncio.gather(*(count_and_add(number) for number in range(8)))
    async with engine.connect() as connection:
        names = (await connection.execute(select(users.c.name))).scalars().all()
    await engine.dispose()
    assert {name.split()[-1] for name in names} == {str(number) for number in range(8)}


async def test_readers_pass_while_somebody_writes(engine: AsyncEngine) -> None:
    async with engine.begin() as writer:
        await writer.execute(text(NAMED), {"name": "alice"})
        async with engine.connect() as reader:
            assert await reader.scalar(select(func.count()).select_from(users)) == 0


async def test_what_an_error_says_holds_no_parameters(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError) as failed:
        async with engine.begin() as connection:
            await connection.execute(text(NAMED), [{"name": "alice"}, {"name": "my question"}])
            await connection.execute(text(NAMED), [{"name": "my question"}, {"name": "alice"}])
    assert "INSERT INTO users" in str(failed.value) and "alice" not in str(failed.value)


async def test_a_transaction_that_fails_leaves_nothing(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(text(NAMED), {"name": "alice"})
            await connection.execute(text(NAMED), {"name": "alice"})
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(users)) == 0


async def test_foreign_keys_hold(engine: AsyncEngine) -> None:
    row = {"user_id": 4711, "hash": bytes(32), "hint": "abcd"}
    moment = func.current_timestamp()
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(
                access_tokens.insert().values(created_at=moment, expires_at=moment, **row)
            )


async def test_connections_have_a_ceiling(database_url: str) -> None:
    engine = make_engine(make_url(database_url), pool_size=2, wait_s=0.2)
    async with engine.connect(), engine.connect():
        with pytest.raises(PoolTimeout):
            async with engine.connect():
                pass
    await engine.dispose()


async def test_sqlite_keeps_a_journal_that_survives_several_processes(
    sqlite_database: str,
) -> None:
    engine = make_engine(make_url(sqlite_database))
    async with engine.connect() as connection:
        mode = await connection.scalar(text("PRAGMA journal_mode"))
    await engine.dispose()
    assert mode == ("wal" if sqlite3.sqlite_version_info >= SAFE_WAL else "truncate")


async def test_postgres_says_who_we_are_and_understands_sslmode(postgres_database: str) -> None:
    url = make_url(postgres_database).update_query_dict({"sslmode": "prefer"})
    engine = make_engine(url)
    async with engine.connect() as connection:
        name = await connection.scalar(text("SHOW application_name"))
        assert await connection.scalar(text("SHOW timezone")) == "UTC"
    await engine.dispose()
    assert name == "openai-gateway"


@pytest.mark.parametrize(
    "address", ["postgresql+asyncpg://u:canary@127.0.0.1:1/d", "sqlite+aiosqlite:////no/such/file"]
)
async def test_a_database_that_is_not_there_is_one_sentence(address: str, tmp_path: Path) -> None:
    engine = make_engine(make_url(address))
    with pytest.raises(DatabaseUnreachable) as refused, reaching(engine.url):
        async with engine.connect():
            pass
    await engine.dispose()
    sentence = str(refused.value)
    assert "DATABASE_URL" in sentence and "canary" not in sentence and "\n" not in sentence


async def test_connection_lost_as_soon_as_it_is_made_is_a_database_that_is_away(
    postgres_database: str,
) -> None:
    """asyncpg's own errors are nothing that anybody waits for."""

    def lost(dialect: Any, _record: object, arguments: Any, options: Any) -> Any:
        made = dialect.connect(*arguments, **options)
        made.driver_connection.terminate()
        return made

    engine = make_engine(make_url(postgres_database))
    event.listen(engine.sync_engine, "do_connect", lost)
    with pytest.raises((DBAPIError, OSError)):
        async with engine.connect():
            pass
    await engine.dispose()
