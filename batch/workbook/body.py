"""What our changes mean for the cells of a table: single cells, or a whole new body that grows or shrinks.

A row that moves takes along what the user keeps beside our columns, with height and format; cells outside the
table, hyperlinks and notes stay where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from batch.workbook.area import Area, reference
from batch.workbook.edit import SheetEdit, made
from batch.workbook.formulas import Formula, formula_xml
from batch.workbook.places import Place
from batch.workbook.sheet import CellXml, RowXml, without
from batch.workbook.values import CellOut, Link


@dataclass(frozen=True, slots=True)
class BodyRow:
    """One row of a new body: the sheet row it is made from (None: a new one), and new values by column key.

    `stamp` are values that are written only when one of the others differs from what the row holds.
    """

    source: int | None
    values: Mapping[str, CellOut] = field(default_factory=dict)
    stamp: Mapping[str, CellOut] = field(default_factory=dict)


def set_cells(edit: SheetEdit, place: Place, rows: Mapping[int, Mapping[str, CellOut]]) -> None:
    """Write single cells of our own columns; KeyError for a column that is not ours."""
    own = place.own()
    styles = {column: cell.style for column, cell in _pattern(edit, place).items()}
    for at, values in rows.items():
        edit.put(at, {own[key]: value for key, value in values.items()}, styles)
        edit.close(at)


def set_body(edit: SheetEdit, place: Place, rows: Sequence[BodyRow]) -> int:
    """Give a growing table a new body and return its last row; a table without rows keeps one blank row."""
    links = place.links()
    rows = [_linked(row, links) for row in rows] or [BodyRow(None)]
    last = place.first + len(rows) - 1
    numbered = list(enumerate(rows, place.first))
    moving = {row.source for at, row in numbered if row.source is not None and row.source != at}
    if moving:
        edit.write_out_shared(place.body)
    own, pattern = place.own(), _pattern(edit, place)
    styles = {column: cell.style for column, cell in pattern.items()}
    sources = {at: RowXml(at, edit.row(at).tag, dict(edit.row(at).cells)) for at in moving}
    for at, row in numbered:
        if row.source is None:
            _new_row(edit, place, at, {**row.values, **row.stamp}, pattern, styles)
        elif row.source != at or row.values:
            if row.source != at:
                _move_row(edit, place, at, sources[row.source])
            if edit.put(at, {own[key]: value for key, value in row.values.items()}, styles) and row.stamp:
                edit.put(at, {own[key]: value for key, value in row.stamp.items()}, styles)
        edit.close(at)
    for at in range(last + 1, place.last + 1):
        _clear_row(edit, place, at)
    if last != place.last:
        edit.grow(place, last)
    return last


def _linked(row: BodyRow, links: Sequence[str]) -> BodyRow:
    """A row whose addresses, in the columns `links`, can be clicked."""
    addresses = {key: Link(row.values[key]) for key in links if row.values.get(key)}
    return replace(row, values={**row.values, **addresses}) if addresses else row


def extended(
    edit: SheetEdit,
    place: Place,
    rows: Mapping[int, Mapping[str, CellOut]],
    new: Sequence[BodyRow],
    stamp: Mapping[str, CellOut],
) -> list[BodyRow]:
    """The body as it is, with changed `rows`, and `new` ones below the last row in which anything stands."""
    last = place.last
    while last >= place.first and _is_blank(edit, place, last):
        last -= 1
    kept = [BodyRow(at, rows[at], stamp) if at in rows else BodyRow(at) for at in range(place.first, last + 1)]
    left = [BodyRow(at) for at in range(last + 1 + len(new), place.last + 1)]
    return [*kept, *new, *left]


def _is_blank(edit: SheetEdit, place: Place, at: int) -> bool:
    """Whether nobody has entered anything into a row; what a column calculates does not count."""
    cells = ((column, edit.cell(at, column)) for column in place.columns_between() if column not in place.formulas)
    return not any(cell is not None and edit.value(cell) not in (None, "") for _, cell in cells)


def _pattern(edit: SheetEdit, place: Place) -> dict[int, CellXml]:
    """The cells of the first row, whose look new ones take."""
    return {column: edit.xml.cell(raw) for column, raw in edit.row(place.first).cells.items()}


def _new_row(
    edit: SheetEdit,
    place: Place,
    at: int,
    values: Mapping[str, CellOut],
    pattern: Mapping[int, CellXml],
    styles: Mapping[int, bytes | None],
) -> None:
    """A row of ours; what the user's own columns calculate, they calculate here too."""
    beyond = at > place.last
    if beyond:  # blank, or growing would have been refused; its look belonged to no table
        for column in place.columns_between():
            if column in edit.row(at).cells:
                edit.place(at, column, None)
    ours = {column: values.get(key) for key, column in place.columns.items()}
    edit.put(at, ours, styles)
    cells = edit.row(at).cells
    for column in place.columns_between():
        if column in place.formulas and column not in ours:
            _calculate(edit, place, at, column, pattern.get(column))
        elif (beyond and column not in cells) or (column not in ours and _is_filled(edit, at, column)):
            edit.place(at, column, made(None, styles.get(column), b""))
    if edit.is_changed(at) and not beyond:
        row = edit.row(at)
        row.tag = without(row.tag, b"hidden", b"ht", b"customHeight")  # they fitted what stood here before


def _is_filled(edit: SheetEdit, at: int, column: int) -> bool:
    cell = edit.cell(at, column)
    return cell is not None and bool(cell.inside)


def _calculate(edit: SheetEdit, place: Place, at: int, column: int, pattern: CellXml | None) -> None:
    """The formula of a calculated column, as filling down from the first row would give it, without a value."""
    text, is_array = place.formulas[column]
    tag = b' t="array" ref="%s"' % reference(column, at).encode() if is_array else b""
    first = Formula.within(pattern.inside) if pattern and not is_array else None
    if first is not None and first.text and first.shared_group is None:
        text = edit.shift(first.text, at - place.first, 0, Area(column, at, column, at), only_here=True)
    old = edit.cell(at, column)
    now = Formula.within(old.inside) if old else None
    if now is None or now.text != text:
        style = pattern.style if pattern else None
        edit.place(at, column, CellXml(b' s="%s"' % style if style else b"", formula_xml(text, tag, edit.xml.prefix)))


def _move_row(edit: SheetEdit, place: Place, at: int, old: RowXml) -> None:
    edit.touch(at).tag = old.tag
    for column in place.columns_between():
        raw = old.cells.get(column)
        edit.place(at, column, edit.moved(edit.xml.cell(raw), old.at, at, column) if raw else None)


def _clear_row(edit: SheetEdit, place: Place, at: int) -> None:
    """A row that the table leaves."""
    row = edit.touch(at)
    for column in place.columns_between():
        edit.place(at, column, None)
    row.tag = without(row.tag, b"hidden") if row.cells else b""
    edit.close(at)
