"""Users and access tokens in the database. Of a token only its hash is stored.

What is cached of them, and when it is asked for, is in `gateway.auth.principals`. The clock is an
argument of every act; transactions open and commit here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, bindparam, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import access_tokens, users
from gateway.auth.people import AccessToken, Issued, User
from gateway.auth.principal import Principal, Role
from gateway.auth.standing import Standing
from gateway.auth.tokens import hash_token, hint, new_token
from gateway.errors import (
    InvalidRequest,
    StoreUnavailable,
    TooManyTokens,
    UnknownToken,
    UnknownUser,
    UserExists,
)


class AuthStore:
    """Users and access tokens, in the database behind `engine`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add_user(self, name: str, role: Role, now: datetime) -> User:
        """Raises UserExists, InvalidRequest for a name that cannot be one."""
        row = {"name": _usable(name), "role": role, "created_at": now}
        try:
            async with self._engine.begin() as connection:
                found = await connection.execute(insert(users).values(row).returning(users))
                return _user(found.one())
        except IntegrityError:
            raise UserExists(f"There is a user called {row['name']} already.") from None

    async def first_user(self, name: str, now: datetime) -> User | None:
        """An admin, where there are no users at all; None: there are, or somebody was quicker."""
        row = {"name": name, "role": "admin", "created_at": now}
        try:
            async with self._engine.begin() as connection:
                if await connection.scalar(select(exists().select_from(users))):
                    return None
                found = await connection.execute(insert(users).values(row).returning(users))
                return _user(found.one())
        except IntegrityError:
            return None

    async def users(self) -> list[User]:
        async with self._engine.connect() as connection:
            return [_user(row) for row in await connection.execute(_USERS.order_by(users.c.name))]

    async def user(self, name: str) -> User:
        """Raises UnknownUser."""
        async with self._engine.connect() as connection:
            return await _find_user(connection, _USERS.where(users.c.name == _usable(name)), name)

    async def set_blocked(self, name: str, at: datetime | None) -> User:
        """Block at this time, or unblock by None. Raises UnknownUser."""
        change = update(users).where(users.c.name == _usable(name), users.c.erased_at.is_(None))
        async with self._engine.begin() as connection:
            found = await connection.execute(change.values(blocked_at=at).returning(users))
            if (row := found.one_or_none()) is None:
                raise UnknownUser(f"There is no user called {name}.")
            return _user(row)

    async def issue(
        self, user: str, days: int, name: str | None, most: int, now: datetime
    ) -> Issued:
        """A token that lasts so many days; `most` valid ones per user.

        Raises UnknownUser, TooManyTokens, InvalidRequest where the user is blocked.
        """
        token = new_token()
        expires_at = now + timedelta(days=days)
        async with self._engine.begin() as connection:
            # locked, so that two at once do not pass the limit together
            named = _USERS.where(users.c.name == _usable(user)).with_for_update()
            owner = await _find_user(connection, named, user)
            if owner.blocked_at is not None:
                raise InvalidRequest(f"{user} is blocked: run `gateway user unblock` first.")
            if await _count_valid(connection, owner.id, now) >= most:
                raise TooManyTokens(
                    f"{user} has {most} valid access tokens, as many as TOKENS_PER_USER allows:"
                    " revoke one, or raise it."
                )
            row = {
                "user_id": owner.id,
                "name": name and _usable(name),
                "hash": hash_token(token),
                "hint": hint(token),
                "created_at": now,
                "expires_at": expires_at,
            }
            made = insert(access_tokens).values(row).returning(access_tokens.c.id)
            return Issued((await connection.execute(made)).scalar_one(), expires_at, token)

    async def tokens(self, user: str | None = None) -> list[AccessToken]:
        """Newest first; of one user or of all. Raises UnknownUser."""
        if user is not None:
            await self.user(user)
        query = _TOKENS if user is None else _TOKENS.where(users.c.name == user)
        async with self._engine.connect() as connection:
            found = await connection.execute(query.order_by(access_tokens.c.id.desc()))
            return [AccessToken(*row) for row in found]

    async def revoke(self, token_id: int, now: datetime) -> AccessToken:
        """Revoking twice keeps the first time. Raises UnknownToken."""
        one = access_tokens.c.id == token_id
        change = update(access_tokens).where(one, access_tokens.c.revoked_at.is_(None))
        async with self._engine.begin() as connection:
            await connection.execute(change.values(revoked_at=now))
            row = (await connection.execute(_TOKENS.where(one))).one_or_none()
        if row is None:
            raise UnknownToken(f"There is no access token with the id {token_id}.")
        return AccessToken(*row)

    async def find(self, hashes: Sequence[bytes]) -> dict[bytes, Standing]:
        """What is known of each of these tokens; one that is missing does not exist.

        Raises StoreUnavailable (503).
        """
        try:
            async with self._engine.connect() as connection:
                found = await connection.execute(_STANDINGS, {"hashes": list(hashes)})
                return {row.hash: _standing(row) for row in found}
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable from error

    async def note_used(self, used_at: Mapping[int, datetime]) -> None:
        """When each token was last used, by its id. Raises StoreUnavailable (503)."""
        rows = [{"token": token, "at": at} for token, at in sorted(used_at.items())]
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_USED, rows)
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable from error


_USERS = select(users).where(users.c.erased_at.is_(None))
_TOKENS = select(
    access_tokens.c.id,
    users.c.name.label("user"),
    access_tokens.c.name,
    access_tokens.c.hint,
    access_tokens.c.created_at,
    access_tokens.c.expires_at,
    access_tokens.c.revoked_at,
    access_tokens.c.last_used_at,
).join_from(access_tokens, users)
_STANDINGS = (
    select(
        access_tokens.c.hash,
        access_tokens.c.id,
        access_tokens.c.user_id,
        access_tokens.c.expires_at,
        access_tokens.c.revoked_at,
        users.c.name,
        users.c.role,
        func.coalesce(users.c.blocked_at, users.c.erased_at).label("barred_at"),
    )
    .join_from(access_tokens, users)
    .where(access_tokens.c.hash.in_(bindparam("hashes", expanding=True)))
)
_USED = (
    update(access_tokens)
    .where(access_tokens.c.id == bindparam("token"))
    .values(last_used_at=bindparam("at"))
)


async def _find_user(
    connection: AsyncConnection, query: Select[*tuple[Any, ...]], name: str
) -> User:
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise UnknownUser(f"There is no user called {name}.")
    return _user(row)


async def _count_valid(connection: AsyncConnection, user_id: int, now: datetime) -> int:
    query = select(func.count()).where(
        access_tokens.c.user_id == user_id,
        access_tokens.c.revoked_at.is_(None),
        access_tokens.c.expires_at > now,
    )
    return (await connection.execute(query)).scalar_one()


def _usable(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 64 or not name.isprintable():
        raise InvalidRequest("A name has 1 to 64 printable characters.", param="name")
    return name


def _user(row: Row[*tuple[Any, ...]]) -> User:
    return User(row.id, row.name, row.role, row.created_at, row.blocked_at)


def _standing(row: Row[*tuple[Any, ...]]) -> Standing:
    principal = Principal(row.user_id, row.name, row.role, row.id, row.expires_at.timestamp())
    return Standing(principal, row.revoked_at is not None, row.barred_at is not None)
