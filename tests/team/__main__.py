"""Whole suites with the journal, and the tokens, in PostgreSQL: `python -m tests.team [pytest's options]`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.helpers.journals import POSTGRESQL
from tests.helpers.postgres import why_not

SUITES = (
    "core/test_journal.py",
    "core/test_migrations.py",
    "core/test_move_journal.py",
    "core/test_seller_lock.py",
    "accounts/test_processes.py",
    "accounts/test_recovery.py",
    "jobs",
    "team",
)

if __name__ == "__main__":
    if reason := why_not():
        sys.exit(reason)
    folder = Path(__file__).parents[1]
    sys.exit(
        pytest.main([*(str(folder / suite) for suite in SUITES), "--databases", POSTGRESQL, "-m", "", *sys.argv[1:]])
    )
