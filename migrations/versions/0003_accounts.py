"""Identities, e-mail passwords, registration; which access token made which.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("tenant_key", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_identities_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint(
            "provider",
            "tenant_key",
            "subject",
            name=op.f("uq_identities_provider_tenant_key_subject"),
        ),
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"])
    op.create_table(
        "passwords",
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passwords_user_id")),
        sa.PrimaryKeyConstraint("email", name=op.f("pk_passwords")),
    )
    op.create_index(op.f("ix_passwords_user_id"), "passwords", ["user_id"])
    op.create_table(
        "switches",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "rate_windows",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_windows")),
    )
    op.create_index(op.f("ix_rate_windows_ends_at"), "rate_windows", ["ends_at"])
    op.add_column("access_tokens", sa.Column("made_with", sa.BigInteger))
    op.create_index(op.f("ix_access_tokens_made_with"), "access_tokens", ["made_with"])


def downgrade() -> None:
    op.drop_index(op.f("ix_access_tokens_made_with"), "access_tokens")
    op.drop_column("access_tokens", "made_with")
    op.drop_table("rate_windows")
    op.drop_table("switches")
    op.drop_table("passwords")
    op.drop_table("identities")
