"""`UpdateBody`: rows change where they stand, new ones come below, and nothing of the user's moves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batch.errors import WorkbookError
from batch.workbook.edit import SheetEdit
from batch.workbook.package import open_package
from batch.workbook.patch import UpdateBody, write_workbook
from batch.workbook.places import open_book
from batch.workbook.read import read_workbook
from batch.workbook.sheet import SheetXml
from batch.workbook.stored import Stored
from batch.workbook.template import write_template
from tests.helpers.books import grid, make_book, parts, sheet_part, table_part

STAMP = {"updated_at": datetime(2026, 11, 2, 11, 0, tzinfo=UTC)}  # 12:00 in Warsaw
NOON = datetime(2026, 11, 2, 12, 0)  # noqa: DTZ001  (cells have no zone)
OWN = ["Zaksięgowane"]


def orders(path: Path, rows: list[dict[str, Any]], **more: Any) -> Path:
    """A workbook whose `Orders` has a column of the user's behind our third."""
    return make_book(path, {"Orders": rows}, own={"Orders": OWN}, **more)


def column(path: Path, letter: str, sheet: str = "Zamówienia") -> dict[int, Any]:
    return {int(cell[len(letter):]): value for cell, value in grid(path, sheet).items()
            if cell.rstrip("0123456789") == letter}  # fmt: skip


def test_rows_keep_their_place_and_the_users_cells(tmp_path: Path) -> None:
    """The user's order, blank rows between, notes, formulas; new rows stand below the last filled one."""
    rows = [{"order_id": "o3", "Zaksięgowane": "tak"}, {"order_id": "o1", "Zaksięgowane": "=A2&1"}, {},
            {"Zaksięgowane": "suma"}, {}, {"order_id": "o2"}]  # fmt: skip
    path = orders(tmp_path / "b.xlsx", rows)
    write_workbook(path, [UpdateBody("Orders", {3: {"name": "=1+1"}}, [{"order_id": "o4"}], STAMP)])
    assert column(path, "B") == {1: "ID zamówienia", 2: "o3", 3: "o1", 7: "o2", 8: "o4"}
    assert column(path, "D") == {1: "Zaksięgowane", 2: "tak", 3: 7, 5: "suma"}
    assert column(path, "W")[3] == "=1+1"
    assert grid(path, "Zamówienia", formulas=True)["D3"] == "=A2&1"
    assert b'ref="A1:AL8"' in parts(path)[table_part("Orders")]


def test_blank_rows_at_the_end_are_filled_first(tmp_path: Path) -> None:
    """A table with room does not grow, nor does it shrink."""
    path = orders(tmp_path / "b.xlsx", [{"order_id": "o1"}, {}, {}, {}])
    write_workbook(path, [UpdateBody("Orders", {}, [{"order_id": "o2"}, {"order_id": "o3"}])])
    assert column(path, "B") == {1: "ID zamówienia", 2: "o1", 3: "o2", 4: "o3"}
    assert b'ref="A1:AL5"' in parts(path)[table_part("Orders")]
    write_workbook(path, [UpdateBody("Orders", {}, [{"order_id": f"n{n}"} for n in range(3)])])
    assert list(column(path, "B").values())[1:] == ["o1", "o2", "o3", "n0", "n1", "n2"]
    assert b'ref="A1:AL7"' in parts(path)[table_part("Orders")]


def test_an_empty_workbook_begins_with_its_first_row(tmp_path: Path) -> None:
    """The template's one blank row is used."""
    path = tmp_path / "b.xlsx"
    write_template(path, "pl")
    write_workbook(path, [UpdateBody("Orders", {}, [{"order_id": "o1"}, {"order_id": "o2"}])])
    table = read_workbook(path, tables=["Orders"]).tables["Orders"]
    assert [(row[0], table.value(row, "order_id")) for row in table.rows] == [(2, "o1"), (3, "o2")]


def test_the_stamp_goes_where_something_changed(tmp_path: Path) -> None:
    """Rows that say so already keep their time; writing the same again changes no byte."""
    path = orders(tmp_path / "b.xlsx", [{"order_id": "o1", "name": "A"}, {"order_id": "o2", "name": "B"}])
    changes = [UpdateBody("Orders", {2: {"name": "A"}, 3: {"name": "C"}}, [{"order_id": "o3"}], STAMP)]
    write_workbook(path, changes)
    assert column(path, "AL") == {1: "Zaktualizowano", 3: NOON, 4: NOON}
    before = path.read_bytes()
    write_workbook(path, [UpdateBody("Orders", {2: {"name": "A"}, 3: {"name": "C"}}, (), {"updated_at": None})])
    assert path.read_bytes() == before


def test_untouched_rows_are_copied_as_they_are(tmp_path: Path) -> None:
    """Byte for byte."""
    path = orders(tmp_path / "b.xlsx", [{"order_id": f"o{n}"} for n in range(5)])
    before = parts(path)[sheet_part("Orders")]
    write_workbook(path, [UpdateBody("Orders", {4: {"name": "x"}})])
    after = parts(path)[sheet_part("Orders")]
    start = before.index(b'<row r="5"')
    assert before[start:] == after[after.index(b'<row r="5"') :]
    assert before[: before.index(b'<row r="4"')] == after[: after.index(b'<row r="4"')]


def test_a_row_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The workbook was changed since it was read."""
    path = orders(tmp_path / "b.xlsx", [{"order_id": "o1"}])
    with pytest.raises(WorkbookError) as refused:
        write_workbook(path, [UpdateBody("Orders", {9: {"name": "x"}})])
    assert refused.value.code == "workbook_changed"


def test_a_row_that_was_emptied_stays_so(tmp_path: Path) -> None:
    """Whoever looks at it again, such as the next table of the same sheet, sees nothing in it."""
    path = orders(tmp_path / "b.xlsx", [{"order_id": "o1"}, {"order_id": "o2"}])
    book = open_book(open_package(path))
    edit = SheetEdit(SheetXml(book.package.text(sheet_part("Orders"))), "Orders", Stored(book))
    for column in list(edit.touch(3).cells):
        edit.place(3, column, None)
    edit.close(3)
    assert edit.row(3).cells == {}
    assert b"o2" not in b"".join(edit.result())
