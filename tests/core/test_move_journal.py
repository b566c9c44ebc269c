"""The journal as a file: what comes out goes in elsewhere, whole or not at all; between SQLite and PostgreSQL."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.clock import SystemClock
from batch.database.database import HEAD
from batch.database.tables import metadata
from batch.errors import JournalError, UsageError
from batch.journal import MOVED, Journal
from batch.model import Entry
from batch.move_journal import export_journal, import_journal
from batch.settings import Settings
from batch.world import NoProgress, World
from tests.helpers.journals import POSTGRESQL, SQLITE, journal_url, journals_in, why_no

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)
OURS, SHARE = r"C:\Allegro\Oferty.xlsx", r"\\serwer\allegro\Oferty.xlsx"
EXAMPLES = int(os.environ.get("JOURNAL_EXAMPLES", "5"))
_numbers = itertools.count()


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A journal of each kind for each part in a move, used by all examples."""
    if reason := why_no(POSTGRESQL):
        pytest.skip(reason)
    urls = {}
    for place, kind in (("before", SQLITE), ("moved", POSTGRESQL), ("back", SQLITE)):
        with journals_in(kind):
            urls[place] = journal_url(tmp_path_factory.mktemp(place))
    return urls


def values_of(column: sa.Column[Any]) -> st.SearchStrategy[Any]:
    if isinstance(column.type, sa.Boolean):
        return st.booleans()
    plain = st.integers(0, 10**12) if isinstance(column.type, sa.BigInteger) else st.integers(1, 10**6)
    values: st.SearchStrategy[Any] = plain if isinstance(column.type, sa.Integer) else TEXT
    return st.none() | values if column.nullable else values


@st.composite
def journals(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    """Rows of all tables; what must be unique is."""
    rows = []
    for table in MOVED:
        for _ in range(draw(st.integers(0, 3))):
            values = {c.name: draw(values_of(c)) for c in table.c if c.name != "id"}
            if "workbook" in values:
                values |= {"workbook": draw(st.sampled_from([OURS, SHARE, "/home/ala/Oferty.xlsx"])), "station": None}
            for name in ("external_id", "name", "seller"):
                if values.get(name) is not None:
                    values[name] = f"{next(_numbers)} {values[name]}"
            rows.append((table.name, values))
    return rows


def in_order(rows: Any) -> list[str]:
    return sorted(json.dumps(row) for row in rows)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=journals())
def test_there_and_back_again(homes: dict[str, str], tmp_path: Path, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """From SQLite to PostgreSQL to another SQLite: the same rows, in the same order where there is one."""
    for url in homes.values():
        empty(url)
    with opened(homes["before"]) as journal:
        assert journal.take_in(rows) == len(rows)
        told = list(journal.rows())
        assert in_order(told) == in_order(rows)
    for start, end in (("before", "moved"), ("moved", "back")):
        file = tmp_path / f"{next(_numbers)}.jsonl"
        assert export_journal(batch_yaml(homes[start]), world(tmp_path), file) == len(rows)
        assert import_journal(batch_yaml(homes[end]), world(tmp_path), file) == len(rows)
    with opened(homes["back"]) as journal:
        assert list(journal.rows()) == told


def test_what_was_moved_goes_on_as_before(homes: dict[str, str], tmp_path: Path) -> None:
    """Drafts, debts and orders are found under the names they had; the next attempt gets the next number."""
    for url in homes.values():
        empty(url)
    with opened(homes["before"]) as journal:
        first = begin(journal)
        journal.owe(OURS, "r", [1])
        journal.orders_delivered(OURS, "s", {"o": "1"}, SystemClock().now())
    file = tmp_path / "j.jsonl"
    export_journal(batch_yaml(homes["before"]), world(tmp_path), file)
    import_journal(batch_yaml(homes["moved"]), world(tmp_path), file)
    with opened(homes["moved"]) as journal:
        found = journal.latest("s", ["A"])["A"]
        assert (found.run, found.details, found.created_at) == (first.run, first.details, first.created_at)
        assert begin(journal, after=found).attempt == 2
        assert [answers for _, _, answers in journal.owed(OURS)] == [[1]]
        assert journal.delivered_orders(OURS, "s", ["o"]) == {"o": "1"}


def test_a_path_is_another_workbook_on_another_station(database: str, tmp_path: Path) -> None:
    """Two PCs that share a journal each have a C: drive; what lies on a server is one workbook."""
    url = journal_url(tmp_path)
    with opened(url, "PC-1") as one, opened(url, "PC-2") as two:
        one.owe(OURS, "r", [1])
        one.owe(SHARE, "r", [2])
        assert [answers for *_, answers in one.owed(OURS)] == [[1]]
        assert [answers for *_, answers in two.owed(OURS)] == ([] if database == POSTGRESQL else [[1]])
        assert [answers for *_, answers in two.owed(SHARE)] == [[2]]


def test_a_known_seller_is_not_put_together_from_two_journals(database: str, tmp_path: Path) -> None:
    """Nothing at all is imported then: neither twice nor in part."""
    url, file = journal_url(tmp_path), tmp_path / "j.jsonl"
    with opened(url) as journal:
        begin(journal)
    export_journal(batch_yaml(url), world(tmp_path), file)
    lines = file.read_text().splitlines()
    stranger = json.loads(lines[1])
    stranger["values"]["seller"] = "other"
    file.write_text("\n".join([lines[0], json.dumps(stranger), lines[1], '{"rows": 2}']))
    with pytest.raises(JournalError, match="journal_import_known"):
        import_journal(batch_yaml(url), world(tmp_path), file)
    with opened(url) as journal:
        assert len(list(journal.rows())) == 1


HEADER = json.dumps({"file": "allegro-batch journal", "version": HEAD})
GOOD = {"workbook": "/a", "station": None, "seller": "s", "read_until": "2026-11-24T00:00:00+00:00"}


def line(**changed: Any) -> str:
    return json.dumps({"table": "order_marks", "values": GOOD | changed})


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        pytest.param([], "journal_file_broken", id="empty"),
        pytest.param(["hello"], "journal_file_broken", id="something else"),
        pytest.param(['{"file": "other"}'], "journal_file_broken", id="other file"),
        pytest.param([HEADER, line()], "journal_file_broken", id="cut short"),
        pytest.param([HEADER, line(), '{"rows": 2}'], "journal_file_broken", id="a row missing"),
        pytest.param([HEADER, line()[:-3]], "journal_file_broken", id="cut in a row"),
        pytest.param([HEADER, line(seller=None), '{"rows": 1}'], "journal_file_broken", id="no seller"),
        pytest.param([HEADER, line(seller=7), '{"rows": 1}'], "journal_file_broken", id="a number for a seller"),
        pytest.param([HEADER, line(seller="\ud800"), '{"rows": 1}'], "journal_file_broken", id="half a character"),
        pytest.param([HEADER, line(more=1), '{"rows": 1}'], "journal_file_broken", id="unknown column"),
        pytest.param([HEADER, '{"table": "tokens", "values": {}}'], "journal_file_broken", id="another table"),
        pytest.param([HEADER.replace(HEAD, "9999")], "journal_file_version", id="newer"),
    ],
)
def test_a_file_that_is_no_whole_journal(tmp_path: Path, lines: list[str], code: str) -> None:
    """It is said so, and nothing of it is taken."""
    url, file = journal_url(tmp_path), tmp_path / "j.jsonl"
    file.write_text("\n".join(lines))
    with pytest.raises(UsageError, match=code):
        import_journal(batch_yaml(url), world(tmp_path), file)
    with opened(url) as journal:
        assert list(journal.rows()) == []


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text("mine")
    with pytest.raises(UsageError, match="journal_file_exists"):
        export_journal(batch_yaml(journal_url(tmp_path)), world(tmp_path), tmp_path / "j.jsonl")
    assert (tmp_path / "j.jsonl").read_text() == "mine"


def test_a_journal_at_work_is_not_moved(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the run learns later would be missing in the file."""
    from batch.seller_lock import SellerLocks  # noqa: PLC0415

    monkeypatch.setattr("batch.seller_lock.PATIENCE", 0.1)
    url = journal_url(tmp_path)
    with opened(url) as journal, SellerLocks(journal) as sellers:
        begin(journal)
        sellers.hold("s")
        with pytest.raises(JournalError, match="journal_in_use"):
            export_journal(batch_yaml(url), world(tmp_path), tmp_path / "j.jsonl")
    assert not (tmp_path / "j.jsonl").exists()


# --- helpers


class opened:  # noqa: N801  (reads as what it is: with opened(url) as journal)
    """The journal at `url`, closed afterwards."""

    def __init__(self, url: str, station: str = "PC-1") -> None:
        self.journal = Journal(url, SystemClock().now, station)

    def __enter__(self) -> Journal:
        return self.journal

    def __exit__(self, *_: object) -> None:
        self.journal.close()


def begin(journal: Journal, after: Entry | None = None) -> Entry:
    return journal.intend(seller="s", external_id="A", after=after, run="r", price=None, stock=1)


def empty(url: str) -> None:
    with opened(url) as journal, journal._engine.begin() as connection:
        for table in metadata.sorted_tables:
            if table.name != "alembic_version":
                connection.execute(table.delete())


def batch_yaml(url: str) -> Settings:
    environment = {"client_id": "x", "app_name": "x", "info_url": "https://example.com"}
    return Settings.model_validate(
        {"journal": url, "environments": {"sandbox": environment}, "station": {"name": "PC-1"}}
    )


def world(folder: Path) -> World:
    return World(SystemClock(), folder, lambda: "abc", NoProgress())
