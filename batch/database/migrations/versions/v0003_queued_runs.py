"""Runs handed over to workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "queued_runs",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("workbook", sa.Text, nullable=False),
        sa.Column("parts", sa.Integer, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
    )
    op.create_index("queued_runs_of_workbook", "queued_runs", ["workbook"])
    op.create_table(
        "queued_answers",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("answers", sa.Text, nullable=False),
        sa.Column("collected", sa.Boolean, nullable=False, default=False),
    )
