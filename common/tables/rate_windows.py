"""How often something guarded was tried lately, counted by all workers together."""

from sqlalchemy import Column, Integer, LargeBinary, Table

from common.tables.base import UTCDateTime, metadata

rate_windows = Table(
    "rate_windows",
    metadata,
    Column("key", LargeBinary(32), primary_key=True),  # SHA-256 of what is tried, and by whom
    Column("ends_at", UTCDateTime, nullable=False, index=True),
    Column("uses", Integer, nullable=False),
)
