"""The journal: what was intended is on disk, one attempt has one owner. The same on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from batch.errors import AttemptTaken, JournalError
from batch.journal import Journal
from batch.model import Entry, Money, State
from tests.helpers.journals import journal_url

SELLER = "https://api.example e-sklep1"


def now() -> datetime:
    return datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.fixture
def url(database: str, tmp_path: Path) -> str:
    """A new journal."""
    return journal_url(tmp_path)


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    opened = Journal(url, now)
    yield opened
    opened.close()


def other_program(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What somebody else sees, or does, in the database."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def intend(journal: Journal, external_id: str = "A", after: Entry | None = None) -> Entry:
    return journal.intend(
        seller=SELLER, external_id=external_id, after=after, run="r", price=Money(Decimal("12.30"), "PLN"), stock=3
    )


def test_intent_is_on_disk_before_it_is_acted_on(journal: Journal, url: str) -> None:
    """Another connection sees the intent as soon as `intend` has returned."""
    intend(journal)
    rows = other_program(url, "select external_id, state, price, stock from entries")
    assert rows == [("A", "sending", "12.30", 3)]


def test_many_runs_may_start_on_a_new_journal_at_once(url: str) -> None:
    """All of them open it, whoever makes the tables."""
    gate = threading.Barrier(12)
    opened: list[Journal] = []

    def start() -> None:
        gate.wait()
        opened.append(Journal(url, now))

    threads = [threading.Thread(target=start) for _ in range(gate.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in opened:
        journal.close()
    assert len(opened) == gate.parties


def test_an_attempt_belongs_to_one_run(journal: Journal, url: str) -> None:
    """Two runs that both saw nothing cannot both intend the same draft."""
    intend(journal)
    other = Journal(url, now)
    with pytest.raises(AttemptTaken):
        intend(other)
    other.close()


def test_next_attempt_follows_the_one_it_was_decided_on(journal: Journal) -> None:
    """A second attempt needs the first; a decision based on an older one is refused."""
    first = replace(intend(journal), state=State.WITHDRAWN)
    journal.save(first)
    second = intend(journal, after=first)
    assert second.attempt == 2
    with pytest.raises(AttemptTaken):
        intend(journal, after=first)


def test_latest_gives_back_what_was_saved(journal: Journal) -> None:
    """All fields survive, and only the newest attempt of each external id is given."""
    done = replace(
        intend(journal),
        state=State.DONE,
        code="draft_incomplete",
        offer_id="77",
        operation="op",
        details={"errors": [["Brak zdjęcia", "X"]]},
        trace_id="abc",
    )
    journal.save(done)
    intend(journal, "B")
    found = journal.latest(SELLER, ["A", "B", "C"])
    assert found["A"] == done
    assert found["B"].state is State.SENDING
    assert "C" not in found
    assert journal.latest("another seller", ["A"]) == {}


def test_many_external_ids_are_found(journal: Journal) -> None:
    """More ids than a statement may have parameters."""
    intend(journal, "700")
    assert set(journal.latest(SELLER, [str(n) for n in range(5000)])) == {"700"}


def test_reported_is_remembered(journal: Journal) -> None:
    """What is in the workbook is not owed to it any more."""
    entry = intend(journal)
    journal.mark_reported([entry.id])
    assert journal.latest(SELLER, ["A"])["A"].reported


def test_debt_is_kept_until_it_is_settled(journal: Journal) -> None:
    """Answers wait for their own workbook, in the order of the runs."""
    journal.owe("/a.xlsx", "run-1", [{"row": 7, "message": "ż"}])
    journal.owe("/a.xlsx", "run-2", [])
    journal.owe("/b.xlsx", "run-3", [])
    owed = journal.owed("/a.xlsx")
    assert [(run, answers) for _, run, answers in owed] == [("run-1", [{"row": 7, "message": "ż"}]), ("run-2", [])]
    journal.settle_debt([owed[0][0]])
    assert [run for _, run, _ in journal.owed("/a.xlsx")] == ["run-2"]


def test_a_large_stock_is_kept(journal: Journal) -> None:
    """Nobody has so much, but a typing error must not stop an account."""
    journal.intend(seller=SELLER, external_id="A", after=None, run="r", price=None, stock=10**12)
    assert journal.latest(SELLER, ["A"])["A"].stock == 10**12


def test_threads_share_a_journal(journal: Journal) -> None:
    """Workers of one account write at the same time and lose nothing."""
    threads = [
        threading.Thread(target=lambda n=n: [intend(journal, f"{n}-{i}") for i in range(25)])  # type: ignore[misc]
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.latest(SELLER, [f"{n}-{i}" for n in range(8) for i in range(25)])) == 200


def test_a_broken_journal_is_said_so(tmp_path: Path) -> None:
    """A file that is no database is an error with a code, and stays as it is."""
    path = tmp_path / "journal.sqlite"
    path.write_text("this is no database, but long enough to look like one" * 100)
    with pytest.raises(JournalError) as error:
        Journal.in_folder(tmp_path, now)
    assert error.value.code == "journal_unusable"
    assert path.read_text().startswith("this is no database")


def test_a_newer_journal_is_left_alone(journal: Journal, url: str) -> None:
    """A journal written by a later version of the tool is not touched."""
    other_program(url, "update alembic_version set version_num = '9999'")
    with pytest.raises(JournalError, match="journal_version"):
        Journal(url, now)
    assert other_program(url, "select version_num from alembic_version") == [("9999",)]


def test_orders_are_remembered_by_workbook_and_seller(journal: Journal) -> None:
    """How far they were read and which revision was delivered; a later revision takes the place of an earlier one."""
    first, later = datetime(2026, 11, 2, 8, 0, 0, 123_000, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    assert journal.orders_mark("/a.xlsx", "s1") is None
    journal.orders_delivered("/a.xlsx", "s1", {"o1": "r1", "o2": "r1"}, first)
    journal.orders_delivered("/a.xlsx", "s1", {"o2": "r2"}, None)
    journal.orders_delivered("/a.xlsx", "s2", {"o1": "r9"}, later)
    journal.orders_delivered("/b.xlsx", "s1", {}, later)
    assert journal.orders_mark("/a.xlsx", "s1") == first
    assert journal.orders_mark("/b.xlsx", "s1") == later
    assert journal.delivered_orders("/a.xlsx", "s1", ["o1", "o2", "o3"]) == {"o1": "r1", "o2": "r2"}
    assert journal.delivered_orders("/b.xlsx", "s1", ["o1"]) == {}


def test_many_orders_are_remembered_in_one_go(journal: Journal) -> None:
    """More than a statement of SQLite may name."""
    many = {f"o{n}": "r" for n in range(1201)}
    journal.orders_delivered("/a.xlsx", "s", many, None)
    assert journal.delivered_orders("/a.xlsx", "s", list(many)) == many


def test_trouble_of_the_driver_is_told_and_leaves_nothing_behind(journal: Journal, database: str) -> None:
    """As the queue meets it, whose statements go past SQLAlchemy."""

    def half(connection: Any) -> None:
        connection.execute("insert into runs (name, workbook, started) values ('half', '/a.xlsx', '2026')")
        connection.execute("select no_such_function()")

    with pytest.raises(JournalError, match="journal_unusable"):
        journal.on_driver(half)
    assert not journal.find_run("half")
    with pytest.raises(KeyError):
        journal.on_driver(lambda _: {}["x"])
    journal.begin_run("next", "/a.xlsx")
    assert journal.find_run("next")


def test_a_draft_that_another_attempt_followed_is_not_open_any_more(journal: Journal) -> None:
    """What is found at Allegro is the newer one's, and its run's to take back."""
    first = intend(journal)
    assert journal.open_drafts("r", SELLER) == [first]
    intend(journal, after=first)
    assert [entry.attempt for entry in journal.open_drafts("r", SELLER)] == [2]
