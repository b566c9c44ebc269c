"""What `write_workbook` promises: our cells get their values, everything else stays, byte for byte."""

from __future__ import annotations

import os
import re
import shutil
import warnings
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from batch.workbook.engines import Calamine, Engine, Openpyxl
from batch.workbook.patch import BodyRow, CellOut, SetBody, SetCells, check_writable, write_workbook
from batch.workbook.read import read_workbook
from batch.workbook.values import MAX_TEXT
from tests.helpers.books import (
    differing,
    grid,
    make_book,
    parts,
    rebuild,
    replacing,
    row_xml,
    sheet_part,
    table_part,
)
from tests.helpers.ooxml_validator import complaints
from tests.helpers.rich_workbook import rich_workbook

PRODUCTS, RESULTS = sheet_part("Products"), sheet_part("Results")
ENGINES: list[type[Engine]] = [Calamine, Openpyxl]


def values(path: Path, table: str, key: str, engine: type[Engine] | None = None) -> list[Any]:
    """One column of a table as it reads."""
    found = read_workbook(path, tables=[table], engine=engine).tables[table]
    return [found.value(row, key) for row in found.rows]


def results(*runs: str | int) -> list[BodyRow]:
    """A body: a number keeps the row of that number, a text makes a new one."""
    return [BodyRow(run) if isinstance(run, int) else BodyRow(None, {"run": run}) for run in runs]


MOMENT = datetime(2026, 7, 6, 10, 30, tzinfo=UTC)  # 12:30 in Warsaw

# --- nothing else changes

CHANGES = {
    "cells": [SetCells("Products", {3: {"status": "✔", "message": "m"}, 5: {"updated_at": MOMENT}})],
    "grow": [SetBody("Results", results(2, 3, 4, 5, "n", "n", "n"))],
    "shrink": [SetBody("Results", results(2, 3))],
    "move": [SetBody("Results", results("n", 2, 5, 3))],
    "empty": [SetBody("Results", [])],
    "all": [SetCells("Products", {3: {"status": "✔"}}), SetBody("Results", results(5)),
            SetCells("Accounts", {2: {"login": "l"}}), SetBody("Dictionaries", [BodyRow(None, {"name": "x"})])],
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_every_foreign_part_stays(tmp_path: Path, name: str) -> None:
    """Chart, pivot, picture, comments, slicer, Power Query, VBA, styles, strings …: the same bytes, packed the same."""
    path = rich_workbook(tmp_path / "b.xlsm")
    before = parts(path)
    directory = headers(path)
    write_workbook(path, CHANGES[name])
    after = parts(path)
    tables = {change.table for change in CHANGES[name]}
    allowed = {sheet_part(t) for t in tables} | {table_part(t) for t in tables} | {"xl/workbook.xml"}
    if name not in ("cells", "grow"):  # there formulas of the user's moved or went
        allowed |= {"[Content_Types].xml", "xl/_rels/workbook.xml.rels", "xl/calcChain.xml"}
    assert differing(before, after) <= allowed
    assert [n for n in before if n in after] == list(after), "order of the parts"
    kept = headers(path)
    assert all(kept[n] == directory[n] for n in after if n not in allowed), "timestamps, methods, packed sizes"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl says which extensions it does not know
        openpyxl.load_workbook(path, keep_vba=True)


def headers(path: Path) -> dict[str, tuple[Any, ...]]:
    with zipfile.ZipFile(path) as package:
        infos = package.infolist()
    return {i.filename: (i.date_time, i.compress_type, i.compress_size, i.CRC, i.external_attr) for i in infos}


def test_the_workbook_part_differs_in_one_attribute(tmp_path: Path) -> None:
    """Excel is asked to calculate; nothing else of the workbook part changes, and it is asked once only."""
    path = rich_workbook(tmp_path / "b.xlsm")
    before = parts(path)["xl/workbook.xml"]
    write_workbook(path, CHANGES["cells"])
    after = parts(path)["xl/workbook.xml"]
    assert re.sub(rb"<calcPr[^>]*/>", b"", after) == re.sub(rb"<calcPr[^>]*/>", b"", before)
    assert after.count(b'fullCalcOnLoad="1"') == 1


@pytest.mark.parametrize(
    "calc",
    ["", '<calcPr calcId="1"/>', "<calcPr calcId='1' fullCalcOnLoad='0'></calcPr>", '<calcPr fullCalcOnLoad="true"/>'],
)
def test_calculation_is_asked_for_whatever_was_there(tmp_path: Path, calc: str) -> None:
    """With and without calcPr: the workbook loads and calculates when Excel opens it."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}]})
    rebuild(path, {"xl/workbook.xml": lambda d: re.sub(rb"<calcPr[^>]*/>", calc.encode(), d)})
    write_workbook(path, [SetCells("Products", {2: {"status": "x"}})])
    assert openpyxl.load_workbook(path).calculation.fullCalcOnLoad is True


def test_cells_beside_ours_keep_their_bytes(tmp_path: Path) -> None:
    """In a changed row the other cells are the same bytes; other rows are the same bytes altogether."""
    path = rich_workbook(tmp_path / "b.xlsm")
    before = parts(path)[PRODUCTS]
    write_workbook(path, [SetCells("Products", {4: {"status": "✔"}})])
    after = parts(path)[PRODUCTS]
    changed = row_xml(after, 4)
    assert after.replace(changed, b"") == before.replace(row_xml(before, 4), b"")
    without = re.sub(rb'<c r="K4".*?</c>', b"", changed)
    assert without == re.sub(rb' spans="[^"]*"', b"", row_xml(before, 4))


def test_stored_values_of_formulas_stay(tmp_path: Path) -> None:
    """Nobody who reads the file without Excel loses the results of the user's formulas."""
    path = rich_workbook(tmp_path / "b.xlsm")
    write_workbook(path, CHANGES["cells"] + [SetBody("Results", results(3, 5, "n"))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [grid(path, "Produkty")[f"D{n}"] for n in range(2, 7)] == [7] * 5
        assert grid(path, "Raport & spółka")["B2"] == 17
        assert [grid(path, "Wyniki").get(f"D{n}") for n in (2, 3, 4)] == [7, 7, None]
        assert grid(path, "Wyniki")["T2"] == "r11"


def test_what_is_there_already_is_not_written(tmp_path: Path) -> None:
    """The file is not touched at all, whether its texts are shared or its own."""
    rows = {
        "Products": [{"ean": "1", "status": "✔ a", "message": "x\ny", "offer_id": "12"}],
        "Results": [{"run": "r", "row": 5}],
    }
    path = make_book(tmp_path / "b.xlsx", rows)
    same: list[SetCells | SetBody] = [
        SetCells("Products", {2: {"status": "✔ a", "message": "x\r\ny", "offer_id": "12", "updated_at": None}}),
        SetBody("Results", [BodyRow(None, {"run": "r", "row": 5})]),
        SetBody("Dictionaries", []),
    ]
    for _ in range(2):
        before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        write_workbook(path, same)
        assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before
        write_workbook(path, [SetCells("Products", {2: {"status": "b"}})])
        write_workbook(path, [SetCells("Products", {2: {"status": "✔ a"}})])


# --- values

TYPES: list[tuple[str, str, CellOut, Any]] = [
    ("text", "status", "abc", "abc"),
    ("text like a formula", "status", "=1+1", "=1+1"),
    ("text like a number", "status", "0012", "0012"),
    ("markup", "status", "<b>&amp;'\"</b>", "<b>&amp;'\"</b>"),
    ("Excel's escape", "status", "_x0041_ _x005F_", "_x0041_ _x005F_"),
    ("spaces", "status", "  a  b ", "  a  b "),
    ("line ends", "status", "a\r\nb\rc\nd\te", "a\nb\nc\nd\te"),
    ("control characters", "status", "a\0b\x1fc\x0b", "a\u2400b\u241fc\u240b"),
    ("no characters", "status", "a\ufffeb\uffffc\ud800", "a\ufffdb\ufffdc\ufffd"),
    ("beyond the first plane", "status", "🎁", "🎁"),
    ("too long", "status", "x" * 40_000, "x" * MAX_TEXT),
    ("too long, cut in a character", "status", "x" * (MAX_TEXT - 1) + "🎁", "x" * (MAX_TEXT - 1)),
    ("blank", "status", "", None),
    ("none", "status", None, None),
    ("whole number", "status", 12, 12.0),
    ("float", "status", 0.1, 0.1),
    ("money", "status", Decimal("12.30"), 12.3),
    ("large decimal", "status", Decimal("1E+3"), 1000.0),
    ("yes", "status", True, True),
    ("no", "status", False, False),
    ("moment in a date column", "updated_at", MOMENT, datetime(2026, 7, 6, 12, 30)),  # noqa: DTZ001  (cells know no zone)
    ("date in a date column", "updated_at", date(2026, 7, 6), date(2026, 7, 6)),
    ("moment in a text column", "status", MOMENT, "2026-07-06 12:30"),
    ("date in a text column", "status", date(2026, 7, 6), "2026-07-06"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("since_1904", [False, True])
@pytest.mark.parametrize(("key", "value", "read"), [case[1:] for case in TYPES], ids=[case[0] for case in TYPES])
def test_what_is_written_is_read(
    tmp_path: Path, engine: type[Engine], key: str, value: CellOut, read: object, *, since_1904: bool
) -> None:
    """Every type comes back as documented, in both ways of counting days."""
    path = make_book(
        tmp_path / "b.xlsx", {"Products": [{"ean": "1", "status": "old"}]}, options={"date_1904": since_1904}
    )
    write_workbook(path, [SetCells("Products", {2: {key: value}})])
    [found] = values(path, "Products", key, engine)
    assert (type(found), found) == (type(read), read)
    again = path.read_bytes()
    write_workbook(path, [SetCells("Products", {2: {key: value}})])
    assert path.read_bytes() == again


def test_a_number_must_be_finite(tmp_path: Path) -> None:
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}]})
    for value in (float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")):
        with pytest.raises(ValueError, match="cannot hold"):
            write_workbook(path, [SetCells("Products", {2: {"status": value}})])


STYLED = {
    "its own": ('<c r="J2" s="9"/>', "", 9),
    "of its row": ("", ' s="8" customFormat="1"', 8),
    "not of its row": ("", ' s="8"', 7),
}


@pytest.mark.parametrize(("cell", "row", "style"), STYLED.values(), ids=STYLED)
def test_the_look_of_a_cell(tmp_path: Path, cell: str, row: str, style: int) -> None:
    """A cell keeps its style; else its row's, else the first body row's, else its column's."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1", "status": "x"}, {"ean": "2"}]})

    def change(data: bytes) -> bytes:
        data = re.sub(rb'<c r="J2"[^>]*>', b'<c r="J2" s="7" t="s">', data)
        data = data.replace(b'<row r="3" ', b'<row r="3"%s ' % row.encode())
        return data.replace(b"</row></sheetData>", cell.replace("J2", "J3").encode() + b"</row></sheetData>")

    rebuild(path, {PRODUCTS: change})
    write_workbook(path, [SetCells("Products", {3: {"status": "y"}})])
    assert f'<c r="J3" s="{style}" t="inlineStr">'.encode() in parts(path)[PRODUCTS]


def test_an_emptied_cell_keeps_its_look(tmp_path: Path) -> None:
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1", "status": "x"}]})
    before = re.search(rb'<c r="J2"( s="\d+")', parts(path)[PRODUCTS])
    write_workbook(path, [SetCells("Products", {2: {"status": None}})])
    assert before
    assert b'<c r="J2"%s/>' % before[1] in parts(path)[PRODUCTS]


# --- bodies


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "wanted", [["a"], [*"abcdef"], [4, 2], ["n", 2, 3, 4, "m"], [3], [2, 3, 4], [4, 4, 2], ["x"] * 500]
)
def test_a_body_is_what_was_asked_for(tmp_path: Path, engine: type[Engine], wanted: list[Any]) -> None:
    """New, kept, moved, dropped and doubled rows, in order; the table is as long as its body, so is its filter."""
    path = make_book(tmp_path / "b.xlsx", {"Results": [{"run": n} for n in "234"]}, at={"Results": (0, 0)})
    write_workbook(path, [SetBody("Results", results(*wanted))])
    assert values(path, "Results", "run", engine) == [str(run) for run in wanted]
    table = parts(path)[table_part("Results")]
    assert table.count(f':Q{1 + len(wanted)}"'.encode()) == 2
    check_writable(path)


def test_an_empty_body_is_one_blank_row(tmp_path: Path) -> None:
    """Excel wants one; it has the look of the first row, and the rows below are gone."""
    path = make_book(tmp_path / "b.xlsx", {"Results": [{"run": "a"}, {"run": "b"}]}, own={"Results": ["N"]})
    write_workbook(path, [SetBody("Results", [])])
    assert values(path, "Results", "run") == []
    assert row_xml(parts(path)[RESULTS], 3) == b""
    assert b'A1:R2"' in parts(path)[table_part("Results")]
    write_workbook(path, [SetBody("Results", results("x", "y"))])
    assert values(path, "Results", "run") == ["x", "y"]


def test_kept_rows_take_their_neighbours_along(tmp_path: Path) -> None:
    """The user's notes, formulas, heights and formats move with their row; values not given stay."""
    own = {"Results": ["Nota", "F"]}
    rows = [{"run": f"r{n}", "row": n, "Nota": f"n{n}", "F": f"=A{n}&F{n}+$A$1+Konta!B{n}"} for n in (2, 3, 4)]
    path = make_book(tmp_path / "b.xlsx", {"Results": rows}, own=own)
    rebuild(path, {RESULTS: replacing('<row r="4" spans', '<row r="4" ht="44" customHeight="1" spans')})
    body = [BodyRow(None, {"run": "new"}), BodyRow(4, {"code": "c"}), BodyRow(2)]
    write_workbook(path, [SetBody("Results", body)])
    cells = grid(path, "Wyniki", formulas=True)
    assert [cells.get(f"{c}{n}") for n in (2, 3, 4) for c in "ADE"] == [
        "new", None, None,
        "r4", "n4", "=A3&F3+$A$1+Konta!B4",
        "r2", "n2", "=A4&F4+$A$1+Konta!B2",
    ]  # fmt: skip
    assert values(path, "Results", "row") == [None, 4, 2]
    assert values(path, "Results", "code") == [None, "c", None]
    sheet = parts(path)[RESULTS]
    assert b'ht="44"' in row_xml(sheet, 3)
    assert b'ht="44"' not in row_xml(sheet, 4)


def test_calculated_columns_calculate_in_new_rows(tmp_path: Path) -> None:
    """A column that the user's table calculates has its formula in every new row, without a value."""
    path = make_book(tmp_path / "b.xlsx", {"Results": [{"run": "a", "F": "=E2*2"}]}, own={"Results": ["F", "G"]})
    formula = "<calculatedColumnFormula>{}</calculatedColumnFormula></tableColumn>"
    table = parts(path)[table_part("Results")]
    for name, text in (("F", "Results[[#This Row],[Wiersz]]"), ("G", "Results[[#This Row],[Kod]]&amp;1")):
        table = re.sub(
            rb'(<tableColumn id="\d+" name="%s")/>' % name.encode(), rb"\1>" + formula.format(text).encode(), table
        )
    rebuild(path, {table_part("Results"): table})
    write_workbook(path, [SetBody("Results", results(2, "b", "c"))])
    cells = grid(path, "Wyniki", formulas=True)
    assert [cells.get(f"D{n}") for n in (2, 3, 4)] == ["=E2*2", "=E3*2", "=E4*2"]
    assert [cells.get(f"E{n}") for n in (3, 4)] == ["=Results[[#This Row],[Kod]]&1"] * 2
    assert b"<f>E3*2</f></c>" in parts(path)[RESULTS]


def test_shared_formulas_are_written_out_before_they_move(tmp_path: Path) -> None:
    """Excel stores `=E2*2`, `=E3*2` … once; moved apart, each cell carries its own, also those outside the body."""
    path = make_book(
        tmp_path / "b.xlsx", {"Results": [{"run": n, "F": f"=E{n}*2"} for n in "234"]}, own={"Results": ["F"]}
    )

    def share(data: bytes) -> bytes:
        data = data.replace(b"<f>E2*2</f>", b'<f t="shared" ref="D2:D6" si="3">E2*2</f>')
        data = re.sub(rb"<f>E[34]\*2</f>", b'<f t="shared" si="3"/>', data)
        outside = b'<row r="6"><c r="T6"><f t="shared" si="3"/><v>9</v></c></row>'
        return data.replace(b"</sheetData>", outside + b"</sheetData>")

    rebuild(path, {RESULTS: share})
    write_workbook(path, [SetBody("Results", results(4, 3))])
    cells = grid(path, "Wyniki", formulas=True)
    assert [cells[c] for c in ("D2", "D3", "T6")] == ["=E2*2", "=E3*2", "=U6*2"]
    assert b"shared" not in parts(path)[RESULTS]


def test_a_shared_formula_in_our_column(tmp_path: Path) -> None:
    """Overwriting the first cell of a shared formula leaves the others theirs."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": n, "status": "x"} for n in "12"]})

    def share(data: bytes) -> bytes:
        data = re.sub(rb'<c r="J2".*?</c>', b'<c r="J2"><f t="shared" ref="J2:J3" si="0">B2</f><v>1</v></c>', data)
        return re.sub(rb'<c r="J3".*?</c>', b'<c r="J3"><f t="shared" si="0"/><v>2</v></c>', data)

    rebuild(path, {PRODUCTS: share})
    write_workbook(path, [SetCells("Products", {2: {"status": "done"}})])
    cells = grid(path, "Produkty", formulas=True)
    assert (cells["J2"], cells["J3"]) == ("done", "=B3")
    assert grid(path, "Produkty")["J3"] == 2


def test_ranges_over_the_body_follow_it(tmp_path: Path) -> None:
    """Validations and formats of just the body grow with it, of both kinds; others stay."""
    path = rich_workbook(tmp_path / "b.xlsm")
    write_workbook(path, [SetBody("Results", results(2, 3, 4, 5, *("n" * 20)))])
    sheet = parts(path)[RESULTS]
    assert b'<conditionalFormatting sqref="I2:I25">' in sheet
    assert b'"&lt;&amp;&gt; &quot;Twoja&quot;" sqref="D2:D25"/>' in sheet
    assert b"<xm:sqref>B2:C25 A2:A25 T2:T5 A2:A9</xm:sqref>" in sheet
    assert b'<dimension ref="A1:T25"/>' in sheet
    write_workbook(path, [SetBody("Results", results("n"))])
    assert b'sqref="D2"/>' in parts(path)[RESULTS]


def test_the_chain_goes_when_formulas_move(tmp_path: Path) -> None:
    """A stale calculation chain makes Excel offer a repair; a right one stays."""
    path = rich_workbook(tmp_path / "b.xlsm")
    kept = tmp_path / "kept.xlsm"
    shutil.copy(path, kept)
    write_workbook(kept, [SetBody("Results", results(2, 3, 4, 5, "n"))])
    assert "xl/calcChain.xml" in parts(kept)
    before = parts(path)
    write_workbook(path, [SetBody("Results", results(3, 4))])
    after = parts(path)
    assert "xl/calcChain.xml" not in after
    for part in ("[Content_Types].xml", "xl/_rels/workbook.xml.rels"):
        gone = re.sub(rb"<(Override|Relationship) [^<>]*calcChain[^<>]*/>", b"", before[part])
        assert after[part] == gone != before[part]


# --- links


LINK = "https://allegro.pl/oferta/7?a=1&b=%22"


def linked(*addresses: str | int) -> list[BodyRow]:
    """A body: a number keeps the row of that number, a text is the address of a new one."""
    return [BodyRow(None, {"run": "r", "link": a}) if isinstance(a, str) else BodyRow(a) for a in addresses]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_address_is_a_link_that_reads_as_the_address(tmp_path: Path, engine: type[Engine]) -> None:
    """A click opens it, every reader sees the plain address, and an address with quotes breaks nothing."""
    quoted = 'https://example.com/"<1>"'
    path = make_book(tmp_path / "b.xlsx", {"Results": [{"run": "a"}]})
    write_workbook(path, [SetBody("Results", [*linked(LINK, quoted, "https://" + "x" * 250), BodyRow(None)])])
    assert values(path, "Results", "link", engine)[:3] == [LINK, quoted, "https://" + "x" * 250]
    cells = grid(path, "Wyniki", formulas=True)
    assert [cells.get(f"L{row}") for row in range(2, 6)] == [
        f'=HYPERLINK("{LINK}")',
        '=HYPERLINK("https://example.com/""<1>""")',
        "https://" + "x" * 250,  # Excel takes no longer text in a formula
        None,
    ]


def test_links_move_with_their_rows_and_are_written_once(tmp_path: Path) -> None:
    """Kept, moved and written again: the same link; where it stands already, nothing is written."""
    path = make_book(tmp_path / "b.xlsx")
    write_workbook(path, [SetBody("Results", linked("a", "b", "c"))])
    write_workbook(path, [SetBody("Results", linked("d", 4, 2))])
    assert values(path, "Results", "link") == ["d", "c", "a"]
    assert grid(path, "Wyniki", formulas=True)["L3"] == '=HYPERLINK("c")'
    before = path.stat()
    write_workbook(path, [SetBody("Results", [BodyRow(2, {"link": "d"}), BodyRow(3), BodyRow(4, {"link": "a"})])])
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_links_that_come_or_move_leave_the_chain(tmp_path: Path) -> None:
    """Excel adds what its chain lacks; only a link that leaves its cell makes it stale."""
    path = rich_workbook(tmp_path / "b.xlsm", {"Results": [{"run": "a"}, {"run": "b"}]})
    write_workbook(path, [SetBody("Results", linked("x", "y"))])
    write_workbook(path, [SetBody("Results", linked(3, 2))])
    assert "xl/calcChain.xml" in parts(path)
    write_workbook(path, [SetBody("Results", linked(2))])
    assert "xl/calcChain.xml" not in parts(path)


def test_cells_beside_the_table_stay_where_they_are(tmp_path: Path) -> None:
    """What stands left and right of a growing, shrinking or reordered table belongs to the sheet, not to the row."""

    def beside(book: Any) -> None:
        sheet = book.get_worksheet_by_name("Wyniki")
        for row in range(12):
            sheet.write(row, 0, f"left{row}")
            sheet.write(row, 30, f"right{row}")

    path = make_book(
        tmp_path / "b.xlsx", {"Results": [{"run": n} for n in "abc"]}, at={"Results": (2, 4)}, finish=beside
    )
    for body in (results(6, 4), results("x"), results(*"vwxyz"), []):
        write_workbook(path, [SetBody("Results", body)])
        cells = grid(path, "Wyniki")
        assert [cells[f"A{n}"] for n in range(1, 13)] == [f"left{n}" for n in range(12)]
        assert [cells[f"AE{n}"] for n in range(1, 13)] == [f"right{n}" for n in range(12)]


def test_two_tables_on_one_sheet(tmp_path: Path) -> None:
    """Changes of tables side by side on a sheet both arrive."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}, {"ean": "2"}]})
    book = openpyxl.load_workbook(path)
    table = book["Wyniki"].tables.pop("Results")
    for column, heading in enumerate(table.column_names, 20):
        book["Produkty"].cell(1, column).value = heading
    table.ref = table.autoFilter.ref = "T1:AJ2"
    book["Produkty"].add_table(table)
    book.save(path)
    write_workbook(path, [SetCells("Products", {3: {"status": "s"}}), SetBody("Results", results("a", "b", "c"))])
    assert values(path, "Products", "status") == [None, "s"]
    assert values(path, "Results", "run") == ["a", "b", "c"]


UNUSUAL = {
    "prefix": lambda d: re.sub(rb"<(/?)(\w)", rb"<\1x:\2", d).replace(b"xmlns=", b"xmlns:x="),
    "comment": lambda d: d.replace(b"<sheetData>", b"<sheetData><!-- <row r='2'> -->"),
    "single quotes": lambda d: d.replace(b'r="B2"', b"r='B2'"),
    "style before number": lambda d: re.sub(rb'<c r="(\w+)" s="(\w+)"', rb'<c s="\2" r="\1"', d),
    "cells without numbers": lambda d: re.sub(rb'<c r="[ABC]2"', rb"<c", d),
    "UTF-16": lambda d: d.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
}


@pytest.mark.parametrize("change", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_but_legal_sheets(tmp_path: Path, change: Any) -> None:
    """However the producer wrote the sheet, our cells arrive and the others keep what they say."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"account": "ąę", "ean": "1", "price": 5}, {"ean": "<&>"}]})
    before = grid(path, "Produkty")
    rebuild(path, {PRODUCTS: change})
    assert parts(path)[PRODUCTS] != before
    write_workbook(path, [SetCells("Products", {3: {"status": "✔"}, 2: {"message": "m"}})])
    assert grid(path, "Produkty") == {**before, "J3": "✔", "K2": "m"}


def test_a_prefix_costs_no_byte(tmp_path: Path) -> None:
    """Sheets whose elements carry a prefix are spliced, not rewritten."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}, {"ean": "2"}]})
    rebuild(path, {PRODUCTS: UNUSUAL["prefix"]})
    before = parts(path)[PRODUCTS]
    write_workbook(path, [SetCells("Products", {3: {"status": "x"}})])
    after = re.sub(rb'<x:c r="J3".*?</x:c>', b"", parts(path)[PRODUCTS])
    assert after == before.replace(b'<x:row r="3" spans="1:12"', b'<x:row r="3"')


def test_microsofts_validator_has_nothing_new_to_say(tmp_path: Path) -> None:
    """A body that grew, moved and shrank, and single cells: as valid as before."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}], "Results": [{"run": n} for n in "234"]})
    assert complaints(path) == []
    cells = SetCells("Products", {2: {"status": " =1 ", "updated_at": MOMENT, "message": "a\0\n_x0041_"}})
    for body in (results(2, 3, 4, *"abc"), results(4, "n", 2), []):
        write_workbook(path, [cells, SetBody("Results", body)])
        assert complaints(path) == []


# --- the file itself


def test_rights_and_links_stay(tmp_path: Path) -> None:
    """The new file has the old one's permission bits; a link still leads to it."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}]})
    path.chmod(0o640)
    (tmp_path / "sub").mkdir()
    link = tmp_path / "sub" / "link.xlsx"
    link.symlink_to(path)
    write_workbook(link, [SetCells("Products", {2: {"status": "x"}})])
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert values(path, "Products", "status") == ["x"]
    assert sorted(os.listdir(tmp_path)) == ["b.xlsx", "sub"]  # noqa: PTH208  (names are what counts)
