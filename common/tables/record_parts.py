"""Parts of records too large for one message, until the last of them has arrived."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Uuid

from common.tables.base import UTCDateTime, metadata

record_parts = Table(
    "record_parts",
    metadata,
    Column("record_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 0
    Column("count", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("seen_at", UTCDateTime, nullable=False),
)
