"""Exchanges: a record's place in its conversation."""

from sqlalchemy import (
    BigInteger,
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

exchanges = Table(
    "exchanges",
    metadata,
    Column("id", Uuid, primary_key=True),  # the record's id
    Column("user_id", BigInteger, nullable=False),
    Column("token_id", BigInteger),
    Column("conversation_id", Uuid, nullable=False),
    Column("parent_id", Uuid, index=True),
    Column("link", SmallInteger, nullable=False),  # consumer.conversations.Link
    Column("shared_depth", Integer, nullable=False),  # messages that its parent had already
    Column("prompt_hash", LargeBinary(32), nullable=False),  # node: tip of its prompt
    Column("prompt_depth", Integer, nullable=False),
    Column("answer_hash", LargeBinary(32)),  # node: prompt and answer
    Column("answer_message_hash", LargeBinary(32)),  # message: the answer alone
    Column("system_hash", LargeBinary(32)),  # message: JSON array of system messages
    Column("pair_hash", LargeBinary(32)),
    Column("upstream_id", LargeBinary(32)),  # SHA-256 of the upstream's response id
    Column("hint", Text),  # the client's own name for the conversation
    Column("reply_to", LargeBinary(32)),  # the upstream_id that its request names
    Column("pairs", LargeBinary),  # (depth u32, pair hash)…: kept while a better parent may be one
    Column("started_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime, nullable=False),
    Column("linker_version", SmallInteger, nullable=False),
    Index(None, "user_id", "id"),
    Index(None, "answer_hash", "id"),
    Index(None, "prompt_hash", "id"),
    Index(None, "conversation_id", "started_at"),
    Index(None, "user_id", "pair_hash", "id"),
    Index(None, "user_id", "upstream_id", "id"),
)
