"""Messages by content: each is stored once per user, however often it is sent again."""

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, Table

from common.tables.base import metadata

messages = Table(
    "messages",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), primary_key=True),  # of its canonical form
    Column("body", LargeBinary, nullable=False),  # JSON as first seen
    Column("codec", SmallInteger, nullable=False),  # 0 plain, 1 zlib
)
