"""Changes to one worksheet: rows are opened when touched, everything else is copied as it stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html import unescape

from batch.errors import WorkbookError
from batch.workbook.area import MAX_COLUMN, MAX_ROW, Area, letters, reference
from batch.workbook.formulas import Formula, FormulaError, shifted
from batch.workbook.package import Part
from batch.workbook.places import TRUE, Place
from batch.workbook.sheet import IN_TAG, CellXml, RowXml, SheetXml, attributes
from batch.workbook.stored import Stored, text_of
from batch.workbook.values import CellOut, Form, Link, content, is_link_formula, is_simple, same_value, written_form

_COVERING = re.compile(rb"<(?:\w+:)?(?:dataValidation|conditionalFormatting|ignoredError|protectedRange)\s" + IN_TAG)
_COL = re.compile(rb"<(?:\w+:)?col(\s" + IN_TAG + rb")")
_SMALL = re.compile(rb"\d{1,9}")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^<>]*)?>([^<]*)<")


class SheetEdit:
    """A worksheet being changed. Raises NotPlainError when its XML cannot be cut by pattern."""

    def __init__(self, xml: SheetXml, sheet: str, stored: Stored) -> None:
        self.xml = xml
        self.sheet = sheet
        self.formulas_moved = False  # a formula cell came, went or moved: the calculation chain is stale
        self._stored = stored
        self._rows = {found: (start, end) for found, start, end in xml.rows()}
        self._opened: dict[int, RowXml] = {}  # being looked at or changed
        self._changed: set[int] = set()
        self._written: dict[int, bytes] = {}  # changed rows, packed up again: they take a tenth of the memory
        self._filled_columns: set[int] = set()  # of the changed rows
        self._filled_rows = (MAX_ROW, 0)  # the first and the last of them
        self._columns = _column_styles(xml.head)
        self._tail = xml.tail

    @property
    def changed(self) -> bool:
        """Whether anything differs from the file."""
        return bool(self._changed) or self._tail is not self.xml.tail

    def row(self, at: int) -> RowXml:
        """A row to look at."""
        row = self._opened.get(at)
        if row is None:
            data = self._written.pop(at, None)  # nothing (b"") where the row was emptied
            if data is None:
                start, end = self._rows.get(at, (0, 0))
                data = self.xml.data[start:end]
            row = self._opened[at] = self.xml.row(data) if data else RowXml(at, b"")
        return row

    def cell(self, at: int, column: int) -> CellXml | None:
        """A cell to look at; None where there is none."""
        raw = self.row(at).cells.get(column)
        return self.xml.cell(raw) if raw else None

    def close(self, at: int) -> None:
        """Pack a row up when nothing more is expected to happen to it."""
        row = self._opened.pop(at, None)
        if row is not None and at in self._changed:
            if row.cells:
                self._filled_columns.update(row.cells)
                self._filled_rows = (min(self._filled_rows[0], at), max(self._filled_rows[1], at))
            self._written[at] = self.xml.written(row)

    def touch(self, at: int) -> RowXml:
        """A row to change."""
        self._changed.add(at)
        return self.row(at)

    def is_changed(self, at: int) -> bool:
        """Whether a row differs from the file."""
        return at in self._changed

    def put(self, at: int, values: Mapping[int, CellOut], styles: Mapping[int, bytes | None]) -> bool:
        """Write cells of a row by column; those that hold their value already stay untouched. Whether any differed.

        A cell keeps its style; one without takes that of its row, else of `styles`, else of the sheet's column.
        """
        row, stored, prefix = self.row(at), self._stored, self.xml.prefix
        cells = row.cells
        of_row = _row_style(row) if row.tag else None
        differed = False
        for column, value in values.items():
            raw = cells.get(column)
            if raw is None and value.__class__ is str and is_simple(value):  # as most that is written
                style = of_row or styles.get(column) or self._columns.get(column)
                cells[column] = _new_text(column, style, prefix) % (at, value.encode())
                differed = True
                continue
            cell = self.xml.cell(raw) if raw else None
            own = cell.style if cell else None
            style = own or of_row or styles.get(column) or self._columns.get(column)
            form = written_form(value, date_style=style in stored.dates, since_1904=stored.since_1904)
            if cell is None and form is not None and form.__class__ is not Link:  # nothing that `place` looks after
                cells[column] = self.xml.cell_xml(at, column, *tag_and_content(form, style, prefix))
            elif self._holds(cell, form):
                continue
            else:
                self.place(at, column, made(form, own if form is None else style, prefix))
            differed = True
        if differed:
            self._changed.add(at)
        return differed

    def place(self, at: int, column: int, cell: CellXml | None) -> None:
        """Put a cell, or nothing, where another may have been.

        A link is not missed in the calculation chain: it depends on no cell, and Excel adds what its chain lacks.
        """
        cells = self.touch(at).cells
        old = cells.get(column, b"")
        had_formula = b"f" in old and self.xml.cell(old).has_formula
        has_formula = cell is not None and cell.has_formula
        if (had_formula or has_formula) and not (cell is not None and _is_link(cell)):
            self.formulas_moved = True
        if had_formula and b'"shared"' in old:
            self.write_out_shared(Area(column, at, column, at))
        if cell is None:
            cells.pop(column, None)
        else:
            cells[column] = self.xml.cell_xml(at, column, cell.tag, cell.inside)

    def value(self, cell: CellXml) -> str | float | bool | None:
        """What a cell holds: a text, a number, or None when blank. Errors are their text."""
        kind = cell.kind
        if kind == b"inlineStr":
            return text_of(cell.inside) or None
        found = _VALUE.search(cell.inside)
        if found is None or not found[1]:
            return None
        text = unescape(found[1].decode())
        if kind == b"s":
            return self._stored.text(text) or None
        if kind == b"b":
            return text == "1"
        try:
            return float(text) if kind == b"n" else text
        except ValueError:
            return text

    def _holds(self, cell: CellXml | None, form: Form) -> bool:
        """Whether a cell holds just that, and not as the result of a formula (a link: as nothing else)."""
        if cell is None or not cell.inside:
            return form is None
        return cell.has_formula == isinstance(form, Link) and same_value(self.value(cell), form)

    def moved(self, cell: CellXml, at: int, to: int, column: int) -> CellXml:
        """A cell of row `at` as it stands in row `to`: relative references in its formula shift along."""
        formula = Formula.within(cell.inside) if cell.has_formula else None
        if formula is None or not formula.text or _is_link(cell):
            return CellXml(cell.tag, cell.inside)
        text = self.shift(formula.text, to - at, 0, Area(column, at, column, at), only_here=True)
        return CellXml(cell.tag, formula.replaced(cell.inside, text, formula.at(reference(column, to))))

    def shift(self, text: str, rows: int, columns: int, at: Area, *, only_here: bool = False) -> str:
        """A formula shifted. Raises WorkbookError naming the cell `at` when it cannot be understood."""
        try:
            return shifted(text, rows, columns, self.sheet if only_here else None)
        except FormulaError as error:
            raise WorkbookError("formula_unclear", cell=f"{self.sheet}!{at}", formula=text) from error

    def write_out_shared(self, within: Area) -> None:
        """Give every cell its own formula, of all the shared ones that have a cell in `within`."""
        members = list(self._shared())
        groups = {formula.shared_group for at, _, formula in members if within.meets(at)}
        masters = {formula.shared_group: (at, formula.text) for at, _, formula in members if formula.text}
        for at, cell, formula in members:
            if formula.shared_group in groups and formula.shared_group in masters:
                origin, text = masters[formula.shared_group]
                own = self.shift(text, at.top - origin.top, at.left - origin.left, at)
                alone = CellXml(cell.tag, formula.replaced(cell.inside, own))
                self.touch(at.top).cells[at.left] = self.xml.cell_xml(at.top, at.left, alone.tag, alone.inside)

    def _shared(self) -> Iterator[tuple[Area, CellXml, Formula]]:
        """Every cell with a formula stored once for many."""
        if b'"shared"' not in self.xml.data:
            return
        for at, (start, end) in self._rows.items():
            if b'"shared"' in self.xml.data[start:end]:
                for column, raw in self.row(at).cells.items():
                    cell = self.xml.cell(raw)
                    formula = Formula.within(cell.inside)
                    if formula is not None and formula.shared_group is not None:
                        yield Area(column, at, column, at), cell, formula

    def grow(self, place: Place, last: int) -> None:
        """Validations and formats that covered just the body of a table follow its new last row."""

        def one(text: str) -> str:
            area = _area(text)
            if area is None or (area.top, area.bottom) != (place.first, place.last):
                return text
            if area.left < place.area.left or area.right > place.area.right:
                return text
            return str(Area(area.left, area.top, area.right, last))

        def several(match: re.Match[bytes]) -> bytes:
            return match[1] + " ".join(one(r) for r in match[2].decode().split()).encode()

        tail = _COVERING.sub(lambda tag: re.sub(rb'(\ssqref=")([^"]+)', several, tag[0]), self._tail)
        tail = re.sub(rb"(<(?:\w+:)?sqref>)([^<]+)", several, tail)
        if tail != self._tail:
            self._tail = tail

    def result(self) -> Part:
        """The whole part with its changes, in pieces: joined, a large sheet would be in memory twice."""
        for at in list(self._opened):
            self.close(at)
        xml, p = self.xml, self.xml.prefix
        pieces: list[bytes | memoryview] = [self._head(), b"<%ssheetData>" % p]
        cells = memoryview(xml.data)
        numbers = list(self._rows)
        copied = xml.body_start
        for at in sorted(self._written):
            start, end = self._rows.get(at) or (self._gap(numbers, at),) * 2
            pieces += [cells[copied:start], self._written[at]]
            copied = end
        return [*pieces, cells[copied : xml.body_end], b"</%ssheetData>" % p, self._tail]

    def _gap(self, numbers: list[int], at: int) -> int:
        """Where in the file a row belongs that is not there yet."""
        before = bisect_right(numbers, at)
        return self._rows[numbers[before - 1]][1] if before else self.xml.body_start

    def _head(self) -> bytes:
        """Everything before the cells, the stated extent of the sheet widened to hold the changed rows."""
        head = self.xml.head
        found = re.search(rb'<(?:\w+:)?dimension\s[^<>]*?ref="([^"]+)"', head)
        area = _area(found[1].decode()) if found else None
        if found is None or area is None or not self._filled_columns:
            return head
        columns, (top, bottom) = self._filled_columns, self._filled_rows
        left, right = min(area.left, *columns), max(area.right, *columns)
        wider = Area(left, min(area.top, top), right, max(area.bottom, bottom))
        return head[: found.start(1)] + str(wider).encode() + head[found.end(1) :]


def made(form: Form, style: bytes | None, prefix: bytes) -> CellXml | None:
    """A new cell; None for one that holds nothing and looks like nothing."""
    tag, inside = tag_and_content(form, style, prefix)
    return CellXml(tag, inside) if tag or inside else None


def tag_and_content(form: Form, style: bytes | None, prefix: bytes) -> tuple[bytes, bytes]:
    """The attributes and the children of a new cell."""
    kind, inside = content(form, prefix)
    return _tag(style, kind), inside


@lru_cache(maxsize=1024)
def _new_text(column: int, style: bytes | None, prefix: bytes) -> bytes:
    """A cell with a text, but for its row and the text."""
    tag, inside = tag_and_content("%s", style, prefix)
    return b'<%sc r="%s%%d"%s>%s</%sc>' % (prefix, letters(column), tag, inside, prefix)


@lru_cache(maxsize=1024)  # a column has few looks
def _tag(style: bytes | None, kind: bytes) -> bytes:
    return (b' s="%s"' % style if style else b"") + (b' t="%s"' % kind if kind else b"")


def _is_link(cell: CellXml) -> bool:
    """Whether a cell is a link of ours."""
    formula = Formula.within(cell.inside)
    return formula is not None and is_link_formula(formula.text)


def _row_style(row: RowXml) -> bytes | None:
    named = attributes(row.tag)
    return named.get(b"s") if named.get(b"customFormat", b"").decode() in TRUE else None


def _column_styles(head: bytes) -> dict[int, bytes]:
    styles = {}
    for tag in _COL.findall(head):
        named = attributes(tag)
        first, last = (named.get(end, b"") for end in (b"min", b"max"))
        if b"style" in named and _SMALL.fullmatch(first) and _SMALL.fullmatch(last):
            for column in range(int(first), min(int(last), MAX_COLUMN) + 1):
                styles[column] = named[b"style"]
    return styles


def _area(text: str) -> Area | None:
    try:
        return Area.parse(text)
    except ValueError:
        return None
