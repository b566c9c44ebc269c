"""One contract, two ways to a workbook: a closed file, and the same workbook open in Excel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from batch.clock import SystemClock
from batch.errors import WorkbookError
from batch.workbook.desk import ClosedWorkbook, Desk, open_desk
from batch.workbook.live import LiveWorkbook
from batch.workbook.patch import BodyRow, CellOut, SetBody, SetCells, TableChange, UpdateBody
from tests.helpers.books import FEW, grid, make_book, rebuild, replacing, sheet_part, table_part
from tests.workbook.test_patch import MOMENT, TYPES, results

Reach = Callable[[Path], Desk]


@pytest.fixture(params=["closed", "live"])
def reach(request: pytest.FixtureRequest) -> Iterator[Reach]:
    """Gives the desk at which a workbook is reached."""
    with ExitStack() as stack:

        def open_live(path: Path) -> Desk:
            request.getfixturevalue("excel").open(path)
            desk = stack.enter_context(open_desk(path, SystemClock()))
            assert isinstance(desk, LiveWorkbook)
            return desk

        if request.param == "live":
            request.getfixturevalue("excel")
        yield open_live if request.param == "live" else ClosedWorkbook


@pytest.fixture
def cells(request: pytest.FixtureRequest, reach: Reach) -> Callable[[Path, str], dict[str, str]]:
    """The filled cells of a sheet as text, formulas as formulas, seen by a program that is none of ours."""
    if reach is ClosedWorkbook:
        return lambda path, sheet: {at: str(value) for at, value in grid(path, sheet, formulas=True).items()}
    found: Callable[[Path, str], dict[str, str]] = request.getfixturevalue("excel").grid
    return found


def write(desk: Desk, *changes: TableChange) -> None:
    desk.update(desk.read([change.table for change in changes]), lambda now: changes)


def column(desk: Desk, table: str, key: str) -> list[Any]:
    found = desk.read([table]).tables[table]
    return [found.value(row, key) for row in found.rows]


# --- reading


def test_values_of_every_type(tmp_path: Path, reach: Reach) -> None:
    """Numbers, text that looks like one, dates, blanks, wherever the table stands and whatever is beside it."""
    rows = [
        {"account": "k1", "ean": "0012345678905", "price": 12.5, "stock": 3, "Mój": "x", "action": " "},
        {"account": "k2", "ean": 5901234123457, "updated_at": datetime(2026, 1, 5, 12)},  # noqa: DTZ001
        {"status": "✔ a row of answers alone is no row"},
        {"account": "k3", "price": "12,30 zł", "updated_at": datetime(2026, 1, 5), "active": True},  # noqa: DTZ001
    ]
    path = make_book(
        tmp_path / "b.xlsx", {"Products": rows}, at={"Products": (6, 3)}, own={"Products": ["Mój"]}, tables=FEW
    )
    table = reach(path).read(["Products"]).tables["Products"]
    assert str(table.cell_ref("price", 8)) == "Produkty!F8"
    assert [(row[0], *row[1][:4], row[1][-1]) for row in table.rows] == [
        (8, "k1", "0012345678905", 12.5, 3.0, None),
        (9, "k2", 5901234123457.0, None, None, datetime(2026, 1, 5, 12)),  # noqa: DTZ001
        (11, "k3", None, "12,30 zł", None, datetime(2026, 1, 5).date()),  # noqa: DTZ001
    ]
    assert [table.value(row, "action") for row in table.rows] == [None] * 3


@pytest.mark.parametrize("language", ["pl", "en"])
def test_headings_of_both_languages(tmp_path: Path, reach: Reach, language: str) -> None:
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1", "stock": 5}]}, language=language, tables=FEW)
    assert column(reach(path), "Products", "stock") == [5]


def test_rows_right_below_a_table_belong_to_it(tmp_path: Path, reach: Reach) -> None:
    """They are read down to the first blank row and get their answers."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"account": "a", "ean": "1"}]}, tables=FEW)
    book = openpyxl.load_workbook(path)
    for row, text in ((3, "2"), (4, "3"), (6, "note")):
        book["Produkty"].cell(row, 2, text)
    book.save(path)
    desk = reach(path)
    assert column(desk, "Products", "ean") == ["1", "2", "3"]
    write(desk, SetCells("Products", {4: {"status": "✔"}}))
    assert column(desk, "Products", "status") == [None, None, "✔"]


# --- writing


def test_what_is_written_is_read(tmp_path: Path, reach: Reach) -> None:
    """Every type comes back as documented."""
    desk = reach(
        make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1", "status": "old"} for _ in TYPES]}, tables=FEW)
    )
    write(desk, SetCells("Products", {row: {key: value} for row, (_, key, value, _) in enumerate(TYPES, 2)}))
    found = {key: column(desk, "Products", key) for key in ("status", "updated_at")}
    read = {name: found[key][at] for at, (name, key, _, _) in enumerate(TYPES)}
    assert {name: (type(value), value) for name, value in read.items()} == {
        name: (type(value), value) for name, _, _, value in TYPES
    }


LOOKALIKES = ["=1+1", "+48 600 100 200", "-5", "@SUM(A1)", "0012", "1/2", "5%", "1E5", "'quoted'", "'", "=", "TRUE",
              "#N/A", "10:30", "=cmd|' /C calc'!A0"]  # fmt: skip
FORMATS = ["@", "General", "0.00", "yyyy\\-mm\\-dd"]


def test_text_stays_text(tmp_path: Path, reach: Reach) -> None:
    """Whatever it looks like and however the cell is formatted: never a formula, a number or a date."""
    texts = LOOKALIKES * len(FORMATS)

    def formatted(book: Any) -> None:
        sheet = book.get_worksheet_by_name("Produkty")
        styles = [book.add_format({"num_format": code}) for code in FORMATS]
        for row in range(len(texts)):
            sheet.write_blank(row + 1, 9, None, styles[row // len(LOOKALIKES)])

    desk = reach(
        make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "0012"} for _ in texts]}, finish=formatted, tables=FEW)
    )
    write(desk, SetCells("Products", {row: {"status": text} for row, text in enumerate(texts, 2)}))
    assert column(desk, "Products", "status") == texts
    assert set(column(desk, "Products", "ean")) == {"0012"}


@pytest.mark.parametrize(
    "wanted", [["a"], [*"abcdef"], [4, 2], ["n", 2, 3, 4, "m"], [3], [2, 3, 4], [4, 4, 2], ["x"] * 500, []]
)
def test_a_body_is_what_was_asked_for(tmp_path: Path, reach: Reach, wanted: list[Any]) -> None:
    """New, kept, moved, dropped and doubled rows, in order; the table is as long as its body, and can grow again."""
    desk = reach(make_book(tmp_path / "b.xlsx", {"Results": [{"run": n} for n in "234"]}, tables=FEW))
    write(desk, SetBody("Results", results(*wanted)))
    assert column(desk, "Results", "run") == [str(run) for run in wanted]
    desk.check_writable(("Results",))
    write(desk, SetBody("Results", results("x", "y")))
    assert column(desk, "Results", "run") == ["x", "y"]


def test_kept_rows_take_their_neighbours_along(tmp_path: Path, reach: Reach, cells: Any) -> None:
    """The user's notes and formulas move with their row; values not given stay, dates stay dates."""
    day = datetime(2026, 1, 5, 12)  # noqa: DTZ001
    rows = [
        {"run": f"r{n}", "row": n, "time": day, "Nota": f"n{n}", "F": f"=A{n}&F{n}+$A$1+Konta!B{n}"} for n in (2, 3, 4)
    ]
    path = make_book(tmp_path / "b.xlsx", {"Results": rows}, own={"Results": ["Nota", "F"]}, tables=FEW)
    desk = reach(path)
    write(desk, SetBody("Results", [BodyRow(None, {"run": "new"}), BodyRow(4, {"code": "c"}), BodyRow(2)]))
    found = cells(path, "Wyniki")
    assert [found.get(f"{c}{n}", "").replace("$Konta.", "Konta!") for n in (2, 3, 4) for c in "AD"] == [
        "new", "", "r4", "n4", "r2", "n2",
    ]  # fmt: skip
    assert [re.sub(r"\$?Konta[.!]", "Konta!", found.get(f"E{n}", "")) for n in (3, 4)] == [
        "=A3&F3+$A$1+Konta!B4", "=A4&F4+$A$1+Konta!B2",
    ]  # fmt: skip
    assert column(desk, "Results", "row") == [None, 4, 2]
    assert column(desk, "Results", "code") == [None, "c", None]
    assert column(desk, "Results", "time") == [None, day, day]


def test_calculated_columns_calculate_in_new_rows(tmp_path: Path, reach: Reach, cells: Any) -> None:
    """A column that the user's table calculates has its formula in every new row."""
    rows = [{"run": n, "F": f"=E{at}*2", "Nota": "=1"} for at, n in enumerate("ab", 2)]
    path = make_book(tmp_path / "b.xlsx", {"Results": [*rows, {"run": "c", "F": "=E4*2", "Nota": "mine"}]},
                     own={"Results": ["F", "Nota"]})  # fmt: skip
    named = b"<calculatedColumnFormula>Results[[#This Row],[Wiersz]]*2</calculatedColumnFormula></tableColumn>"
    rebuild(path, {table_part("Results"): lambda d: re.sub(rb'(<tableColumn id="\d+" name="F")/>', rb"\1>" + named, d)})
    write(reach(path), SetBody("Results", results(3, "x", "y", "z")))
    found = cells(path, "Wyniki")
    assert [found.get(f"D{n}") for n in range(2, 7)] == ["=E2*2", "=E3*2", "=E4*2", "=E5*2", None]
    assert [found.get(f"E{n}") for n in range(2, 6)] == ["=1", None, None, None]


def test_cells_beside_the_table_stay_where_they_are(tmp_path: Path, reach: Reach, cells: Any) -> None:
    """What stands left and right of a growing, shrinking or reordered table belongs to the sheet, not to the row."""

    def beside(book: Any) -> None:
        sheet = book.get_worksheet_by_name("Wyniki")
        for row in range(12):
            sheet.write(row, 0, f"left{row}")
            sheet.write(row, 30, f"right{row}")

    path = make_book(
        tmp_path / "b.xlsx", {"Results": [{"run": n} for n in "abc"]}, at={"Results": (2, 4)}, finish=beside, tables=FEW
    )
    desk = reach(path)
    for body in (results(6, 4), results("x"), results(*"vwxyz"), []):
        write(desk, SetBody("Results", body))
        found = cells(path, "Wyniki")
        assert [found[f"A{n}"] for n in range(1, 13)] == [f"left{n}" for n in range(12)]
        assert [found[f"AE{n}"] for n in range(1, 13)] == [f"right{n}" for n in range(12)]


def test_changed_rows_stay_where_the_user_put_them(tmp_path: Path, reach: Reach, cells: Any) -> None:
    """New rows come below; a row in which nothing changes keeps its stamp; the user's notes stay with their rows."""
    rows = [{"run": run, "code": "c", "time": datetime(2026, 1, 5), "Nota": f"n {run}"} for run in "ba"]  # noqa: DTZ001
    path = make_book(tmp_path / "b.xlsx", {"Results": rows}, own={"Results": ["Nota"]}, tables=FEW)
    desk = reach(path)
    stamp: dict[str, CellOut] = {"time": MOMENT}
    for _ in range(2):
        write(desk, UpdateBody("Results", {2: {"code": "c"}, 3: {"code": "new"}}, stamp=stamp))
    write(desk, UpdateBody("Results", {}, [{"run": "=c", "code": "d"}], stamp))
    assert column(desk, "Results", "run") == ["b", "a", "=c"]
    assert column(desk, "Results", "code") == ["c", "new", "d"]
    assert [str(time) for time in column(desk, "Results", "time")] == ["2026-01-05", *["2026-07-06 12:30:00"] * 2]
    assert [cells(path, "Wyniki").get(f"D{row}") for row in (2, 3, 4)] == ["n b", "n a", None]


# --- refusing


def something_below(book: Any) -> None:
    book.get_worksheet_by_name("Wyniki").write("B9", "note")


MERGED = replacing("</sheetData>", '</sheetData><mergeCells count="1"><mergeCell ref="J2:J3"/></mergeCells>')
HEADING = {table_part("Results"): replacing("Wiersz", "Wers"), "xl/sharedStrings.xml": replacing("Wiersz", "Wers")}
REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "merged_cells": ({}, {sheet_part("Products"): MERGED}),
    "below_table": ({"finish": something_below}, {}),
    "totals_row": ({}, {table_part("Results"): replacing(' totalsRowShown="0"', ' totalsRowCount="1"')}),
    "table_missing": ({"tables": ["Accounts", "Products"]}, {}),
    "heading_missing": ({}, HEADING),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_what_cannot_be_written_safely_is_refused_before_anything_is_sent(
    tmp_path: Path, reach: Reach, code: str
) -> None:
    options, changed = REFUSALS[code]
    rows = {"Products": [{"ean": "1"}, {"ean": "2"}], "Results": [{"run": "a"}, {"run": "b"}]}
    path = make_book(tmp_path / "b.xlsx", rows, **options)
    desk = reach(rebuild(path, changed))
    with pytest.raises(WorkbookError) as refused:
        desk.check_writable(("Results",))
    assert refused.value.code == code
