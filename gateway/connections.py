"""Connections for the stores behind endpoints, which say when the database is away."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.errors import StoreUnavailable


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Raises StoreUnavailable (503)."""
    with answering():
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction. Raises IntegrityError, StoreUnavailable (503)."""
    with answering():
        async with engine.begin() as connection:
            yield connection


@contextmanager
def answering() -> Iterator[None]:
    """Around what asks the database. Raises IntegrityError, StoreUnavailable (503)."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise StoreUnavailable("The database cannot be reached; try again in a moment.") from error


def inserting(connection: AsyncConnection) -> Callable[..., Any]:
    """The INSERT of this database, with its ON CONFLICT: both have the same."""
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
