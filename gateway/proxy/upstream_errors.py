"""An upstream's error in the shape that every SDK can read. Pure."""

import re
from typing import Any

import msgspec

from common.foreign_json import json_object

MAX_QUOTED = 2000
_KEY = re.compile(rb"\b(?:sk|rk|pk|sess|bce-v3)[-/][\w*./-]{8,}")


def normalised(status: int, body: bytes, secret: str) -> bytes:
    """The body as it came where SDKs understand it, else an error object that quotes it.

    Keys never leave: providers like to quote the one they refuse.
    """
    clean = _KEY.sub(b"***", body.replace(secret.encode(), b"***"))
    if _is_conforming(clean):
        return clean
    return msgspec.json.encode(
        {
            "error": {
                "message": _message(clean) or f"The model provider answered with status {status}.",
                "type": "server_error" if status >= 500 else "invalid_request_error",
                "param": None,
                "code": None,
                "upstream_body": clean[:MAX_QUOTED].decode("utf-8", "replace"),
            }
        }
    )


def status_for(status: int, *, legacy: bool) -> int:
    """The 0.x SDK takes 409 for "try again at once", and does so for ever."""
    return 400 if legacy and status == 409 else status


def _is_conforming(body: bytes) -> bool:
    error = _decoded(body).get("error")
    return isinstance(error, dict) and isinstance(error.get("message"), str)


def _message(body: bytes) -> str | None:
    value = _decoded(body)
    for key in ("error", "message", "detail"):
        if isinstance(value.get(key), str):
            return str(value[key])
    return None


def _decoded(body: bytes) -> dict[str, Any]:
    return json_object(body) or {}
