"""One-time links: instead of a key, a chat gets an address at which its owner can see one once.

The key is issued when the link is opened, not before, so that none lies about unseen. Of a link
only a hash is stored. The page is not here: see `gateway.signin`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from common.tables import key_links, users
from gateway.auth.keys import KeyDesk
from gateway.auth.people import Issued, User
from gateway.auth.secret import hashed, new_secret
from gateway.connections import reading, writing
from gateway.errors import BlockedUser, GatewayError, UnknownLink, UsedLink

GOOD_FOR = timedelta(minutes=10)
REMEMBERED = timedelta(days=1)
"""So long a link that was opened or has expired is told from one that never was."""


@dataclass(frozen=True, slots=True)
class _Link:
    user: User
    days: int
    expires_at: datetime


class Links:
    """Everything raises StoreUnavailable (503). `url` is the public base URL of the gateway."""

    def __init__(self, engine: AsyncEngine, keys: KeyDesk, url: str) -> None:
        self._engine, self._keys, self._url = engine, keys, url

    async def create(self, user: User, days: int, now: datetime) -> str:
        """An address, valid for ten minutes, at which that user gets a key of so many days."""
        secret = new_secret()
        row = {
            "hash": hashed(secret),
            "user_id": user.id,
            "days": days,
            "expires_at": now + GOOD_FOR,
        }
        old = delete(key_links).where(key_links.c.expires_at < now - REMEMBERED)
        async with writing(self._engine) as connection:
            await connection.execute(old)
            await connection.execute(insert(key_links).values(row))
        return f"{self._url}/auth/links/{secret}"

    async def look(self, secret: str, now: datetime) -> datetime:
        """Until when it can be opened; uses nothing up. Raises UnknownLink, UsedLink (404),
        BlockedUser (401)."""
        return (await self._usable(secret, now)).expires_at

    async def open(self, secret: str, now: datetime) -> Issued:
        """The key, once. Where it cannot be issued, the link stays as it was.

        Raises UnknownLink, UsedLink (404), BlockedUser (401), and as KeyDesk.issue.
        """
        link = await self._usable(secret, now)
        if not await self._mark(secret, now):
            raise UsedLink
        try:
            return await self._keys.issue(link.user, link.days, None, now)
        except GatewayError:
            await self._mark(secret, None)
            raise

    async def _usable(self, secret: str, now: datetime) -> _Link:
        query = (
            select(users, key_links.c.days, key_links.c.expires_at, key_links.c.opened_at)
            .join_from(key_links, users)
            .where(key_links.c.hash == hashed(secret), users.c.erased_at.is_(None))
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None or row.expires_at <= now:
            raise UnknownLink
        if row.opened_at is not None:
            raise UsedLink
        if row.blocked_at is not None:
            raise BlockedUser
        user = User(row.id, row.name, row.role, row.created_at, None)
        return _Link(user, row.days, row.expires_at)

    async def _mark(self, secret: str, opened_at: datetime | None) -> bool:
        """Whether this one did it: of two at once, one does."""
        one = update(key_links).where(key_links.c.hash == hashed(secret))
        if opened_at is not None:
            one = one.where(key_links.c.opened_at.is_(None))
        async with writing(self._engine) as connection:
            done = await connection.execute(one.values(opened_at=opened_at))
        return bool(done.rowcount)
