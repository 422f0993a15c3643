"""Conversations: trees of one user's exchanges. Its id is that of its root exchange."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, Uuid

from common.tables.base import UTCDateTime, metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("hint", Text),  # the client's own name for it
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("exchange_count", Integer, nullable=False),
    Index(None, "user_id", "updated_at"),
    Index(None, "updated_at"),
    Index("uq_conversations_user_id_hint", "user_id", "hint", unique=True),
)
