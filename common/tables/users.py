"""People. Their identities at login providers live in a table of their own."""

from sqlalchemy import Column, Table, Text

from common.tables.base import BigId, UTCDateTime, metadata

users = Table(
    "users",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("blocked_at", UTCDateTime),
    Column("erased_at", UTCDateTime),
)
