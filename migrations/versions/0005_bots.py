"""Events of chat bots and the jobs that they start.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "bot_events",
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("provider", "key", name=op.f("pk_bot_events")),
    )
    op.create_index(op.f("ix_bot_events_received_at"), "bot_events", ["received_at"])
    op.create_table(
        "bot_jobs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bot_jobs")),
    )
    op.create_index(op.f("ix_bot_jobs_due_at"), "bot_jobs", ["due_at"])


def downgrade() -> None:
    op.drop_table("bot_jobs")
    op.drop_table("bot_events")
