"""From a record's frames to the row that is stored: understood, counted, compressed.

Runs in a thread: it decompresses, parses and counts, and touches neither database nor event loop.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from common.answers import assemble
from common.lenient import healed, healed_text, may_hold_surrogates, parse
from common.record import Begin
from consumer.bodies import packed
from consumer.decode import BadRecord, Decoded, decode
from consumer.linkable import Parsed
from consumer.usage import Meter, Usage
from consumer.withheld import without_bodies

LINKED_KINDS = ("chat", "completion", "response")
LINKED_STATUSES = ("complete", "interrupted", "client_gone")
MODEL_CHARACTERS = 256
"""Models and hints are indexed, and an index entry has a limit."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Row(NamedTuple):
    """A row of the table `records`, its columns in any order."""

    id: UUID
    user_id: int
    token_id: int | None
    kind: str
    method: str
    path: str
    model: str | None
    model_used: str | None
    status: str
    http_status: int | None
    streamed: bool
    client_address: str
    conversation_hint: str | None
    upstream: str | None
    attempts: str
    started_at: datetime
    first_byte_at: datetime | None
    finished_at: datetime
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str | None
    request_type: str
    request: bytes | None
    request_size_bytes: int
    request_sha256: bytes | None
    response_type: str
    response: bytes | None
    response_size_bytes: int
    response_sha256: bytes | None
    codec: int
    version: int


@dataclass(frozen=True, slots=True)
class PreparedRecord:
    row: Row
    linkable: bool
    """Its exchange has a place in a conversation."""
    frames: bytes
    """As it arrived, as far as it may be kept, in case that the database refuses the row."""
    parsed: Parsed | None = None
    """Its bodies, if it is linkable."""


class Preparer:
    """Makes rows of records. Safe to share between threads."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def prepare(self, frames: bytes) -> PreparedRecord:
        """Raises BadRecord, NewerRecord."""
        decoded = decode(frames)
        begin, end, response = decoded
        request = _parsed(begin)
        answer = assemble(begin.kind, end.response_type, response) if response else None
        usage = self._meter.usage_of(begin, end, request, answer)
        if begin.no_store:
            decoded, frames = without_bodies(decoded, usage)
        try:
            row = _row(decoded, usage, (answer or {}).get("model"))
        except OverflowError:
            raise BadRecord(begin.id, "one of its times is no time") from None
        linked = begin.kind in LINKED_KINDS and end.status in LINKED_STATUSES and not begin.no_store
        parsed = Parsed(request, answer) if linked and isinstance(request, dict) else None
        return PreparedRecord(row, parsed is not None, frames, parsed)


def _parsed(begin: Begin) -> Any:
    """The request's JSON; None where it has none that can be read."""
    if "json" not in begin.request_type or not begin.request:
        return None
    try:
        request = parse(begin.request)
        return healed(request) if may_hold_surrogates(begin.request) else request
    except ValueError:
        return None


def _row(decoded: Decoded, usage: Usage | None, model_used: Any) -> Row:
    begin, end, response = decoded
    (request, answer), codec = packed(begin.request, response)
    used = usage or (None,) * 5
    return Row(
        id=UUID(bytes=begin.id),
        user_id=begin.user_id,
        token_id=begin.token_id,
        kind=clean(begin.kind),
        method=clean(begin.method),
        path=clean(begin.path),
        model=_short(begin.model),
        model_used=_short(model_used),
        status=end.status,
        http_status=end.http_status,
        streamed=begin.streamed,
        client_address=clean(begin.client_address),
        conversation_hint=_short(begin.conversation_hint),
        upstream=_short(end.upstream),
        attempts=msgspec.json.encode(end.attempts).decode(),
        started_at=_time(begin.started_at_us),
        first_byte_at=None if end.first_byte_at_us is None else _time(end.first_byte_at_us),
        finished_at=_time(end.finished_at_us),
        prompt_tokens=used[0],
        completion_tokens=used[1],
        cached_tokens=used[2],
        reasoning_tokens=used[3],
        usage_source=used[4],
        request_type=clean(begin.request_type),
        request=request or None,
        request_size_bytes=_size(end.request_size_bytes, begin.request),
        request_sha256=end.request_sha256,
        response_type=clean(end.response_type),
        response=answer or None,
        response_size_bytes=_size(end.response_size_bytes, response),
        response_sha256=end.response_sha256,
        codec=codec,
        version=begin.version,
    )


def clean(text: str) -> str:
    """What every database can hold: no NUL, no half of a character."""
    return healed_text(text).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _short(name: Any) -> str | None:
    return clean(name[:MODEL_CHARACTERS]) if isinstance(name, str) else None


def _size(given: int | None, body: bytes) -> int:
    return len(body) if given is None else given


def _time(microseconds: int) -> datetime:
    """Raises OverflowError."""
    return _EPOCH + timedelta(microseconds=microseconds)
