"""What the demo's endpoints share of HTTP: reading a JSON object, sending paced SSE."""

import secrets
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse

from gateway.demo.events import Event
from gateway.errors import InvalidJSON, InvalidRequest


class PacedStream(StreamingResponse):
    """Events as `text/event-stream`, `pace_s` apart where they are paced."""

    def __init__(self, events: Iterable[Event], pace_s: float) -> None:
        super().__init__(_encoded(events, pace_s), media_type="text/event-stream")
        self.headers["cache-control"] = "no-cache"


async def _encoded(events: Iterable[Event], pace_s: float) -> AsyncIterator[bytes]:
    for event in events:
        if event.paced:
            await anyio.sleep(pace_s)
        yield event.encoded()


async def json_object(request: Request) -> dict[str, Any]:
    """Raises InvalidJSON or InvalidRequest (400)."""
    try:
        body = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, RecursionError):
        raise InvalidJSON() from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return body


def required_model(body: dict[str, Any]) -> str:
    """Raises InvalidRequest (400)."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidRequest("You must provide a model parameter.", param="model")
    return model


def objects(value: object, param: str) -> list[dict[str, Any]]:
    """A list of objects, an absent one empty. Raises InvalidRequest (400)."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidRequest(f"{param} must be a list of objects.", param=param)
    return value


def choices_wanted(body: dict[str, Any]) -> int:
    """`n`. Raises InvalidRequest (400)."""
    n = body.get("n") or 1
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= 128:
        raise InvalidRequest("n must be a whole number from 1 to 128.", param="n")
    return n


def usage_wanted(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def new_id(prefix: str) -> str:
    return f"{prefix}demo{secrets.token_hex(12)}"


def now() -> int:
    return int(time.time())
