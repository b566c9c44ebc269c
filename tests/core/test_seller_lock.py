"""One run at a time for a seller."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch import seller_lock
from batch.errors import AttemptTaken
from batch.seller_lock import SellerLocks


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seller_lock, "PATIENCE", 0.1)


def test_a_second_run_is_kept_off_until_the_first_is_over(tmp_path: Path) -> None:
    """Other sellers are free; afterwards the seller is too."""
    journal = tmp_path / "journal.sqlite"
    with SellerLocks(journal) as first:
        first.hold("A")
        with SellerLocks(journal) as second:
            second.hold("B")
            with pytest.raises(AttemptTaken):
                second.hold("A")
    with SellerLocks(journal) as third:
        third.hold("A")
        third.hold("B")


def test_two_accounts_of_one_run_may_be_the_same_seller(tmp_path: Path) -> None:
    """A run does not keep itself off."""
    with SellerLocks(tmp_path / "journal.sqlite") as locks:
        locks.hold("A")
        locks.hold("A")


def test_other_journals_are_other_worlds(tmp_path: Path) -> None:
    """Nobody is kept off by a run with another journal, or with one on a server."""
    with SellerLocks(tmp_path / "one") as one, SellerLocks(tmp_path / "two") as two, SellerLocks(None) as server:
        for locks in (one, two, server):
            locks.hold("A")
