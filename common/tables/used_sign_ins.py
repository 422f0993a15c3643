"""Sign-ins that have come back, by the hash of their state: each may do so once."""

from sqlalchemy import Column, LargeBinary, Table

from common.tables.base import UTCDateTime, metadata

used_sign_ins = Table(
    "used_sign_ins",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("used_at", UTCDateTime, nullable=False, index=True),
)
