"""Sign-ins and sessions in both databases: once, for their time, for those who may."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from common.database import make_engine
from common.tables import used_sign_ins, web_sessions
from gateway.auth.store import AuthStore
from gateway.errors import BlockedUser, StoreUnavailable
from gateway.signin.session import LASTS, Due
from gateway.signin.sign_in import state_hash
from gateway.signin.store import REMEMBERED, SignInStore

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DUE = Due(30, "laptop")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(make_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> SignInStore:
    return SignInStore(engine)


@pytest.fixture
async def alice(engine: AsyncEngine) -> int:
    return (await AuthStore(engine).add_user("alice", "member", NOW)).id


async def test_a_state_comes_back_once_however_many_bring_it(store: SignInStore) -> None:
    claims = await asyncio.gather(*(store.claim(state_hash("s"), NOW) for _ in range(8)))
    assert sorted(claims) == [False] * 7 + [True]
    assert await store.claim(state_hash("another"), NOW)


async def test_states_are_forgotten_when_they_are_too_old_to_come_back(
    store: SignInStore, engine: AsyncEngine
) -> None:
    await store.claim(state_hash("s"), NOW)
    await store.claim(state_hash("t"), NOW + REMEMBERED + timedelta(seconds=1))
    async with engine.connect() as connection:
        count = await connection.scalar(select(func.count()).select_from(used_sign_ins))
    assert count == 1


async def test_a_session_is_its_users_until_it_ends(store: SignInStore, alice: int) -> None:
    secret = await store.open(alice, None, NOW)
    user = await store.user(secret, NOW + LASTS - timedelta(seconds=1))
    assert user is not None and (user.id, user.name) == (alice, "alice")
    assert await store.user(secret, NOW + LASTS) is None
    assert await store.user(secret + "x", NOW) is None
    await store.close(secret)
    assert await store.user(secret, NOW) is None


async def test_a_blocked_user_is_not_let_in(
    store: SignInStore, alice: int, engine: AsyncEngine
) -> None:
    secret = await store.open(alice, None, NOW)
    await AuthStore(engine).set_blocked("alice", NOW)
    with pytest.raises(BlockedUser):
        await store.user(secret, NOW)


async def test_a_key_that_is_due_is_taken_once(store: SignInStore, alice: int) -> None:
    secret = await store.open(alice, DUE, NOW)
    taken = await asyncio.gather(*(store.take_due(secret) for _ in range(6)))
    assert sorted(taken, key=str) == [None] * 5 + [DUE] or taken.count(DUE) == 1
    await store.want(secret, Due(1, None))
    assert await store.take_due(secret) == Due(1, None)
    assert await store.take_due(secret) is None
    assert await store.take_due("somebody else's") is None


async def test_the_database_holds_nothing_that_lets_anybody_in(
    store: SignInStore, alice: int, engine: AsyncEngine
) -> None:
    secret = await store.open(alice, DUE, NOW)
    async with engine.connect() as connection:
        row = (await connection.execute(select(web_sessions))).one()
    assert secret not in repr(row) and secret.encode() not in row.hash
    assert await store.user(row.hash.hex(), NOW) is None


async def test_sessions_that_are_over_are_cleared_away(
    store: SignInStore, alice: int, engine: AsyncEngine
) -> None:
    await store.open(alice, None, NOW)
    await store.open(alice, None, NOW + LASTS + timedelta(seconds=1))
    async with engine.connect() as connection:
        count = await connection.scalar(select(func.count()).select_from(web_sessions))
    assert count == 1


async def test_a_database_that_is_away_is_said_so() -> None:
    url = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
    engine = make_engine(make_url(url))
    store = SignInStore(engine)
    for act in (store.claim(b"", NOW), store.user("x", NOW), store.open(1, None, NOW)):
        with pytest.raises(StoreUnavailable):
            await act
    await engine.dispose()
