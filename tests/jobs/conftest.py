"""Whole jobs run on every kind of database; in short form on PostgreSQL only those that `ON_POSTGRESQL` names."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _all_are_whole_jobs(whole_job: str) -> None:
    """Nothing else to prepare."""
