"""E-mail addresses and passwords of those who registered without a directory."""

from sqlalchemy import Column, ForeignKey, Table, Text

from common.tables.base import BigId, UTCDateTime, metadata

passwords = Table(
    "passwords",
    metadata,
    Column("user_id", BigId, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("email", Text, nullable=False, unique=True),  # normalised
    Column("hash", Text, nullable=False),  # argon2id with its salt and costs, in PHC form
    Column("created_at", UTCDateTime, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
)
