"""Where our tables stand in a user's workbook: sheet, cells, and which column means what.

A table is known by its name, wherever the user moved it. Its headings are taken from the table's own definition,
which Excel keeps in step with the header cells and which is there even when the header row is hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lxml import etree

from batch.errors import WorkbookError
from batch.workbook import schema
from batch.workbook.area import MAX_ROW, Area, reference
from batch.workbook.package import Package
from batch.workbook.values import unescaped

_T = TypeVar("_T")
TRUE = ("1", "true", "on")
_WORKBOOK_TYPES = ("sheet.main+xml", "sheet.macroEnabled.main+xml")


@dataclass(frozen=True, slots=True)
class Book:
    """The workbook part, and the sheets in their order."""

    package: Package
    part: str
    sheets: tuple[Sheet, ...]
    since_1904: bool
    strings: str  # name of the shared strings part, "" when there is none
    styles: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its name as the user sees it, its part, and the parts of its tables."""

    name: str
    part: str
    kind: str
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one of our tables stands."""

    table: schema.Table
    sheet: Sheet
    part: str
    area: Area  # with header and totals rows
    first: int  # rows of the body
    last: int
    columns: dict[str, int]  # schema key -> column of the sheet, in the order of the schema
    totals: bool
    reach: int  # the last row that may be filled in below the table and still belong to it
    formulas: dict[int, tuple[str, bool]]  # calculated columns: column of the sheet -> formula, is it an array formula
    language: str  # of most of the headings

    @property
    def body(self) -> Area:
        """The cells between heading and totals."""
        return Area(self.area.left, self.first, self.area.right, self.last)

    def columns_between(self) -> range:
        """All columns of the table, the user's own included."""
        return range(self.area.left, self.area.right + 1)

    def own(self) -> dict[str, int]:
        """The columns that the tool writes."""
        return {key: at for key, at in self.columns.items() if self.table.column(key).written}

    def links(self) -> list[str]:
        """The keys of the columns that hold addresses."""
        return [column.key for column in self.table.columns if column.kind is schema.Kind.LINK]

    def cell(self, column: int, row: int) -> str:
        """A cell as people write it: `Products!C7`."""
        return f"{self.sheet.name}!{reference(column, row)}"


def open_book(package: Package) -> Book:
    """Find the sheets of a workbook. Raises WorkbookError when the package is something else."""
    main = [r.target for r in package.relations("") if r.kind == "officeDocument"]
    if not main or main[0] not in package:
        raise WorkbookError("workbook_format", path=str(package.path))
    types = package.xml("[Content_Types].xml").iterfind("{*}Override")
    kinds = {e.get("PartName", "").lstrip("/").lower(): e.get("ContentType", "") for e in types}
    if not kinds.get(main[0].lower(), _WORKBOOK_TYPES[0]).endswith(_WORKBOOK_TYPES):
        raise WorkbookError("workbook_format", path=str(package.path))
    root = package.xml(main[0])
    relations = {r.id: r for r in package.relations(main[0])}
    sheets = []
    for element in root.iterfind("{*}sheets/{*}sheet"):
        relation = relations.get(next((str(v) for k, v in element.attrib.items() if str(k).endswith("}id")), ""))
        if relation is not None and relation.target in package:
            tables = tuple(r.target for r in package.relations(relation.target) if r.kind == "table")
            sheets.append(Sheet(element.get("name", ""), relation.target, relation.kind, tables))
    by_kind = {r.kind: r.target for r in relations.values() if r.target in package}
    properties = root.find("{*}workbookPr")
    since_1904 = properties is not None and properties.get("date1904", "") in TRUE
    strings, styles = by_kind.get("sharedStrings", ""), by_kind.get("styles", "")
    return Book(package, main[0], tuple(sheets), since_1904, strings, styles)


def find_places(book: Book, names: Collection[str]) -> dict[str, Place]:
    """Where the tables called `names` stand, in the order of the schema.

    Raises WorkbookError for a missing table, missing headings (all of one table at once), a heading that is there
    twice, or a table on a sheet that is no worksheet.
    """
    found = {name: (sheet, part, root) for name, sheet, part, root in _tables(book)}
    ours = our_tables(found, names, book.package.path)
    return {table.name: _place(book, table, *where) for table, where in ours.items()}


def our_tables(found: Mapping[str, _T], names: Collection[str], path: Path) -> dict[schema.Table, _T]:
    """Those of the tables `found` in a workbook, by name, that are called for. Raises WorkbookError `table_missing`."""
    by_name = {name.casefold(): where for name, where in found.items()}
    ours = {}
    for table in schema.TABLES:
        if table.name in names:
            if table.name.casefold() not in by_name:
                sheets = {"sheet_pl": table.sheet.pl, "sheet_en": table.sheet.en}
                raise WorkbookError("table_missing", path=str(path), table=table.name, **sheets)
            ours[table] = by_name[table.name.casefold()]
    return ours


def _tables(book: Book) -> Iterator[tuple[str, Sheet, str, etree._Element]]:
    for sheet in book.sheets:
        for part in sheet.tables:
            root = book.package.xml(part)
            yield root.get("displayName") or root.get("name") or "", sheet, part, root


def _place(book: Book, table: schema.Table, sheet: Sheet, part: str, root: etree._Element) -> Place:
    if sheet.kind != "worksheet":
        raise WorkbookError("sheet_unusual", sheet=sheet.name, table=table.name)
    area = table_area(book.package, part)
    with book.package.understanding(part):
        header, totals = int(root.get("headerRowCount", 1)), int(root.get("totalsRowCount", 0))
    names = [unescaped(e.get("name", "")) for e in root.iterfind("{*}tableColumns/{*}tableColumn")]
    first, last = area.top + header, area.bottom - totals
    if len(names) != area.right - area.left + 1 or first > last + 1 or not {header, totals} <= {0, 1}:
        raise book.package.damaged(part)
    columns = columns_by_key(table, sheet.name, area.left, names)
    formulas = _formulas(area.left, root)
    reach = last if totals else _reach(book, sheet, area)
    language = language_of(table, names)
    return Place(table, sheet, part, area, first, last, columns, totals > 0, reach, formulas, language)


def language_of(table: schema.Table, names: Collection[str]) -> str:
    """The language that most of the headings `names` are in."""
    there = {schema.heading_key(name) for name in names}
    return max(
        schema.LANGUAGES,
        key=lambda language: sum(schema.heading_key(c.heading[language]) in there for c in table.columns),
    )


def _reach(book: Book, sheet: Sheet, area: Area) -> int:
    """The row above the next table below, else the end of the sheet."""
    others = [table_area(book.package, part) for part in sheet.tables]
    below = [other.top for other in others if other.top > area.bottom]
    return min(below, default=MAX_ROW + 1) - 1


def table_area(package: Package, part: str) -> Area:
    """The cells of the table defined in `part`, heading and totals included. Raises WorkbookError."""
    with package.understanding(part):
        return Area.parse(package.xml(part).get("ref", ""))


def _formulas(left: int, root: etree._Element) -> dict[int, tuple[str, bool]]:
    found = {}
    for at, column in enumerate(root.iterfind("{*}tableColumns/{*}tableColumn"), left):
        formula = column.find("{*}calculatedColumnFormula")
        if formula is not None and formula.text:
            found[at] = (formula.text, formula.get("array", "") in TRUE)
    return found


def columns_by_key(table: schema.Table, sheet: str, left: int, names: Sequence[str]) -> dict[str, int]:
    """Schema key -> column of the sheet, from the headings `names` of a table whose first column is `left`.

    Raises WorkbookError for missing headings, all at once, or one that is there twice.
    """
    meanings = schema.columns_by_heading(table)
    found: dict[str, int] = {}
    for at, name in enumerate(names):
        column = meanings.get(schema.heading_key(name))
        if column is None:
            continue
        if column.key in found:
            first = names[found[column.key] - left]
            raise WorkbookError("heading_twice", table=table.name, sheet=sheet, first=first, second=name)
        found[column.key] = left + at
    missing = [column.heading for column in table.columns if column.key not in found]
    if missing:
        raise WorkbookError(
            "heading_missing",
            table=table.name,
            sheet=sheet,
            headings_pl=", ".join(heading.pl for heading in missing),
            headings_en=", ".join(heading.en for heading in missing),
        )
    return {column.key: found[column.key] for column in table.columns}
