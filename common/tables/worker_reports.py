"""What each HTTP worker last said of the provider keys that it uses; soon out of date."""

from sqlalchemy import Column, LargeBinary, Table, Text

from common.tables.base import UTCDateTime, metadata

worker_reports = Table(
    "worker_reports",
    metadata,
    Column("worker", Text, primary_key=True),  # made up at its start
    Column("seen_at", UTCDateTime, nullable=False),
    Column("report", LargeBinary, nullable=False),  # JSON array of gateway.admin.standing.Standing
)
