"""Sign-ins that have come back, who is signed in on the pages, one-time links.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "used_sign_ins",
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("used_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_used_sign_ins")),
    )
    op.create_index(op.f("ix_used_sign_ins_used_at"), "used_sign_ins", ["used_at"])
    op.create_table(
        "web_sessions",
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("due_days", sa.Integer),
        sa.Column("due_name", sa.Text),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_web_sessions")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_web_sessions_user_id")),
    )
    op.create_index(op.f("ix_web_sessions_user_id"), "web_sessions", ["user_id"])
    op.create_index(op.f("ix_web_sessions_expires_at"), "web_sessions", ["expires_at"])
    op.create_table(
        "key_links",
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("opened_at", TIME),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_key_links")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_key_links_user_id")),
    )
    op.create_index(op.f("ix_key_links_user_id"), "key_links", ["user_id"])
    op.create_index(op.f("ix_key_links_expires_at"), "key_links", ["expires_at"])


def downgrade() -> None:
    op.drop_table("key_links")
    op.drop_table("web_sessions")
    op.drop_table("used_sign_ins")
