"""Records and conversations as JSON. Pure.

What is stored as JSON is passed on as it stands, unread: numbers, escapes and unknown fields stay
what they were.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from common.answers import assemble
from gateway.conversations.views import Body, Conversation, Exchange, Record, Stored, Usage

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])


def a_list(objects: Sequence[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """A page in OpenAI's shape."""
    return {
        "object": "list",
        "data": objects,
        "first_id": objects[0]["id"] if objects else None,
        "last_id": objects[-1]["id"] if objects else None,
        "has_more": has_more,
    }


def record(one: Record) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "object": "record",
        "kind": one.kind,
        "model": one.model,
        "model_used": one.model_used,
        "status": one.status,
        "http_status": one.http_status,
        "conversation_id": None if one.conversation_id is None else str(one.conversation_id),
        "parent_id": None if one.parent_id is None else str(one.parent_id),
        "user": one.user,
        "created_at": _seconds(one.created_at),
        "attempts": msgspec.Raw(one.attempts.encode()),
        "usage": _usage(one.usage),
    }


def record_with_bodies(one: Record, request: Body, response: Body) -> bytes:
    """May be many megabytes: not for the event loop."""
    bodies = {"request": _body(one.kind, request), "response": _body(one.kind, response)}
    return msgspec.json.encode({**record(one), **bodies})


def conversation(one: Conversation) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "object": "conversation",
        "user": one.user,
        "title": one.title,
        "created_at": _seconds(one.created_at),
        "updated_at": _seconds(one.updated_at),
        "exchange_count": one.exchange_count,
    }


def conversation_with_exchanges(one: Conversation, exchanges: Sequence[Exchange]) -> bytes:
    """May be many megabytes: not for the event loop."""
    told = [_exchange(exchange) for exchange in exchanges]
    return msgspec.json.encode({**conversation(one), "exchanges": told})


def unpacked(packed: bytes | None, codec: int) -> bytes | None:
    """The bytes as they travelled."""
    return zlib.decompress(packed) if packed and codec == 1 else packed


def _exchange(one: Exchange) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "parent_id": None if one.parent_id is None else str(one.parent_id),
        "messages": [*_system(one.system), *(_raw(message) for message in one.messages)],
        "answer": _raw(one.answer) if one.answer else None,
        "model": one.model,
        "model_used": one.model_used,
        "status": one.status,
        "usage": _usage(one.usage),
        "created_at": _seconds(one.created_at),
    }


def _system(stored: Stored | None) -> list[msgspec.Raw]:
    return _ELEMENTS.decode(_raw(stored)) if stored else []


def _raw(stored: Stored) -> msgspec.Raw:
    return msgspec.Raw(unpacked(stored.body, stored.codec) or b"null")


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "source": usage.source,
    }


def _body(kind: str, body: Body) -> Any:
    content = unpacked(body.packed, body.codec)
    if not content:
        return _description(body)
    if "json" in body.content_type and _is_json(content):
        return msgspec.Raw(content)
    if "event-stream" in body.content_type:
        answer = assemble(kind, body.content_type, content)
        if answer is not None:
            return msgspec.Raw(_encoded(answer))
    return {"type": body.content_type, "base64": base64.b64encode(content).decode()}


def _encoded(answer: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(answer)
    except OverflowError:  # integers beyond 64 bits
        return json.dumps(answer).encode()


def _description(body: Body) -> dict[str, Any] | None:
    """Of what was too large to be kept, its length and digest; None: there was nothing."""
    if body.sha256 is None:
        return None
    return {
        "type": body.content_type,
        "size_bytes": body.size_bytes,
        "sha256": body.sha256.hex(),
    }


def _is_json(content: bytes) -> bool:
    try:
        content.decode()
        msgspec.json.decode(content, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
