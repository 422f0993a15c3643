"""Who may do a piece of periodic work just now; `common.leases` keeps it."""

from sqlalchemy import Column, Table, Text

from common.tables.base import UTCDateTime, metadata

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),  # of the work
    Column("owner", Text, nullable=False),  # of the process; made up at its start
    Column("expires_at", UTCDateTime, nullable=False),
)
