"""Users and access tokens in the database. Of a token only its hash is stored.

What is cached of them, and when it is asked for, is in `gateway.auth.principals`. The clock is an
argument of every act; transactions open and commit here.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import access_tokens, users
from gateway.auth.people import AccessToken, Issued, User
from gateway.auth.principal import Principal, Role
from gateway.auth.standing import Standing
from gateway.auth.tokens import hash_token, hint, new_token
from gateway.connections import answering
from gateway.errors import (
    InvalidRequest,
    RevokedToken,
    StoreUnavailable,
    TooManyTokens,
    UnknownToken,
    UnknownUser,
    UserExists,
)

NOTED_EVERY = timedelta(minutes=1)


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
        return await self._change(name, blocked_at=at)

    async def set_role(self, name: str, role: Role) -> User:
        """Raises UnknownUser."""
        return await self._change(name, role=role)

    async def issue(
        self,
        user: str | int,
        days: int,
        name: str | None,
        most: int,
        now: datetime,
        *,
        made_with: Principal | None = None,
        replacing: str | None = None,
    ) -> Issued:
        """A token that lasts so many days; `most` valid ones per user, by name or id.

        `made_with`: whose token asks for it; the new one ends with that. `replacing`: where there
        are `most`, the oldest of those that are called so is revoked to make room.

        Raises UnknownUser, TooManyTokens, InvalidRequest where the user is blocked, RevokedToken
        where that token is.
        """
        token = new_token()
        expires_at = now + timedelta(days=days)
        if made_with is not None:
            expires_at = min(expires_at, datetime.fromtimestamp(made_with.expires_at, UTC))
        async with self._engine.begin() as connection:
            # locked, so that two at once do not pass the limit together
            owner = await _find_user(connection, _one_user(user).with_for_update(), user)
            if owner.blocked_at is not None:
                raise InvalidRequest(f"{owner.name} is blocked: run `gateway user unblock` first.")
            if made_with is not None and not await _is_valid(connection, made_with.token_id, now):
                raise RevokedToken
            replaced = await _make_room(connection, owner, most, now, replacing)
            row = {
                "user_id": owner.id,
                "name": name and _usable(name),
                "hash": hash_token(token),
                "hint": hint(token),
                "created_at": now,
                "expires_at": expires_at,
                "made_with": made_with.token_id if made_with else None,
            }
            made = insert(access_tokens).values(row).returning(access_tokens.c.id)
            number = (await connection.execute(made)).scalar_one()
        return Issued(number, expires_at, token, replaced)

    async def tokens(
        self,
        user: str | int | None = None,
        *,
        before: int | None = None,
        limit: int | None = None,
        valid_at: datetime | None = None,
    ) -> list[AccessToken]:
        """Newest first; of one user or of all; with ids below `before`; only those that are valid
        then. Raises UnknownUser."""
        query = _TOKENS
        async with self._engine.connect() as connection:
            if user is not None:
                owner = await _find_user(connection, _one_user(user), user)
                query = query.where(users.c.id == owner.id)
            if before is not None:
                query = query.where(access_tokens.c.id < before)
            if valid_at is not None:
                query = query.where(_valid(valid_at))
            newest = query.order_by(access_tokens.c.id.desc()).limit(limit)
            found = await connection.execute(newest)
            return [AccessToken(*row) for row in found]

    async def revoke(
        self, token_id: int, now: datetime, *, user_id: int | None = None
    ) -> AccessToken:
        """With it all that were made with it; revoking twice keeps the first time.

        `user_id`: only if it is theirs. Raises UnknownToken.
        """
        one = _TOKENS.where(access_tokens.c.id == token_id)
        if user_id is not None:
            one = one.where(access_tokens.c.user_id == user_id)
        async with self._engine.begin() as connection:
            # its user is locked, as in `issue`: none is made with it meanwhile
            if (await connection.execute(one.with_for_update(of=users))).first() is None:
                raise UnknownToken(f"There is no access token with the id {token_id}.")
            await _revoke(connection, token_id, now)
            return AccessToken(*(await connection.execute(one)).one())

    async def family(self, token_id: int) -> list[int]:
        """The ids of a token and of all that were made with it, directly or not."""
        async with self._engine.connect() as connection:
            return list((await connection.scalars(_FAMILY, {"eldest": token_id})).all())

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

    async def barred(self, user_ids: Collection[int]) -> list[int]:
        """Those of these users who are blocked or erased. Raises StoreUnavailable (503)."""
        query = select(users.c.id).where(
            users.c.id.in_([*user_ids]),
            or_(users.c.blocked_at.is_not(None), users.c.erased_at.is_not(None)),
        )
        with answering():
            async with self._engine.connect() as connection:
                return list(await connection.scalars(query))

    async def note_used(self, used_at: Mapping[int, datetime]) -> None:
        """When each token was last used, by its id; written at most once a minute each, however
        many workers come with it. Raises StoreUnavailable (503)."""
        rows = [
            {"token": token, "at": at, "before": at - NOTED_EVERY}
            for token, at in sorted(used_at.items())
        ]
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_USED, rows)
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable from error

    async def _change(self, name: str, **values: object) -> User:
        """Raises UnknownUser."""
        change = update(users).where(users.c.name == _usable(name), users.c.erased_at.is_(None))
        async with self._engine.begin() as connection:
            found = await connection.execute(change.values(values).returning(users))
            if (row := found.one_or_none()) is None:
                raise UnknownUser(f"There is no user called {name}.")
            return _user(row)


_USERS = select(users).where(users.c.erased_at.is_(None))
_eldest = select(access_tokens.c.id).where(access_tokens.c.id == bindparam("eldest"))
_family = _eldest.cte("family", recursive=True)
_FAMILY = select(
    _family.union_all(
        select(access_tokens.c.id).where(access_tokens.c.made_with == _family.c.id)
    ).c.id
)
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
    .where(
        access_tokens.c.id == bindparam("token"),
        or_(
            access_tokens.c.last_used_at.is_(None),
            access_tokens.c.last_used_at
            <= bindparam("before", type_=access_tokens.c.last_used_at.type),
        ),
    )
    .values(last_used_at=bindparam("at"))
)


async def _find_user(
    connection: AsyncConnection, query: Select[*tuple[Any, ...]], name: str | int
) -> User:
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise UnknownUser(f"There is no user called {name}.")
    return _user(row)


def _one_user(user: str | int) -> Select[*tuple[Any, ...]]:
    if isinstance(user, int):
        return _USERS.where(users.c.id == user)
    return _USERS.where(users.c.name == _usable(user))


def _valid(now: datetime) -> ColumnElement[bool]:
    return and_(access_tokens.c.revoked_at.is_(None), access_tokens.c.expires_at > now)


async def _is_valid(connection: AsyncConnection, token_id: int, now: datetime) -> bool:
    query = select(access_tokens.c.id).where(access_tokens.c.id == token_id, _valid(now))
    return (await connection.execute(query)).first() is not None


async def _make_room(
    connection: AsyncConnection, owner: User, most: int, now: datetime, replacing: str | None
) -> tuple[int, ...]:
    """For one more valid token: those that were revoked for it. Raises TooManyTokens."""
    query = select(access_tokens.c.id, access_tokens.c.name).where(
        access_tokens.c.user_id == owner.id, _valid(now)
    )
    valid = (await connection.execute(query.order_by(access_tokens.c.id))).all()
    if len(valid) < most:
        return ()
    oldest = next((one.id for one in valid if replacing and one.name == replacing), None)
    if oldest is None:
        raise TooManyTokens(
            f"{owner.name} has {most} valid access tokens, as many as TOKENS_PER_USER allows:"
            " revoke one, or raise it."
        )
    return await _revoke(connection, oldest, now)


async def _revoke(connection: AsyncConnection, token_id: int, now: datetime) -> tuple[int, ...]:
    """It and all that were made with it: their ids."""
    ids = tuple((await connection.scalars(_FAMILY, {"eldest": token_id})).all())
    change = update(access_tokens).where(
        access_tokens.c.id.in_(ids), access_tokens.c.revoked_at.is_(None)
    )
    await connection.execute(change.values(revoked_at=now))
    return ids


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
