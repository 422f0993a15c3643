"""Who is signed in on the pages, by the hash of what the browser holds."""

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table, Text

from common.tables.base import UTCDateTime, metadata

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),  # SHA-256 of the cookie's secret
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False, index=True),
    Column("due_days", Integer),  # a key that lasts so long is issued when the page is next seen
    Column("due_name", Text),
)
