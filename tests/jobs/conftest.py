"""Whole jobs run on every kind of database; in short form on PostgreSQL only those that `ON_POSTGRESQL` names."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def whole_job(database: str) -> None:
    """The journals of this test's shops lie in `database`."""
