"""What an installation has in its database, read beside the gateway: SQLite or Postgres alike."""

import asyncio
import json
import zlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.engine import Row, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from common.tables import conversations, exchanges, link_queue, records, users
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Usage:
    """Token counts of a call as the database has them, and who counted."""

    prompt: int | None
    completion: int | None
    cached: int | None
    reasoning: int | None
    source: str | None


class Stored:
    """The database behind one installation."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)

    def rows(self, statement: Select[Any]) -> list[Row[Any]]:
        return asyncio.run(self._rows(statement))

    async def _rows(self, statement: Select[Any]) -> list[Row[Any]]:
        engine = create_async_engine(self._url, poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                return list(await connection.execute(statement))
        finally:
            await engine.dispose()

    def record(self, request_id: str) -> Row[Any]:
        """The one record of a call, as soon as it is there."""
        wanted = select(records).where(records.c.id == UUID(request_id))
        [record] = eventually(lambda: self.rows(wanted), f"the record {request_id}")
        return record

    def usage(self, request_id: str) -> Usage:
        record = self.record(request_id)
        return Usage(
            record.prompt_tokens,
            record.completion_tokens,
            record.cached_tokens,
            record.reasoning_tokens,
            record.usage_source,
        )

    def request(self, request_id: str) -> Any:
        """The stored body of a request in JSON."""
        record = self.record(request_id)
        return json.loads(_body(record.request, record.codec))

    def answer(self, request_id: str) -> bytes:
        """The stored body of an answer: what the client was sent."""
        record = self.record(request_id)
        return _body(record.response, record.codec)

    def exchange(self, request_id: str) -> Row[Any]:
        """A call's place in its conversation, as soon as it has one."""
        wanted = select(exchanges).where(exchanges.c.id == UUID(request_id))
        [exchange] = eventually(lambda: self.rows(wanted), f"the exchange {request_id}")
        return exchange

    def conversation(self, request_id: str) -> UUID:
        conversation: UUID = self.exchange(request_id).conversation_id
        return conversation

    def parent(self, request_id: str) -> str | None:
        parent: UUID | None = self.exchange(request_id).parent_id
        return None if parent is None else str(parent)

    def records_of(self, user: str, at_least: int = 0) -> list[Row[Any]]:
        """Oldest first, as soon as there are so many."""
        joined = records.join(users, users.c.id == records.c.user_id)
        wanted = select(records).select_from(joined).where(users.c.name == user)

        def found() -> list[list[Row[Any]]]:
            rows = self.rows(wanted.order_by(records.c.id))
            return [rows] if len(rows) >= at_least else []

        [rows] = eventually(found, f"{at_least} records of {user}")
        return rows

    def conversations_of(self, user: str) -> list[Row[Any]]:
        joined = conversations.join(users, users.c.id == conversations.c.user_id)
        return self.rows(select(conversations).select_from(joined).where(users.c.name == user))

    def linked(self) -> None:
        """Waits until no record is left that the linker has yet to place."""
        left = select(func.count()).select_from(link_queue)
        eventually(lambda: self.rows(left)[0][0] == 0, "the linker")


def _body(stored: bytes | None, codec: int) -> bytes:
    assert stored is not None, "the body was not stored"
    return zlib.decompress(stored) if codec == 1 else bytes(stored)
