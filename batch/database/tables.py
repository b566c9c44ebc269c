"""The tables of the journal's database. Whoever changes one writes a migration beside it: see `migrations`.

Times are ISO 8601 text in UTC, amounts are decimal text, so that SQLite and PostgreSQL hold the same.
"""

from __future__ import annotations

import sqlalchemy as sa

whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A whole number of 64 bits; SQLite counts up only a column called INTEGER."""

metadata = sa.MetaData()
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("id", whole, primary_key=True, autoincrement=True),
    sa.Column("seller", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("price", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("stock", whole),
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
changes = sa.Table(
    "changes",
    metadata,
    sa.Column("id", whole, primary_key=True, autoincrement=True),
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
    sa.Column("old_stock", whole),
    sa.Column("new_stock", whole),
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
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("workbook", sa.Text, nullable=False),
    sa.Column("undoes", sa.Text),
    sa.Column("started", sa.Text, nullable=False),
)
owed = sa.Table(
    "owed",
    metadata,
    sa.Column("id", whole, primary_key=True, autoincrement=True),
    sa.Column("workbook", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("answers", sa.Text, nullable=False),
)
order_marks = sa.Table(
    "order_marks",
    metadata,
    sa.Column("workbook", sa.Text, primary_key=True),
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("read_until", sa.Text, nullable=False),
)
delivered_orders = sa.Table(
    "delivered_orders",
    metadata,
    sa.Column("workbook", sa.Text, primary_key=True),
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("order_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Text, nullable=False),
)
queued_runs = sa.Table(
    "queued_runs",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("workbook", sa.Text, nullable=False),
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Index("queued_runs_of_workbook", "workbook"),
)
"""Runs handed over to workers: all that one needs, as JSON (`queued_run`). Nothing in them is secret."""
queued_answers = sa.Table(
    "queued_answers",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("answers", sa.Text, nullable=False),
    sa.Column("collected", sa.Boolean, nullable=False, default=False),
)
"""What came of the parts that are done; each part is answered once."""
version = sa.Table("alembic_version", metadata, sa.Column("version_num", sa.String(32), primary_key=True))
"""As Alembic makes it, so that a new database needs no Alembic."""
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("content", sa.Text),
)
"""The pairs of accounts whose token file is `db:`, as the JSON of a token file; without one before the first login."""
