"""What is there before the gateway serves: schema, first user, first token; by several at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from common.database import DatabaseUnreachable, make_engine
from common.schema import HEAD, SchemaUnknown, stored_revision
from common.settings import SettingsError
from gateway.auth.people import AccessToken, User
from gateway.auth.tokens import well_formed
from gateway.prepare import apply_migrations, opened, prepare
from gateway.settings import GatewaySettings


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> GatewaySettings:
    """Settings of a gateway that was never started."""
    if request.param == "sqlite":
        return GatewaySettings(data_dir=tmp_path)
    return GatewaySettings(data_dir=tmp_path, database_url=request.getfixturevalue("postgres_url"))


@pytest.fixture
def migrated(database_url: str, tmp_path: Path) -> GatewaySettings:
    """Settings of a gateway whose database has the schema, and nobody in it."""
    return GatewaySettings(data_dir=tmp_path, database_url=database_url)


def people(settings: GatewaySettings) -> tuple[list[User], list[AccessToken]]:
    async def read() -> tuple[list[User], list[AccessToken]]:
        async with opened(settings) as store:
            return await store.users(), await store.tokens()

    return asyncio.run(read())


def execute(settings: GatewaySettings, statement: str) -> None:
    async def run() -> None:
        engine = make_engine(settings.database)
        async with engine.begin() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(run())


def test_the_first_start_migrates_and_shows_a_token_of_admin(fresh: GatewaySettings) -> None:
    prepared = prepare(fresh, show_token=True)
    assert prepared.migrated and prepared.first_token and well_formed(prepared.first_token)
    ((admin,), (token,)) = people(fresh)
    assert (admin.name, admin.role, token.user) == ("admin", "admin", "admin")
    assert token.hint == prepared.first_token[-4:]
    assert (token.expires_at - datetime.now(UTC)).days == fresh.token_days - 1


def test_a_second_start_changes_nothing(migrated: GatewaySettings) -> None:
    prepare(migrated, show_token=True)
    again = prepare(migrated, show_token=True)
    assert not again.migrated and again.first_token is None
    assert len(people(migrated)[1]) == 1


def test_no_token_is_issued_where_nobody_would_see_it(migrated: GatewaySettings) -> None:
    assert prepare(migrated, show_token=False).first_token is None
    assert prepare(migrated, show_token=True).first_token is None
    assert people(migrated)[1] == []


def test_who_has_users_is_given_no_admin(migrated: GatewaySettings) -> None:
    execute(
        migrated,
        "INSERT INTO users (name, role, created_at) VALUES ('bob', 'member', '2026-11-21 12:00')",
    )
    assert prepare(migrated, show_token=True).first_token is None
    assert [user.name for user in people(migrated)[0]] == ["bob"]


def test_several_that_start_at_once_agree(fresh: GatewaySettings) -> None:
    with ThreadPoolExecutor(4) as threads:
        started = list(threads.map(lambda _: prepare(fresh, show_token=True), range(4)))
    assert sum(prepared.first_token is not None for prepared in started) == 1
    users, tokens = people(fresh)
    assert len(users) == len(tokens) == 1


def test_a_newer_database_is_refused_and_left_alone(migrated: GatewaySettings) -> None:
    execute(migrated, "UPDATE alembic_version SET version_num = '9999'")
    for act in (lambda: prepare(migrated, False), lambda: apply_migrations(migrated.database)):
        with pytest.raises(SettingsError, match=r"DATABASE_URL.*9999.*install the version"):
            act()
    with pytest.raises(SchemaUnknown):
        people(migrated)


def test_migrations_go_back_and_forth(migrated: GatewaySettings) -> None:
    engine = make_engine(migrated.database)

    async def revision() -> str | None:
        try:
            return await stored_revision(engine)
        finally:
            await engine.dispose()

    apply_migrations(migrated.database, down="base")
    assert asyncio.run(revision()) is None
    assert prepare(migrated, show_token=False).migrated
    assert asyncio.run(revision()) == HEAD
    with pytest.raises(SettingsError, match="Revisions are"):
        apply_migrations(migrated.database, down="0815")


def test_an_unreachable_database_is_one_sentence(tmp_path: Path) -> None:
    address = "postgresql://nobody:canary-secret@127.0.0.1:1/none"
    settings = GatewaySettings(data_dir=tmp_path, database_url=address)
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1.*DATABASE_URL") as refused:
        prepare(settings, show_token=True)
    assert "canary-secret" not in str(refused.value)
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        apply_migrations(make_url(settings.database))
