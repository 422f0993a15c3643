"""What must not be read in a log line: secrets by their shape, by their field's name; and how a
value is kept on its line.

Pure. Where lines go and how they look is said in `common.logs`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "***"

_SECRET_WORDS = frozenset(
    {"authorization", "cookie", "key", "passwd", "password", "secret", "token"}
)
_WORDS = re.compile(r"[^a-z]+")
_HEAD_CHARS, _TAIL_CHARS = 3072, 1024
_MAX_DEPTH = 4

_SHAPES = (
    (re.compile(r"\bsk-[\w-]{6,}"), "sk-" + HIDDEN),
    (re.compile(r"\bogw_[0-9A-Za-z]{6,}"), "ogw_" + HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]{4,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"://([^\s/:@]*):[^\s/]*@"), rf"://\1:{HIDDEN}@"),
    (
        re.compile(
            r"""(?ix) ( (?:api[-_]?key|access[-_]?token|secret|password|passwd|token|key) ["']?
            \s*[=:]\s* ["']? ) [^\s"'&,;}]{6,}"""
        ),
        rf"\1{HIDDEN}",
    ),
)
_LONG_RUN = re.compile(r"[\w-]{32,}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)

OFF_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that end a line, steer a terminal, turn the text around or cannot be encoded."""


def redacted(name: str, value: Any, depth: int = 0) -> Any:
    """The value of a field as it may be shown: plain data, secrets hidden, length bounded."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if secret_name(name):
        return HIDDEN
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        return {str(k): redacted(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        if depth < _MAX_DEPTH:
            return [redacted(name, v, depth + 1) for v in value]
    text = _shapeless(_text(value))
    return text if name == "id" or name.endswith("_id") else _LONG_RUN.sub(_hide_keys, text)


def secret_name(name: str) -> bool:
    """Whether a field is called after a secret: its last word says so (`x-api-key`, `tokens`)."""
    words = [word for word in _WORDS.split(name.lower()) if word]
    return bool(words) and (
        words[-1] in _SECRET_WORDS or words[-1].removesuffix("s") in _SECRET_WORDS
    )


def without_secrets(text: str) -> str:
    """The text with everything hidden that looks like a secret."""
    return _LONG_RUN.sub(_hide_keys, _shapeless(text))


def on_one_line(text: str) -> str:
    """Control characters written as `\\u…`, so that nothing in a value can forge a line."""
    return OFF_LINE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _shapeless(text: str) -> str:
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def _hide_keys(found: re.Match[str]) -> str:
    """Long runs with a digit are keys or digests; ids of records are UUIDs, and are wanted."""
    run = found[0]
    return run if _UUID.fullmatch(run) or not any(c.isdigit() for c in run) else HIDDEN


def _text(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value).decode("utf-8", "backslashreplace")
    text = str(value)
    left_out = len(text) - _HEAD_CHARS - _TAIL_CHARS
    if left_out <= 0:
        return text
    return f"{text[:_HEAD_CHARS]}… ({left_out} left out) …{text[-_TAIL_CHARS:]}"
