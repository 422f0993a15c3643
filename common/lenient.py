"""JSON as clients and providers really send it, read without ever failing in a new way.

Strict JSON takes the fast way; NaN, Infinity and lone surrogates are tolerated. Not here: what the
values mean.
"""

import json
import re
from typing import Any

import msgspec

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> Any:
    """Raises ValueError, also for nesting too deep to be read.

    Strings may hold lone surrogates, until `healed` has replaced them: half a character at the end
    of one piece of a stream finds its other half in the next.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _parse_slowly(body)
    except RecursionError:
        raise ValueError("nested too deep") from None


def may_hold_surrogates(body: bytes) -> bool:
    return _SURROGATE_ESCAPE.search(body) is not None


def healed(value: Any) -> Any:
    """The value with halves of characters joined where they meet, else replaced.

    Raises ValueError for nesting too deep.
    """
    try:
        return _healed(value)
    except RecursionError:
        raise ValueError("nested too deep") from None


def healed_text(text: str) -> str:
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _healed(value: Any) -> Any:
    match value:
        case str():
            return healed_text(value)
        case list():
            return [_healed(item) for item in value]
        case dict():
            return {healed_text(key): _healed(item) for key, item in value.items()}
    return value


def _parse_slowly(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8", "replace"), strict=False)
    except RecursionError:
        raise ValueError("nested too deep") from None
