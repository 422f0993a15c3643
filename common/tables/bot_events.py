"""Events of chat providers that were taken in, so that a repetition is known for one."""

from sqlalchemy import Column, Table, Text

from common.tables.base import UTCDateTime, metadata

bot_events = Table(
    "bot_events",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("key", Text, primary_key=True),  # of the event, the message, or a reminder
    Column("received_at", UTCDateTime, nullable=False, index=True),
)
