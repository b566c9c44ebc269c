"""The files of a run: where they lie, that they cannot hurt, and that trouble with them ends nothing."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest

from batch import keep_report
from batch.keep_report import prune
from batch.messages import catalogue
from batch.model import CellRef, Outcome
from batch.report import Summary
from tests.helpers.ooxml_validator import complaints
from tests.helpers.shop import Shop
from tests.helpers.summaries import RUN, products_of, summary_of

WORDS = catalogue("pl")
HOSTILE = ["=cmd|' /C calc'!A0", "+1", "@SUM(1)", "http://evil.example/", "{=1}", "<script>", "\t=1"]


def keep(folder: Path) -> Summary:
    """A run in which every row failed and every text is hostile, its report in `folder`."""
    rows = [{"account": "a", "ean": text, "external_id": text, "price": text} for text in HOSTILE]
    products = products_of(rows)
    outcomes = [
        Outcome(n, "a", "rejected", {"reason": "allegro"}, CellRef("P", "B", n), text, errors=((text, "X"),))
        for n, text in enumerate(HOSTILE, 2)
    ]
    return keep_report.keep_report(summary_of(outcomes, products), products, WORDS, folder)


def test_every_run_has_a_folder_with_its_page_and_its_failed_rows(tmp_path: Path) -> None:
    """The summary names the page, and so does the JSON object."""
    summary = keep(tmp_path / "runs")
    assert summary.report == str(tmp_path / "runs" / RUN / "report.html")
    assert summary.as_json()["report"] == summary.report
    assert {path.name for path in (tmp_path / "runs" / RUN).iterdir()} == {"report.html", "results.xlsx"}


def test_text_in_the_workbook_is_text(tmp_path: Path) -> None:
    """No formula, no link, whatever it starts with; the headings are those of Products."""
    keep(tmp_path)
    book = openpyxl.load_workbook(tmp_path / RUN / "results.xlsx")
    heading, *rows = book["Produkty"].iter_rows()
    assert [cell.value for cell in heading][:5] == ["Konto", "EAN", "Cena", "Stan", "Sygnatura"]
    assert [row[1].value for row in rows] == [text.strip() for text in HOSTILE]
    for cell in (cell for row in rows for cell in row if isinstance(cell.value, str)):
        assert cell.data_type == "s"
        assert cell.hyperlink is None
    assert rows[0][1].number_format == "@"


def test_the_workbook_is_valid(tmp_path: Path) -> None:
    """By Microsoft's own validator."""
    keep(tmp_path)
    assert complaints(tmp_path / RUN / "results.xlsx") == []


def test_only_the_newest_runs_are_kept(tmp_path: Path) -> None:
    """Plans and undoings count with the others, by time; what is no run's folder stays."""
    runs = ["20261101-000000-abc", "plan-20261102-000000-abc", "undo-20261103-000000-abc", "20261104-000000-abc"]
    for name in (*runs, "moje raporty"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").touch()
    prune(tmp_path, keep=2)
    assert {path.name for path in tmp_path.iterdir()} == {*runs[2:], "moje raporty"}


@pytest.mark.parametrize("spoil", ["folder", "template"])
def test_trouble_with_the_report_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str) -> None:
    """Offers have been made by then; a full disk or an edited template must not hide that."""
    runs = tmp_path / "runs"
    if spoil == "folder":
        runs.touch()
    else:
        (tmp_path / "report").mkdir()
        for name in ("page.css", "page.js"):
            (tmp_path / "report" / name).touch()
        (tmp_path / "report" / "page.html").write_text("{{ report.nothing_of_the_kind }}")
        monkeypatch.setattr(keep_report, "templates_folder", lambda: tmp_path)
    summary = keep(runs)
    assert summary.report is None
    assert "Raportu z przebiegu nie udało się zapisać" in summary.notes[-1]


def test_a_run_names_its_report(tmp_path: Path, simulator) -> None:
    """In the JSON object and on the screen; a dry run too, because the page stands outside the workbook."""
    shop = Shop(tmp_path, simulator)
    shop.fill([{"ean": "5901234123458", "price": 10, "stock": 1}])
    done = shop.run("run", "--only", "drafts", "--dry-run", "--json")
    plan = json.loads(done.stdout)
    page = Path(plan["report"])
    assert page.parent.name == plan["run"]
    assert f"Raport: {page}\n" in done.stderr
    assert "Nieprawidłowy EAN" in page.read_text("utf-8")
