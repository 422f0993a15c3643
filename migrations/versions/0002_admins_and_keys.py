"""What admins decide of provider keys, and what workers report of them.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "credential_decisions",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("credential", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential_decisions")),
    )
    op.create_index(
        op.f("ix_credential_decisions_credential_id"), "credential_decisions", ["credential", "id"]
    )
    op.create_table(
        "worker_reports",
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("report", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_worker_reports")),
    )


def downgrade() -> None:
    op.drop_table("worker_reports")
    op.drop_table("credential_decisions")
