"""Stateful things that live at a provider (files, responses, batches, …): where, and whose."""

from sqlalchemy import BigInteger, Column, Table, Text

from common.tables.base import UTCDateTime, metadata

resources = Table(
    "resources",
    metadata,
    Column("id", Text, primary_key=True),  # as the provider made it
    Column("upstream", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("user_id", BigInteger, nullable=False, index=True),
    Column("created_at", UTCDateTime, nullable=False),
)
