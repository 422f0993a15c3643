"""Leases, tombstones, how far back records are kept; on Postgres `records` in monthly partitions;
indexes for the filters of /records.

A table that holds records already becomes the first partition as it stands, up to the end of this
month: nothing is copied. Going back copies, since one table cannot be made of several otherwise.

Revision ID: 0004
Revises: 0003
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy import DDL

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
FILTERS = ("kind", "model", "status")
FILTERED = [*([name, "id"] for name in FILTERS), *(["user_id", name, "id"] for name in FILTERS)]
"""Indexes of `records`: one per filter of its pages, alone and per person."""


def upgrade() -> None:
    _tables()
    if op.get_bind().dialect.name == "postgresql":
        _partition()
    for columns in FILTERED:
        op.create_index(op.f(f"ix_records_{'_'.join(columns)}"), "records", columns)


def downgrade() -> None:
    for columns in reversed(FILTERED):
        op.drop_index(op.f(f"ix_records_{'_'.join(columns)}"), "records")
    if op.get_bind().dialect.name == "postgresql":
        _put_together()
    for table in ("sweep_queue", "retention", "tombstones", "leases"):
        op.drop_table(table)


def _tables() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "tombstones",
        sa.Column("user_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("erased_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_tombstones")),
    )
    op.create_table(
        "retention",
        sa.Column("id", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("kept_since", TIME, nullable=False),
        sa.Column("swept_at", TIME, nullable=True),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention")),
    )
    op.create_table(
        "sweep_queue",
        sa.Column("user_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_sweep_queue")),
    )


def _partition() -> None:
    op.execute("ALTER TABLE records RENAME TO records_before")
    op.execute("ALTER INDEX pk_records RENAME TO pk_records_before")
    op.execute("ALTER INDEX ix_records_user_id_id RENAME TO ix_records_before_user_id_id")
    op.execute(
        "CREATE TABLE records (LIKE records_before INCLUDING DEFAULTS INCLUDING STORAGE)"
        " PARTITION BY RANGE (id)"
    )
    _add_keys()
    op.execute("CREATE TABLE records_default PARTITION OF records DEFAULT")
    month = datetime.now(UTC)
    _add_month(_next(month))
    if op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM records_before)")):
        _keep_as_first(_next(month))
    else:
        op.execute("DROP TABLE records_before")
        _add_month(month)


def _keep_as_first(until: datetime) -> None:
    """Up to that moment; what a clock that was ahead has made later goes where it belongs."""
    op.execute(
        DDL(
            "WITH moved AS (DELETE FROM records_before WHERE id >= '%(until)s' RETURNING *)"
            " INSERT INTO records SELECT * FROM moved",
            context={"until": _first_id(until)},
        )
    )
    op.execute(
        DDL(
            "ALTER TABLE records ATTACH PARTITION records_before"
            " FOR VALUES FROM (MINVALUE) TO ('%(until)s')",
            context={"until": _first_id(until)},
        )
    )


def _add_month(month: datetime) -> None:
    bounds = {"begin": _first_id(month), "end": _first_id(_next(month)), "month": f"{month:%Y_%m}"}
    op.execute(
        DDL(
            "CREATE TABLE records_%(month)s PARTITION OF records"
            " FOR VALUES FROM ('%(begin)s') TO ('%(end)s')",
            context=bounds,
        )
    )


def _put_together() -> None:
    op.execute("CREATE TABLE records_plain (LIKE records INCLUDING DEFAULTS INCLUDING STORAGE)")
    op.execute("INSERT INTO records_plain SELECT * FROM records")
    op.execute("DROP TABLE records")
    op.execute("ALTER TABLE records_plain RENAME TO records")
    _add_keys()


def _add_keys() -> None:
    op.create_primary_key(op.f("pk_records"), "records", ["id"])
    op.create_index(op.f("ix_records_user_id_id"), "records", ["user_id", "id"])


def _next(moment: datetime) -> datetime:
    """The month after, at its beginning."""
    years, month = divmod(moment.month, 12)
    return datetime(moment.year + years, month + 1, 1, tzinfo=UTC)


def _first_id(moment: datetime) -> str:
    """Of all UUIDv7 of that month on: they begin with the milliseconds since the epoch."""
    begin = datetime(moment.year, moment.month, 1, tzinfo=UTC)
    return f"{int(begin.timestamp() * 1000):012x}{0:020x}"
