"""The tables as they were before their version was counted by Alembic; what an older journal lacks is made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_metadata = sa.MetaData()
sa.Table(
    "entries",
    _metadata,
    sa.Column("id", _whole, primary_key=True, autoincrement=True),
    sa.Column("seller", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("price", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("stock", _whole),
    sa.Column("offer_id", sa.Text),
    sa.Column("operation", sa.Text),
    sa.Column("code", sa.Text),
    sa.Column("details", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Text, nullable=False),
    sa.Column("reported", sa.Boolean, nullable=False, default=False),
    sa.UniqueConstraint("seller", "external_id", "attempt", name="one_attempt"),
)
sa.Table(
    "changes",
    _metadata,
    sa.Column("id", _whole, primary_key=True, autoincrement=True),
    sa.Column("seller", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("offer_id", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text),
    sa.Column("way", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("command", sa.Text),
    sa.Column("old_price", sa.Text),
    sa.Column("old_currency", sa.Text),
    sa.Column("new_price", sa.Text),
    sa.Column("new_currency", sa.Text),
    sa.Column("old_stock", _whole),
    sa.Column("new_stock", _whole),
    sa.Column("old_status", sa.Text),
    sa.Column("operation", sa.Text),
    sa.Column("code", sa.Text),
    sa.Column("errors", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Column("updated_at", sa.Text, nullable=False),
    sa.Column("reported", sa.Boolean, nullable=False, default=False),
    sa.Index("changes_of_run", "run"),
    sa.Index("changes_unsettled", "seller", "reported", "state"),
)
sa.Table(
    "runs",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("workbook", sa.Text, nullable=False),
    sa.Column("undoes", sa.Text),
    sa.Column("started", sa.Text, nullable=False),
)
sa.Table(
    "owed",
    _metadata,
    sa.Column("id", _whole, primary_key=True, autoincrement=True),
    sa.Column("workbook", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("answers", sa.Text, nullable=False),
)
sa.Table(
    "order_marks",
    _metadata,
    sa.Column("workbook", sa.Text, primary_key=True),
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("read_until", sa.Text, nullable=False),
)
sa.Table(
    "delivered_orders",
    _metadata,
    sa.Column("workbook", sa.Text, primary_key=True),
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("order_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Text, nullable=False),
)


def upgrade() -> None:
    _metadata.create_all(op.get_bind())
