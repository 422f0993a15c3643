"""Users as admins see them, with all the ways in which each can come in; two made one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import (
    access_tokens,
    identities,
    key_links,
    passwords,
    resources,
    users,
    web_sessions,
)
from gateway.auth.identities import Identity, is_
from gateway.auth.people import User
from gateway.connections import reading, writing
from gateway.errors import InvalidRequest, StoreUnavailable, UnknownUser

MOVED = (identities, passwords, access_tokens, resources, key_links)
"""What is somebody's, by `user_id`, and goes with them. Records and usage stay where they are."""
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Person:
    """A user, and how they come in."""

    user: User
    emails: Sequence[str]
    identities: Sequence[Identity]
    valid_tokens: int


class PeopleStore:
    """Everything raises StoreUnavailable (503)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(self, after: int, limit: int, now: datetime | None = None) -> list[Person]:
        """Those with the next ids, in their order."""
        query = _USERS.where(users.c.id > after).order_by(users.c.id).limit(limit)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            return await _people(connection, rows, now or datetime.now(UTC))

    async def one(self, name: str, now: datetime | None = None) -> Person:
        """Raises UnknownUser (404)."""
        async with reading(self._engine) as connection:
            row = await _row(connection, _USERS.where(users.c.name == name), name)
            (found,) = await _people(connection, [row], now or datetime.now(UTC))
            return found

    async def join(self, name: str, other: str) -> tuple[int, int]:
        """The ids of both users, who are one person: all ways in of the second lead to the first,
        and their keys and their files at providers are the first one's.

        The second stays, with the records and the usage that were made under that name, and can
        sign in no more. Raises UnknownUser (404), InvalidRequest (400) for one and the same, or
        where one is blocked.
        """
        async with writing(self._engine) as connection:
            both = _USERS.where(users.c.name.in_([name, other])).order_by(users.c.id)
            rows = {row.name: row for row in await connection.execute(both.with_for_update())}
            for wanted in (name, other):
                if wanted not in rows:
                    raise UnknownUser(f"There is no user called {wanted}.")
                if rows[wanted].blocked_at is not None:
                    raise InvalidRequest(f"{wanted} is blocked: unblock first.", param="user")
            if name == other:
                raise InvalidRequest("These are one user already.", param="user")
            one, two = rows[name].id, rows[other].id
            for table in MOVED:
                theirs = update(table).where(table.c.user_id == two)
                await connection.execute(theirs.values(user_id=one))
            # whoever is signed in as the second signs in again
            await connection.execute(delete(web_sessions).where(web_sessions.c.user_id == two))
            return one, two

    async def give(self, name: str, identity: Identity, now: datetime) -> tuple[int, int | None]:
        """Whoever has this identity from now on is that user, and signs in again. The ids of that
        user, and of the one who had it. Raises UnknownUser (404)."""
        for _ in range(_TRIES):
            try:
                return await self._give(name, identity, now)
            except IntegrityError:  # that person has come for the first time just now
                continue
        raise StoreUnavailable

    async def _give(self, name: str, identity: Identity, now: datetime) -> tuple[int, int | None]:
        """Raises IntegrityError."""
        async with writing(self._engine) as connection:
            query = _USERS.where(users.c.name == name).with_for_update()
            owner = await _row(connection, query, name)
            held = select(identities.c.user_id).where(is_(identity)).with_for_update()
            holder = (await connection.execute(held)).scalar_one_or_none()
            if holder is None:
                row = {"provider": identity.provider, "tenant_key": identity.tenant_key}
                row |= {"subject": identity.subject, "display_name": name}
                made = insert(identities).values(**row, user_id=owner.id, created_at=now)
                await connection.execute(made)
            else:
                one = update(identities).where(is_(identity))
                await connection.execute(one.values(user_id=owner.id))
                theirs = web_sessions.c.user_id == holder
                await connection.execute(delete(web_sessions).where(theirs))
            return owner.id, holder


_USERS = select(users).where(users.c.erased_at.is_(None))
_KNOWN = select(
    identities.c.user_id, identities.c.provider, identities.c.tenant_key, identities.c.subject
).order_by(identities.c.id)
_EMAILS = select(passwords.c.user_id, passwords.c.email).order_by(passwords.c.email)
_COUNTS = select(access_tokens.c.user_id, func.count()).group_by(access_tokens.c.user_id)


async def _row(
    connection: AsyncConnection, query: Select[*tuple[Any, ...]], name: str
) -> Row[*tuple[Any, ...]]:
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise UnknownUser(f"There is no user called {name}.")
    return row


async def _people(
    connection: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]], now: datetime
) -> list[Person]:
    """Three queries, however many they are."""
    ids = [row.id for row in rows]
    known: dict[int, list[Identity]] = {id_: [] for id_ in ids}
    emails: dict[int, list[str]] = {id_: [] for id_ in ids}
    for user_id, *identity in await connection.execute(_KNOWN.where(identities.c.user_id.in_(ids))):
        known[user_id].append(Identity(*identity))
    for user_id, email in await connection.execute(_EMAILS.where(passwords.c.user_id.in_(ids))):
        emails[user_id].append(email)
    counting = _COUNTS.where(
        access_tokens.c.user_id.in_(ids),
        access_tokens.c.revoked_at.is_(None),
        access_tokens.c.expires_at > now,
    )
    counts = {user_id: count for user_id, count in await connection.execute(counting)}
    return [
        Person(_user(row), emails[row.id], known[row.id], counts.get(row.id, 0)) for row in rows
    ]


def _user(row: Row[*tuple[Any, ...]]) -> User:
    return User(row.id, row.name, row.role, row.created_at, row.blocked_at)
