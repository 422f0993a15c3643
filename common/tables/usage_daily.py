"""Usage rolled up per person, day (UTC) and model, in the transaction that stores the records."""

from sqlalchemy import BigInteger, Column, Date, Table, Text

from common.tables.base import metadata

usage_daily = Table(
    "usage_daily",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    Column("model", Text, primary_key=True),  # asked for; "" where a call names none
    Column("calls", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
)
