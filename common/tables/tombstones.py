"""People who were erased: what of theirs arrives later is not stored."""

from sqlalchemy import BigInteger, Column, Table

from common.tables.base import UTCDateTime, metadata

tombstones = Table(
    "tombstones",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("erased_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),  # null: the erasure is under way, or was cut off
    Column("refused", BigInteger, nullable=False),  # records that arrived later
)
