"""Records as stored: one row per call, append-only, bodies as compressed bytes."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from common.tables.base import UTCDateTime, metadata

records = Table(
    "records",
    metadata,
    Column("id", Uuid, primary_key=True),  # UUIDv7, so that it orders by time
    Column("user_id", BigInteger, nullable=False),
    Column("token_id", BigInteger),
    Column("kind", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("model", Text),  # asked for; cut to 256 characters
    Column("model_used", Text),  # as the answer names it
    Column("status", Text, nullable=False),
    Column("http_status", Integer),
    Column("streamed", Boolean, nullable=False),
    Column("client_address", Text, nullable=False),
    Column("conversation_hint", Text),
    Column("upstream", Text),
    Column("attempts", Text, nullable=False),  # JSON array of common.record.Attempt
    Column("started_at", UTCDateTime, nullable=False),
    Column("first_byte_at", UTCDateTime),
    Column("finished_at", UTCDateTime, nullable=False),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("usage_source", Text),  # reported | counted | estimated; null: nothing to count
    Column("request_type", Text, nullable=False),
    Column("request", LargeBinary),
    Column("request_size_bytes", BigInteger, nullable=False),
    Column("request_sha256", LargeBinary(32)),  # of uploads, whose bytes are not kept
    Column("response_type", Text, nullable=False),
    Column("response", LargeBinary),
    Column("response_size_bytes", BigInteger, nullable=False),
    Column("response_sha256", LargeBinary(32)),  # where `response` is not the whole answer
    Column("codec", SmallInteger, nullable=False),  # of both bodies: 0 plain, 1 zlib
    Column("version", SmallInteger, nullable=False),
    Index(None, "user_id", "id"),
    # one per filter of /records, alone and per person: each in the order of its pages
    *(Index(None, name, "id") for name in ("kind", "model", "status")),
    *(Index(None, "user_id", name, "id") for name in ("kind", "model", "status")),
)
