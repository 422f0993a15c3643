"""Who a user is at a login provider; the provider's subject, never an e-mail address, says so."""

from sqlalchemy import Column, ForeignKey, Table, Text, UniqueConstraint

from common.tables.base import BigId, UTCDateTime, metadata

identities = Table(
    "identities",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("provider", Text, nullable=False),  # feishu, oidc, slack, …
    Column("tenant_key", Text, nullable=False),  # which company, or issuer; may be empty
    Column("subject", Text, nullable=False),  # the provider's own id of the person
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("display_name", Text, nullable=False),  # as the provider last gave it
    Column("created_at", UTCDateTime, nullable=False),
    UniqueConstraint("provider", "tenant_key", "subject"),
)
