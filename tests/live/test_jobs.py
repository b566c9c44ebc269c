"""Whole jobs on a workbook that is open in Excel, and two thousand answers that come in while its user works."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batch import pipeline, report
from batch.clock import SystemClock
from batch.deliver import TABLES, Answers, AnswersAsTheyCome, deliver
from batch.errors import BatchError
from batch.journal import Journal
from batch.messages import catalogue as texts
from batch.model import Outcome
from batch.settings import load_settings
from batch.simulator import Simulator, catalogue
from batch.validate.cells import text_of
from batch.workbook.desk import open_desk
from batch.workbook.live import LiveWorkbook
from batch.world import NoProgress, World, short_id
from tests.helpers.books import make_book
from tests.helpers.excel_on_libreoffice import Excel
from tests.helpers.libreoffice import RunningLibreOffice
from tests.helpers.shop import Shop

WORDS = texts("pl")
ROWS = 2000
STOCK = 5  # its column, a column of the user's standing before it


class FastClock(SystemClock):
    """The real clock, a hundred times as fast."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() * 100

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 100)


def world(folder: Path, clock: SystemClock | None = None) -> World:
    return World(clock or SystemClock(), folder, short_id, NoProgress())


def column(path: Path, table: str, key: str) -> list[str]:
    """A column as it stands in Excel."""
    with open_desk(path, SystemClock()) as desk:
        found = desk.read([table]).tables[table]
        return [text_of(found.value(row, key)) for row in found.rows]


# --- two thousand answers


@contextmanager
def user_at_work(excel: Excel, path: Path) -> Iterator[dict[int, int]]:
    """Somebody who types stock into one row after another, from a program of his own; gives what was typed where."""
    typed: dict[int, int] = {}
    gone = threading.Event()
    user = RunningLibreOffice(excel.engine.office.pipe)

    def work() -> None:
        for row in itertools.cycle(range(2, ROWS + 2, 7)):
            if gone.is_set():
                return
            typed[row] = typed.get(row, 0) + row
            area = [row, STOCK, row, STOCK]
            user.ask("put", book=str(path), sheet="Produkty", area=area, rows=[[typed[row]]])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield typed
    finally:
        gone.set()
        thread.join()
        user.close()


def test_two_thousand_answers_while_the_user_works(tmp_path: Path, excel: Excel) -> None:
    """They come in from many threads, and stand in the workbook in blocks before the last of them is there.

    No edit of the user's is lost, and nothing but our cells has changed.
    """
    rows = [{"account": "k", "ean": f"{row:013}", "price": 5, "Uwagi": f"u{row}"} for row in range(2, ROWS + 2)]
    path = excel.open(make_book(tmp_path / "b.xlsx", {"Products": rows}, own={"Products": ["Uwagi"]}))
    outcomes = [
        Outcome(row, "k", "draft_created", offer_id=f"7{row}", external_id=f"{row:013}") for row in range(2, ROWS + 2)
    ]
    with open_desk(path, SystemClock()) as desk, user_at_work(excel, path) as typed:
        assert isinstance(desk, LiveWorkbook)
        book = desk.read(TABLES)
        reporter = report.Reporter("run", WORDS, book.tables["Products"], {})
        progress = AnswersAsTheyCome(desk, book, reporter, world(tmp_path))
        progress.begin("k", ROWS)

        with ThreadPoolExecutor(24) as threads:
            for first in range(0, ROWS, 1000):
                before = len(excel.engine.status)
                list(threads.map(progress.advance, outcomes[first : first + 1000]))
                Shop.wait_for(lambda before=before: len(excel.engine.status) > before)
        now = datetime(2026, 1, 5, tzinfo=UTC)
        answers = Answers("run", reporter.results(outcomes, now), {}, 20, orders=[], time=now, words=WORDS)
        journal = Journal.in_folder(tmp_path, SystemClock().now)
        deliver(desk, book, answers, journal)
        journal.close()
    assert len(excel.engine.blocks()) <= 40
    assert column(path, "Products", "offer_id") == [outcome.offer_id for outcome in outcomes]
    assert set(column(path, "Products", "status")) == {"✔ gotowe"}
    assert len(column(path, "Results", "run")) == ROWS
    assert typed
    stock = dict(enumerate(column(path, "Products", "stock"), 2))
    assert {row: text for row, text in stock.items() if text} == {row: str(number) for row, number in typed.items()}
    notes = excel.grid(path, "Produkty")
    assert [notes[f"D{row}"] for row in range(2, ROWS + 2)] == [f"u{row}" for row in range(2, ROWS + 2)]
    [done, _] = re.findall(r"\d+", excel.engine.status[0])
    assert 0 < int(done) < ROWS
    assert excel.engine.status[0] == WORDS.say("answers_so_far", done=done, total=ROWS)
    assert excel.engine.status[-1] is False


# --- jobs


@pytest.fixture
def shop(tmp_path: Path, simulator: Simulator, excel: Excel) -> Shop:
    """A desk whose workbook, made from the real template, is open in Excel with two rows; a third is not saved yet."""
    made = Shop(tmp_path, simulator, accounts=["e-sklep1"])
    made.fill([{"ean": catalogue.gtin(number), "price": 10, "stock": 1} for number in (0, 1)])
    excel.open(made.workbook)
    for cell, value in (("A4", "e-sklep1"), ("B4", catalogue.gtin(2)), ("C4", 12.5), ("D4", 3)):
        excel.type(made.workbook, "Produkty", cell, value)
    return made


def request(shop: Shop, **more: Any) -> pipeline.Request:
    settings = load_settings(shop.folder / "batch.yaml")
    return pipeline.Request(shop.workbook, settings, WORDS, **more)


def test_a_run_reads_and_answers_what_the_user_sees(shop: Shop, excel: Excel) -> None:
    """The row that was never saved gets its draft as well; the file stays as it is, the workbook unsaved."""
    on_disk = shop.workbook.read_bytes()
    summary = pipeline.run(request(shop), world(shop.folder))
    assert (summary.counts, summary.exit_code, summary.delivered) == ({"draft_created": 3}, 0, True)
    held = {offer["external"]["id"]: offer["id"] for offer in shop.offers()}
    eans = column(shop.workbook, "Products", "ean")
    assert dict(zip(eans, column(shop.workbook, "Products", "offer_id"), strict=True)) == held
    assert column(shop.workbook, "Results", "row") == ["2", "3", "4"]
    assert shop.workbook.read_bytes() == on_disk
    assert excel.ask(shop.workbook, "book")["modified"]
    assert WORDS.say("answers_unsaved") in summary.notes
    again = pipeline.run(request(shop), world(shop.folder))
    assert again.counts == {"offer_unchanged": 3}


def test_a_dry_run_touches_results_only(shop: Shop, excel: Excel) -> None:
    before = excel.grid(shop.workbook, "Produkty")
    summary = pipeline.run(request(shop, dry_run=True), world(shop.folder))
    assert summary.counts == {"planned_create": 3}
    assert column(shop.workbook, "Results", "code") == ["planned_create"] * 3
    assert excel.grid(shop.workbook, "Produkty") == before
    assert shop.offers() == []


def test_answers_that_a_busy_excel_does_not_take_are_owed(shop: Shop, excel: Excel) -> None:
    """A user who never finishes editing: exit 4, nothing lost, and the next run writes both."""
    with excel.busy(on="put"):
        first = pipeline.run(request(shop), world(shop.folder, FastClock()))
    assert (first.counts, first.exit_code, first.delivered) == ({"draft_created": 3}, 4, False)
    assert WORDS.say("answers_wait") in first.notes
    assert any("edytuje" in note for note in first.notes)
    assert column(shop.workbook, "Results", "run") == []
    second = pipeline.run(request(shop), world(shop.folder))
    assert (second.counts, second.exit_code) == ({"draft_found": 3}, 0)
    assert column(shop.workbook, "Results", "run") == [first.run] * 3 + [second.run] * 3
    assert all(column(shop.workbook, "Products", "offer_id"))
    assert len(shop.offers()) == 3


def test_what_excel_would_not_take_is_known_before_anything_is_sent(shop: Shop, excel: Excel) -> None:
    """A protected sheet: nothing is done; with --anyway it is done, and the answers wait until it can be written."""
    excel.ask(shop.workbook, "protect", sheet="Wyniki")
    with pytest.raises(BatchError) as refused:
        pipeline.run(request(shop), world(shop.folder))
    assert (refused.value.code, shop.offers()) == ("sheet_protected", [])
    before = excel.grid(shop.workbook, "Produkty")
    summary = pipeline.run(request(shop, anyway=True), world(shop.folder))
    assert (summary.counts, summary.exit_code, summary.delivered) == ({"draft_created": 3}, 0, False)
    assert excel.grid(shop.workbook, "Produkty") == before


def test_tokens_and_dictionaries_are_written_there_too(shop: Shop, excel: Excel) -> None:
    on_disk = shop.workbook.read_bytes()
    pipeline.show_tokens(request(shop), world(shop.folder), refresh=False)
    assert column(shop.workbook, "Accounts", "login") == ["e-sklep1"]
    fetched = pipeline.fetch_dictionaries(request(shop), world(shop.folder))
    assert fetched == {"e-sklep1": len(column(shop.workbook, "Dictionaries", "id"))}
    assert "Kurier i automaty" in column(shop.workbook, "Dictionaries", "name")
    assert shop.workbook.read_bytes() == on_disk
