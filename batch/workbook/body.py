"""What our changes mean for the cells of a table: single cells, or a whole new body that grows or shrinks.

A row that moves takes along what the user keeps beside our columns, with height and format; cells outside the
table, hyperlinks and notes stay where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batch.workbook.area import letters
from batch.workbook.edit import SheetEdit, made
from batch.workbook.places import Place
from batch.workbook.sheet import CellXml
from batch.workbook.values import CellOut


@dataclass(frozen=True, slots=True)
class BodyRow:
    """One row of a new body: the sheet row it is made from (None: a new one), and new values by column key."""

    source: int | None
    values: Mapping[str, CellOut] = field(default_factory=dict)


def set_cells(edit: SheetEdit, place: Place, rows: Mapping[int, Mapping[str, CellOut]]) -> None:
    """Write single cells of our own columns; KeyError for a column that is not ours."""
    styles = {column: cell.style for column, cell in edit.row(place.first).cells.items()}
    for at, values in rows.items():
        for key, value in values.items():
            column = place.own[key]
            edit.put(at, column, value, styles.get(column))


def set_body(edit: SheetEdit, place: Place, rows: Sequence[BodyRow]) -> int:
    """Give a growing table a new body and return its last row; a table without rows keeps one blank row."""
    rows = rows or [BodyRow(None)]
    last = place.first + len(rows) - 1
    if any(row.source != at for at, row in enumerate(rows, place.first)) or last < place.last:
        edit.write_out_shared(place.body)
    pattern = dict(edit.row(place.first).cells)
    moving = {row.source for at, row in enumerate(rows, place.first) if row.source not in (None, at)}
    sources = {at: (dict(edit.row(at).attributes), dict(edit.row(at).cells)) for at in moving if at is not None}
    for at, row in enumerate(rows, place.first):
        if row.source is None:
            _new_row(edit, place, at, row.values, pattern)
        else:
            if row.source != at:
                _move_row(edit, place, row.source, at, *sources[row.source])
            for key, value in row.values.items():
                style = pattern[place.own[key]].style if place.own[key] in pattern else None
                edit.put(at, place.own[key], value, style)
    for at in range(last + 1, place.last + 1):
        _clear_row(edit, place, at)
    if last != place.last:
        edit.grow(place, last)
    return last


def _new_row(
    edit: SheetEdit, place: Place, at: int, values: Mapping[str, CellOut], pattern: Mapping[int, CellXml]
) -> None:
    beyond = at > place.last
    keys = {column: key for key, column in place.columns.items()}
    for column in range(place.area.left, place.area.right + 1):
        style = pattern[column].style if column in pattern else None
        old = edit.row(at).cells.get(column)
        if beyond and old is not None:  # blank, or growing would have been refused; its look belonged to no table
            edit.place(at, column, None)
        if column in keys:
            edit.put(at, column, values.get(keys[column]), style)
        elif column in place.formulas:
            _calculate(edit, place, at, column, pattern.get(column))
        elif beyond or (old is not None and old.inside):
            edit.place(at, column, made(None, style, b""))
    if edit.is_changed(at) and not beyond:
        for name in (b"hidden", b"ht", b"customHeight"):  # they fitted what stood here before
            edit.row(at).attributes.pop(name, None)


def _calculate(edit: SheetEdit, place: Place, at: int, column: int, pattern: CellXml | None) -> None:
    """The formula of a calculated column, as filling down from the first row would give it."""
    text, is_array = place.formulas[column]
    array_at = f"{letters(column)}{at}" if is_array else ""
    style = pattern.style if pattern else None
    cell = edit.formula_cell(text, style, array_at=array_at)
    if pattern is not None and pattern.has_formula and not is_array:
        cell = edit.moved(pattern, place.first, at, column, keep_value=False)
    old = edit.row(at).cells.get(column)
    if old is None or edit.formula_of(old) != edit.formula_of(cell):
        edit.place(at, column, cell)


def _move_row(
    edit: SheetEdit, place: Place, source: int, at: int, named: dict[bytes, bytes], cells: Mapping[int, CellXml]
) -> None:
    row = edit.touch(at)
    row.attributes = {name: value for name, value in named.items() if name != b"spans"}
    for column in range(place.area.left, place.area.right + 1):
        old = cells.get(column)
        edit.place(at, column, edit.moved(old, source, at, column) if old else None)


def _clear_row(edit: SheetEdit, place: Place, at: int) -> None:
    row = edit.touch(at)
    for column in range(place.area.left, place.area.right + 1):
        edit.place(at, column, None)
    if row.cells:
        row.attributes.pop(b"hidden", None)
    else:
        row.attributes.clear()
