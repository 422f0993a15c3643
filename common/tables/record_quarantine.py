"""Records that could not be stored, as they arrived, with the reason."""

from sqlalchemy import Column, LargeBinary, Table, Text, UniqueConstraint, Uuid

from common.tables.base import BigId, UTCDateTime, metadata

record_quarantine = Table(
    "record_quarantine",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("record_id", Uuid, nullable=False),  # zero where it could not even be read
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("raw_sha256", LargeBinary(32), nullable=False),
    Column("seen_at", UTCDateTime, nullable=False),
    UniqueConstraint("record_id", "raw_sha256"),
)
