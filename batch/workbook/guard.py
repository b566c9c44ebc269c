"""May this workbook be written at all? Asked before anything is sent to Allegro, and again before it is replaced."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from batch.errors import WorkbookError
from batch.workbook.area import MAX_ROW, Area
from batch.workbook.places import Book, Place, table_area
from batch.workbook.sheet import IN_TAG, SheetXml, attributes

_NO_WRITE = 0o222
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell(\s" + IN_TAG + rb")")
_FILTER = re.compile(rb"<(?:\w+:)?autoFilter(\s" + IN_TAG + rb")")
_FORMULA = re.compile(rb"<(?:\w+:)?f(\s" + IN_TAG + rb")")


def check_file(path: Path) -> None:
    """Raise WorkbookError when the file is open elsewhere, read-only, or has no room to be written anew beside itself.

    The mode bits count even for the superuser, whom the system would let write anyway: somebody set them on purpose.
    """
    real = path.resolve()
    check_not_open(path)
    if not real.stat().st_mode & _NO_WRITE or not os.access(real, os.W_OK):
        raise WorkbookError("workbook_read_only", path=str(path))
    if not real.parent.stat().st_mode & _NO_WRITE or not os.access(real.parent, os.W_OK):
        raise WorkbookError("folder_read_only", path=str(real.parent))
    needed = 2 * real.stat().st_size + 16 * 1024 * 1024
    if shutil.disk_usage(real.parent).free < needed:
        raise WorkbookError("workbook_no_room", path=str(path), megabytes=needed // 1024**2)


def check_not_open(path: Path) -> None:
    """Raise WorkbookError when Excel or LibreOffice has the workbook open, on this PC or another."""
    for name in dict.fromkeys((path, path.resolve())):
        excel, office = name.with_name(f"~${name.name}"), name.with_name(f".~lock.{name.name}#")
        for lock, owner in ((excel, _excel_owner), (office, _office_owner)):
            if lock.exists():
                raise WorkbookError("workbook_open", path=str(path), user=owner(lock), lock=lock.name)
    if os.name == "nt":
        try:
            with path.open("r+b"):
                pass
        except PermissionError as error:
            raise WorkbookError("workbook_open", path=str(path), user="", lock="") from error


def _excel_owner(lock: Path) -> str:
    """The name in Excel's owner file: a length and 54 characters of the local code page, then the same in UTF-16."""
    try:
        data = lock.read_bytes()[:165]
    except OSError:  # Excel holds it
        return ""
    wide = data[57 : 57 + 2 * int.from_bytes(data[55:57], "little")].decode("utf-16-le", "ignore")
    narrow = data[1 : 1 + (data[0] if data else 0)].decode("cp1250", "ignore")
    return "".join(c for c in wide or narrow if c.isprintable()).strip()


def _office_owner(lock: Path) -> str:
    try:
        fields = lock.read_text("utf-8", "ignore").split(",")
    except OSError:
        return ""
    return next((field.strip() for field in fields[:2] if field.strip()), "")


def check_columns(xml: SheetXml, place: Place, last: int = 0) -> None:
    """Raise WorkbookError for merged cells or array formulas among the cells we write, at least to row `last`."""
    arrays = list(_arrays(xml))
    for column in place.own().values():
        mine = Area(column, place.first, column, max(place.first, place.last, last))
        _refuse_merged(xml, place, mine)
        for area in arrays:
            if area.meets(mine):
                raise WorkbookError("array_formula", table=place.table.name, cell=f"{place.sheet.name}!{area}")


def check_growing(book: Book, xml: SheetXml, place: Place, last: int | None = None) -> None:
    """Raise WorkbookError for what stands in the way of a new body that ends in row `last` (None: anywhere)."""
    check_columns(xml, place)
    table, sheet = place.table.name, place.sheet.name
    if place.totals:
        raise WorkbookError("totals_row", table=table, sheet=sheet)
    if last is not None and last > MAX_ROW:
        raise WorkbookError("table_full", table=table, sheet=sheet, rows=last - place.first + 1)
    end = MAX_ROW if last is None else max(last, place.last)
    _refuse_merged(xml, place, Area(place.area.left, place.first, place.area.right, end))
    for area in _arrays(xml):
        if area.meets(place.body) and (area.left, area.top) != (area.right, area.bottom):
            raise WorkbookError("array_formula", table=table, cell=f"{sheet}!{area}")
    if place.last < end:
        below = Area(place.area.left, place.last + 1, place.area.right, end)
        for cell in (*_neighbours(book, xml, place, below), *_filled(xml, below)):
            raise WorkbookError("below_table", table=table, sheet=sheet, cell=f"{sheet}!{cell}")


def _refuse_merged(xml: SheetXml, place: Place, area: Area) -> None:
    for merged in _areas(_MERGED, xml.tail):
        if merged.meets(area):
            raise WorkbookError("merged_cells", table=place.table.name, cell=f"{place.sheet.name}!{merged}")


def _arrays(xml: SheetXml) -> Iterator[Area]:
    """Where array formulas and data tables stand."""
    if b'"array"' in xml.data or b'"dataTable"' in xml.data:
        for found in _FORMULA.finditer(xml.data, xml.body_start, xml.body_end):
            named = attributes(found[1])
            if named.get(b"t") in (b"array", b"dataTable") and b"ref" in named:
                yield Area.parse(named[b"ref"].decode())


def _neighbours(book: Book, xml: SheetXml, place: Place, below: Area) -> Iterator[Area]:
    """Other tables and filters in the way."""
    others = [table_area(book.package, part) for part in place.sheet.tables if part != place.part]
    for area in (*others, *_areas(_FILTER, xml.tail)):
        if area.meets(below):
            yield area


def _filled(xml: SheetXml, below: Area) -> Iterator[str]:
    """Cells with something in them."""
    for at, start, end in xml.rows():
        if below.top <= at <= below.bottom:
            for column, raw in xml.row(xml.data[start:end]).cells.items():
                if xml.cell(raw).inside and below.left <= column <= below.right:
                    yield str(Area(column, at, column, at))


def _areas(tag: re.Pattern[bytes], data: bytes) -> list[Area]:
    return [Area.parse(attributes(t)[b"ref"].decode()) for t in tag.findall(data) if b"ref" in attributes(t)]
