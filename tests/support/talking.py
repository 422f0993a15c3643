"""People who talk to models, as the consumer stores it; and where each exchange should end up.

`Talk` makes rows of `records`; `expected_places` is the rule of `consumer.conversations`, applied
to a whole set of exchanges at once without any database.
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from common.tables import conversations, exchanges, link_queue, messages, nodes, records
from consumer.conversations import Candidate, Exchange, Place, place
from consumer.linkable import Linkable, StoredRecord, linkable

EPOCH = datetime(2026, 11, 21, tzinfo=UTC)
Message = dict[str, Any]


def user(text: Any) -> Message:
    return {"role": "user", "content": text}


def assistant(text: Any, **more: Any) -> Message:
    return {"role": "assistant", "content": text, **more}


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def call_at(second: int) -> UUID:
    """A UUIDv7 of that second, the same every time."""
    milliseconds = int((EPOCH + timedelta(seconds=second)).timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | second)


@dataclass
class Talk:
    """One user's calls, a second apart unless told otherwise."""

    user_id: int = 1
    second: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def chat(self, prompt: Sequence[Message], answer: Any = "Hi!", /, **more: Any) -> UUID:
        """`answer`: text, or the whole message; None: there was none."""
        message = answer if isinstance(answer, dict) else assistant(answer)
        body = None if answer is None else {"choices": [{"index": 0, "message": message}]}
        return self.call("chat", {"model": "m", "messages": list(prompt)}, body, **more)

    def respond(self, request: dict[str, Any], output: Any, id: str = "", **more: Any) -> UUID:
        items = output if isinstance(output, list) else [said(output)]
        return self.call("response", request, {"id": id or None, "output": items}, **more)

    def call(self, kind: str, request: Any, answer: Any, /, **more: Any) -> UUID:
        self.second = more.pop("at", self.second + 1)
        started = EPOCH + timedelta(seconds=self.second)
        asked = json.dumps(request).encode()
        response = b"" if answer is None else json.dumps(answer).encode()
        row: dict[str, Any] = {
            "id": call_at(self.second),
            "user_id": self.user_id,
            "token_id": 1,
            "kind": kind,
            "method": "POST",
            "path": "/",
            "model": "m",
            "model_used": "m-1",
            "status": "complete",
            "http_status": 200,
            "streamed": False,
            "client_address": "",
            "conversation_hint": None,
            "upstream": "openai",
            "attempts": "[]",
            "started_at": started,
            "finished_at": started + timedelta(seconds=more.pop("took", 0.5)),
            "request_type": "application/json",
            "request": zlib.compress(asked),
            "request_size_bytes": len(asked),
            "response_type": "application/json",
            "response": zlib.compress(response),
            "response_size_bytes": len(response),
            "codec": 1,
            "version": 1,
        }
        self.rows.append(row | more)
        id: UUID = row["id"]
        return id


def said(text: str) -> dict[str, Any]:
    """An answer in the output of `/responses`."""
    parts = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": parts}


def as_linkable(row: dict[str, Any]) -> Linkable:
    return linkable(StoredRecord(*(row[name] for name in StoredRecord.__dataclass_fields__)))


async def arrive(engine: AsyncEngine, rows: Sequence[dict[str, Any]]) -> None:
    """Stored by the consumer, waiting for the linker."""
    async with engine.begin() as connection:
        absent = dict.fromkeys(records.c.keys())
        await connection.execute(insert(records), [absent | row for row in rows])
        queued = [{"record_id": row["id"]} for row in rows]
        await connection.execute(insert(link_queue), queued)


async def places(engine: AsyncEngine) -> dict[UUID, Place]:
    async with engine.connect() as connection:
        rows = await connection.execute(select(exchanges))
        return {
            row.id: Place(row.conversation_id, row.parent_id, row.link, row.shared_depth)
            for row in rows
        }


async def everything_linked(engine: AsyncEngine) -> dict[str, set[Any]]:
    """All that linking has written, but for what one order of arrival alone stores: which of two
    spellings of a message was the first, and pairs that are no longer wanted."""
    shown = {
        exchanges: [column for column in exchanges.c if column.name != "pairs"],
        conversations: list(conversations.c),
        nodes: list(nodes.c),
        messages: [messages.c.user_id, messages.c.hash],
    }
    async with engine.connect() as connection:
        return {
            table.name: {tuple(row) for row in await connection.execute(select(*columns))}
            for table, columns in shown.items()
        }


def expected_places(every: Iterable[Exchange]) -> dict[UUID, Place]:
    placed: dict[UUID, Place] = {}
    before: list[Exchange] = []
    for exchange in sorted(every, key=lambda exchange: exchange.id):
        candidates = [Candidate(one, placed[one.id].conversation_id) for one in before]
        fixed = _conversation(exchange, before, placed)
        placed[exchange.id] = place(exchange, candidates, fixed)
        before.append(exchange)
    return placed


def _conversation(
    exchange: Exchange, before: Sequence[Exchange], placed: dict[UUID, Place]
) -> UUID | None:
    if exchange.hint is None:
        return None
    own = [one for one in before if one.user_id == exchange.user_id]
    for one in own:
        if one.id == exchange.named:
            return placed[one.id].conversation_id
    holders = [one.id for one in own if one.hint == exchange.hint]
    return min(holders, default=exchange.id)
