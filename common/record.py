"""The record: what is kept of one call, in the parts that the gateway learns it.

A record travels as frames (`common.frames`): its `Begin`, any number of checkpoints (raw bytes of
the answer), its `End`. Payloads of `Begin` and `End` are MessagePack maps: a field that is absent
has its default, so a field may be added at any time, and none may change its meaning.
"""

from enum import StrEnum
from typing import Literal

import msgspec

SCHEMA_VERSION = 1


class Status(StrEnum):
    """How an exchange ended."""

    COMPLETE = "complete"
    """An answer below 400, relayed whole."""
    INTERRUPTED = "interrupted"
    """The answer broke off on our side or the upstream's."""
    CLIENT_GONE = "client_gone"
    """The client left before its answer was whole."""
    UPSTREAM_ERROR = "upstream_error"
    """The upstream answered with an error, or not at all."""


StatusName = Literal["complete", "interrupted", "client_gone", "upstream_error"]

KINDS = ("chat", "completion", "response", "embedding")
"""Kinds whose bodies the consumer understands. Every other call has the name of its endpoint group
(`files`, `images`, `audio`, …) as its kind, or what it does there: `stored_response` and
`stored_chat` look at an earlier answer, `compaction` and `token_count` are `/responses/…`."""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One try of one credential for one call."""

    upstream: str
    credential: str
    """The credential's label, never its key."""
    seconds: float
    status: int | None = None
    """HTTP status of the answer; None: there was none."""
    error: str | None = None
    """Why there was no answer: `refused`, `timeout`, `lost`, `left` (the client had gone), …"""
    maybe_billed: bool = False
    """The request had been written when the answer was lost."""


class Begin(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known before the upstream is called. A record exists once this has committed."""

    id: bytes
    """UUIDv7, 16 bytes."""
    version: int
    """`SCHEMA_VERSION` of the writer."""
    kind: str
    method: str
    path: str
    """Below the prefix: `/chat/completions`."""
    user_id: int
    started_at_us: int
    """Microseconds since the epoch, UTC."""
    token_id: int | None = None
    client_address: str = ""
    model: str | None = None
    """The model asked for."""
    streamed: bool = False
    conversation_hint: str | None = None
    """The client's own name for the conversation (`X-Conversation-Id` and the like)."""
    no_store: bool = False
    """Its bodies, and the answer's, are counted by the consumer and then dropped."""
    request_type: str = "application/json"
    request: bytes = b""
    """The body as the client sent it; empty for uploads, whose length and digest are in `End`."""


class End(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How it went, and the tail of the answer that no checkpoint holds yet."""

    status: StatusName
    finished_at_us: int
    http_status: int | None = None
    """What the client was told; None: it was told nothing."""
    attempts: tuple[Attempt, ...] = ()
    upstream: str | None = None
    first_byte_at_us: int | None = None
    response_type: str = ""
    response: bytes = b""
    """As relayed to the client. The whole answer is every checkpoint's bytes, then these."""
    response_size_bytes: int | None = None
    """Only where `response` is not the whole answer: binary or beyond the size cap."""
    response_sha256: bytes | None = None
    """Digest of the whole answer, where `response_size_bytes` is given."""
    request_size_bytes: int | None = None
    request_sha256: bytes | None = None
    """Length and digest of an upload, whose bytes are not kept."""
    usage: bytes | None = None
    """The JSON of the `usage` that the upstream reported in a chunk hidden from the client."""


_encoder = msgspec.msgpack.Encoder()
_begin_decoder = msgspec.msgpack.Decoder(Begin)
_end_decoder = msgspec.msgpack.Decoder(End)


def encode(part: Begin | End) -> bytes:
    return _encoder.encode(part)


def decode_begin(payload: bytes) -> Begin:
    """Raises msgspec.DecodeError or ValidationError."""
    return _begin_decoder.decode(payload)


def decode_end(payload: bytes) -> End:
    """Raises msgspec.DecodeError or ValidationError."""
    return _end_decoder.decode(payload)
