"""Workbooks for tests, straight from the schema, and their parts: look into a package, change it, compare two."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import xlsxwriter

from batch.workbook import schema
from batch.workbook.schema import Kind

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
Part = bytes | Callable[[bytes], bytes]

FEW = ("Accounts", "Products", "Results")  # the tables that writing answers needs
FORMATS = {Kind.TEXT: "@", Kind.DATETIME: "yyyy\\-mm\\-dd\\ hh:mm", Kind.MONEY: "#,##0.00", Kind.INTEGER: "0"}


def make_book(
    path: Path,
    rows: Rows | None = None,
    *,
    language: str = "pl",
    at: Mapping[str, tuple[int, int]] | None = None,
    own: Mapping[str, Sequence[str]] | None = None,
    tables: Sequence[str] = tuple(table.name for table in schema.TABLES),
    options: Mapping[str, Any] | None = None,
    finish: Callable[[xlsxwriter.Workbook], None] | None = None,
) -> Path:
    """A workbook with our tables and `rows` (by column key, or by heading for the user's own columns).

    `at`: row and column (from 0) of a table's corner. `own`: headings of the user's columns, put after our third.
    A value that starts with `=` in such a column is a formula with the stored value 7; "=…|" has none stored.
    """
    with xlsxwriter.Workbook(str(path), dict(options or {})) as book:
        formats = {kind: book.add_format({"num_format": code}) for kind, code in FORMATS.items()}
        for table in schema.TABLES:
            if table.name in tables:
                _add_table(book, formats, table, language, (rows or {}).get(table.name, ()),
                           (at or {}).get(table.name, (0, 0)), (own or {}).get(table.name, ()))  # fmt: skip
        if finish is not None:
            finish(book)
    return path


def _add_table(book: Any, formats: Any, table: schema.Table, language: str, rows: Any, at: Any, own: Any) -> None:
    sheet = book.add_worksheet(table.sheet[language])
    headings = [(column.key, column.heading[language], formats.get(column.kind)) for column in table.columns]
    headings[3:3] = [(heading, heading, None) for heading in own]
    top, left = at
    columns = [{"header": heading} for _, heading, _ in headings]
    last = top + max(len(rows), 1)
    sheet.add_table(top, left, last, left + len(headings) - 1, {"name": table.name, "columns": columns})
    for column, (_, _, style) in enumerate(headings, left):
        sheet.set_column(column, column, 12, style)
    for row, values in enumerate(rows, top + 1):
        for column, (key, _, style) in enumerate(headings, left):
            write(sheet, row, column, values.get(key), style if key not in own else None)


def write(sheet: Any, row: int, column: int, value: Any, style: Any = None) -> None:
    """One cell as XlsxWriter writes it; a text that starts with `=` is a formula."""
    if isinstance(value, str) and value.startswith("="):
        formula, bar, _ = value.partition("|")
        sheet.write_formula(row, column, formula, style, value="" if bar else 7)
    elif isinstance(value, str):
        sheet.write_string(row, column, value, style)
    elif value is not None:
        sheet.write(row, column, value, style)


def parts(path: Path) -> dict[str, bytes]:
    """All parts of a package, in the order of its directory."""
    with zipfile.ZipFile(path) as package:
        return {name: package.read(name) for name in package.namelist()}


def rebuild(path: Path, changed: Mapping[str, Part] | None = None, dropped: Sequence[str] = ()) -> Path:
    """Change, add or drop parts of a package in place."""
    found = {name: data for name, data in parts(path).items() if name not in dropped}
    for name, part in (changed or {}).items():
        found[name] = part(found[name]) if callable(part) else part
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in found.items():
            package.writestr(name, data)
    return path


def replacing(old: str, new: str) -> Callable[[bytes], bytes]:
    """A change of a part: `old`, which must be there, becomes `new`."""

    def change(data: bytes) -> bytes:
        assert old.encode() in data, f"{old!r} is not there"
        return data.replace(old.encode(), new.encode())

    return change


def sheet_part(table: str) -> str:
    """The part of the sheet on which `make_book` puts a table, all tables being made."""
    return f"xl/worksheets/sheet{[t.name for t in schema.TABLES].index(table) + 1}.xml"


def table_part(table: str) -> str:
    """The part of a table's definition, all tables being made."""
    return f"xl/tables/table{[t.name for t in schema.TABLES].index(table) + 1}.xml"


def differing(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """Names of the parts that are not the same, or not in both."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def grid(path: Path, sheet: str, *, formulas: bool = False) -> dict[str, Any]:
    """The filled cells of a sheet as openpyxl sees them, which is none of the code under test."""
    book = openpyxl.load_workbook(io.BytesIO(path.read_bytes()), data_only=not formulas)
    return {c.coordinate: c.value for row in book[sheet].iter_rows() for c in row if c.value is not None}


def row_xml(data: bytes, row: int) -> bytes:
    """The XML of one row of a sheet."""
    found = re.search(rb'<row r="%d".*?</row>' % row, data, re.DOTALL)
    return found[0] if found else b""
