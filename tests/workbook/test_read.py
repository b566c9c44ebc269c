"""What `read_workbook` promises: our tables wherever they stand, the same values from both libraries."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch.workbook.engines import Calamine, Engine, Openpyxl
from batch.workbook.read import NOT_CALCULATED, TableData, read_workbook
from tests.helpers.books import make_book, rebuild, replacing, row_xml, sheet_part, table_part


def noon(year: int, month: int, day: int) -> datetime:
    """Twelve o'clock as a cell holds it."""
    return datetime(year, month, day, 12)  # noqa: DTZ001  (cells know no zone)


ENGINES = [Calamine, Openpyxl]
ROOT = Path(__file__).parents[2]
PRODUCTS = sheet_part("Products")
PRICE = '<c r="C2" s="3"><v>5</v></c>'  # as make_book writes it


@pytest.fixture(params=ENGINES, ids=["calamine", "openpyxl"])
def engine(request: pytest.FixtureRequest) -> type[Engine]:
    """Each promise about values holds for both libraries."""
    found: type[Engine] = request.param
    return found


def read(path: Path, engine: type[Engine] | None = None, table: str = "Products") -> TableData:
    return read_workbook(path, tables=[table], engine=engine).tables[table]


def product(path: Path, cell: str, engine: type[Engine]) -> Any:
    """What is read where the price of the only product is replaced by the XML `cell` (at C2)."""
    make_book(path, {"Products": [{"account": "k", "ean": "1", "price": 5}]})
    rebuild(path, {PRODUCTS: replacing(PRICE, cell)})
    [row] = (table := read(path, engine)).rows
    return table.value(row, "price")


CELLS = [
    ("shared string", '<c r="C2" t="s"><v>0</v></c>', "Konto"),
    ("inline", '<c r="C2" t="inlineStr"><is><t>ab</t></is></c>', "ab"),
    ("formatted", '<c r="C2" t="inlineStr"><is><r><t>a</t></r><r><t xml:space="preserve"> b</t></r></is></c>', "a b"),
    ("number", '<c r="C2"><v>12.5</v></c>', 12.5),
    ("whole number", '<c r="C2"><v>5901234123457</v></c>', 5901234123457.0),
    ("exponent", '<c r="C2"><v>5.90123E+12</v></c>', 5901230000000.0),
    ("true", '<c r="C2" t="b"><v>1</v></c>', True),
    ("false", '<c r="C2" t="b"><v>0</v></c>', False),
    ("error", '<c r="C2" t="e"><v>#N/A</v></c>', "#N/A"),
    ("error of a formula", '<c r="C2" t="e"><f>1/0</f><v>#DIV/0!</v></c>', "#DIV/0!"),
    ("formula with value", '<c r="C2"><f>1+1</f><v>2</v></c>', 2.0),
    ("formula with text", '<c r="C2" t="str"><f>"a"</f><v>a</v></c>', "a"),
    ("formula with blank text", '<c r="C2" t="str"><f>""</f><v></v></c>', None),
    ("formula without value", '<c r="C2"><f>1+1</f></c>', NOT_CALCULATED),
    ("formula, v closed at once", '<c r="C2"><f>1+1</f><v/></c>', NOT_CALCULATED),
    ("formula, v without content", '<c r="C2"><f>1+1</f><v></v></c>', NOT_CALCULATED),
    ("shared formula without value", '<c r="C2"><f t="shared" si="0"/></c>', NOT_CALCULATED),
    ("blank text", '<c r="C2" t="inlineStr"><is><t></t></is></c>', None),
    ("white space", '<c r="C2" t="inlineStr"><is><t xml:space="preserve"> \n\t </t></is></c>', None),
    ("hard spaces", '<c r="C2" t="inlineStr"><is><t>\u00a0</t></is></c>', None),
    ("line break", '<c r="C2" t="inlineStr"><is><t>a\nb</t></is></c>', "a\nb"),
    ("Excel's escape", '<c r="C2" t="inlineStr"><is><t>_x0041_b_x005F_x0041_</t></is></c>', "Ab_x0041_"),
    ("text like a number", '<c r="C2" t="inlineStr"><is><t>0012</t></is></c>', "0012"),
    ("date", '<c r="C2" s="2"><v>45000</v></c>', date(2023, 3, 15)),
    ("moment", '<c r="C2" s="2"><v>45000.5</v></c>', noon(2023, 3, 15)),
    ("time", '<c r="C2" s="2"><v>0.5</v></c>', time(12)),
    ("ISO date", '<c r="C2" t="d"><v>2023-03-15T12:00:00</v></c>', noon(2023, 3, 15)),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "value"), [case[1:] for case in CELLS], ids=[case[0] for case in CELLS])
def test_a_cell_reads_the_same_with_both_libraries(
    tmp_path: Path, engine: type[Engine], cell: str, value: object
) -> None:
    read_value = product(tmp_path / "b.xlsx", cell, engine)
    assert (type(read_value), read_value) == (type(value), value)


@pytest.mark.parametrize(("days", "value"), [("1.5", timedelta(days=1, hours=12)), ("48600100200", "#VALUE!")])
def test_length_of_time(tmp_path: Path, engine: type[Engine], days: str, value: object) -> None:
    """`[h]:mm` shows a length of time, also beyond a day; Excel shows ##### for one that is too long."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1", "price": 5}]})
    styles = replacing("yyyy\\-mm\\-dd\\ hh:mm", "[h]:mm")
    rebuild(path, {"xl/styles.xml": styles, PRODUCTS: replacing(PRICE, f'<c r="C2" s="2"><v>{days}</v></c>')})
    [row] = (table := read(path, engine)).rows
    assert table.value(row, "price") == value


def test_dates_of_1904(tmp_path: Path, engine: type[Engine]) -> None:
    """A workbook that counts days from 1904 gives the dates it shows."""
    path = make_book(
        tmp_path / "b.xlsx",
        {"Products": [{"ean": "1", "updated_at": noon(2026, 1, 5)}]},
        options={"date_1904": True},
    )
    [row] = (table := read(path, engine)).rows
    assert table.value(row, "updated_at") == noon(2026, 1, 5)


@pytest.mark.parametrize(
    ("code", "is_date"),
    [("yyyy", True), ("[$-415]d mmm", True), ("hh:mm", True), ('0.00" szt."', False), ("[Red]0", False),
     ("0.00E+00", False), ('"dzień" 0', False), ("\\d0", False), ("General", False), ("#,##0.00 _z_ł", False)],
)  # fmt: skip
def test_which_number_formats_show_a_date(tmp_path: Path, engine: type[Engine], code: str, *, is_date: bool) -> None:
    """Letters in quotes, after a backslash or in brackets are no parts of a date."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1", "price": 5}]})
    quoted = code.replace('"', "&quot;")
    styles = replacing("yyyy\\-mm\\-dd\\ hh:mm", quoted)
    rebuild(path, {"xl/styles.xml": styles, PRODUCTS: replacing(PRICE, '<c r="C2" s="2"><v>45000.5</v></c>')})
    [row] = (table := read(path, engine)).rows
    assert isinstance(table.value(row, "price"), datetime) is is_date


def test_a_table_may_stand_anywhere(tmp_path: Path, engine: type[Engine]) -> None:
    """Not at A1, columns of the user's own between ours: values, row numbers and letters are still right."""
    path = make_book(
        tmp_path / "b.xlsx",
        {"Products": [{"account": "k1", "ean": "1", "Mój": "x"}, {"account": "k2", "stock": 3}]},
        at={"Products": (6, 3)},
        own={"Products": ["Mój", "Inny"]},
    )
    table = read(path, engine)
    assert [row for row, _ in table.rows] == [8, 9]
    assert [table.value(row, "account") for row in table.rows] == ["k1", "k2"]
    assert table.value(table.rows[1], "stock") == 3
    assert str(table.cell_ref("price", 8)) == "Produkty!F8"
    assert str(table.cell_ref("stock", 8)) == "Produkty!I8"


def test_columns_in_any_order_and_language(tmp_path: Path, engine: type[Engine]) -> None:
    """Headings count, not places; either language, any case, any spaces, also Excel's escaped line breaks."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"account": "k", "ean": "1", "price": 5, "stock": 6}]})
    swap = {'name="Cena"': 'name="@"', 'name="Stan"': 'name="Cena"', 'name="@"': 'name="sTOck"',
            'name="ID oferty"': 'name="Offer _x000a_ID"'}  # fmt: skip

    def renamed(data: bytes) -> bytes:
        for old, new in swap.items():
            data = replacing(old, new)(data)
        return data

    rebuild(path, {table_part("Products"): renamed})
    [row] = (table := read(path, engine)).rows
    assert (table.value(row, "price"), table.value(row, "stock")) == (6, 5)


def test_which_rows_count(tmp_path: Path, engine: type[Engine]) -> None:
    """A row of answers alone, or a typed offer id alone, is no row; in tables all ours any value makes one."""
    path = make_book(
        tmp_path / "b.xlsx",
        {
            "Products": [{"offer_id": "7", "status": "✔"}, {}, {"action": "pomiń"}, {"external_id": " "}],
            "Results": [{"run": "r"}, {}, {"trace_id": "t"}],
        },
    )
    assert [row for row, _ in read(path, engine).rows] == [4]
    assert [row for row, _ in read(path, engine, "Results").rows] == [2, 4]


def test_a_totals_row_is_no_row(tmp_path: Path, engine: type[Engine]) -> None:
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}, {"ean": "Suma"}]})
    rebuild(path, {table_part("Products"): replacing(' totalsRowShown="0"', ' totalsRowCount="1"')})
    assert [row for row, _ in read(path, engine).rows] == [2]


def test_strange_sheet_names(tmp_path: Path, engine: type[Engine]) -> None:
    """A renamed sheet is found by its table; its name is given back as the user sees it."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}]})
    rebuild(path, {"xl/workbook.xml": replacing('name="Produkty"', 'name="A &amp; B &apos;c&apos; ąę;"')})
    assert str(read(path, engine).cell_ref("ean", 2)) == "A & B 'c' ąę;!B2"


def _prefixed(data: bytes) -> bytes:
    data = re.sub(rb"<(/?)(\w)", rb"<\1x:\2", data)
    return data.replace(b"xmlns=", b"xmlns:x=")


def _without_numbers(data: bytes) -> bytes:
    numbered = row_xml(data, 2)
    return data.replace(numbered, re.sub(rb'(<(?:row|c)) r="\w+"', rb"\1", numbered))


def _swapped(data: bytes) -> bytes:
    return data.replace(row_xml(data, 2) + row_xml(data, 3), row_xml(data, 3) + row_xml(data, 2))


UNUSUAL_XML = {
    "prefix": _prefixed,
    "comment and CDATA": lambda d: d.replace(b"<sheetData>", b"<sheetData><!-- <row r='9'> -->").replace(
        b'<c r="A2" s="1" t="s"><v>', b'<?pi x?><c r="A2" s="1" t="s"><v><![CDATA[').replace(
        b'</v></c><c r="B2"', b']]></v></c><c r="B2"'),
    "single quotes": lambda d: d.replace(b'r="A2"', b"r='A2'").replace(b'<row r="3"', b"<row r='3'"),
    "no numbers": _without_numbers,
    "rows out of order": _swapped,
    "UTF-16": lambda d: d.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "Latin-2": lambda d: d.decode().replace("UTF-8", "ISO-8859-2").encode("iso-8859-2"),
    "byte order mark": lambda d: b"\xef\xbb\xbf" + d,
    "no declaration": lambda d: d.partition(b"?>")[2],
    "strict": lambda d: d.replace(b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
                                  b"http://purl.oclc.org/ooxml/spreadsheetml/main"),
}  # fmt: skip


@pytest.mark.parametrize("change", UNUSUAL_XML.values(), ids=UNUSUAL_XML)
def test_unusual_but_legal_xml(tmp_path: Path, engine: type[Engine], change: Callable[[bytes], bytes]) -> None:
    """However the producer wrote the sheet, it reads the same."""
    rows = [{"account": "ąę", "ean": "1", "price": 5}, {"account": "b", "stock": 3, "action": "pomiń"}]
    path = make_book(tmp_path / "b.xlsx", {"Products": rows})
    expected = read(path).rows
    rebuild(path, {PRODUCTS: lambda d: _changed(change, d)})
    assert read(path, engine).rows == expected
    assert len(expected) == 2


def _changed(change: Callable[[bytes], bytes], data: bytes) -> bytes:
    changed = change(data)
    assert changed != data
    return changed


def test_a_sparse_sheet_costs_no_memory(tmp_path: Path) -> None:
    """A note in the last cell of the sheet does not make an array of 17 milliards of cells."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1"}]})
    far = '</row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    rebuild(path, {PRODUCTS: replacing("</row></sheetData>", far)})
    assert len(read(path).rows) == 1


def test_the_stamp_is_of_the_content(tmp_path: Path) -> None:
    """Touching the file changes no stamp, changing a byte does."""
    path = make_book(tmp_path / "b.xlsx")
    first = read_workbook(path).stamp
    os.utime(path, (1, 1))
    assert read_workbook(path).stamp == first
    path.write_bytes(path.read_bytes()[:-2] + b"\1\0x")
    assert read_workbook(path).stamp != first


def test_without_calamine(tmp_path: Path) -> None:
    """Where python-calamine does not load, the same is read by openpyxl."""
    path = make_book(tmp_path / "b.xlsx", {"Products": [{"ean": "1", "price": 2.5}]})
    code = (
        "import sys, pathlib; sys.modules['python_calamine'] = None\n"
        "from batch.workbook.read import read_workbook\n"
        "print(read_workbook(pathlib.Path(sys.argv[1])).tables['Products'].rows)"
    )
    shown = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == repr(read(path).rows)
