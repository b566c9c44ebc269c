"""A workbook made hostile: it is read rightly or refused with its place, and never damaged.

Written is only what was found fit to be written beforehand; then nothing may refuse it any more, and everything that
was not asked to change reads as before.
"""

from __future__ import annotations

import functools
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from batch.errors import WorkbookError
from batch.messages import LANGUAGES, catalogue
from batch.workbook import schema
from batch.workbook.patch import BodyRow, SetBody, SetCells, TableChange, UpdateBody, check_writable, write_workbook
from batch.workbook.read import WorkbookData, read_workbook
from tests.fuzz.mutate import package_of
from tests.helpers.books import make_book, parts
from tests.helpers.rich_workbook import rich_workbook

COLUMNS = {table.name: table.columns for table in schema.TABLES}
NAMES = list(COLUMNS)
GROWING = ("Results", "Orders", "Dictionaries")
ROWS = {
    "Accounts": [{"account": "k1", "environment": "simulator", "token_file": "k1.token"}],
    "Defaults": [{"account": "k1", "profile": "p", "shipping_rates": "Kurier"}],
    "Products": [
        {"account": "k1", "ean": "5901234123457", "price": 12.5, "stock": 3, "F": "=E2*2"},
        {"account": "k1", "ean": "5901234123464", "price": 1, "stock": 0, "profile": "=1+1", "F": "=E3*2"},
    ],
    "Results": [{"run": "a", "message": "=x", "N": "=A2&1"}, {"run": "b", "row": 3}],
    "Settings": [{"key": "keep_runs", "value": "20"}],
    "Orders": [{"order_id": "o1", "line_id": "l1", "quantity": 2}],
    "Dictionaries": [{"account": "k1", "kind": "Gwarancja", "name": "G", "id": "1"}],
}


@functools.cache
def _seeds() -> list[dict[str, bytes]]:
    with TemporaryDirectory() as folder:
        plain = make_book(Path(folder) / "a.xlsx", ROWS, own={"Products": ["F"], "Results": ["N"]})
        return [parts(plain), parts(rich_workbook(Path(folder) / "b.xlsm"))]


def workbook(random: Random, folder: Path) -> str:
    """One case; what became of it."""
    content = package_of(random, random.choice(_seeds()))
    return check(content, folder)


def check(content: bytes, folder: Path) -> str:
    """Whatever is in the file: see the top. Returns `written`, or the code of the first refusal."""
    path = folder / "b.xlsx"
    path.write_bytes(content)
    try:
        before = _read(path)
        check_writable(path, growing=GROWING)
    except WorkbookError as error:
        explained(error)
        assert path.read_bytes() == content
        assert [file.name for file in folder.iterdir()] == [path.name], "something is left behind"
        return error.code
    changes = _changes(before)
    try:
        write_workbook(path, changes, expect=before.stamp)
    except WorkbookError as error:
        explained(error)
        if error.code != "formula_unclear":
            raise AssertionError("found fit to be written, then refused") from error
        assert path.read_bytes() == content
        return error.code
    finally:
        assert [file.name for file in folder.iterdir()] == [path.name], "something is left behind"
    _check_written(before, _read(path))
    return "written"


def _read(path: Path) -> WorkbookData:
    return read_workbook(path, tables=NAMES)


def _changes(book: WorkbookData) -> list[TableChange]:
    rows = [row for row, _ in book.tables["Products"].rows]
    return [
        SetCells("Products", {row: {"status": "=s", "message": "m\x01"} for row in rows}),
        SetBody(
            "Results", [*(BodyRow(row) for row, _ in book.tables["Results"].rows[1:]), BodyRow(None, {"run": "=z"})]
        ),
        UpdateBody("Orders", {row: {"name": "+n"} for row, _ in book.tables["Orders"].rows}, [{"order_id": "o9"}]),
    ]


def _check_written(before: WorkbookData, after: WorkbookData) -> None:
    """Our own columns hold what was asked for; everything else what it held."""
    products = after.tables["Products"]
    for name in NAMES:
        if name not in GROWING:
            assert _foreign(before, name) == _foreign(after, name), f"{name} has changed"
    assert [products.value(row, "status") for row in products.rows] == ["=s"] * len(products.rows)
    results = [after.tables["Results"].value(row, "run") for row in after.tables["Results"].rows]
    assert results[-1] == "=z"
    assert len(results) == max(len(before.tables["Results"].rows) - 1, 0) + 1
    orders = [after.tables["Orders"].value(row, "order_id") for row in after.tables["Orders"].rows]
    assert orders[-1] == "o9"


def _foreign(book: WorkbookData, name: str) -> list[Any]:
    """What stands in the columns of the user's."""
    table = book.tables[name]
    keys = [column.key for column in COLUMNS[name] if not column.written]
    return [(row[0], [repr(table.value(row, key)) for key in keys]) for row in table.rows]


def explained(error: WorkbookError) -> None:
    """The refusal has its words in both languages, and names the file, the sheet or the cell."""
    places = {"path", "part", "sheet", "cell", "table"} & error.facts.keys()
    assert places, f"{error.code} names no place"
    for language in LANGUAGES:
        text = str(catalogue(language).explain(error.code, **error.facts))
        assert any(str(error.facts[place]) in text for place in places), f"{error.code} does not say where"
