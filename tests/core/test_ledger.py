"""What processes share is changed by one at a time; a database in trouble stops nobody."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from batch.allegro.allowance import Limit
from batch.clock import SystemClock
from batch.ledger import ALONE, FILE, Ledger
from tests.helpers.drafts import FakeClock

PROCESSES, TURNS, PER_MINUTE = 4, 300, 18_000


def count(kept: Any, _now: float) -> Any:
    """One more."""
    number = kept.get("number", 0) + 1
    return {"number": number}, number


def journal(folder: Path) -> str:
    return f"sqlite:///{folder / 'journal.sqlite'}"


def test_processes_take_turns_at_one_time_and_no_turn_twice(tmp_path: Path) -> None:
    """Real ones, over a real database that is not there yet: of what they took from it, hardly a turn is lost."""
    arguments = [journal(tmp_path), "requests", str(PER_MINUTE), str(TURNS), "6"]
    command = [sys.executable, "-m", "tests.helpers.take_turns", *arguments]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("begin\n")
        process.stdin.flush()
    took = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    interval = Limit(PER_MINUTE).interval
    leases = sorted(tuple(lease) for process in took for lease in process["leases"])
    for (first, turns), (after, _) in pairwise(leases):
        assert first + turns * interval <= after + interval / 100
    leased = sum(turns for _, turns in leases) - sum(process["left"] for process in took)
    used = sum(process["used"] for process in took)
    assert used == PROCESSES * TURNS
    assert used >= 0.95 * leased
    with sqlite3.connect(tmp_path / FILE) as database:
        [(kept,)] = database.execute("SELECT kept FROM budgets").fetchall()
    assert json.loads(kept)["free"] == pytest.approx(leases[-1][0] + leases[-1][1] * interval)


def test_no_change_is_lost_between_threads_and_ledgers(tmp_path: Path) -> None:
    """Two ledgers on one file, each with threads: every change builds on the one before."""
    clock = SystemClock()
    numbers: list[int] = []
    with Ledger.of_journal(clock, journal(tmp_path), tmp_path) as a, Ledger.of_journal(clock, None, tmp_path) as b:
        threads = [
            threading.Thread(
                target=lambda ledger: numbers.extend(ledger.change("k", count) for _ in range(25)), args=(ledger,)
            )
            for ledger in (a, b) * 3
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(numbers) == list(range(1, 151))


def test_what_is_kept_outlives_its_process(tmp_path: Path) -> None:
    """A ledger closed and opened again; keys do not know of each other."""
    for expected in (1, 2):
        with Ledger.of_journal(SystemClock(), None, tmp_path) as ledger:
            assert ledger.change("k", count) == expected
            assert ledger.change(f"of {expected}", count) == 1


@pytest.mark.parametrize("trouble", ["locked", "broken", "no folder"])
def test_a_database_in_trouble_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: str) -> None:
    """The process goes on from what it knew, says so once, and comes back to the database later."""
    clock, file = FakeClock(), tmp_path / "shared" / FILE
    if trouble == "no folder":
        (tmp_path / "shared").write_text("a file")
    with Ledger.of_journal(clock, journal(tmp_path / "shared"), tmp_path) as ledger:
        known = 0
        blocker: sqlite3.Connection | None = None
        if trouble == "broken":
            file.parent.mkdir()
            file.write_text("no database" * 1000)
        elif trouble != "no folder":
            known = ledger.change("k", count)
        if trouble == "locked":
            blocker = sqlite3.connect(file, isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.WARNING):
            assert ledger.change("k", count) == known + 1
            assert ledger.change("k", count) == known + 2
        assert len(caplog.records) == 1
        if blocker is not None:
            blocker.close()
            clock.sleep(ALONE)
            assert ledger.change("k", count) == known + 1  # from the database again


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true", "no url"])
def test_a_journal_that_nobody_else_can_open_is_shared_with_nobody(tmp_path: Path, url: str) -> None:
    """Nor does a file appear."""
    for _ in range(2):
        with Ledger.of_journal(SystemClock(), url, tmp_path) as ledger:
            assert ledger.change("k", count) == 1
    assert not list(tmp_path.iterdir())


def test_a_journal_on_a_server_keeps_the_budgets_there() -> None:
    """Beside an SQLite journal they have a file of their own."""
    url = "postgresql+psycopg://someone@server/journal"
    shared = Ledger.of_journal(SystemClock(), url, Path())._shared
    assert shared is not None
    assert shared._url == sa.make_url(url)
    assert "clock_timestamp" in str(shared._query)
