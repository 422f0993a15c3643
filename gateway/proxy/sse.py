"""Server-sent events on their way through: whole events, unchanged bytes, usage noticed.

An event ends at a blank line and nowhere else (WHATWG HTML, 9.2.6): not at U+2028, U+2029 or
U+0085. A chunk is parsed only where its bytes say that it may hold a usage or an end. Pure.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from common.foreign_json import json_object
from gateway.errors import GatewayError
from gateway.upstream.wire import BadAnswer

MAX_EVENT_BYTES = 1024 * 1024
_LINE = re.compile(rb"\r\n|\n|\r")
_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n")
_TERMINAL = (b"response.completed", b"response.incomplete", b"response.failed")
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_ERROR_TYPE = re.compile(rb'"type"\s*:\s*"error"')
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')


@dataclass(slots=True)
class EventRelay:
    """The state of one stream.

    `responses`: it ends with a terminal event instead of `[DONE]`. `hide_usage`: the client did not
    ask for the usage chunk that the gateway asked for.
    """

    responses: bool = False
    hide_usage: bool = False
    usage: bytes | None = None
    """The last usage that came in a chunk which was hidden."""
    last: bytes | None = None
    """The event that ends the stream: it waits for the record."""
    finished: bool = False
    """A finish reason was seen, so that an end without `[DONE]` is an end all the same."""
    failed: bool = False
    """It ended with an error of the upstream's own, which clients raise on."""
    _tail: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> bytes:
        """What can be relayed now: whole events. Afterwards `last` may be set; feed no more then.

        Raises BadAnswer: an event grew beyond MAX_EVENT_BYTES.
        """
        if not self._tail and piece.endswith(b"\n\n") and not self._is_special(piece):
            return piece
        self._tail += piece
        end = _last_boundary(self._tail)
        if end == 0:
            if len(self._tail) > MAX_EVENT_BYTES:
                raise BadAnswer("an event without an end")
            return b""
        whole = bytes(self._tail[:end])
        del self._tail[:end]
        return self._sift(whole) if self._is_special(whole) else whole

    def rest(self) -> bytes:
        """At the end of the body: an event that no blank line ended. A reader drops it too."""
        return bytes(self._tail)

    def _is_special(self, data: bytes) -> bool:
        """Whether an event in it may have to be looked at: cheap, and never wrongly no."""
        if not self.finished and _has_value(b'"finish_reason"', data):
            self.finished = _FINISHED.search(data) is not None
        if self.responses:
            return any(name in data for name in _TERMINAL) or _ERROR_TYPE.search(data) is not None
        return (
            b"[DONE]" in data
            or b'"error"' in data
            or (
                self.hide_usage and _has_value(b'"usage"', data) and _USAGE.search(data) is not None
            )
        )

    def _sift(self, whole: bytes) -> bytes:
        relayed = []
        for event in events(whole):
            if self.last is not None:
                break  # whatever follows the end is not the client's
            if self._ends(event):
                self.last = event
            elif not self._hides(event):
                relayed.append(event)
        return b"".join(relayed)

    def _ends(self, event: bytes) -> bool:
        self.failed = self._fails(event)
        if self.failed:
            return True
        if self.responses:
            return any(name in event for name in _TERMINAL) and _type(event) in _TERMINAL
        return b"[DONE]" in event and data_of(event).startswith(b"[DONE]")

    def _fails(self, event: bytes) -> bool:
        if self.responses:
            return _ERROR_TYPE.search(event) is not None and _type(event) == b"error"
        return b'"error"' in event and isinstance(_parsed(event).get("error"), dict)

    def _hides(self, event: bytes) -> bool:
        if not self.hide_usage or _USAGE.search(event) is None:
            return False
        chunk = _parsed(event)
        usage = chunk.get("usage")
        if not isinstance(usage, dict) or chunk.get("choices"):
            return False
        self.usage = msgspec.json.encode(usage)
        return True


def _may_tell_usage(data: bytes) -> bool:
    return _has_value(b'"usage"', data) and _USAGE.search(data) is not None


def _has_value(name: bytes, data: bytes) -> bool:
    """Whether that member may be something else than null: every chunk has it."""
    times = data.count(name)
    return times != 0 and times != data.count(name + b":null")


def events(whole: bytes) -> list[bytes]:
    """Cut after each blank line; what follows the last one is a piece of its own."""
    pieces, start = [], 0
    for match in _BLANK.finditer(whole):
        pieces.append(whole[start : match.end()])
        start = match.end()
    if start < len(whole):
        pieces.append(whole[start:])
    return pieces


def data_of(event: bytes) -> bytes:
    """The event's data: its `data` lines joined, each less one leading space."""
    lines = []
    for line in _LINE.split(event):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(lines)


def error_event(error: GatewayError, *, responses: bool) -> bytes:
    """What every client raises on; no `[DONE]` follows."""
    value: dict[str, Any] = {"error": error.error()}
    if responses:
        value = {"type": "error", **value}
    return b"event: error\ndata: " + msgspec.json.encode(value) + b"\n\n"


def _last_boundary(data: bytearray) -> int:
    """Behind the last blank line; 0: there is none."""
    if b"\r" not in data:
        return data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0
    return max((match.end() for match in _BLANK.finditer(data)), default=0)


def _parsed(event: bytes) -> dict[str, Any]:
    return json_object(data_of(event)) or {}


def _type(event: bytes) -> bytes:
    value = _parsed(event).get("type")
    return value.encode() if isinstance(value, str) else b""
