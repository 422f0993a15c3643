"""Access tokens, by hash: with this table in hand nobody can call the gateway."""

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Text

from common.tables.base import BigId, UTCDateTime, metadata

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("name", Text),
    Column("hash", LargeBinary(32), nullable=False, unique=True),  # SHA-256 of the whole token
    Column("hint", Text, nullable=False),  # its last four characters, to tell one's tokens apart
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Column("revoked_at", UTCDateTime),
    Column("last_used_at", UTCDateTime),
    Column("made_with", BigInteger, index=True),  # the token that asked for it, and ends it too
)
