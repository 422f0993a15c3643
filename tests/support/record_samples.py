"""Records as gateways send them, for the consumer's tests."""

import json
from itertools import count
from typing import Any

from uuid_utils import uuid7

from common.frames import FrameKind, encode_frame
from common.record import SCHEMA_VERSION, Begin, End, encode

STARTED_US = 1_795_000_000_000_000
_serial = count()


def new_id() -> bytes:
    return uuid7().bytes


def begin(record_id: bytes, **more: Any) -> Begin:
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}
    fields: dict[str, Any] = {
        "id": record_id,
        "version": SCHEMA_VERSION,
        "kind": "chat",
        "method": "POST",
        "path": "/chat/completions",
        "user_id": 1,
        "model": "gpt-4o",
        "started_at_us": STARTED_US,
        "request": json.dumps(request).encode(),
    }
    return Begin(**fields | more)


def answer(text: str = "Hi!", prompt: int = 10, completion: int = 2) -> bytes:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return json.dumps({"model": "gpt-4o-x", "choices": choices, "usage": usage}).encode()


def end(**more: Any) -> End:
    fields: dict[str, Any] = {
        "status": "complete",
        "http_status": 200,
        "finished_at_us": STARTED_US + 1_000_000,
        "response_type": "application/json",
        "response": answer(),
    }
    return End(**fields | more)


def frames(record_id: bytes, first: Begin, last: End, checkpoints: tuple[bytes, ...] = ()) -> bytes:
    middle = [encode_frame(FrameKind.CHECKPOINT, record_id, piece) for piece in checkpoints]
    return b"".join(
        [
            encode_frame(FrameKind.BEGIN, record_id, encode(first)),
            *middle,
            encode_frame(FrameKind.END, record_id, encode(last)),
        ]
    )


def record(record_id: bytes | None = None, *, last: End | None = None, **of_begin: Any) -> bytes:
    """The frames of one record; a chat unless told otherwise."""
    record_id = record_id or new_id()
    return frames(record_id, begin(record_id, **of_begin), last or end())
