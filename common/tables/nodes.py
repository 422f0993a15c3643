"""The hash chain: a node stands for a list of messages, its parent for that without the last."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table

from common.tables.base import metadata

nodes = Table(
    "nodes",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),  # the user is mixed into the root
    Column("parent_hash", LargeBinary(32), nullable=False),
    Column("user_id", BigInteger, nullable=False, index=True),
    Column("message_hash", LargeBinary(32), nullable=False),
    Column("depth", Integer, nullable=False),  # messages up to and with this one
)
