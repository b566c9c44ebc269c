"""One run at a time for a seller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch import seller_lock
from batch.errors import AttemptTaken
from batch.journal import Journal
from batch.seller_lock import SellerLocks
from tests.helpers.journals import POSTGRESQL, journal_url


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seller_lock, "PATIENCE", 0.1)
    monkeypatch.setattr(seller_lock, "LOOK_EVERY", 0.02)


@contextmanager
def run_on(url: str, station: str = "PC-1") -> Iterator[SellerLocks]:
    """The sellers of a run."""
    journal = Journal(url, lambda: datetime.now(UTC), station)
    try:
        with SellerLocks(journal) as locks:
            yield locks
    finally:
        journal.close()


def test_a_second_run_is_kept_off_until_the_first_is_over(database: str, tmp_path: Path) -> None:
    """Other sellers are free; afterwards the seller is too. On a server, it is said who is at work."""
    url = journal_url(tmp_path)
    with run_on(url, "PC-1") as first:
        first.hold("A")
        with run_on(url, "PC-2") as second:
            second.hold("B")
            with pytest.raises(AttemptTaken) as refused:
                second.hold("A")
            assert refused.value.facts.get("by") == ("PC-1" if database == POSTGRESQL else None)
    with run_on(url) as third:
        third.hold("A")
        third.hold("B")


def test_two_accounts_of_one_run_may_be_the_same_seller(database: str, tmp_path: Path) -> None:
    """A run does not keep itself off."""
    with run_on(journal_url(tmp_path)) as locks:
        locks.hold("A")
        locks.hold("A")


def test_other_journals_are_other_worlds(database: str, tmp_path: Path) -> None:
    """Nobody is kept off by a run with another journal."""
    with run_on(journal_url(made(tmp_path / "one"))) as one, run_on(journal_url(made(tmp_path / "two"))) as two:
        one.hold("A")
        two.hold("A")


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
