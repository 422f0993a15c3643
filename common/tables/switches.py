"""What admins switch on and off while the gateway runs; a switch without a row is off."""

from sqlalchemy import Boolean, Column, Table, Text

from common.tables.base import UTCDateTime, metadata

switches = Table(
    "switches",
    metadata,
    Column("name", Text, primary_key=True),  # registration
    Column("enabled", Boolean, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
)
