"""People and their access tokens, made in the database itself: quicker than by command line."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import create_async_engine

from common.tables import access_tokens, users
from gateway.auth.keys import KeyDesk, KeyTerms
from gateway.auth.links import Links
from gateway.auth.principals import Principals
from gateway.auth.store import AuthStore


def join(database: str, name: str, *, admin: bool = False) -> str:
    """A new user's access token."""
    return asyncio.run(_join(database, name, admin))


def expire(database: str, name: str) -> None:
    """All tokens of that user, a while ago."""
    asyncio.run(_expire(database, name))


async def make_link(database: str, url: str, name: str) -> str:
    """The address of a one-time link for a new user, as a bot would make it."""
    engine, now = create_async_engine(database), datetime.now(UTC)
    try:
        store = AuthStore(engine)
        keys = KeyDesk(store, Principals(store), KeyTerms(10, 90, 5))
        user = await store.add_user(name, "member", now)
        return await Links(engine, keys, url).create(user, 10, now)
    finally:
        await engine.dispose()


async def _join(database: str, name: str, admin: bool) -> str:
    engine, now = create_async_engine(database), datetime.now(UTC)
    try:
        store = AuthStore(engine)
        await store.add_user(name, "admin" if admin else "member", now)
        return (await store.issue(name, 10, None, 1, now)).token
    finally:
        await engine.dispose()


async def _expire(database: str, name: str) -> None:
    engine = create_async_engine(database)
    theirs = select(users.c.id).where(users.c.name == name).scalar_subquery()
    past = update(access_tokens).where(access_tokens.c.user_id == theirs)
    try:
        async with engine.begin() as connection:
            await connection.execute(past.values(expires_at=datetime(2026, 1, 1, tzinfo=UTC)))
    finally:
        await engine.dispose()
