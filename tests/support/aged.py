"""Records of any age, as rows of the database."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.ids import first_id


def id_at(moment: datetime, serial: int = 0) -> UUID:
    """A UUIDv7 of that moment; those with a greater serial number are greater."""
    time = first_id(moment).int
    return UUID(int=time | 7 << 76 | 2 << 62 | serial + 1)


def record_row(serial: int, at: datetime, **more: Any) -> dict[str, Any]:
    """A row of `records`: a chat of user 1 without bodies, unless told otherwise."""
    row: dict[str, Any] = {
        "id": id_at(at, serial),
        "user_id": 1,
        "token_id": None,
        "kind": "chat",
        "method": "POST",
        "path": "/chat/completions",
        "model": "gpt-4o",
        "model_used": "gpt-4o",
        "status": "complete",
        "http_status": 200,
        "streamed": False,
        "client_address": "127.0.0.1",
        "conversation_hint": None,
        "upstream": "openai",
        "attempts": "[]",
        "started_at": at,
        "first_byte_at": None,
        "finished_at": at + timedelta(milliseconds=100) if at.year < 9999 else at,
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "cached_tokens": None,
        "reasoning_tokens": None,
        "usage_source": "reported",
        "request_type": "application/json",
        "request": None,
        "request_size_bytes": 0,
        "request_sha256": None,
        "response_type": "application/json",
        "response": None,
        "response_size_bytes": 0,
        "response_sha256": None,
        "codec": 0,
        "version": 1,
    }
    return row | more
