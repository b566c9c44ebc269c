"""A journal of an older version opens, with all it holds; the tables are then those of a new one."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from batch.database import database as databases
from batch.database.database import HEAD, found_version, migrate, prepare
from batch.database.tables import metadata
from batch.errors import JournalError
from batch.journal import Journal
from batch.model import State
from batch.parallel import each
from tests.helpers.journals import SQLITE, journal_url

SELLER = "https://api.example e-sklep1"
BEFORE_ALEMBIC = (Path(__file__).parent / "journal_before_alembic.sql").read_text("utf-8")
ROOT = Path(__file__).parents[2]


def now() -> datetime:
    return datetime(2026, 11, 24, 13, 30, tzinfo=UTC)


def written_by(script: str, folder: Path) -> str:
    """A file of SQLite as an earlier version of the tool left it."""
    with sqlite3.connect(folder / "journal.sqlite") as connection:
        connection.executescript(script)
    connection.close()
    return journal_url(folder)


def of_version_1(url: str) -> None:
    """A database whose tables are those of the first step."""
    with engine_of(url).begin() as connection:
        migrate(connection, "0001")


def engine_of(url: str) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.NullPool)


def check_like_new(url: str) -> None:
    """No table, column, index or type differs from what the program would make."""
    with engine_of(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert found_version(connection) == HEAD


def test_what_an_older_version_left_is_all_there(tmp_path: Path) -> None:
    """Drafts done and in doubt, debts and orders."""
    url = written_by(BEFORE_ALEMBIC, tmp_path)
    journal = Journal(url, now)
    found = journal.latest(SELLER, ["A", "B"])
    assert (found["A"].state, found["A"].offer_id, found["B"].state) == (State.DONE, "77", State.SENDING)
    assert [answers for *_, answers in journal.owed("/a.xlsx")] == [[1]]
    assert journal.delivered_orders("/a.xlsx", "s", ["o1"]) == {"o1": "r1"}
    assert journal.last_run("/a.xlsx") == "r1"
    journal.close()
    check_like_new(url)


def test_a_journal_of_the_first_days_lacks_tables(tmp_path: Path) -> None:
    """They are made."""
    script = re.sub(
        r"CREATE TABLE (changes|runs|order_marks|delivered_orders) \(.*?\n\);", "", BEFORE_ALEMBIC, flags=re.S
    )
    script = re.sub(r'(INSERT INTO "(runs|order_marks|delivered_orders)"|CREATE INDEX) .*', "", script)
    url = written_by(script, tmp_path)
    journal = Journal(url, now)
    assert journal.latest(SELLER, ["A"])["A"].offer_id == "77"
    assert journal.unsettled_changes(SELLER) == []
    journal.close()
    check_like_new(url)


def test_every_step_leads_to_the_tables_of_today(database: str, tmp_path: Path) -> None:
    """Whoever changes a table writes its step, or this fails."""
    url = journal_url(tmp_path)
    of_version_1(url)
    Journal(url, now).close()
    check_like_new(url)


def test_a_new_journal_is_made_as_the_steps_make_it(database: str, tmp_path: Path) -> None:
    url = journal_url(tmp_path)
    Journal(url, now).close()
    check_like_new(url)


def test_the_newest_step_is_the_programs_version() -> None:
    files = (ROOT / "batch/database/migrations/versions").glob("v*.py")
    assert max(file.name[1:5] for file in files) == HEAD


def test_a_migration_that_breaks_off_changes_nothing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start finds the old tables, and does it all."""
    url = journal_url(tmp_path)
    of_version_1(url)

    def broken(connection: sa.Connection, target: str) -> None:
        migrate(connection, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(databases, "migrate", broken)
        with pytest.raises(KeyboardInterrupt), engine_of(url).connect() as connection:
            prepare(connection)
    with engine_of(url).connect() as connection:
        assert found_version(connection) == "0001"
        assert not sa.inspect(connection).has_table("tokens")
    Journal(url, now).close()
    check_like_new(url)


def test_several_runs_start_on_an_older_journal_at_once(database: str, tmp_path: Path) -> None:
    """One brings it up to date, the others wait for it."""
    if database == SQLITE:
        url = written_by(BEFORE_ALEMBIC, tmp_path)
    else:
        url = journal_url(tmp_path)
        of_version_1(url)
    gate = threading.Barrier(6)
    opened: list[Journal] = []

    def start(_: int) -> None:
        gate.wait()
        opened.append(Journal(url, now))

    each(range(gate.parties), start, threads=gate.parties)
    for journal in opened:
        journal.close()
    assert len(opened) == gate.parties
    check_like_new(url)


def test_a_journal_from_before_that_is_too_new(tmp_path: Path) -> None:
    """Whatever wrote another number there is not known to us; the file stays as it is."""
    url = written_by(BEFORE_ALEMBIC.replace("'schema','1'", "'schema','2'"), tmp_path)
    with pytest.raises(JournalError, match="journal_version"):
        Journal(url, now)
    with engine_of(url).connect() as connection:
        assert not sa.inspect(connection).has_table("tokens")


def test_the_daily_start_loads_no_migrations(tmp_path: Path) -> None:
    """Neither for a new journal nor for one that is up to date."""
    program = (
        "import sys; from datetime import datetime, UTC; from batch.journal import Journal\n"
        "for _ in range(2): Journal(sys.argv[1], lambda: datetime.now(UTC)).close()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, journal_url(tmp_path)], check=False, cwd=ROOT).returncode == 0
