"""Write our cells into a closed workbook and leave every other byte of it as it was.

What may differ afterwards: the sheets and definitions of the tables that were changed, one attribute in the workbook
part that makes Excel calculate anew, and, when formula cells came, went or moved, the calculation chain, which Excel
rebuilds. A file that already says everything is not touched at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from batch.errors import WorkbookError
from batch.workbook.area import Area
from batch.workbook.body import BodyRow, extended, set_body, set_cells
from batch.workbook.edit import SheetEdit
from batch.workbook.guard import check_columns, check_file, check_growing, check_not_open
from batch.workbook.package import Package, Part, Stamp, open_package
from batch.workbook.places import Book, Place, find_places, open_book
from batch.workbook.plain import check_well_formed, plain
from batch.workbook.recalculate import calculate_on_load, without_chain
from batch.workbook.save import replace_file
from batch.workbook.sheet import IN_TAG, NotPlainError, SheetXml
from batch.workbook.stored import Stored
from batch.workbook.values import CellOut

__all__ = ["BodyRow", "CellOut", "SetBody", "SetCells", "TableChange", "UpdateBody", "check_writable", "write_workbook"]

CELL_TABLES = ("Accounts", "Products")  # tables of the user's rows in which we answer


@dataclass(frozen=True, slots=True)
class SetCells:
    """Single cells of a table: row of the sheet -> column key -> value. None empties the cell, its look stays."""

    table: str
    rows: Mapping[int, Mapping[str, CellOut]]


@dataclass(frozen=True, slots=True)
class SetBody:
    """The whole new body of a growing table, in order."""

    table: str
    rows: Sequence[BodyRow]


@dataclass(frozen=True, slots=True)
class UpdateBody:
    """Changed rows of a growing table (by row of the sheet), and `new` ones below its last filled row.

    The user's order of rows and whatever else stands in the table stay. `stamp` goes into new rows, and into those in
    which another cell changes.
    """

    table: str
    rows: Mapping[int, Mapping[str, CellOut]]
    new: Sequence[Mapping[str, CellOut]] = ()
    stamp: Mapping[str, CellOut] = field(default_factory=dict)


TableChange: TypeAlias = SetCells | SetBody | UpdateBody


def check_writable(path: Path, *, growing: Collection[str] = ("Results",)) -> None:
    """Raise WorkbookError for everything that would make writing fail; `growing` tables get a new body."""
    package = open_package(path)
    check_file(path)
    package.check_copies()
    book = open_book(package)
    Stored(book)
    for name, place in find_places(book, {*CELL_TABLES, *growing}).items():
        xml = _sound_sheet(package, place.sheet.part)
        with package.understanding(place.sheet.part):
            if name in growing:
                check_growing(book, xml, place)
            else:
                check_columns(xml, place)


def write_workbook(path: Path, changes: Sequence[TableChange], *, expect: Stamp | None = None) -> None:
    """Carry out all changes in one atomic replacement of the file.

    Raises WorkbookError, and leaves the file alone: `workbook_changed` when it is not the one that `expect` stands for,
    `workbook_open`, `workbook_not_saved`, and whatever `check_writable` raises.
    """
    read_at = _mark(path)  # before it is read: a save after that is seen below
    package = open_package(path)
    if expect is not None and package.stamp != expect:
        raise WorkbookError("workbook_changed", path=str(path))
    book = open_book(package)
    parts, dropped = _changed_parts(book, changes)
    if not parts:
        return
    check_file(path)

    def still_ours() -> None:
        check_not_open(path)
        if _mark(path) != read_at:
            raise WorkbookError("workbook_changed", path=str(path))

    replace_file(path, package.with_parts(parts, dropped), still_ours=still_ours)


def _mark(path: Path) -> tuple[int, int] | None:
    """What differs once a file has been saved again."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _changed_parts(book: Book, changes: Sequence[TableChange]) -> tuple[dict[str, Part], Collection[str]]:
    """The parts that differ, by name, and those to leave out."""
    places = find_places(book, {change.table for change in changes})
    by_sheet: dict[str, list[tuple[Place, TableChange]]] = {}
    for change in changes:
        place = places[change.table]
        by_sheet.setdefault(place.sheet.part, []).append((place, change))
    stored = Stored(book)
    parts: dict[str, Part] = {}
    formulas_moved = False
    for part, wanted in by_sheet.items():
        edit, tables = _edited(book, stored, part, wanted)
        formulas_moved = formulas_moved or edit.formulas_moved
        if edit.changed:
            parts[part] = edit.result()
        parts |= {name: [data] for name, data in tables.items()}
    if not parts:
        return {}, ()
    chain, dropped = without_chain(book) if formulas_moved else ({}, ())
    parts |= {name: [data] for name, data in (calculate_on_load(book) | chain).items()}
    return parts, dropped


def _edited(
    book: Book, stored: Stored, part: str, wanted: Iterable[tuple[Place, TableChange]]
) -> tuple[SheetEdit, dict[str, bytes]]:
    """One sheet with its changes, and the definitions of its tables that grew or shrank."""
    data = book.package.text(part)
    try:
        return _apply(book, stored, SheetXml(data), wanted)
    except NotPlainError:
        try:
            return _apply(book, stored, SheetXml(plain(data)), wanted)
        except NotPlainError as error:
            raise book.package.damaged(part) from error


def _apply(
    book: Book, stored: Stored, xml: SheetXml, wanted: Iterable[tuple[Place, TableChange]]
) -> tuple[SheetEdit, dict[str, bytes]]:
    tables: dict[str, bytes] = {}
    edit: SheetEdit | None = None
    for place, change in wanted:
        _check_rows(book, xml, place, change)
        edit = edit or SheetEdit(xml, place.sheet.name, stored)
        if isinstance(change, SetCells):
            with book.package.understanding(place.sheet.part):
                check_columns(xml, place, max(change.rows, default=0))
            set_cells(edit, place, change.rows)
        else:
            if isinstance(change, UpdateBody):
                new = [BodyRow(None, values, change.stamp) for values in change.new]
                change = SetBody(change.table, extended(edit, place, change.rows, new, change.stamp))  # noqa: PLW2901
            with book.package.understanding(place.sheet.part):
                check_growing(book, xml, place, place.first + max(len(change.rows), 1) - 1)
            last = set_body(edit, place, change.rows)
            definition = _resized(book.package, place, last, filled=bool(change.rows))
            if definition is not None:
                tables[place.part] = definition
    assert edit is not None  # there is a change for every sheet asked for
    return edit, tables


def _check_rows(book: Book, xml: SheetXml, place: Place, change: TableChange) -> None:
    """The rows that a change speaks of are rows of the table as it is now, or stand right below it."""
    named: Collection[int] = (
        [r.source for r in change.rows if r.source is not None] if isinstance(change, SetBody) else change.rows.keys()
    )
    below = {at for at in named if at > place.last}
    if below and isinstance(change, SetCells) and max(below) <= place.reach:
        there = {at for at, _, _ in xml.rows()}
        below -= there if there.issuperset(range(place.last + 1, max(below) + 1)) else set()
    if below or any(at < place.first for at in named):
        raise WorkbookError("workbook_changed", path=str(book.package.path))


def _resized(package: Package, place: Place, last: int, *, filled: bool) -> bytes | None:
    """The table's definition with its new last row; None when it stays."""
    if last == place.last:
        return None

    def stretched(match: re.Match[bytes]) -> bytes:
        try:
            area = Area.parse(match[2].decode())
        except ValueError:
            return match[0]
        if area.bottom != place.last or area.top not in (place.area.top, place.first):
            return match[0]
        return match[1] + str(Area(area.left, area.top, area.right, last)).encode()

    def tag(match: re.Match[bytes]) -> bytes:
        text = re.sub(rb"""(\sref=["'])([^"']+)""", stretched, match[0])
        return re.sub(rb"""\sinsertRow=["'](?:1|true)["']""", b"", text) if filled else text

    names = rb"(?:table|autoFilter|sortState|sortCondition)"
    return re.sub(rb"<(?:\w+:)?" + names + rb"\s" + IN_TAG, tag, package.text(place.part))


def _sound_sheet(package: Package, part: str) -> SheetXml:
    """A sheet that can be cut, or rewritten so that it can. Raises WorkbookError for any other."""
    data = package.text(part)
    try:
        check_well_formed(data)
        try:
            xml = SheetXml(data)
            _cut(xml)
        except NotPlainError:
            xml = SheetXml(plain(data))
            _cut(xml)
    except NotPlainError as error:
        raise package.damaged(part) from error
    return xml


def _cut(xml: SheetXml) -> None:
    """Raise NotPlainError when a row, or a cell of it, cannot be told from the next."""
    for _, start, end in xml.rows():
        xml.row(xml.data[start:end])
