"""Every table of the first version.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
HASH = sa.LargeBinary(length=32)
TABLES = (
    "users",
    "access_tokens",
    "resources",
    "usage_daily",
    "records",
    "record_parts",
    "record_quarantine",
    "link_queue",
    "conversations",
    "exchanges",
    "messages",
    "nodes",
)


def upgrade() -> None:
    _people()
    _records()
    _arrivals()
    _conversations()
    _chain()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _people() -> None:
    """Who calls, and what is theirs."""
    op.create_table(
        "users",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("blocked_at", TIME, nullable=True),
        sa.Column("erased_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "access_tokens",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=True),
        sa.Column("hash", HASH, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_access_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_access_tokens_hash")),
    )
    op.create_index(op.f("ix_access_tokens_user_id"), "access_tokens", ["user_id"])
    op.create_table(
        "resources",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("upstream", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resources")),
    )
    op.create_index(op.f("ix_resources_user_id"), "resources", ["user_id"])
    op.create_table(
        "usage_daily",
        sa.Column("user_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "day", "model", name=op.f("pk_usage_daily")),
    )


def _records() -> None:
    """Calls and their answers, as stored."""
    op.create_table(
        "records",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("token_id", sa.BigInteger, nullable=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=True),
        sa.Column("model_used", sa.Text, nullable=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("http_status", sa.Integer, nullable=True),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("client_address", sa.Text, nullable=False),
        sa.Column("conversation_hint", sa.Text, nullable=True),
        sa.Column("upstream", sa.Text, nullable=True),
        sa.Column("attempts", sa.Text, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("first_byte_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=True),
        sa.Column("completion_tokens", sa.BigInteger, nullable=True),
        sa.Column("cached_tokens", sa.BigInteger, nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=True),
        sa.Column("usage_source", sa.Text, nullable=True),
        sa.Column("request_type", sa.Text, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=True),
        sa.Column("request_size_bytes", sa.BigInteger, nullable=False),
        sa.Column("request_sha256", HASH, nullable=True),
        sa.Column("response_type", sa.Text, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=True),
        sa.Column("response_size_bytes", sa.BigInteger, nullable=False),
        sa.Column("response_sha256", HASH, nullable=True),
        sa.Column("codec", sa.SmallInteger, nullable=False),
        sa.Column("version", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
    )
    op.create_index(op.f("ix_records_user_id_id"), "records", ["user_id", "id"])


def _arrivals() -> None:
    """Records on their way in."""
    op.create_table(
        "record_parts",
        sa.Column("record_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("record_id", "number", name=op.f("pk_record_parts")),
    )
    op.create_table(
        "record_quarantine",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("record_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("raw_sha256", HASH, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_quarantine")),
        sa.UniqueConstraint(
            "record_id", "raw_sha256", name=op.f("uq_record_quarantine_record_id_raw_sha256")
        ),
    )
    op.create_table(
        "link_queue",
        sa.Column("record_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_link_queue")),
    )


def _conversations() -> None:
    """Which exchanges belong together."""
    op.create_table(
        "conversations",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("exchange_count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
    )
    op.create_index(
        op.f("ix_conversations_user_id_updated_at"), "conversations", ["user_id", "updated_at"]
    )
    op.create_index(op.f("ix_conversations_updated_at"), "conversations", ["updated_at"])
    op.create_index(
        "uq_conversations_user_id_hint", "conversations", ["user_id", "hint"], unique=True
    )
    op.create_table(
        "exchanges",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("token_id", sa.BigInteger, nullable=True),
        sa.Column("conversation_id", sa.Uuid, nullable=False),
        sa.Column("parent_id", sa.Uuid, nullable=True),
        sa.Column("link", sa.SmallInteger, nullable=False),
        sa.Column("shared_depth", sa.Integer, nullable=False),
        sa.Column("prompt_hash", HASH, nullable=False),
        sa.Column("prompt_depth", sa.Integer, nullable=False),
        sa.Column("answer_hash", HASH, nullable=True),
        sa.Column("answer_message_hash", HASH, nullable=True),
        sa.Column("system_hash", HASH, nullable=True),
        sa.Column("pair_hash", HASH, nullable=True),
        sa.Column("upstream_id", HASH, nullable=True),
        sa.Column("hint", sa.Text, nullable=True),
        sa.Column("reply_to", HASH, nullable=True),
        sa.Column("pairs", sa.LargeBinary, nullable=True),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=False),
        sa.Column("linker_version", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchanges")),
    )
    op.create_index(op.f("ix_exchanges_user_id_id"), "exchanges", ["user_id", "id"])
    op.create_index(op.f("ix_exchanges_answer_hash_id"), "exchanges", ["answer_hash", "id"])
    op.create_index(
        op.f("ix_exchanges_conversation_id_started_at"),
        "exchanges",
        ["conversation_id", "started_at"],
    )
    op.create_index(op.f("ix_exchanges_parent_id"), "exchanges", ["parent_id"])
    op.create_index(op.f("ix_exchanges_prompt_hash_id"), "exchanges", ["prompt_hash", "id"])
    op.create_index(
        op.f("ix_exchanges_user_id_pair_hash_id"), "exchanges", ["user_id", "pair_hash", "id"]
    )
    op.create_index(
        op.f("ix_exchanges_user_id_upstream_id_id"), "exchanges", ["user_id", "upstream_id", "id"]
    )


def _chain() -> None:
    """The hash chain that conversations are found by."""
    op.create_table(
        "messages",
        sa.Column("user_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", HASH, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("codec", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "hash", name=op.f("pk_messages")),
    )
    op.create_table(
        "nodes",
        sa.Column("hash", HASH, nullable=False),
        sa.Column("parent_hash", HASH, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("message_hash", HASH, nullable=False),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_nodes")),
    )
    op.create_index(op.f("ix_nodes_user_id"), "nodes", ["user_id"])
