"""Users of whom exchanges were removed: their nodes and messages have yet to be swept."""

from sqlalchemy import BigInteger, Column, Table

from common.tables.base import metadata

sweep_queue = Table(
    "sweep_queue",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
)
