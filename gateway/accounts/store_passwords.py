"""E-mail addresses with their password hashes, and the users behind them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.tables import passwords, users
from gateway.auth.identities import add_member, free_name, usable_name
from gateway.auth.people import User
from gateway.connections import reading, writing
from gateway.errors import (
    BlockedUser,
    EmailTaken,
    ErasedUser,
    InvalidRequest,
    StoreUnavailable,
    UnknownUser,
)

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Registered:
    """Who may come in with a password."""

    user: User
    hash: str
    erased: bool

    def admitted(self) -> User:
        """Raises BlockedUser, ErasedUser (401)."""
        if self.erased:
            raise ErasedUser
        if self.user.blocked_at is not None:
            raise BlockedUser
        return self.user


class PasswordStore:
    """Everything raises StoreUnavailable (503)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, email: str) -> Registered | None:
        async with reading(self._engine) as connection:
            row = (await connection.execute(_REGISTERED.where(passwords.c.email == email))).first()
        if row is None:
            return None
        user = User(row.id, row.name, row.role, row.created_at, row.blocked_at)
        return Registered(user, row.hash, row.erased_at is not None)

    async def any(self) -> bool:
        """Whether anybody has ever registered."""
        async with reading(self._engine) as connection:
            return (
                await connection.execute(select(passwords.c.email).limit(1))
            ).first() is not None

    async def add(self, email: str, hash_: str, wanted_name: str, now: datetime) -> User:
        """A new user, a member, called that or nearly. Raises EmailTaken (400)."""
        name = usable_name(wanted_name, "registered")
        for _ in range(_TRIES):
            try:
                return await self._add(email, hash_, name, now)
            except IntegrityError:  # somebody else took the name, or the address, just now
                if await self.find(email) is not None:
                    raise EmailTaken from None
        raise StoreUnavailable("No name was free for this user; try again.")

    async def change(self, name: str, email: str | None, hash_: str, now: datetime) -> list[str]:
        """The addresses that a user comes in with from now on by this password: `email`, which
        becomes theirs if it is nobody's; without it, all that they have.

        Raises UnknownUser (404), EmailTaken, InvalidRequest (400) where they have none.
        """
        live = select(users.c.id).where(users.c.name == name, users.c.erased_at.is_(None))
        async with writing(self._engine) as connection:
            user_id = await connection.scalar(live.with_for_update())
            if user_id is None:
                raise UnknownUser(f"There is no user called {name}.")
            wanted = passwords.c.user_id == user_id
            if email is not None:
                wanted = passwords.c.email == email
                holder = await connection.scalar(select(passwords.c.user_id).where(wanted))
                if holder not in (None, user_id):
                    raise EmailTaken("That e-mail address is somebody else's.")
                if holder is None:
                    row = {"email": email, "user_id": user_id, "hash": hash_}
                    row |= {"created_at": now, "changed_at": now}
                    await connection.execute(insert(passwords).values(row))
            changing = update(passwords).where(wanted).values(hash=hash_, changed_at=now)
            found = await connection.execute(changing.returning(passwords.c.email))
            if not (emails := [row.email for row in found]):
                raise InvalidRequest(f"{name} has no e-mail address here: name one.", param="email")
            return emails

    async def _add(self, email: str, hash_: str, name: str, now: datetime) -> User:
        """Raises IntegrityError."""
        async with writing(self._engine) as connection:
            user = await add_member(connection, await free_name(connection, name), now)
            row = {"email": email, "user_id": user.id, "hash": hash_}
            row |= {"created_at": now, "changed_at": now}
            await connection.execute(insert(passwords).values(row))
            return user


_REGISTERED = select(passwords.c.hash, users).join_from(passwords, users)
