"""The small, checked package that the reading libraries get in place of the user's file.

It holds our sheets' cells, the shared strings, and styles that say only which cells show a date. What the libraries
treat differently is taken out of their hands: error values, formulas without a value, Excel's `_xHHHH_` escapes.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from operator import lt

from batch.workbook.area import MAX_COLUMN, MAX_ROW, number
from batch.workbook.package import MIB, Package
from batch.workbook.places import Book, Sheet
from batch.workbook.plain import plain
from batch.workbook.sheet import NotPlainError, SheetXml, occurs
from batch.workbook.stored import date_styles, elapsed_styles, shared_items
from batch.workbook.values import NOT_CALCULATED, Cell, unescaped

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"

MAX_DENSE = 6_000_000  # cells of a rectangle; each takes 32 bytes in python-calamine, filled or not
MAX_TEXT = 256 * MIB  # of all cells, where many cells share a long string
SHORTEST_CELL = 20  # bytes of a cell with a shared string

MARK = "\ufdd0"  # a character for a program's own use: keeps `_x0041_` from being decoded by one library only
_ESCAPE = re.compile(rb"_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(slots=True)
class Readable:
    """What to read: the package, per sheet the cells known beforehand, and whether dense arrays are safe."""

    content: bytes
    known: list[dict[tuple[int, int], Cell]]  # (row, column) -> value
    heights: list[int]  # number of the last row of each sheet
    dense: bool
    escaped: bool  # whether texts must go through `original`


def readable(book: Book, sheets: Sequence[Sheet]) -> Readable:
    """The checked package with `sheets` in the given order. Raises WorkbookError for what is broken or too big."""
    package, known, heights, dense, escaped = book.package, [], [], True, False
    strings = package.text(book.strings) if book.strings else b"<sst/>"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for index, sheet in enumerate(sheets, 1):
            xml, unusual = _plain_sheet(package, sheet.part)
            _check_texts(package, sheet.part, xml, strings)
            heights.append(_height(xml))
            dense = dense and _is_dense(xml, heights[-1])
            known.append(_known(xml) if unusual else {})
            escaped = escaped or _has_escapes(xml.data)
            with out.open(f"xl/worksheets/sheet{index}.xml", "w") as stream:
                for piece in _cells_only(xml):
                    stream.write(piece)
        out.writestr("xl/sharedStrings.xml", _neutral(_transitional(strings)))
        for name, text in _frame(book, len(sheets)).items():
            out.writestr(name, text)
    escaped = escaped or _has_escapes(strings)
    return Readable(buffer.getvalue(), known, heights, dense, escaped)


def original(text: str) -> str:
    """Text that a library gave, as Excel shows it."""
    return unescaped(text.replace(f"_{MARK}x", "_x")) if MARK in text else text


def _plain_sheet(package: Package, part: str) -> tuple[SheetXml, bool]:
    """A sheet that can be cut by pattern, and whether formulas or errors are in it."""
    data = package.text(part)
    try:
        return _numbered(SheetXml(data))
    except NotPlainError:
        try:
            return _numbered(SheetXml(plain(data)))
        except NotPlainError as error:
            raise package.damaged(part) from error


def _numbered(xml: SheetXml) -> tuple[SheetXml, bool]:
    """Rows carry ascending numbers, and cells theirs where there are formulas or errors.

    Faster than cutting every row, and all that reading needs.
    """
    tag = b"<%srow" % xml.prefix
    count = xml.data.count(tag, xml.body_start, xml.body_end)
    if count > MAX_ROW:
        raise NotPlainError
    numbered = re.compile(tag + rb' r="(\d{1,7})"')
    numbers = list(map(int, numbered.findall(xml.data, xml.body_start, xml.body_end)))
    if len(numbers) != count or not all(map(lt, numbers, numbers[1:])) or (numbers and numbers[-1] > MAX_ROW):
        raise NotPlainError
    unusual = _formulas_or_errors(xml)
    if unusual:
        cells = xml.data.count(b"<%sc " % xml.prefix) + xml.data.count(b"<%sc>" % xml.prefix)
        if cells != xml.data.count(b'<%sc r="' % xml.prefix):
            raise NotPlainError
    return xml, unusual


def _height(xml: SheetXml) -> int:
    rows = re.findall(rb'r="(\d+)"', xml.data[xml.data.rfind(b"<%srow " % xml.prefix) :][:100])
    return int(rows[0]) if rows else 0


def _is_dense(xml: SheetXml, height: int) -> bool:
    if height * 26 <= MAX_DENSE and not re.search(rb'<%sc r="[A-Z]{2}' % xml.prefix, xml.data):
        return True
    width = max((number(c) for c in set(re.findall(rb'r="([A-Z]{1,3})\d', xml.data))), default=0)
    return width <= MAX_COLUMN and height * width <= MAX_DENSE


def _check_texts(package: Package, part: str, xml: SheetXml, strings: bytes) -> None:
    """A bomb needs no compression: a million cells may share one string of a megabyte."""
    if not any_longer(strings, MAX_TEXT // (len(xml.data) // SHORTEST_CELL + 1)):
        return
    if not any_longer(strings, MAX_TEXT // (xml.data.count(b't="s"') + 1)):
        return
    lengths = [len(item) for item in shared_items(strings)]
    used = (int(n) for n in re.findall(rb't="s"[^<>]*>\s*<(?:\w+:)?v>(\d{1,9})<', xml.data))
    if sum(lengths[n] for n in used if n < len(lengths)) > MAX_TEXT:
        raise package.too_big(part)


def any_longer(strings: bytes, length: int) -> bool:
    """Whether an item of the shared strings is longer than that; looks at one place in each stretch of that length."""
    end, place = b"</si>", 0
    while place + length < len(strings):
        found = strings.rfind(end, place, place + length + len(end))
        if found < 0:
            return True
        place = found + len(end)
    return False


def _formulas_or_errors(xml: SheetXml) -> bool:
    within = xml.body_start, xml.body_end
    formula = occurs(xml.data, b"f", b"<%sf" % xml.prefix, *within)
    return formula or occurs(xml.data, b"#", b't="e"', *within)  # error values are all like #REF!


def _known(xml: SheetXml) -> dict[tuple[int, int], Cell]:
    """Cells that hold an error value, or a formula without a stored value."""
    p = xml.prefix
    found: dict[tuple[int, int], Cell] = {}
    formula = rb"<%sf(?:\s[^<>]*)?(?:/>|>[^<]*</%sf>)" % (p, p)
    value = rb"<%sv(?:\s[^<>]*)?(?:/>|>([^<]*)</%sv>)" % (p, p)
    cell = rb'<%sc r="([A-Z]+)(\d+)"([^<>]*)>\s*(%s)?\s*(%s)?' % (p, formula, value)
    for column, row, attributes, has_formula, has_value, text in re.findall(cell, xml.data):
        if b't="e"' in attributes:
            found[int(row), number(column)] = text.decode() or None
        elif has_formula and not text and not (has_value and b't="str"' in attributes):
            found[int(row), number(column)] = NOT_CALCULATED
    return found


def _cells_only(xml: SheetXml) -> list[bytes | memoryview]:
    root = re.match(rb"<[^<>]*>", xml.data[xml.root_start : xml.body_start])
    p = xml.prefix
    opening = _transitional(root[0]) if root else b""
    body = memoryview(xml.data)[xml.body_start : xml.body_end]
    neutral = _neutral(xml.data[xml.body_start : xml.body_end]) if _has_escapes(xml.data) else body
    return [opening, b"<%ssheetData>" % p, neutral, b"</%ssheetData></%sworksheet>" % (p, p)]


def _neutral(data: bytes) -> bytes:
    return _ESCAPE.sub(f"_{MARK}".encode(), data) if _has_escapes(data) else data


def _has_escapes(data: bytes) -> bool:
    return b"_" in data and _ESCAPE.search(data) is not None  # one byte is found five times faster


def _transitional(data: bytes) -> bytes:
    return data.replace(STRICT, MAIN.encode(), 1) if STRICT in data[:2000] else data


def _frame(book: Book, count: int) -> dict[str, str]:
    """The parts around the sheets."""
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    sheets = range(1, count + 1)
    overrides = {"/xl/workbook.xml": "sheet.main", "/xl/styles.xml": "styles", "/xl/sharedStrings.xml": "sharedStrings"}
    overrides |= {f"/xl/worksheets/sheet{n}.xml": "worksheet" for n in sheets}
    targets = {f"rId{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in sheets}
    targets |= {"rIdS": ("styles", "styles.xml"), "rIdT": ("sharedStrings", "sharedStrings.xml")}
    return {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        + "".join(f'<Override PartName="{k}" ContentType="{main}.{v}+xml"/>' for k, v in overrides.items())
        + "</Types>",
        "_rels/.rels": _relationships({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/_rels/workbook.xml.rels": _relationships(targets),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">'
        f'<workbookPr date1904="{int(book.since_1904)}"/><sheets>'
        + "".join(f'<sheet name="S{n}" sheetId="{n}" r:id="rId{n}"/>' for n in sheets)
        + "</sheets></workbook>",
        "xl/styles.xml": _styles(book),
    }


def _relationships(targets: dict[str, tuple[str, str]]) -> str:
    each = (f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{t}"/>' for i, (kind, t) in targets.items())
    return f'<Relationships xmlns="{PACKAGE}/relationships">{"".join(each)}</Relationships>'


def _styles(book: Book) -> str:
    """Every cell style of the workbook, reduced to: a moment (format 22), an elapsed time (46), or neither (0)."""
    formats: list[int] = []
    if book.styles:
        root = book.package.xml(book.styles)
        with book.package.understanding(book.styles):
            dates, elapsed = date_styles(root), elapsed_styles(root)
        count = len(root.findall("{*}cellXfs/{*}xf"))
        formats = [46 if i in elapsed else 22 if i in dates else 0 for i in range(count)]
    cells = "".join(f'<xf numFmtId="{f}" applyNumberFormat="1" xfId="0"/>' for f in formats or [0])
    return (
        f'<styleSheet xmlns="{MAIN}"><fonts><font/></fonts><fills><fill><patternFill/></fill></fills>'
        f"<borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs><cellXfs>{cells}</cellXfs>"
        f'<cellStyles><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )
