"""JSON that somebody else has written, read by the fast parser without failing in a new way. Pure.

Strict: what is tolerated all the same is in `common.lenient`.
"""

from typing import Any

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Whatever msgspec raises of bytes: no JSON or another shape, text that is not UTF-8, too deep."""


def json_object(body: bytes | str) -> dict[str, Any] | None:
    """None: it is no JSON object that can be read."""
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    return value if isinstance(value, dict) else None
