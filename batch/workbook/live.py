"""The same verbs as `read` and `patch`, on a workbook that is open in Excel: through xlwings, unsaved values included.

Excel takes what it is given as if it had been typed: text that looks like a formula, a number or a date would become
one. So text goes into cells formatted as text as it is, and into all others behind an apostrophe, which makes Excel
take it literally. What was written is read back, because a filter, a length limit or a validation may keep it out.

Nothing is saved and nothing selected. When rows of a growing table move, what the user keeps beside our columns moves
along, values and formulas; colours and heights stay where they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from batch.clock import Clock
from batch.errors import WorkbookError
from batch.workbook import schema
from batch.workbook.area import MAX_ROW, Area, reference
from batch.workbook.blocks import Block, blocks
from batch.workbook.body import BodyRow
from batch.workbook.excel import (
    PATIENCE,
    PATIENCE_ONCE_BEGUN,
    Patience,
    excel_errors,
    find_open,
    is_busy,
    put_back,
    undisturbed,
)
from batch.workbook.formulas import FormulaError, shifted
from batch.workbook.patch import CELL_TABLES, SetCells, TableChange, UpdateBody
from batch.workbook.places import Place, Sheet, columns_by_key, language_of, our_tables
from batch.workbook.read import TableData, WorkbookData, left_out, table_data, telling_rows
from batch.workbook.stored import shows_date
from batch.workbook.values import Cell, CellOut, local, written_form

if TYPE_CHECKING:
    import xlwings
    from xlwings.main import Table

log = logging.getLogger(__name__)

BETWEEN_BLOCKS = 1.0  # seconds; longer where a block takes long, so that Excel stays its user's
TEXT, GENERAL, DATE = "@", "General", "yyyy-mm-dd"
ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  (day 0 of Excel; cells know no zone)

_T = TypeVar("_T")
_Changes = Callable[[WorkbookData], Sequence[TableChange]]


@dataclass(frozen=True, slots=True)
class OpenTable:
    """One of our tables where it stands in Excel."""

    place: Place
    sheet: xlwings.Sheet
    table: Table
    below: tuple[Area, ...]  # other tables of the sheet

    patient: Callable[[Callable[[], Any]], Any] = lambda call: call()

    def values(self, area: Area) -> list[list[Any]]:
        """What the cells hold, row by row; error values are their text."""
        found: list[list[Any]] = self.patient(lambda: self._range(area).options(ndim=2, err_to_str=True).value)
        return found

    def put_values(self, area: Area, rows: list[list[Any]]) -> None:
        """Type into the cells."""
        self.patient(lambda: setattr(self._range(area), "value", rows))

    def formulas(self, area: Area) -> list[list[str]]:
        """What was typed into the cells: formulas, and everything else as text."""
        found = self.patient(lambda: self._range(area).formula)
        return [list(row) for row in found] if isinstance(found, list | tuple) else [[found]]

    def put_formulas(self, area: Area, rows: list[list[str]]) -> None:
        """Type formulas into the cells."""
        self.patient(lambda: setattr(self._range(area), "formula", rows))

    def number_format(self, area: Area) -> str | None:
        """The number format of cells; None where they have several."""
        code: str | None = self.patient(lambda: self._range(area).number_format)
        return code

    def put_number_format(self, area: Area, code: str | None) -> None:
        """Give cells a number format."""
        self.patient(lambda: setattr(self._range(area), "number_format", code))

    def is_whole(self, area: Area) -> dict[str, bool]:
        """Whether none of the cells is merged, and none has an array formula (Excel says None for some of them)."""
        cells = self._range(area)
        return {"merged_cells": cells.merge_cells is False, "array_formula": cells.has_array is False}

    def resize(self, last: int) -> None:
        """Let the table end in row `last`."""
        area = self.place.area
        self.patient(lambda: self.table.resize(self._range(Area(area.left, area.top, area.right, last))))

    def bottom(self) -> int:
        """The last row of the sheet with anything in it."""
        used = self.sheet.used_range
        return int(used.row + used.shape[0] - 1)

    def _range(self, area: Area) -> xlwings.Range:
        return self.sheet.range((area.top, area.left), (area.bottom, area.right))


class LiveWorkbook:
    """A workbook open in Excel. All that touches Excel runs in one thread: COM objects belong to the one that got them.

    Every verb waits for an Excel that is busy and then raises WorkbookError `excel_busy`; anything else that goes
    wrong with Excel is `excel_failed`.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="excel")
        self._book: Any = None  # xlwings.Book once it is attached
        self._wanted = threading.Event()  # somebody waits for a verb: jobs for a quiet moment give way
        self._closing = self._told = False
        self._room = threading.Semaphore()  # for one job that waits for a quiet moment
        self._pause = BETWEEN_BLOCKS

    def attach(self) -> bool:
        """Find the workbook in a running Excel; False when it is not open there, or Excel stays busy."""
        try:
            with excel_errors(self.path):
                self._book = self._call(lambda: find_open(self.path))
        except WorkbookError as error:
            log.info("not reachable: %s", error)
        return self._book is not None

    def close(self) -> None:
        """Give Excel its status bar back; the workbook stays open and unsaved."""
        self._closing = True
        self._wanted.set()
        self._thread.submit(self._leave)
        self._thread.shutdown()

    def _leave(self) -> None:
        try:
            if self._told:
                put_back(self._book.app, "status_bar", False, Patience(self._clock, PATIENCE))  # Excel's own texts
        except Exception:  # nobody waits for the result, so it would be lost
            log.exception("the status bar stays")
        self._book = None  # a COM object must go in its own thread, too

    # --- the verbs

    def read(self, tables: Collection[str]) -> WorkbookData:
        """As `read.read_workbook`, of what the user sees now."""
        return self._call(lambda: self._read(tables, calculated=True))

    def check_writable(self, growing: Collection[str]) -> None:
        """As `patch.check_writable`."""

        def check() -> None:
            with excel_errors(self.path):
                for name, found in self._find({*CELL_TABLES, *growing}).items():
                    _check(found, growing=name in growing)

        self._call(check)

    def update(self, book: WorkbookData, changes: _Changes, *, wait: bool = True) -> None:
        """Write what `changes` says of the tables of `book` as they are at this moment.

        Without `wait`, an Excel that is busy is given up at once.
        """

        def write() -> None:
            now = self._read(book.tables)
            self._apply(changes(now))

        self._call(write, wait=wait)

    def soon(self, job: Callable[[], str]) -> None:
        """Do a job in Excel's thread when Excel has had a pause, or not at all if somebody waits for a verb by then.

        The status bar shows the text that it returns.
        """
        if self._room.acquire(blocking=False):
            self._thread.submit(self._in_a_while, job)

    def _in_a_while(self, job: Callable[[], str]) -> None:
        given_way = self._wanted.wait(self._pause)
        self._room.release()
        if given_way:
            return
        begun = self._clock.monotonic()
        try:
            self._tell(job())
        except WorkbookError as error:
            log.info("not written for now: %s", error)
        except Exception:  # nobody waits for the result, so it would be lost
            log.exception("not written")
        self._pause = max(BETWEEN_BLOCKS, 4 * (self._clock.monotonic() - begun))

    def _tell(self, text: str) -> None:
        self._told = True
        try:
            self._book.app.status_bar = text
        except Exception as error:  # noqa: BLE001  (pywin32 and xlwings each have their own)
            log.info("Excel's status bar: %s", error)

    def _call(self, job: Callable[[], _T], *, wait: bool = True) -> _T:
        """Run a job in Excel's thread, again and again while Excel is busy."""
        if threading.current_thread() in self._thread._threads:
            return self._patiently(job, wait=wait)
        self._wanted.set()
        return self._thread.submit(self._patiently, job, wait=wait).result()

    def _patiently(self, job: Callable[[], _T], *, wait: bool) -> _T:
        self._wanted.clear()
        return Patience(self._clock, PATIENCE if wait else 0.0, lambda: self._closing)(job)

    # --- reading

    def _find(self, names: Collection[str]) -> dict[str, OpenTable]:
        everywhere = {table.display_name: (sheet, table) for sheet in self._book.sheets for table in sheet.tables}
        return {
            table.name: _open_table(table, sheet, where)
            for table, (sheet, where) in our_tables(everywhere, names, self.path).items()
        }

    def _read(self, tables: Collection[str], *, calculated: bool = False) -> WorkbookData:
        with excel_errors(self.path):
            if calculated and self._book.app.calculation == "manual":
                self._book.app.calculate()  # else a price would be one that is out of date
            return WorkbookData(self.path, {name: _table_data(found) for name, found in self._find(tables).items()})

    # --- writing

    def _apply(self, changes: Sequence[TableChange]) -> None:
        with excel_errors(self.path):
            found = self._find({change.table for change in changes})
            bodies: dict[str, Sequence[BodyRow]] = {}
            for change in changes:  # all of them before the first cell is touched
                table = found[change.table]
                if isinstance(change, SetCells):
                    _check(table, last=max(change.rows, default=0))
                else:
                    bodies[change.table] = _extended(table, change) if isinstance(change, UpdateBody) else change.rows
                    _check(table, growing=True, last=table.place.first + len(bodies[change.table]) - 1)
            # A busy Excel: single cells are written anew, to the rows as they are then; a body once begun is finished.
            begun = Patience(self._clock, PATIENCE_ONCE_BEGUN)
            with undisturbed(self._book.app, self._clock):
                for change in sorted(changes, key=lambda change: not isinstance(change, SetCells)):
                    if isinstance(change, SetCells):
                        _set_cells(found[change.table], change.rows)
                    else:
                        _set_body(replace(found[change.table], patient=begun), bodies[change.table])


def _open_table(table: schema.Table, sheet: xlwings.Sheet, found: Table) -> OpenTable:
    area = _area(found.range)
    first = area.top + bool(found.show_headers)
    totals = bool(found.show_totals)
    last = max(area.bottom - totals, first)  # (a table that was never filled in may show no row at all)
    names = [column.name for column in found.columns]
    columns, language = columns_by_key(table, sheet.name, area.left, names), language_of(table, names)
    others = [_area(other.range) for other in sheet.tables if other.display_name != found.display_name]
    below = tuple(other for other in others if other.top > area.bottom)
    reach = last if totals else min((other.top for other in below), default=MAX_ROW + 1) - 1
    place = Place(
        table, Sheet(sheet.name, "", "worksheet", ()), "", area, first, last, columns, totals, reach, {}, language
    )
    return OpenTable(place, sheet, found, below)


def _area(found: xlwings.Range) -> Area:
    rows, columns = found.shape
    return Area(found.column, found.row, found.column + columns - 1, found.row + rows - 1)


def _table_data(found: OpenTable) -> TableData:
    place = found.place
    end = max(place.last, min(place.reach, found.bottom()))
    values = found.values(Area(place.area.left, place.first, place.area.right, end))
    positions = [column - place.area.left for column in place.columns.values()]
    raw = ((at, [_as_read(row[position]) for position in positions]) for at, row in enumerate(values, place.first))
    rows = list(telling_rows(place, raw, {}, escaped=False))
    return table_data(place, rows, left_out(place, raw))


def _as_read(value: Any) -> Cell:
    """A value of Excel's as the reader of closed workbooks gives it."""
    if isinstance(value, datetime):
        if value.year < 1900:  # a time of day, or a length of time
            passed = value - ZERO
            return value.time() if passed < timedelta(days=1) else passed
        return value.date() if value == datetime(value.year, value.month, value.day) else value  # noqa: DTZ001
    if isinstance(value, Decimal):  # from a cell with a currency format
        return float(value)
    if isinstance(value, int) and not isinstance(value, bool):  # Excel's numbers are floats: an error xlwings knows not
        return "#ERROR!"
    found: Cell = value
    return found


def _check(found: OpenTable, *, growing: bool = False, last: int | None = None) -> None:
    """Raise WorkbookError for what stands in the way of writing: our columns, or a new body that ends in row `last`."""
    place, table, sheet = found.place, found.place.table.name, found.place.sheet.name
    if found.sheet.api.ProtectContents:
        raise WorkbookError("sheet_protected", table=table, sheet=sheet)
    if not growing:
        bottom = max(place.last, last or 0)
        for column in place.own().values():
            _check_whole(found, Area(column, place.first, column, bottom))
        return
    if place.totals:
        raise WorkbookError("totals_row", table=table, sheet=sheet)
    if last is not None and last > MAX_ROW:
        raise WorkbookError("table_full", table=table, sheet=sheet, rows=last - place.first + 1)
    used = found.bottom()
    end = used if last is None else min(last, used)
    _check_whole(found, Area(place.area.left, place.first, place.area.right, max(end, place.last)))
    if end > place.last:
        below = Area(place.area.left, place.last + 1, place.area.right, end)
        for cell in (*(other for other in found.below if other.meets(below)), *_filled(found, below)):
            raise WorkbookError("below_table", table=table, sheet=sheet, cell=f"{sheet}!{cell}")


def _check_whole(found: OpenTable, area: Area) -> None:
    for code, is_so in found.is_whole(area).items():
        if not is_so:
            raise WorkbookError(code, table=found.place.table.name, cell=f"{found.place.sheet.name}!{area}")


def _filled(found: OpenTable, area: Area) -> Iterator[str]:
    for at, row in enumerate(found.formulas(area), area.top):
        for column, typed in enumerate(row, area.left):
            if typed != "":
                yield reference(column, at)


def _set_cells(found: OpenTable, rows: Mapping[int, Mapping[str, CellOut]]) -> None:
    """Write single cells of our own columns; KeyError for a column that is not ours."""
    own = found.place.own()
    _put(found, {(at, own[key]): value for at, values in rows.items() for key, value in values.items()})


def _extended(found: OpenTable, change: UpdateBody) -> list[BodyRow]:
    """The body as it is, with the rows that change, and the new ones below the last row in which anything stands."""
    place = found.place
    own, left = place.own(), place.area.left
    held = dict(enumerate(found.values(place.body), place.first))
    typed = dict(enumerate(found.formulas(place.body), place.first))

    def stands(at: int) -> bool:
        return any(v is not None and not _is_formula(v, t) for v, t in zip(held[at], typed[at], strict=True))

    def kept(at: int) -> BodyRow:
        values = change.rows.get(at, {})
        differs = any(not _same(held[at][own[key] - left], _as_given(value, DATE)) for key, value in values.items())
        return BodyRow(at, {**values, **change.stamp} if differs else {})

    last = next((at for at in reversed(held) if stands(at)), place.first - 1)
    rows = [kept(at) for at in range(place.first, last + 1)]
    rows += [BodyRow(None, {**values, **change.stamp}) for values in change.new]
    return rows + [BodyRow(at) for at in range(last + 1 + len(change.new), place.last + 1)]


def _set_body(found: OpenTable, rows: Sequence[BodyRow]) -> None:
    """Give a growing table a new body; what differs is written, the rows that the table leaves are emptied."""
    rows = rows or [BodyRow(None)]
    place, area = found.place, found.place.area
    last = place.first + len(rows) - 1
    values, typed = found.values(place.body), found.formulas(place.body)
    own = place.own()
    fills_down = _fills_down(found, values, typed)
    cells: dict[tuple[int, int], CellOut] = {}
    formulas: dict[tuple[int, int], str] = {}
    for at, row in enumerate(rows, place.first):
        if row.source != at:
            for column in place.columns_between():
                position = column - area.left
                if row.source is not None:
                    old, text = values[row.source - place.first][position], typed[row.source - place.first][position]
                    formula = _moved(found, text, column, row.source, at) if _is_formula(old, text) else None
                else:
                    old, first = None, fills_down.get(column)
                    formula = _moved(found, first, column, place.first, at) if first else None
                if formula is not None:
                    formulas[at, column] = formula
                else:
                    cells[at, column] = old
        for key, value in row.values.items():
            if row.source != at or value != values[at - place.first][own[key] - area.left]:
                formulas.pop((at, own[key]), None)
                cells[at, own[key]] = value
    cells |= {(at, column): None for at in range(last + 1, place.last + 1) for column in place.columns_between()}

    if last > place.last:
        found.resize(last)
        for column in place.columns_between():
            code = found.number_format(Area(column, place.first, column, place.first))
            found.put_number_format(Area(column, place.last + 1, column, last), code)
    _put(found, cells)
    for block in blocks(formulas):
        found.put_formulas(block.area, block.rows)
    if last < place.last:
        found.resize(last)


def _fills_down(found: OpenTable, values: list[list[Any]], typed: list[list[str]]) -> dict[int, str]:
    """The formulas of the user's columns that calculate the same in every row, as the first row has them."""
    place, same = found.place, {}
    for column in set(place.columns_between()) - set(place.columns.values()):
        position = column - place.area.left
        first, last = typed[0][position], typed[-1][position]
        if _is_formula(values[0][position], first) and last == _moved(found, first, column, place.first, place.last):
            same[column] = first
    return same


def _is_formula(value: Any, typed: str) -> bool:
    """Whether a cell holds a formula; a text that looks like one is shown as it was typed."""
    return typed.startswith("=") and value != typed


def _moved(found: OpenTable, typed: str, column: int, source: int, at: int) -> str:
    """A formula of row `source` as it stands in row `at`. Raises WorkbookError when it cannot be understood."""
    sheet = found.place.sheet.name
    try:
        return "=" + shifted(typed[1:], at - source, 0, sheet)
    except FormulaError as error:
        raise WorkbookError(
            "formula_unclear", cell=f"{sheet}!{reference(column, source)}", formula=typed[1:]
        ) from error


# --- cells


def _put(found: OpenTable, cells: Mapping[tuple[int, int], CellOut]) -> None:
    """Write cells, (row, column) -> value, in as few blocks as there are, and see that they hold what was written."""
    for block in blocks(cells):
        _put_block(found, block)


def _put_block(found: OpenTable, block: Block[CellOut]) -> None:
    area = block.area
    columns = [_formats(found, column, area.top, area.bottom) for column in range(area.left, area.right + 1)]
    wanted = [
        [_as_given(value, formats[at]) for value, formats in zip(row, columns, strict=True)]
        for at, row in enumerate(block.rows)
    ]
    typed = [
        [_as_typed(value, formats[at]) for value, formats in zip(row, columns, strict=True)]
        for at, row in enumerate(wanted)
    ]
    try:
        found.put_values(area, typed)
    except Exception as error:
        if is_busy(error):
            raise
        log.info("%s!%s is written cell by cell: %s", found.place.sheet.name, area, error)
    for r, (seen, row) in enumerate(zip(found.values(area), wanted, strict=True)):
        for c, value in enumerate(row):
            if not _same(seen[c], value):
                _put_alone(found, area.top + r, area.left + c, value)


def _put_alone(found: OpenTable, row: int, column: int, value: Any) -> None:
    """Write a cell that did not take its value along with others: as it is, then with the format of its kind."""
    cell = Area(column, row, column, row)
    code = found.number_format(cell)
    for other in (code, TEXT if isinstance(value, str) else GENERAL):
        if other != code:
            found.put_number_format(cell, other)
        found.put_values(cell, [[_as_typed(value, other)]])
        if _same(found.values(cell)[0][0], value):
            return
    raise WorkbookError("cell_refused", table=found.place.table.name, cell=found.place.cell(column, row))


def _formats(found: OpenTable, column: int, top: int, bottom: int) -> list[str]:
    """The number format of each cell of a column. Excel gives one for many cells where they have the same."""
    code = found.number_format(Area(column, top, column, bottom))
    if code is not None or top == bottom:
        return [code or GENERAL] * (bottom - top + 1)
    middle = (top + bottom) // 2
    return _formats(found, column, top, middle) + _formats(found, column, middle + 1, bottom)


def _as_given(value: CellOut, code: str) -> Any:
    """What a cell of number format `code` shall hold; ours as `values.written_form`, the user's own dates as dates."""
    if isinstance(value, date) and (shows_date(code) or (isinstance(value, datetime) and value.tzinfo is None)):
        return local(value)
    form = written_form(value, date_style=False, since_1904=False)
    return float(form) if isinstance(form, int | Decimal) and not isinstance(form, bool) else form


def _as_typed(value: Any, code: str | None) -> Any:
    """What Excel must be given for it."""
    return f"'{value}" if isinstance(value, str) and code != TEXT else value


def _same(seen: Any, wanted: Any) -> bool:
    """Whether a cell took its value; what the program did to white space in a text does not matter."""
    if isinstance(seen, str) and isinstance(wanted, str):
        return seen == wanted or "".join(seen.split()) == "".join(wanted.split())
    if isinstance(wanted, datetime):
        return isinstance(seen, datetime) and abs(seen - wanted) < timedelta(seconds=1)
    if isinstance(wanted, float) and isinstance(seen, Decimal):
        return float(seen) == round(wanted, 4)  # a currency of Excel's
    return type(seen) is type(wanted) and bool(seen == wanted)
