"""One-time links to a key that is issued when the link is opened, by the hash of their secret."""

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table

from common.tables.base import UTCDateTime, metadata

key_links = Table(
    "key_links",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),  # SHA-256 of the secret in the address
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("days", Integer, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False, index=True),
    Column("opened_at", UTCDateTime),
)
