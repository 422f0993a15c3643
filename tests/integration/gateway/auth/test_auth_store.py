"""Users and access tokens in both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import access_tokens, users
from gateway.auth.store import AuthStore
from gateway.auth.tokens import hash_token, new_token
from gateway.errors import (
    InvalidRequest,
    StoreUnavailable,
    TooManyTokens,
    UnknownToken,
    UnknownUser,
    UserExists,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> AuthStore:
    return AuthStore(engine)


async def test_a_user_is_added_once(store: AuthStore) -> None:
    alice = await store.add_user("  Älice 王 ", "member", NOW)
    assert (alice.name, alice.role, alice.created_at) == ("Älice 王", "member", NOW)
    with pytest.raises(UserExists):
        await store.add_user("Älice 王", "admin", NOW)
    await store.add_user("bob", "admin", NOW)
    assert [(u.name, u.role) for u in await store.users()] == [
        ("bob", "admin"),
        ("Älice 王", "member"),
    ] or [u.name for u in await store.users()] == ["Älice 王", "bob"]  # collations differ


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * 65, "\ud800", "\u202ebob"])
async def test_a_name_that_cannot_be_one_is_refused(store: AuthStore, name: str) -> None:
    for act in (store.add_user(name, "member", NOW), store.issue(name, 1, None, 5, NOW)):
        with pytest.raises(InvalidRequest):
            await act


async def test_a_token_is_found_by_its_hash_with_its_user(store: AuthStore) -> None:
    await store.add_user("alice", "admin", NOW)
    issued = await store.issue("alice", 10, "laptop", 5, NOW)
    found = await store.find([hash_token(issued.token), hash_token(new_token())])
    assert list(found) == [hash_token(issued.token)]
    standing = found[hash_token(issued.token)]
    principal = standing.principal
    assert (principal.user, principal.role, principal.token_id) == ("alice", "admin", issued.id)
    assert principal.expires_at == (NOW + timedelta(days=10)).timestamp()
    assert not standing.revoked and not standing.blocked


async def test_only_the_hash_is_stored(store: AuthStore, engine: AsyncEngine) -> None:
    await store.add_user("alice", "member", NOW)
    issued = await store.issue("alice", 10, "laptop", 5, NOW)
    async with engine.connect() as connection:
        row = (await connection.execute(select(access_tokens))).one()
    assert row.hash == hash_token(issued.token)
    values = " ".join(str(value) for value in row)
    assert issued.token not in values and issued.token[4:47] not in values
    assert row.hint == issued.token[-4:]


async def test_revoking_and_blocking_show_in_the_standing(store: AuthStore) -> None:
    alice = await store.add_user("alice", "member", NOW)
    one, other = [await store.issue("alice", 10, None, 5, NOW) for _ in range(2)]
    later = NOW + timedelta(hours=1)
    assert (await store.revoke(one.id, later)).revoked_at == later
    assert (await store.revoke(one.id, later + timedelta(hours=1))).revoked_at == later
    assert (await store.set_blocked("alice", later)).blocked_at == later
    found = await store.find([hash_token(one.token), hash_token(other.token)])
    assert [found[hash_token(t.token)].revoked for t in (one, other)] == [True, False]
    assert all(standing.blocked for standing in found.values())
    assert (await store.set_blocked("alice", None)).id == alice.id
    found = await store.find([hash_token(other.token)])
    assert not found[hash_token(other.token)].blocked


async def test_what_does_not_exist_is_said_so(store: AuthStore) -> None:
    for act in (
        store.user("nobody"),
        store.issue("nobody", 1, None, 5, NOW),
        store.set_blocked("nobody", NOW),
        store.tokens("nobody"),
    ):
        with pytest.raises(UnknownUser, match="nobody"):
            await act
    with pytest.raises(UnknownToken, match="4711"):
        await store.revoke(4711, NOW)
    assert await store.find([hash_token(new_token())]) == {}


async def test_a_user_has_so_many_valid_tokens_and_no_more(store: AuthStore) -> None:
    await store.add_user("alice", "member", NOW)
    first, *_ = [await store.issue("alice", 10, None, 3, NOW) for _ in range(3)]
    with pytest.raises(TooManyTokens):
        await store.issue("alice", 10, None, 3, NOW)
    await store.revoke(first.id, NOW)
    await store.issue("alice", 10, None, 3, NOW)
    await store.issue("alice", 10, None, 3, NOW + timedelta(days=11))  # those have expired


async def test_the_limit_holds_for_many_at_once(store: AuthStore) -> None:
    await store.add_user("alice", "member", NOW)

    async def attempt() -> bool:
        try:
            await store.issue("alice", 10, None, 3, NOW)
        except TooManyTokens:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt() for _ in range(8)))) == 3


async def test_a_blocked_user_is_issued_nothing(store: AuthStore) -> None:
    await store.add_user("alice", "member", NOW)
    await store.set_blocked("alice", NOW)
    with pytest.raises(InvalidRequest, match="unblock"):
        await store.issue("alice", 10, None, 5, NOW)


async def test_tokens_are_listed_newest_first(store: AuthStore) -> None:
    for name in ("alice", "bob"):
        await store.add_user(name, "member", NOW)
        await store.issue(name, 10, f"of {name}", 5, NOW)
    assert [(t.user, t.name) for t in await store.tokens()] == [
        ("bob", "of bob"),
        ("alice", "of alice"),
    ]
    (token,) = await store.tokens("alice")
    assert token.created_at == NOW and token.last_used_at is None and len(token.hint) == 4


async def test_last_use_is_noted(store: AuthStore) -> None:
    await store.add_user("alice", "member", NOW)
    issued = [await store.issue("alice", 10, None, 5, NOW) for _ in range(2)]
    later = NOW + timedelta(hours=1)
    await store.note_used({issued[1].id: later, issued[0].id: NOW, 4711: NOW})
    assert [t.last_used_at for t in await store.tokens()] == [later, NOW]
    within = {issued[0].id: NOW + timedelta(seconds=59), issued[1].id: NOW}
    await store.note_used(within)  # by other workers
    assert [t.last_used_at for t in await store.tokens()] == [later, NOW]
    await store.note_used({issued[0].id: NOW + timedelta(seconds=60)})
    assert (await store.tokens())[1].last_used_at == NOW + timedelta(seconds=60)


async def test_the_first_user_is_made_once(store: AuthStore) -> None:
    made = await asyncio.gather(*(store.first_user("admin", NOW) for _ in range(6)))
    (admin,) = [user for user in made if user]
    assert (admin.name, admin.role) == ("admin", "admin")
    assert len(await store.users()) == 1


async def test_an_erased_user_is_gone_but_not_forgotten(
    store: AuthStore, engine: AsyncEngine
) -> None:
    await store.add_user("alice", "member", NOW)
    issued = await store.issue("alice", 10, None, 5, NOW)
    async with engine.begin() as connection:
        await connection.execute(users.update().values(erased_at=NOW))
    assert await store.users() == []
    with pytest.raises(UnknownUser):
        await store.set_blocked("alice", None)
    assert (await store.find([hash_token(issued.token)]))[hash_token(issued.token)].blocked
    assert await store.first_user("admin", NOW) is None


@pytest.mark.parametrize(
    "name", ["' OR '1'='1", "alice'; DROP TABLE users; --", '" OR 1=1', "%", "_", "\\", "{0}"]
)
async def test_sql_in_a_name_is_a_name(store: AuthStore, name: str) -> None:
    await store.add_user("alice", "member", NOW)
    with pytest.raises(UnknownUser):
        await store.user(name)
    assert (await store.add_user(name, "member", NOW)).name == name
    assert (await store.issue(name, 1, name, 5, NOW)).id
    assert len(await store.users()) == 2


async def test_a_store_that_cannot_be_reached_says_so() -> None:
    for url in ("postgresql+asyncpg://nobody@127.0.0.1:1/none", "sqlite+aiosqlite:////no/where"):
        engine = make_engine(make_url(url))
        store = AuthStore(engine)
        for act in (store.find([bytes(32)]), store.note_used({1: NOW})):
            with pytest.raises(StoreUnavailable) as refused:
                await act
            assert refused.value.status == 503
        await engine.dispose()
