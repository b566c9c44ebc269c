"""A closed workbook -> the cells of our tables.

python-calamine reads 100,000 rows in a third of a second; where it does not load (some Windows machines), or where a
sheet is too sparse for the dense array it makes, openpyxl reads the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from batch.errors import WorkbookError
from batch.model import CellRef
from batch.workbook import schema
from batch.workbook.area import letters
from batch.workbook.engines import Engine, Openpyxl, RawRow, best_engine
from batch.workbook.package import Stamp, open_package
from batch.workbook.places import Place, find_places, open_book
from batch.workbook.readable import original, readable
from batch.workbook.values import NOT_CALCULATED, Cell, NotCalculated

__all__ = ["NOT_CALCULATED", "Cell", "NotCalculated", "Row", "Stamp", "TableData", "WorkbookData", "read_workbook"]

Row: TypeAlias = tuple[int, tuple[Cell, ...]]
"""Row number on the sheet, and the values in the order of the schema's columns."""

INPUT_TABLES = ("Accounts", "Defaults", "Products", "Settings")
MAX_ROWS = 300_000  # filled rows of one table; Allegro takes 75,000 new offers an hour


@dataclass(frozen=True, slots=True)
class TableData:
    """The filled rows of one table. `columns` are schema keys -> column letters, in the order of the values.

    `left_out` is the number of a row below the table that looks like one of it and was not read, if there is any;
    `language` is that of the headings.
    """

    name: str
    sheet: str
    columns: dict[str, str]
    rows: list[Row]
    left_out: int | None = None
    language: str = schema.LANGUAGES[0]
    positions: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", {key: at for at, key in enumerate(self.columns)})

    def position(self, key: str) -> int:
        """Where the value of a column stands in each row's values."""
        return self.positions[key]

    def value(self, row: Row, key: str) -> Cell:
        """What `row` holds in a column."""
        return row[1][self.positions[key]]

    def cell_ref(self, key: str, row: int) -> CellRef:
        """The place of a cell as people write it: `Products!C7`."""
        return CellRef(self.sheet, self.columns[key], row)


@dataclass(frozen=True, slots=True)
class WorkbookData:
    """What was read, and the stamp of the exact file content it was read from; None where Excel has it open."""

    path: Path
    tables: dict[str, TableData]
    stamp: Stamp | None = None


def read_workbook(
    path: Path, *, tables: Collection[str] = INPUT_TABLES, engine: type[Engine] | None = None
) -> WorkbookData:
    """Read the named tables. Rows whose input columns are all blank are left out.

    Rows that stand right below a table for the user's input are read with it: LibreOffice and other programs let
    people fill them in without stretching the table, and a row that is silently left out would be a row unanswered.

    Raises WorkbookError when the file is no workbook we can take, or a table or a heading is missing.
    """
    package = open_package(path)
    book = open_book(package)
    places = find_places(book, tables)
    sheets = list({place.sheet.part: place.sheet for place in places.values()}.values())
    source = readable(book, sheets)

    def read_with(engine: type[Engine]) -> dict[str, TableData]:
        reader, found = engine(source.content), {}
        for name, place in places.items():
            index = sheets.index(place.sheet)
            end = max(place.last, min(place.reach, source.heights[index]))
            raw = reader.rows(index, place.first, end, list(place.columns.values()))
            rows = list(telling_rows(place, raw, source.known[index], escaped=source.escaped))
            if len(rows) > MAX_ROWS:
                raise package.too_big(place.sheet.part)
            found[name] = table_data(place, rows, left_out(place, raw))
        return found

    try:
        try:
            found = read_with(engine or best_engine(dense=source.dense))
        except OverflowError:  # calamine's, at two thousand million formatted as hours, wherever on the sheet it stands
            found = read_with(Openpyxl)
    except WorkbookError:
        raise
    except Exception as error:  # (each library has its own ways to say that XML is broken)
        raise package.damaged() from error
    return WorkbookData(path, found, package.stamp)


def left_out(place: Place, rest: Iterable[RawRow]) -> int | None:
    """The first of the rows after those that were read in which two cells or more are filled in."""
    inputs = [i for i, column in enumerate(place.table.columns) if not column.written]
    return next((at for at, values in rest if sum(values[i] not in (None, "") for i in inputs) > 1), None)


def table_data(place: Place, rows: list[Row], left: int | None = None) -> TableData:
    """What was read of a table, with where its columns stand."""
    columns = {key: letters(column).decode() for key, column in place.columns.items()}
    return TableData(place.table.name, place.sheet.name, columns, rows, left, place.language)


def telling_rows(
    place: Place, raw: Iterable[RawRow], known: Mapping[tuple[int, int], Cell], *, escaped: bool
) -> Iterator[Row]:
    """The rows that say something: blank text is None, escapes are undone, `known` cells are filled in."""
    columns = place.table.columns
    inputs = [i for i, column in enumerate(columns) if not column.written]
    telling = inputs or range(len(columns))
    here = _by_row(place, known)
    last = place.last
    for number, values in raw:
        if number > last + 1 or (number > last and not inputs):
            return
        if escaped:
            values = [original(v) if isinstance(v, str) else v for v in values]  # noqa: PLW2901
        row = tuple([v if v.__class__ is not str else v if v and not v.isspace() else None for v in values])
        if number in here:
            row = tuple(here[number].get(i, v) for i, v in enumerate(row))
        for i in telling:
            if row[i] is not None:
                break
        else:
            if number > last:
                return
            continue
        last = max(last, number)
        yield number, row


def _by_row(place: Place, known: Mapping[tuple[int, int], Cell]) -> dict[int, dict[int, Cell]]:
    positions = {column: i for i, column in enumerate(place.columns.values())}
    found: dict[int, dict[int, Cell]] = {}
    for (row, column), value in known.items():
        if column in positions:
            found.setdefault(row, {})[positions[column]] = value
    return found
