"""Rows filled in right below a table, as LibreOffice and other programs leave them, are answered like any other."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from batch.validate.cells import text_of
from batch.workbook.engines import Calamine, Engine, Openpyxl
from batch.workbook.patch import SetCells, write_workbook
from batch.workbook.read import TableData, read_workbook
from tests.helpers.books import make_book


def book_with_rows_below(path: Path, below: dict[int, list[object]]) -> Path:
    """A workbook whose table `Products` has rows 2 and 3, and these rows of values under it."""
    make_book(path, {"Products": [{"account": "a", "ean": "1"}, {"account": "a", "ean": "2"}]})
    book = openpyxl.load_workbook(path)
    for row, values in below.items():
        for column, value in enumerate(values, 1):
            book["Produkty"].cell(row, column, value)
    book.save(path)
    return path


def eans(table: TableData) -> dict[int, str]:
    return {row[0]: text_of(table.value(row, "ean")) for row in table.rows}


@pytest.mark.parametrize("engine", [Calamine, Openpyxl])
def test_rows_right_below_belong_to_the_table(tmp_path: Path, engine: type[Engine]) -> None:
    """Down to the first blank row; what stands further down is the user's own."""
    below: dict[int, list[object]] = {4: ["a", "3"], 5: ["a", "4"], 7: ["a", "moja notatka"]}
    path = book_with_rows_below(tmp_path / "a.xlsx", below)
    table = read_workbook(path, tables=["Products"], engine=engine).tables["Products"]
    assert eans(table) == {2: "1", 3: "2", 4: "3", 5: "4"}


@pytest.mark.parametrize("engine", [Calamine, Openpyxl])
def test_a_note_below_a_gap_is_no_row(tmp_path: Path, engine: type[Engine]) -> None:
    """One blank row is enough to keep something out."""
    path = book_with_rows_below(tmp_path / "a.xlsx", {5: ["razem"], 200: ["x"]})
    assert eans(read_workbook(path, tables=["Products"], engine=engine).tables["Products"]) == {2: "1", 3: "2"}


def test_rows_below_get_their_answers(tmp_path: Path) -> None:
    """In their own cells; the table keeps its size."""
    path = book_with_rows_below(tmp_path / "a.xlsx", {4: ["a", "3"]})
    write_workbook(path, [SetCells("Products", {4: {"status": "✔ gotowe"}})])
    table = read_workbook(path, tables=["Products"]).tables["Products"]
    assert text_of(table.value(table.rows[-1], "status")) == "✔ gotowe"
    assert openpyxl.load_workbook(path)["Produkty"].tables["Products"].ref == "A1:L3"


def test_tables_of_answers_end_where_they_end(tmp_path: Path) -> None:
    """What a user writes below `Results` is no result."""
    make_book(tmp_path / "a.xlsx", {"Results": [{"run": "r1"}]})
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    book["Wyniki"].cell(3, 1, "notatka")
    book.save(tmp_path / "a.xlsx")
    assert len(read_workbook(tmp_path / "a.xlsx", tables=["Results"]).tables["Results"].rows) == 1
