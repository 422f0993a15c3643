"""E-mail addresses and passwords of those who registered without a directory."""

from sqlalchemy import Column, ForeignKey, Table, Text

from common.tables.base import UTCDateTime, metadata

passwords = Table(
    "passwords",
    metadata,
    Column("email", Text, primary_key=True),  # normalised
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("hash", Text, nullable=False),  # argon2id with its salt and costs, in PHC form
    Column("created_at", UTCDateTime, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
)
