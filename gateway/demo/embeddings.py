"""POST /v1/embeddings of the demo: unit vectors made from the input's digest."""

from base64 import b64encode
from hashlib import shake_256
from math import sqrt
from struct import pack, unpack
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.demo.inputs import inputs
from gateway.demo.wire import json_object, required_model
from gateway.errors import InvalidRequest

_DIMENSIONS = 1536
_MAX_DIMENSIONS = 4096


async def embeddings(request: Request) -> Response:
    body = await json_object(request)
    model, wanted = required_model(body), inputs(body.get("input"), "input")
    dimensions = _dimensions(body)
    as_base64 = body.get("encoding_format") == "base64"
    data = [
        {
            "object": "embedding",
            "index": i,
            "embedding": _rendered(item.text, dimensions, as_base64),
        }
        for i, item in enumerate(wanted)
    ]
    tokens = sum(item.tokens for item in wanted)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": data, "model": model, "usage": usage})


def vector(text: str, dimensions: int) -> list[float]:
    """The same text has the same vector, of length one, on every machine."""
    numbers = unpack(
        f"<{dimensions}h", shake_256(text.encode(errors="replace")).digest(dimensions * 2)
    )
    length = sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]


def _rendered(text: str, dimensions: int, as_base64: bool) -> list[float] | str:
    floats = vector(text, dimensions)
    return b64encode(pack(f"<{dimensions}f", *floats)).decode() if as_base64 else floats


def _dimensions(body: dict[str, Any]) -> int:
    wanted = body.get("dimensions") or _DIMENSIONS
    if (
        not isinstance(wanted, int)
        or isinstance(wanted, bool)
        or not 1 <= wanted <= _MAX_DIMENSIONS
    ):
        raise InvalidRequest(
            f"dimensions must be a whole number from 1 to {_MAX_DIMENSIONS}.", param="dimensions"
        )
    return wanted
