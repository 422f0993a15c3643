"""Sign-ins that have come back, and who is signed in, in the database. Only hashes of secrets."""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.tables import used_sign_ins, users, web_sessions
from gateway.auth.people import User
from gateway.auth.secret import hashed, new_secret
from gateway.connections import reading, writing
from gateway.errors import BlockedUser
from gateway.signin.session import LASTS, Due

REMEMBERED = timedelta(hours=1)
"""Longer than a sign-in can last (`sign_in.GOOD_FOR_S`)."""


class SignInStore:
    """Raises StoreUnavailable (503) from all it does. The clock is an argument."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def claim(self, state_hash: bytes, now: datetime) -> bool:
        """Whether this state comes back for the first time, at any worker."""
        old = delete(used_sign_ins).where(used_sign_ins.c.used_at < now - REMEMBERED)
        row = insert(used_sign_ins).values(hash=state_hash, used_at=now)
        try:
            async with writing(self._engine) as connection:
                await connection.execute(old)
                await connection.execute(row)
        except IntegrityError:
            return False
        return True

    async def open(self, user_id: int, due: Due | None, now: datetime) -> str:
        """A new session's secret."""
        secret = new_secret()
        row = {
            "hash": hashed(secret),
            "user_id": user_id,
            "created_at": now,
            "expires_at": now + LASTS,
            "due_days": due and due.days,
            "due_name": due and due.name,
        }
        async with writing(self._engine) as connection:
            await connection.execute(delete(web_sessions).where(web_sessions.c.expires_at < now))
            await connection.execute(insert(web_sessions).values(row))
        return secret

    async def user(self, secret: str, now: datetime) -> User | None:
        """Who is signed in; None: nobody, or no more. Raises BlockedUser (401)."""
        query = (
            select(users)
            .join_from(web_sessions, users)
            .where(
                web_sessions.c.hash == hashed(secret),
                web_sessions.c.expires_at > now,
                users.c.erased_at.is_(None),
            )
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is not None and row.blocked_at is not None:
            raise BlockedUser
        return None if row is None else User(row.id, row.name, row.role, row.created_at, None)

    async def want(self, secret: str, due: Due) -> None:
        """A key is to be issued when the page is next shown."""
        async with writing(self._engine) as connection:
            await connection.execute(
                update(web_sessions)
                .where(web_sessions.c.hash == hashed(secret))
                .values(due_days=due.days, due_name=due.name)
            )

    async def take_due(self, secret: str) -> Due | None:
        """The key that is due, for one taker only."""
        mine = web_sessions.c.hash == hashed(secret)
        wanted = (
            select(web_sessions.c.due_days, web_sessions.c.due_name)
            .where(mine, web_sessions.c.due_days.is_not(None))
            .with_for_update()
        )
        async with writing(self._engine) as connection:
            row = (await connection.execute(wanted)).one_or_none()
            if row is None:
                return None
            taken = update(web_sessions).where(mine).values(due_days=None, due_name=None)
            await connection.execute(taken)
        return Due(row.due_days, row.due_name)

    async def close(self, secret: str) -> None:
        async with writing(self._engine) as connection:
            await connection.execute(
                delete(web_sessions).where(web_sessions.c.hash == hashed(secret))
            )
