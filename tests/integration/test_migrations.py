"""Migrations on both databases: forward, back and forward again; what they make is the metadata."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from anyio import to_thread
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL, make_url

from common.database import DatabaseUnreachable, make_engine
from common.schema import (
    HEAD,
    REVISIONS,
    SchemaOutdated,
    SchemaUnknown,
    require_head,
    stored_revision,
)
from common.settings import SettingsError
from common.tables import metadata
from gateway.migration import configuration, downgrade, migrate


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return URL.create("sqlite+aiosqlite", database=str(tmp_path / "empty.sqlite"))
    return make_url(request.getfixturevalue("postgres_url"))


async def migrated(url: URL, revision: str = "head") -> None:
    await to_thread.run_sync(migrate, url, revision)


def is_partition(name: str | None) -> bool:
    """Of `records`, on Postgres: which there are is a matter of the date."""
    return bool(name and name.startswith("records_"))


async def tables(url: URL) -> set[str]:
    engine = make_engine(url)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda c: inspect(c).get_table_names())
    await engine.dispose()
    return {name for name in names if not is_partition(name)}


async def revision_of(url: URL) -> str | None:
    engine = make_engine(url)
    try:
        return await stored_revision(engine)
    finally:
        await engine.dispose()


def test_the_revisions_are_those_of_the_directory() -> None:
    directory = ScriptDirectory.from_config(configuration())
    walked = [script.revision for script in directory.walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS
    assert directory.get_heads() == [HEAD]


async def test_up_down_and_up_again(empty: URL) -> None:
    assert await revision_of(empty) is None
    await migrated(empty)
    assert await tables(empty) == {*metadata.tables, "alembic_version"}
    await to_thread.run_sync(downgrade, empty, "base")
    assert await tables(empty) == {"alembic_version"}
    assert await revision_of(empty) is None
    await migrated(empty)
    await migrated(empty)
    assert await revision_of(empty) == HEAD


async def test_what_is_migrated_is_what_the_code_says(empty: URL) -> None:
    await migrated(empty)

    def differences(connection: Connection) -> list[object]:
        options = {"include_name": lambda name, kind, _: kind != "table" or not is_partition(name)}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        )

    engine = make_engine(empty)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_many_at_once_migrate_once(empty: URL) -> None:
    await asyncio.gather(*(migrated(empty) for _ in range(4)))
    assert await revision_of(empty) == HEAD


async def test_an_older_database_is_refused_with_the_remedy(empty: URL) -> None:
    engine = make_engine(empty)
    with pytest.raises(SchemaOutdated, match=r"run `gateway migrate`"):
        await require_head(engine)
    await migrated(empty)
    await require_head(engine)
    await engine.dispose()


async def test_a_newer_database_is_refused_and_left_alone(empty: URL) -> None:
    await migrated(empty)
    engine = make_engine(empty)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaUnknown, match=r"DATABASE_URL.*9999.*install the version"):
        await require_head(engine)
    await engine.dispose()
    with pytest.raises(SchemaUnknown):
        await migrated(empty)
    assert await revision_of(empty) == "9999"


async def test_a_revision_that_does_not_exist_is_one_sentence(empty: URL) -> None:
    with pytest.raises(SettingsError, match="Revisions are 0001"):
        await migrated(empty, "0815")


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("postgresql+asyncpg://nobody:secret@127.0.0.1:1/none", "DATABASE_URL"),
        ("postgresql+asyncpg://nobody:secret@gateway.invalid/none", "DB_HOST"),
        ("sqlite+aiosqlite:////nowhere/at/all.sqlite", "DATA_DIR"),
    ],
)
async def test_an_unreachable_database_names_the_setting(url: str, setting: str) -> None:
    with pytest.raises(DatabaseUnreachable, match=setting) as refused:
        await migrated(make_url(url))
    assert "secret" not in str(refused.value)


async def test_a_database_that_does_not_exist_names_the_setting(postgres_url: str) -> None:
    absent = make_url(postgres_url).set(database="ogw_test_never_made")
    with pytest.raises(DatabaseUnreachable, match=r"does not exist.*DB_NAME"):
        await migrated(absent)
