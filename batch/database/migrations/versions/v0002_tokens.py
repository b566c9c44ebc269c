"""Tokens in the database; the version is Alembic's from here on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table("tokens", sa.Column("name", sa.Text, primary_key=True), sa.Column("content", sa.Text))
    op.drop_table("meta", if_exists=True)
