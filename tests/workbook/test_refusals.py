"""What reading, checking and writing refuse, with which code, and that the file stays as it was."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.errors import WorkbookError
from batch.messages import catalogue
from batch.workbook.package import Package, open_package
from batch.workbook.patch import BodyRow, SetBody, SetCells, check_writable, write_workbook
from batch.workbook.read import read_workbook
from tests.helpers.books import make_book, parts, rebuild, replacing, sheet_part, table_part

ROOT = Path(__file__).parents[2]
PRODUCTS, RESULTS, TABLE = sheet_part("Products"), sheet_part("Results"), table_part("Products")
DAMAGED, TOO_BIG, ARRAY = "workbook_damaged", "workbook_too_big", "array_formula"
FILLED = {"action": "pomiń", "status": "s", "message": "m"}
ROWS = {
    "Products": [{"ean": "1", "price": 5, **FILLED}, {"ean": "2", **FILLED}],
    "Results": [{"run": "a"}, {"run": "b"}],
}
OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)


def book(folder: Path, **options: Any) -> Path:
    return make_book(folder / "Skoroszyt.xlsx", ROWS, **options)


def refused(call: Callable[[], object], code: str) -> WorkbookError:
    """The error of `call`, which explains itself in both languages."""
    with pytest.raises(WorkbookError) as caught:
        call()
    assert caught.value.code == code, caught.value
    for language in ("pl", "en"):
        explained = catalogue(language).explain(code, **caught.value.facts)
        assert explained.title
        assert explained.message
        assert explained.advice
    return caught.value


def raw(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def changed(folder: Path, part: str, change: Any, **options: Any) -> Path:
    return rebuild(book(folder, **options), {part: change})


def truncated(folder: Path) -> Path:
    path = book(folder)
    return raw(folder, "t.xlsx", path.read_bytes()[: path.stat().st_size // 2])


def flipped(folder: Path) -> Path:
    """A byte inside the packed sheet is another."""
    path = book(folder)
    with zipfile.ZipFile(path) as package:
        at = package.getinfo(PRODUCTS).header_offset + 60
    data = bytearray(path.read_bytes())
    data[at + 30] ^= 0xFF
    return raw(folder, "f.xlsx", bytes(data))


def twice(folder: Path) -> Path:
    """Two parts of one name."""
    path = book(folder)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as package:
        package.writestr(PRODUCTS, b"<worksheet/>")
    return path


def binary_workbook(folder: Path) -> Path:
    change = replacing("sheet.main+xml", "sheet.binary.macroEnabled.main")
    return changed(folder, "[Content_Types].xml", change)


def foreign_table(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """The sheet of the products holds another table, whose definition is changed."""

    def add(workbook: Any) -> None:
        workbook.get_worksheet_by_name("Produkty").add_table("N1:O3", {"name": "Mine"})

    path = book(folder, finish=add)
    part = next(name for name, data in parts(path).items() if b'"Mine"' in data and name.startswith("xl/tables/"))
    return rebuild(path, {part: change})


def folder_as_file(folder: Path) -> Path:
    path = folder / "b.xlsx"
    path.mkdir()
    return path


UNREADABLE: list[tuple[str, Callable[[Path], Path], str]] = [
    ("no file", lambda f: f / "x.xlsx", "workbook_missing"),
    ("a folder", folder_as_file, "workbook_unreadable"),
    ("empty", lambda f: raw(f, "x.xlsx", b""), "workbook_format"),
    ("csv renamed", lambda f: raw(f, "x.xlsx", b"Konto;EAN\nk;1\n"), "workbook_format"),
    ("csv", lambda f: raw(f, "x.csv", b"a;b"), "workbook_format"),
    ("xlsx named otherwise", lambda f: book(f).rename(f / "x.zip"), "workbook_format"),
    ("xls", lambda f: raw(f, "x.xls", OLE), "workbook_xls"),
    ("xls renamed", lambda f: raw(f, "x.xlsx", OLE), "workbook_xls"),
    ("password", lambda f: raw(f, "x.xlsx", OLE + "EncryptedPackage".encode("utf-16-le")), "workbook_encrypted"),
    ("truncated", truncated, DAMAGED),
    ("bad checksum", flipped, DAMAGED),
    ("zip of something else", lambda f: rebuild(book(f), {}, ["_rels/.rels"]), "workbook_format"),
    ("xlsb", binary_workbook, "workbook_format"),
    ("no workbook part", lambda f: rebuild(book(f), {}, ["xl/workbook.xml"]), "workbook_format"),
    ("no sheet part", lambda f: rebuild(book(f), {}, [PRODUCTS]), "table_missing"),
    ("two parts of one name", twice, DAMAGED),
    ("sheet cut off", lambda f: changed(f, PRODUCTS, lambda d: d[:-300]), DAMAGED),
    ("table cut off", lambda f: changed(f, TABLE, lambda d: d[:-30]), DAMAGED),
    ("table ref nonsense", lambda f: changed(f, TABLE, replacing("A1:L3", "A1:XFE3")), DAMAGED),
    ("unknown encoding", lambda f: changed(f, PRODUCTS, replacing("UTF-8", "KLINGON")), DAMAGED),
    ("other table's ref nonsense", lambda f: foreign_table(f, replacing("N1:O3", "everywhere")), DAMAGED),
    ("header rows below zero", lambda f: changed(f, TABLE, replacing('totalsRowShown="0"', 'headerRowCount="-5"')),
     DAMAGED),
    ("formats without numbers", lambda f: changed(f, "xl/styles.xml", replacing('<xf numFmtId="', '<xf numFmtId="x')),
     DAMAGED),
    ("same row twice", lambda f: changed(f, PRODUCTS, replacing('<row r="3"', '<row r="2"')), DAMAGED),
    ("table missing", lambda f: changed(f, TABLE, replacing('"Products"', '"Other"')), "table_missing"),
    ("heading missing", lambda f: changed(f, TABLE, replacing('"Cena"', '"Kwota"')), "heading_missing"),
    ("answers without heading", lambda f: changed(f, TABLE, replacing('"Status"', '"x"')), "heading_missing"),
    ("heading twice", lambda f: changed(f, TABLE, replacing('"Sygnatura"', '"PRICE"')), "heading_twice"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code"), [c[1:] for c in UNREADABLE], ids=[c[0] for c in UNREADABLE])
def test_what_is_no_workbook_of_ours(tmp_path: Path, make: Callable[[Path], Path], code: str) -> None:
    """One clear reason, for reading, checking and writing alike; the file stays."""
    path = make(tmp_path)
    before = path.read_bytes() if path.is_file() else b""
    refused(lambda: read_workbook(path), code)
    refused(lambda: check_writable(path), code)
    refused(lambda: write_workbook(path, [SetCells("Products", {2: {"status": "x"}})]), code)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_text_that_is_not_there(tmp_path: Path) -> None:
    """A cell that points past the shared strings is damage, not a blank."""
    path = changed(tmp_path, PRODUCTS, replacing('t="s"><v>', 't="s"><v>99'))
    refused(lambda: read_workbook(path), DAMAGED)


def test_all_missing_headings_at_once(tmp_path: Path) -> None:
    """The error names table, sheet, and every missing heading."""
    path = changed(tmp_path, TABLE, lambda d: d.replace(b'"Cena"', b'"x"').replace(b'"Stan"', b'"y"'))
    error = refused(lambda: read_workbook(path), "heading_missing")
    assert error.facts == {
        "table": "Products",
        "sheet": "Produkty",
        "headings_pl": "Cena, Stan",
        "headings_en": "Price, Stock",
    }


# --- bombs


def spaces(folder: Path, part: str, megabytes: int) -> Path:
    """A part that is nearly all white space."""
    path = book(folder)
    with zipfile.ZipFile(path) as package:
        found = {name: package.read(name) for name in package.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for name, data in found.items():
            with package.open(name, "w", force_zip64=True) as out:
                out.write(data)
                for _ in range(megabytes if name == part else 0):
                    out.write(b" " * 2**20)
    return path


def lying(folder: Path) -> Path:
    """The sheet unpacks to more than its headers declare."""
    path = spaces(folder, PRODUCTS, 400)
    with zipfile.ZipFile(path) as package:
        size = package.getinfo(PRODUCTS).file_size
    data = path.read_bytes().replace(struct.pack("<L", size), struct.pack("<L", 1000))
    path.write_bytes(data.replace(struct.pack("<Q", size), struct.pack("<Q", 1000)))
    return path


def many_parts(folder: Path) -> Path:
    path = book(folder)
    with zipfile.ZipFile(path, "a") as package:
        for n in range(12_000):
            package.writestr(f"x/{n}", b"")
    return path


LAUGHS = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
)


def laughing(data: bytes) -> bytes:
    head, _, rest = data.partition(b"?>")
    return head + b"?>" + LAUGHS.encode() + b"]>" + rest.replace(b"</t>", b"&j;</t>", 1)


def shared_bomb(folder: Path) -> Path:
    """A million cells of one long string: small on disk, a thousand gigabytes once read."""
    cells = "".join(f'<row r="{n}"><c r="B{n}" t="s"><v>0</v></c></row>' for n in range(4, 100_000))
    path = changed(folder, PRODUCTS, replacing("</sheetData>", cells + "</sheetData>"))
    return rebuild(path, {"xl/sharedStrings.xml": replacing("<si><t>", "<si><t>" + "a" * 1_000_000)})


BOMBS: list[tuple[str, Callable[[Path], Path], str]] = [
    ("sheet of white space", lambda f: spaces(f, PRODUCTS, 400), TOO_BIG),
    ("foreign part", lambda f: spaces(f, "docProps/app.xml", 1500), TOO_BIG),
    ("size that lies", lying, DAMAGED),
    ("many parts", many_parts, TOO_BIG),
    ("entities in the sheet", lambda f: changed(f, PRODUCTS, laughing), TOO_BIG),
    ("entities in the strings", lambda f: changed(f, "xl/sharedStrings.xml", laughing), TOO_BIG),
    ("entities in the workbook", lambda f: changed(f, "xl/workbook.xml", laughing), TOO_BIG),
    ("entities in UTF-16", lambda f: changed(f, PRODUCTS, lambda d: laughing(d.replace(b"UTF-8", b"UTF-16")).decode()
                                             .encode("utf-16")), TOO_BIG),
    ("entities after a comment", lambda f: changed(f, PRODUCTS, lambda d: laughing(d).replace(
        b"<!DOCTYPE", b"<!-- <a> --><!DOCTYPE")), TOO_BIG),
    ("deep nesting", lambda f: changed(f, PRODUCTS, replacing("<sheetData>", "<!-- --><sheetData>" + "<row>" * 50_000)),
     DAMAGED),
    ("deep nesting in a table", lambda f: changed(f, TABLE, replacing("<tableColumns", "<a>" * 50_000)),
     DAMAGED),
    ("cell of a million letters", lambda f: changed(f, PRODUCTS, replacing(
        '<c r="B2"', '<!-- --><c r="' + "A" * 10**6 + '2"')), DAMAGED),
    ("entities from elsewhere", lambda f: changed(f, PRODUCTS, lambda d: d.replace(
        b"?>", b'?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 1)), TOO_BIG),
    ("millions of strings", lambda f: changed(f, "xl/sharedStrings.xml", replacing(
        "</sst>", "<si/>" * 4_000_000 + "</sst>")), ""),
    ("extent of milliards", lambda f: changed(f, PRODUCTS, replacing('<dimension ref="A1:L3"/>',
        '<dimension ref="A1:XFD9999999999"/>')), ""),
    ("row of milliards", lambda f: changed(f, PRODUCTS, replacing('<row r="3"', '<row r="9999999"')), DAMAGED),
    ("a million rows", lambda f: changed(f, PRODUCTS, replacing("<sheetData>", "<sheetData>" + "<row/>" * 1_100_000)),
     DAMAGED),
    ("one string, many cells", shared_bomb, TOO_BIG),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code"), [c[1:] for c in BOMBS], ids=[c[0] for c in BOMBS])
def test_bombs(tmp_path: Path, make: Callable[[Path], Path], code: str) -> None:
    """Refused, or read where there is no code, within 500 MB of memory, by a process that could not take more."""
    path = make(tmp_path)
    script = (
        "import resource, sys, pathlib\n"
        "resource.setrlimit(resource.RLIMIT_AS, (900 * 2**20,) * 2)  # address space, of which libraries map a lot\n"
        "from batch.errors import WorkbookError\n"
        "from batch.workbook.read import read_workbook\n"
        "try:\n    read_workbook(pathlib.Path(sys.argv[1]))\n"
        "except WorkbookError as error:\n    print(error.code)\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "assert peak < 500, peak\n"
    )
    assert in_process(script, path) == code


def in_process(script: str, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
    )
    assert not done.stderr, done.stderr
    return done.stdout.strip()


# --- readable, but not to be written


def mode(bits: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = book(folder)
        path.chmod(bits)
        return path

    return make


def closed_folder(folder: Path) -> Path:
    (inner := folder / "zamknięty").mkdir()
    path = book(inner)
    inner.chmod(0o555)
    return path


def with_owner(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = book(folder)
        path.with_name(name).write_bytes(content)
        return path

    return make


def linked(folder: Path) -> Path:
    """The workbook is open under its real name, we come by a link."""
    path = with_owner("~$Skoroszyt.xlsx", excel_owner("Ewa"))(folder)
    link = folder / "link.xlsx"
    link.symlink_to(path)
    return link


def excel_owner(user: str) -> bytes:
    narrow = bytes([len(user)]) + user.encode("cp1250").ljust(54)
    return narrow + struct.pack("<H", len(user)) + user.encode("utf-16-le").ljust(108, b" ")


def tail(xml: str, table: str = "Products") -> Callable[[Path], Path]:
    """Something after the cells of a sheet."""
    return lambda f: changed(f, sheet_part(table), replacing("</sheetData>", "</sheetData>" + xml))


def instead(cell: str, xml: str, table: str = "Products") -> Callable[[Path], Path]:
    """A cell of a sheet is another; it must be there, blank or not."""

    def change(data: bytes) -> bytes:
        found = re.search(rb'<c r="%s"[^>]*?(?:/>|>.*?</c>)' % cell.encode(), data)
        assert found, cell
        return data.replace(found[0], xml.encode())

    return lambda f: changed(f, sheet_part(table), change)


def below(xml: str) -> Callable[[Path], Path]:
    return lambda f: changed(f, RESULTS, replacing("</sheetData>", xml + "</sheetData>"))


def table_below(folder: Path) -> Path:
    def add(workbook: Any) -> None:
        workbook.get_worksheet_by_name("Wyniki").add_table("C40:D42", {"name": "Mine"})

    return book(folder, finish=add)


def broken_header(folder: Path) -> Path:
    """A part that we never read has no header of its own; the directory still names it."""
    path = book(folder)
    with zipfile.ZipFile(path) as package:
        at = package.getinfo("docProps/core.xml").header_offset
    data = path.read_bytes()
    return raw(folder, path.name, data[:at] + b"XX" + data[at + 2 :])


UNWRITABLE: list[tuple[str, Callable[[Path], Path], str]] = [
    ("file read-only", mode(0o444), "workbook_read_only"),
    ("folder read-only", closed_folder, "folder_read_only"),
    ("open in Excel", with_owner("~$Skoroszyt.xlsx", excel_owner("Łucja")), "workbook_open"),
    ("open in Excel, owner unreadable", with_owner("~$Skoroszyt.xlsx", b""), "workbook_open"),
    ("open in LibreOffice", with_owner(".~lock.Skoroszyt.xlsx#", b",jan,PC,24.11.2026;"), "workbook_open"),
    ("open, reached by a link", linked, "workbook_open"),
    ("merged, our column", tail('<mergeCells><mergeCell ref="J2:J3"/></mergeCells>'), "merged_cells"),
    ("merged, across", tail('<mergeCells><mergeCell ref="A3:L3"/></mergeCells>'), "merged_cells"),
    ("merged, growing body", tail('<mergeCells><mergeCell ref="A2:B2"/></mergeCells>', "Results"), "merged_cells"),
    ("merged, growing", tail('<mergeCells><mergeCell ref="A900:B900"/></mergeCells>', "Results"), "merged_cells"),
    ("array formula", instead("J2", '<c r="J2"><f t="array" ref="J2:J3">A1:A2</f><v>1</v></c>'), ARRAY),
    ("array formula of one cell", instead("J2", '<c r="J2" cm="1"><f t="array" ref="J2">A1</f></c>'), ARRAY),
    ("array formula from beside", instead("H2", '<c r="H2"><f t="array" ref="H2:K2">A1</f></c>'), ARRAY),
    ("data table", instead("K3", '<c r="K3"><f t="dataTable" ref="K3" dt2D="1" r1="A1"/></c>'), ARRAY),
    ("array in a growing body", instead("A2", '<c r="A2"><f t="array" ref="A2:A3">1</f></c>', "Results"), ARRAY),
    ("totals row", lambda f: changed(f, table_part("Results"), replacing(' totalsRowShown="0"', ' totalsRowCount="1"')),
     "totals_row"),
    ("value below", below('<row r="9"><c r="C9"><v>1</v></c></row>'), "below_table"),
    ("formula below", below('<row r="9000"><c r="A9000"><f>1</f></c></row>'), "below_table"),
    ("table below", table_below, "below_table"),
    ("filter below", tail('<autoFilter ref="A30:C40"/>', "Results"), "below_table"),
    ("merged nonsense", tail('<mergeCells><mergeCell ref="everywhere"/></mergeCells>'), DAMAGED),
    ("filter nonsense", tail('<autoFilter ref="A0"/>', "Results"), DAMAGED),
    ("array nonsense", instead("J2", '<c r="J2"><f t="array" ref="?">1</f></c>'), DAMAGED),
    ("the same cell twice", lambda f: changed(
        f, PRODUCTS, lambda d: re.sub(rb'(<c r="B2".*?</c>)', rb"\1\1", d)), DAMAGED),
    ("a part that cannot be copied", broken_header, DAMAGED),
    ("macro sheet", lambda f: changed(f, "xl/_rels/workbook.xml.rels", replacing(
        'worksheet" Target="worksheets/sheet3.xml', 'xlMacrosheet" Target="worksheets/sheet3.xml')), "sheet_unusual"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code"), [c[1:] for c in UNWRITABLE], ids=[c[0] for c in UNWRITABLE])
def test_what_cannot_be_written(tmp_path: Path, make: Callable[[Path], Path], code: str) -> None:
    """Known before anything is sent, and refused again when it is tried; the file stays, no other is left."""
    path = make(tmp_path)
    before, names = path.read_bytes(), sorted(path.parent.iterdir())
    refused(lambda: check_writable(path), code)
    changes = [
        SetCells("Products", {2: {"status": "x"}}),
        SetBody("Results", [BodyRow(None, {"run": str(n)}) for n in range(9000)]),
    ]
    refused(lambda: write_workbook(path, changes), code)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == (before, names)


def escaping(folder: Path) -> Path:
    """Parts are read from memory and copied: nothing is ever unpacked to a place that a name tells."""
    path = book(folder)
    with zipfile.ZipFile(path, "a") as package:
        for name in ("../../outside.txt", "/tmp/outside.txt", "C:\\outside.txt"):
            package.writestr(name, b"x")
    return path


HARMLESS: list[tuple[str, Callable[[Path], Path]]] = [
    ("nothing unusual", book),
    ("protected sheet", tail('<sheetProtection sheet="1" objects="1"/>')),
    ("merged elsewhere", tail('<mergeCells><mergeCell ref="N2:P9"/></mergeCells>')),
    ("merged title above", tail('<mergeCells><mergeCell ref="A1:L1"/></mergeCells>')),
    ("formula in our column", instead("J2", '<c r="J2"><f>1+1</f><v>2</v></c>')),
    ("value beside the growing table", below('<row r="9"><c r="Z9"><v>1</v></c></row>')),
    ("column formats without end", lambda f: changed(f, PRODUCTS, replacing(
        "<cols>", '<cols><col min="1" max="999999999" style="0"/><col min="x" max="2" style="1"/><col style="1"/>'))),
    ("names that lead out of the package", escaping),
    ("entities from elsewhere", lambda f: changed(f, "docProps/app.xml", lambda d: d.replace(
        b"?>", b'?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 1))),
    ("format below the growing table", below('<row r="9"><c r="C9" s="1"/></row>')),
]  # fmt: skip


@pytest.mark.parametrize("make", [c[1] for c in HARMLESS], ids=[c[0] for c in HARMLESS])
def test_what_is_harmless(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Nothing that can be done safely is refused."""
    path = make(tmp_path)
    check_writable(path)
    write_workbook(
        path, [SetCells("Products", {2: {"status": "x"}}), SetBody("Results", [BodyRow(None, {"run": "q"})])]
    )
    found = read_workbook(path, tables=["Products", "Results"]).tables
    assert found["Products"].value(found["Products"].rows[0], "status") == "x"
    assert [found["Results"].value(row, "run") for row in found["Results"].rows] == ["q"]


def test_who_has_it_open(tmp_path: Path) -> None:
    """The user's name is read from Excel's or LibreOffice's owner file."""
    path = with_owner("~$Skoroszyt.xlsx", excel_owner("Łucja Żak"))(tmp_path)
    assert refused(lambda: check_writable(path), "workbook_open").facts["user"] == "Łucja Żak"
    (tmp_path / "~$Skoroszyt.xlsx").unlink()
    (tmp_path / ".~lock.Skoroszyt.xlsx#").write_text("Jan Nowak,jan,PC,24.11.2026 10:00,file:///x;", "utf-8")
    assert refused(lambda: check_writable(path), "workbook_open").facts["user"] == "Jan Nowak"


def test_a_save_while_the_workbook_is_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody saved in that moment is not replaced by what it was made from."""
    path = book(tmp_path)
    saved = make_book(tmp_path / "saved.xlsx", {"Products": [{"ean": "2"}]}).read_bytes()

    def read_and_saved(path: Path) -> Package:
        package = open_package(path)
        path.write_bytes(saved)
        return package

    monkeypatch.setattr("batch.workbook.patch.open_package", read_and_saved)
    refused(lambda: write_workbook(path, [SetCells("Products", {2: {"status": "x"}})]), "workbook_changed")
    assert path.read_bytes() == saved


def test_another_workbook_than_was_read(tmp_path: Path) -> None:
    """Answers go only into the file whose rows they were made for."""
    path = book(tmp_path)
    stamp = read_workbook(path).stamp
    write_workbook(path, [SetCells("Products", {2: {"status": "x"}})], expect=stamp)
    before = path.read_bytes()
    refused(
        lambda: write_workbook(path, [SetCells("Products", {2: {"status": "y"}})], expect=stamp), "workbook_changed"
    )
    refused(lambda: write_workbook(path, [SetCells("Products", {9: {"status": "y"}})]), "workbook_changed")
    refused(lambda: write_workbook(path, [SetBody("Results", [BodyRow(99)])]), "workbook_changed")
    assert path.read_bytes() == before


def test_only_our_own_columns(tmp_path: Path) -> None:
    """A column of the user's is never written, whoever asks."""
    path = book(tmp_path)
    with pytest.raises(KeyError):
        write_workbook(path, [SetCells("Products", {2: {"price": 1}})])


def test_a_sheet_has_an_end(tmp_path: Path) -> None:
    """A table at the end of the sheet cannot grow."""
    path = book(tmp_path, at={"Results": (1_048_570, 0)})
    rows = [BodyRow(None, {"run": "r"})] * 10
    refused(lambda: write_workbook(path, [SetBody("Results", rows)]), "table_full")
