"""What the stores of the read side have in common: a connection that only reads, and the one
predicate that keeps people apart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.tables import users
from gateway.errors import StoreUnavailable
from gateway.whose import Whose


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Raises StoreUnavailable (503)."""
    try:
        async with engine.connect() as connection:
            yield connection
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise StoreUnavailable("The database cannot be reached; try again in a moment.") from error


def owned(user_id: ColumnElement[Any], by: Whose) -> ColumnElement[bool]:
    """The condition on a table's `user_id`; part of every query."""
    if by.user_id is not None:
        return user_id == by.user_id
    if by.user is not None:
        return user_id == select(users.c.id).where(users.c.name == by.user).scalar_subquery()
    return true()
