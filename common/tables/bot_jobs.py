"""What chat bots still have to answer. A row is gone once it is answered; no key is in it."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text

from common.tables.base import UTCDateTime, metadata

bot_jobs = Table(
    "bot_jobs",
    metadata,
    Column("id", Text, primary_key=True),  # a UUIDv7
    Column("provider", Text, nullable=False),
    Column("kind", Text, nullable=False),  # message, reminder
    Column("body", LargeBinary, nullable=False),  # JSON: what gateway.bots.store says
    Column("attempts", Integer, nullable=False),
    Column("due_at", UTCDateTime, nullable=False, index=True),  # while claimed: when that ends
    Column("claimed_by", Text),  # the worker that is at it
    Column("created_at", UTCDateTime, nullable=False),
)
