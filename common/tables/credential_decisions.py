"""What admins decided of provider keys; the newest row of a credential holds."""

from sqlalchemy import Column, Index, Table, Text

from common.tables.base import BigId, UTCDateTime, metadata

credential_decisions = Table(
    "credential_decisions",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("credential", Text, nullable=False),  # upstream and label, as `openai/key-0`
    Column("state", Text, nullable=False),  # out | in
    Column("decided_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_at", UTCDateTime, nullable=False),
    Index(None, "credential", "id"),
)
