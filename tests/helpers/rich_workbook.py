"""A workbook as users make them: our tables amid a chart, a pivot, pictures, comments, slicers, Power Query, VBA …

XlsxWriter makes what it can; the rest is grafted in as parts that are well-formed and wired by relationships and
content types, though a few are shorter than Excel would write them.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.helpers.books import Rows, make_book, parts, rebuild, replacing, sheet_part

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MICROSOFT = "http://schemas.microsoft.com/office"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OWN = {"Products": ["Moja marża"], "Results": ["Notatka"]}
ROWS: Rows = {
    "Accounts": [{"account": "k1", "environment": "simulator"}],
    "Products": [
        {"account": "k1", "ean": f"590000000000{n}", "price": n + 0.5, "stock": n, "Moja marża": f"=E{n + 2}*2"}
        for n in range(5)
    ],
    "Results": [{"run": "r1", "message": f"m{n}", "Notatka": f"=E{n + 2}+1"} for n in range(4)],
}


def rich_workbook(path: Path, rows: Rows = ROWS) -> Path:
    """Write the workbook; `path` ends in .xlsm."""
    make_book(path, rows, own=OWN, finish=_what_xlsxwriter_can)
    before = parts(path)
    grafts = _grafts()
    types = "".join(
        f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, (kind, _) in grafts.items() if kind
    )
    types += '<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/>'
    changed: dict[str, Any] = {
        name: data.encode() if isinstance(data, str) else data for name, (_, data) in grafts.items()
    }
    changed["[Content_Types].xml"] = lambda d: replacing("</Types>", types + "</Types>")(
        replacing("sheet.main+xml", "sheet.macroEnabled.main+xml")(d)
        .replace(b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.macroEnabled",
                 b"application/vnd.ms-excel.sheet.macroEnabled"))  # fmt: skip
    changed["xl/_rels/workbook.xml.rels"] = replacing("</Relationships>", _workbook_relations() + "</Relationships>")
    changed["xl/workbook.xml"] = replacing("</workbook>", _workbook_extensions() + "</workbook>")
    products = sheet_part("Products")
    for part, extension in ((products, _x14_validations()), (sheet_part("Results"), _x14_formats())):
        changed[part] = replacing("</worksheet>", extension + "</worksheet>")
    for part, relations in _sheet_relations().items():
        text = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"></Relationships>'
        existing = before.get(part, text.encode())
        changed[part] = existing.replace(b"</Relationships>", relations.encode() + b"</Relationships>")
    return rebuild(path, changed)


def _what_xlsxwriter_can(book: Any) -> None:
    report = book.add_worksheet("Raport & spółka")
    report.write_column("A1", [3, 1, 2])
    report.write_formula("B1", "=SUM(A1:A3)", None, 6)
    report.write_formula("B2", "=Products[[#Totals],[Cena]]", None, 17)
    report.write_dynamic_array_formula("C1:C3", "=SORT(A1:A3)", None, 1)
    report.insert_image("E1", "dot.png", {"image_data": BytesIO(_png())})
    report.insert_textbox("H1", "Ważne")
    report.write_comment("A1", "Uwaga")
    report.add_sparkline("D1", {"range": "'Raport & spółka'!A1:A3"})
    for sheet, place in ((report, "K1"), (book.get_worksheet_by_name("Produkty"), "R2")):
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": "=Produkty!$D$2:$D$6"})
        sheet.insert_chart(place, chart)
    products = book.get_worksheet_by_name("Produkty")
    products.freeze_panes(1, 2)
    products.data_validation("I2:I6", {"validate": "list", "source": ["utwórz", "pomiń"]})
    products.write_comment("B3", "Sprawdź")
    products.write_url("P3", "https://allegro.pl", string="Allegro")
    products.write_rich_string("P4", book.add_format({"bold": True}), "gru", "be")
    products.set_row(3, 44)
    results = book.get_worksheet_by_name("Wyniki")
    results.conditional_format("I2:I5", {"type": "text", "criteria": "containing", "value": "✖"})
    results.data_validation("D2:D5", {"validate": "any", "input_title": "Notatka", "input_message": '<&> "Twoja"'})
    results.write_formula("T2", "=A2&1", None, "r11")
    book.define_name("Zakres", "=Wyniki!$A$2:$A$5")
    book.set_custom_property("Dział", "Sprzedaż")


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">2L5B", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


def _grafts() -> dict[str, tuple[str, str | bytes]]:
    """Part -> content type ("" for one known by its extension) and content."""
    ms, ox = "application/vnd.ms-excel", "application/vnd.openxmlformats-officedocument"
    x14 = f"{MICROSOFT}/spreadsheetml/2009/9/main"
    return {
        "xl/vbaProject.bin": ("", bytes(range(256)) * 40),
        "xl/printerSettings/printerSettings1.bin": (f"{ox}.spreadsheetml.printerSettings", b"\0P\0r" * 50),
        "xl/calcChain.xml": (f"{ox}.spreadsheetml.calcChain+xml",
            f'<calcChain xmlns="{MAIN}"><c r="D2" i="3"/><c r="D2" i="4"/><c r="B1" i="8"/></calcChain>'),
        "xl/pivotCache/pivotCacheDefinition1.xml": (f"{ox}.spreadsheetml.pivotCacheDefinition+xml",
            f'<pivotCacheDefinition xmlns="{MAIN}" recordCount="0"><cacheSource type="worksheet">'
            '<worksheetSource name="Products"/></cacheSource><cacheFields count="0"/></pivotCacheDefinition>'),
        "xl/pivotTables/pivotTable1.xml": (f"{ox}.spreadsheetml.pivotTable+xml",
            f'<pivotTableDefinition xmlns="{MAIN}" name="P" cacheId="1" dataCaption="Suma"><location ref="M1:N4" '
            'firstHeaderRow="1" firstDataRow="1" firstDataCol="1"/></pivotTableDefinition>'),
        "xl/slicers/slicer1.xml": (f"{ms}.slicer+xml", f'<slicers xmlns="{x14}"><slicer name="Konto"/></slicers>'),
        "xl/slicerCaches/slicerCache1.xml": (f"{ms}.slicerCache+xml", f'<slicerCacheDefinition xmlns="{x14}"/>'),
        "xl/threadedComments/threadedComment1.xml": (f"{ms}.threadedcomments+xml",
            f'<ThreadedComments xmlns="{MICROSOFT}/spreadsheetml/2018/threadedcomments"/>'),
        "xl/persons/person.xml": (f"{ms}.person+xml",
            f'<personList xmlns="{MICROSOFT}/spreadsheetml/2018/threadedcomments"/>'),
        "xl/connections.xml": (f"{ox}.spreadsheetml.connections+xml",
            f'<connections xmlns="{MAIN}"><connection id="1" name="Zapytanie" type="5"/></connections>'),
        "customXml/item1.xml": ("", "<DataMashup xmlns='http://schemas.microsoft.com/DataMashup'>AAAA</DataMashup>"),
        "docMetadata/LabelInfo.xml": ("application/vnd.ms-office.classificationlabels+xml",
            f'<clbl:labelList xmlns:clbl="{MICROSOFT}/2020/mipLabelMetadata"/>'),
    }  # fmt: skip


def _relation(id_: str, kind: str, target: str) -> str:
    return f'<Relationship Id="{id_}" Type="{kind}" Target="{target}"/>'


def _workbook_relations() -> str:
    return (
        _relation("rIdA", f"{MICROSOFT}/2006/relationships/vbaProject", "vbaProject.bin")
        + _relation("rIdB", f"{OFFICE}/calcChain", "calcChain.xml")
        + _relation("rIdC", f"{OFFICE}/pivotCacheDefinition", "pivotCache/pivotCacheDefinition1.xml")
        + _relation("rIdD", f"{MICROSOFT}/2007/relationships/slicerCache", "slicerCaches/slicerCache1.xml")
        + _relation("rIdE", f"{MICROSOFT}/2017/10/relationships/person", "persons/person.xml")
        + _relation("rIdF", f"{OFFICE}/connections", "/xl/connections.xml")
        + _relation("rIdG", f"{OFFICE}/customXml", "../customXml/item1.xml")
    )


def _workbook_extensions() -> str:
    x14 = f"{MICROSOFT}/spreadsheetml/2009/9/main"
    pivots = '<pivotCaches><pivotCache cacheId="1" r:id="rIdC"/></pivotCaches>'
    return f'{pivots}<extLst><ext xmlns:x14="{x14}" uri="{{BBE1A952}}"><x14:slicerCaches/></ext></extLst>'


def _sheet_relations() -> dict[str, str]:
    products = sheet_part("Products").replace("worksheets/", "worksheets/_rels/") + ".rels"
    report = "xl/worksheets/_rels/sheet8.xml.rels"
    return {
        products: _relation("rIdP", f"{OFFICE}/printerSettings", "../printerSettings/printerSettings1.bin"),
        report: _relation("rIdV", f"{OFFICE}/pivotTable", "../pivotTables/pivotTable1.xml")
        + _relation("rIdS", f"{MICROSOFT}/2007/relationships/slicer", "../slicers/slicer1.xml")
        + _relation(
            "rIdT", f"{MICROSOFT}/2017/10/relationships/threadedComment", "../threadedComments/threadedComment1.xml"
        ),
    }


def _x14_validations() -> str:
    """A dropdown fed by another sheet, as Excel stores it."""
    return (
        f'<extLst><ext xmlns:x14="{MICROSOFT}/spreadsheetml/2009/9/main" uri="{{CCE6A557}}">'
        f'<x14:dataValidations xmlns:xm="{MICROSOFT}/excel/2006/main" count="1">'
        '<x14:dataValidation type="list"><x14:formula1><xm:f>Konta!$A$2:$A$9</xm:f></x14:formula1>'
        "<xm:sqref>A2:A6</xm:sqref></x14:dataValidation></x14:dataValidations></ext></extLst>"
    )


def _x14_formats() -> str:
    """A conditional format of the extension kind, over just the body and over more."""
    return (
        f'<extLst><ext xmlns:x14="{MICROSOFT}/spreadsheetml/2009/9/main" uri="{{78C0D931}}">'
        f'<x14:conditionalFormattings xmlns:xm="{MICROSOFT}/excel/2006/main"><x14:conditionalFormatting>'
        "<xm:sqref>B2:C5 A2:A5 T2:T5 A2:A9</xm:sqref></x14:conditionalFormatting></x14:conditionalFormattings>"
        "</ext></extLst>"
    )
