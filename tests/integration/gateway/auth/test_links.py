"""One-time links in both databases: a key when opened, once, within ten minutes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import key_links
from gateway.auth.keys import KeyDesk, KeyTerms
from gateway.auth.links import GOOD_FOR, Links
from gateway.auth.people import Issued, User
from gateway.auth.principals import Principals
from gateway.auth.store import AuthStore
from gateway.errors import BlockedUser, TooManyTokens, UnknownLink, UsedLink

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> AuthStore:
    return AuthStore(engine)


@pytest.fixture
def keys(store: AuthStore) -> KeyDesk:
    return KeyDesk(store, Principals(store), KeyTerms(10, 90, 2))


@pytest.fixture
def links(engine: AsyncEngine, keys: KeyDesk) -> Links:
    return Links(engine, keys, "https://team.example")


@pytest.fixture
async def alice(store: AuthStore) -> User:
    return await store.add_user("alice", "member", NOW)


async def secret_of(links: Links, user: User) -> str:
    url = await links.create(user, 30, NOW)
    place, _, secret = url.rpartition("/")
    assert place == "https://team.example/auth/links" and len(secret) >= 43
    return secret


async def test_looking_uses_nothing_up_opening_does(
    links: Links, keys: KeyDesk, alice: User
) -> None:
    secret = await secret_of(links, alice)
    for _ in range(3):
        assert await links.look(secret, NOW) == NOW + GOOD_FOR
    assert await keys.own(alice) == []
    issued = await links.open(secret, NOW + timedelta(minutes=9))
    assert issued.expires_at == NOW + timedelta(minutes=9, days=30)
    assert [key.id for key in await keys.own(alice)] == [issued.id]
    for act in (links.look(secret, NOW), links.open(secret, NOW)):
        with pytest.raises(UsedLink):
            await act


async def test_of_many_who_open_at_once_one_gets_a_key(
    links: Links, keys: KeyDesk, alice: User
) -> None:
    secret = await secret_of(links, alice)
    opened = await asyncio.gather(
        *(links.open(secret, NOW) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(one, Issued) for one in opened) == 1
    assert sum(isinstance(one, UsedLink) for one in opened) == 5
    assert len(await keys.own(alice)) == 1


async def test_a_link_lasts_ten_minutes(links: Links, alice: User) -> None:
    secret = await secret_of(links, alice)
    with pytest.raises(UnknownLink):
        await links.look(secret, NOW + GOOD_FOR)
    with pytest.raises(UnknownLink):
        await links.open("made-up", NOW)


async def test_a_link_that_cannot_be_honoured_yet_stays(
    links: Links, keys: KeyDesk, alice: User
) -> None:
    secret = await secret_of(links, alice)
    first, _ = [await keys.issue(alice, 1, None, NOW) for _ in range(2)]
    with pytest.raises(TooManyTokens):
        await links.open(secret, NOW)
    await keys.revoke(alice, first.id, NOW)
    assert (await links.open(secret, NOW)).token


async def test_a_blocked_user_gets_no_key(links: Links, keys: KeyDesk, alice: User) -> None:
    secret = await secret_of(links, alice)
    await keys.block("alice", NOW)
    with pytest.raises(BlockedUser):
        await links.open(secret, NOW)


async def test_the_database_holds_no_secret(links: Links, alice: User, engine: AsyncEngine) -> None:
    secret = await secret_of(links, alice)
    async with engine.connect() as connection:
        row = (await connection.execute(select(key_links))).one()
    assert secret not in repr(row)
    with pytest.raises(UnknownLink):
        await links.open(row.hash.hex(), NOW)
