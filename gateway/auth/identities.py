"""Who a user is at login providers: the one place where a person is recognised, or first met.

By provider, tenant and subject alone. E-mail addresses change hands, and whoever runs a mail server
can have any: nobody is ever recognised by one.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unicodedata import normalize

from sqlalchemy import ColumnElement, Row, and_, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import identities, users
from gateway.auth.people import User
from gateway.connections import reading, writing
from gateway.errors import BlockedUser, ErasedUser, StoreUnavailable

MOST_CHARACTERS = 64
MOST_OF_DISPLAY_NAME = 256
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at one provider."""

    provider: str
    """`feishu`, `oidc`, …: the bot and the login of one provider say the same."""
    tenant_key: str
    """The company or issuer within which `subject` is unique; empty where it is everywhere."""
    subject: str


class IdentityStore:
    """Identities and the users they belong to. Everything raises StoreUnavailable (503)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def person(self, identity: Identity, display_name: str, now: datetime) -> User:
        """The user with this identity; a new one, a member, if there was none yet.

        The new user's name is made of `display_name`. However many ask at once, one is made.
        Raises BlockedUser, ErasedUser (401).
        """
        for _ in range(_TRIES):
            try:
                return await self._person(identity, display_name, now)
            except IntegrityError:  # somebody else took the name, or met this person, just now
                continue
        raise StoreUnavailable("No name was free for this user; try again.")

    async def known(self, identity: Identity) -> User | None:
        """None: nobody has come with this identity. Raises BlockedUser, ErasedUser (401)."""
        async with reading(self._engine) as connection:
            row = (await connection.execute(_OWNER.where(is_(identity)))).one_or_none()
        return None if row is None else _admitted(row)

    async def of(self, user_id: int) -> list[Identity]:
        async with reading(self._engine) as connection:
            found = await connection.execute(_IDENTITIES.where(identities.c.user_id == user_id))
            return [Identity(*row) for row in found]

    async def _person(self, identity: Identity, display_name: str, now: datetime) -> User:
        """Raises IntegrityError where somebody else was quicker."""
        async with reading(self._engine) as connection:
            row = (await connection.execute(_OWNER.where(is_(identity)))).one_or_none()
        if row is None:
            async with writing(self._engine) as connection:
                name = await free_name(connection, usable_name(display_name, identity.provider))
                made = await add_member(connection, name, now)
                await connection.execute(
                    insert(identities).values(
                        provider=identity.provider,
                        tenant_key=identity.tenant_key,
                        subject=identity.subject,
                        user_id=made.id,
                        display_name=_plain(display_name)[:MOST_OF_DISPLAY_NAME],
                        created_at=now,
                    )
                )
                return made
        return _admitted(row)


_IDENTITIES = select(identities.c.provider, identities.c.tenant_key, identities.c.subject).order_by(
    identities.c.id
)
_OWNER = select(users).join_from(identities, users)


def is_(identity: Identity) -> ColumnElement[bool]:
    return and_(
        identities.c.provider == identity.provider,
        identities.c.tenant_key == identity.tenant_key,
        identities.c.subject == identity.subject,
    )


async def add_member(connection: AsyncConnection, name: str, now: datetime) -> User:
    """Raises IntegrityError where the name is taken."""
    row = {"name": name, "role": "member", "created_at": now}
    found = (await connection.execute(insert(users).values(row).returning(users))).one()
    return User(found.id, found.name, found.role, found.created_at, None)


async def free_name(connection: AsyncConnection, wanted: str) -> str:
    """`wanted`, or with the first number behind it that nobody has."""
    taken = users.c.name.startswith(wanted, autoescape=True)
    names = set(await connection.scalars(select(users.c.name).where(taken)))
    return first_free(wanted, names)


def first_free(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}-{number}" in taken:
        number += 1
    return f"{wanted}-{number}"


def usable_name(display_name: str, provider: str) -> str:
    """A name that a user can have, and that is written in one way only."""
    shown = _plain(normalize("NFKC", display_name[:MOST_OF_DISPLAY_NAME]))
    name = re.sub(r"\s+", " ", shown.replace("/", "-")).strip()
    return name[: MOST_CHARACTERS - 8].strip() or f"{provider} user"


def _plain(text: str) -> str:
    """What is not printable, and what a database may not take, is a blank."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _admitted(row: Row[*tuple[Any, ...]]) -> User:
    """Raises BlockedUser, ErasedUser."""
    if row.erased_at is not None:
        raise ErasedUser
    if row.blocked_at is not None:
        raise BlockedUser
    return User(row.id, row.name, row.role, row.created_at, None)
