"""How far back records are kept: one row, and none while nothing was ever expired."""

from sqlalchemy import BigInteger, Column, SmallInteger, Table

from common.tables.base import UTCDateTime, metadata

THE_ONE = 1

retention = Table(
    "retention",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # THE_ONE
    Column("kept_since", UTCDateTime, nullable=False),  # what began before is not stored any more
    Column("swept_at", UTCDateTime),  # when everything older was last seen to be gone
    Column("refused", BigInteger, nullable=False),  # records that arrived too late
)
