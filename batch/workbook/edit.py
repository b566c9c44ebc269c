"""Changes to one worksheet: rows are opened when touched, everything else is copied as it stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator
from decimal import Decimal
from html import unescape

from batch.errors import WorkbookError
from batch.workbook.area import Area, letters
from batch.workbook.formulas import FormulaError, shifted
from batch.workbook.places import TRUE, Place
from batch.workbook.sheet import IN_TAG, CellXml, RowXml, SheetXml, attributes
from batch.workbook.stored import Stored, text_of
from batch.workbook.values import CellOut, content, same_value, written_form, xml_text

_COVERING = re.compile(rb"<(?:\w+:)?(?:dataValidation|conditionalFormatting|ignoredError|protectedRange)\s" + IN_TAG)
_COL = re.compile(rb"<(?:\w+:)?col\s" + IN_TAG)
_FORMULA = re.compile(rb"<(?:\w+:)?f(?=[\s/>])(" + IN_TAG + rb")(?:/>|>([^<]*)</(?:\w+:)?f>)")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^<>]*)?>([^<]*)<")


class SheetEdit:
    """A worksheet being changed. Raises NotPlainError when its XML cannot be cut by pattern."""

    def __init__(self, xml: SheetXml, sheet: str, stored: Stored) -> None:
        self.xml = xml
        self.sheet = sheet
        self.formulas_moved = False  # a formula cell came, went or moved: the calculation chain is stale
        self._stored = stored
        self._rows = {found: (start, end) for found, start, end in xml.rows()}
        self._opened: dict[int, RowXml] = {}
        self._changed: set[int] = set()
        self._columns = _column_styles(xml.head)
        self._tail = xml.tail

    @property
    def changed(self) -> bool:
        """Whether anything differs from the file."""
        return bool(self._changed) or self._tail is not self.xml.tail

    def numbers(self) -> Collection[int]:
        """The rows that the sheet has."""
        return self._rows.keys()

    def row(self, at: int) -> RowXml:
        """A row to look at; changes to it are kept only after `put`, `place` or `touch`."""
        if at not in self._opened:
            self._opened[at] = self.xml.row(*self._rows[at]) if at in self._rows else RowXml({})
        return self._opened[at]

    def is_changed(self, at: int) -> bool:
        """Whether a row differs from the file."""
        return at in self._changed

    def touch(self, at: int) -> RowXml:
        """A row to change."""
        self._changed.add(at)
        row = self.row(at)
        row.attributes.pop(b"spans", None)  # optional, and wrong once a cell comes or goes
        return row

    def put(self, at: int, column: int, value: CellOut, style: bytes | None = None) -> None:
        """Write one cell, unless it holds that value. `style` serves where neither cell nor row has one."""
        row = self.row(at)
        cell = row.cells.get(column)
        own = cell.style if cell else None
        style = own or _row_style(row) or style or self._columns.get(column)
        dates = int(style or b"0") in self._stored.dates
        form = written_form(value, date_style=dates, since_1904=self._stored.since_1904)
        if not self.holds(cell, form):
            self.place(at, column, made(form, own if form is None else style, self.xml.prefix))

    def place(self, at: int, column: int, cell: CellXml | None) -> None:
        """Put a cell, or nothing, where another may have been."""
        row = self.touch(at)
        old = row.cells.pop(column, None)
        if (old and old.has_formula) or (cell and cell.has_formula):
            self.formulas_moved = True
        if cell is not None:
            row.cells[column] = cell

    def holds(self, cell: CellXml | None, form: str | float | Decimal | bool | None) -> bool:
        """Whether a cell holds just that, and not as the result of a formula."""
        if cell is None:
            return form is None
        return not cell.has_formula and same_value(self.value(cell), form)

    def value(self, cell: CellXml) -> str | float | bool | None:
        """What a cell holds: a text, a number, or None when blank. Errors are their text."""
        kind = cell.attributes.get(b"t", b"n")
        if kind == b"inlineStr":
            return text_of(cell.inside) or None
        found = _VALUE.search(cell.inside)
        if found is None or not found[1]:
            return None
        if kind == b"s":
            return self._stored.text(int(found[1])) or None
        if kind == b"b":
            return found[1] == b"1"
        try:
            return float(found[1]) if kind == b"n" else unescape(found[1].decode())
        except ValueError:
            return found[1].decode()

    def write_out_shared(self, within: Area) -> None:
        """Give every cell its own formula, of all the shared ones that have a cell in `within`."""
        members = list(self._shared()) if b'"shared"' in self.xml.data else []
        groups = {group for at, column, group, _ in members if within.meets(Area(column, at, column, at))}
        masters = {group: (at, column, text) for at, column, group, text in members if text}
        for at, column, group, _ in members:
            if group in groups and group in masters:
                top, left, text = masters[group]
                cell = self.touch(at).cells[column]
                formula = self.shift(text, at - top, column - left, at, column)
                old = _FORMULA.search(cell.inside)
                if old is not None:
                    cell.inside = cell.inside[: old.start()] + self._formula(formula) + cell.inside[old.end() :]
                    cell.raw = b""

    def formula_of(self, cell: CellXml) -> str:
        """The formula of a cell, "" when it has none of its own."""
        found = _FORMULA.search(cell.inside)
        return unescape((found[2] or b"").decode()) if found else ""

    def moved(self, cell: CellXml, at: int, to: int, column: int, *, keep_value: bool = True) -> CellXml:
        """A cell of row `at` as it stands in row `to`: relative references in its formula shift along."""
        inside, named = cell.inside, dict(cell.attributes)
        formula = _FORMULA.search(inside)
        if formula and formula[2]:
            text = self.shift(unescape(formula[2].decode()), to - at, 0, at, column, only_here=True)
            tag = re.sub(rb'(\sref=")[^"]*', rb"\g<1>%s%d" % (letters(column).encode(), to), formula[1])
            rest = inside[formula.end() :] if keep_value else b""
            inside = inside[: formula.start()] + self._formula(text, tag) + rest
            if not keep_value:
                named.pop(b"t", None)
        return CellXml(named, inside)

    def shift(self, text: str, rows: int, columns: int, at: int, column: int, *, only_here: bool = False) -> str:
        """A formula shifted; the cell is named when it cannot be understood."""
        try:
            return shifted(text, rows, columns, self.sheet if only_here else None)
        except FormulaError as error:
            cell = f"{self.sheet}!{letters(column)}{at}"
            raise WorkbookError("formula_unclear", cell=cell, formula=text) from error

    def formula_cell(self, text: str, style: bytes | None, *, array_at: str = "") -> CellXml:
        """A cell with a formula and no value yet."""
        tag = b' t="array" ref="%s"' % array_at.encode() if array_at else b""
        return CellXml({b"s": style} if style else {}, self._formula(text, tag))

    def grow(self, place: Place, last: int) -> None:
        """Validations and formats that covered just the body of a table follow its new last row."""

        def one(reference: str) -> str:
            area = _area(reference)
            if area is None or (area.top, area.bottom) != (place.first, place.last):
                return reference
            if area.left < place.area.left or area.right > place.area.right:
                return reference
            return str(Area(area.left, area.top, area.right, last))

        def several(match: re.Match[bytes]) -> bytes:
            return match[1] + " ".join(one(r) for r in match[2].decode().split()).encode()

        tail = _COVERING.sub(lambda tag: re.sub(rb'(\ssqref=")([^"]+)', several, tag[0]), self._tail)
        tail = re.sub(rb"(<(?:\w+:)?sqref>)([^<]+)", several, tail)
        if tail != self._tail:
            self._tail = tail

    def result(self) -> bytes:
        """The whole part with its changes."""
        xml, p = self.xml, self.xml.prefix
        pieces = [self._head(), b"<%ssheetData>" % p]
        numbers = list(self._rows)
        copied = xml.body_start
        for at in sorted(self._changed):
            start, end = self._rows.get(at) or (self._gap(numbers, at),) * 2
            pieces += [xml.data[copied:start], xml.written(at, self._opened[at])]
            copied = end
        pieces += [xml.data[copied : xml.body_end], b"</%ssheetData>" % p, self._tail]
        return b"".join(pieces)

    def _gap(self, numbers: list[int], at: int) -> int:
        before = bisect_right(numbers, at)
        return self._rows[numbers[before - 1]][1] if before else self.xml.body_start

    def _head(self) -> bytes:
        """Everything before the cells, the stated extent of the sheet widened to hold the changes."""
        found = re.search(rb'<(?:\w+:)?dimension\s[^<>]*?ref="([^"]+)"', self.xml.head)
        area = _area(found[1].decode()) if found else None
        cells = [(at, c) for at in self._changed for c in (min(self._opened[at].cells, default=0),) if c]
        if found is None or area is None or not cells:
            return self.xml.head
        right = max(max(self._opened[at].cells) for at, _ in cells)
        wider = Area(
            min(area.left, *(c for _, c in cells)),
            min(area.top, *(at for at, _ in cells)),
            max(area.right, right),
            max(area.bottom, *(at for at, _ in cells)),
        )
        return self.xml.head[: found.start(1)] + str(wider).encode() + self.xml.head[found.end(1) :]

    def _formula(self, text: str, tag: bytes = b"") -> bytes:
        p = self.xml.prefix
        return b"<%sf%s>%s</%sf>" % (p, tag, xml_text(text), p)

    def _shared(self) -> Iterator[tuple[int, int, bytes, str]]:
        """Row, column, group and text ("" but in the first) of every cell with a shared formula."""
        for at, (start, end) in self._rows.items():
            if b'"shared"' not in self.xml.data[start:end]:
                continue
            for column, cell in self.row(at).cells.items():
                formula = _FORMULA.search(cell.inside)
                named = attributes(formula[1]) if formula else {}
                if formula and named.get(b"t") == b"shared":
                    yield at, column, named.get(b"si", b""), unescape((formula[2] or b"").decode())


def made(form: str | float | Decimal | bool | None, style: bytes | None, prefix: bytes) -> CellXml | None:
    """A new cell; None for one that holds nothing and looks like nothing."""
    kind, inside = content(form, prefix)
    named = {b"s": style} if style else {}
    if kind:
        named[b"t"] = kind
    return CellXml(named, inside) if named or inside else None


def _row_style(row: RowXml) -> bytes | None:
    custom = row.attributes.get(b"customFormat", b"").decode() in TRUE
    return row.attributes.get(b"s") if custom else None


def _column_styles(head: bytes) -> dict[int, bytes]:
    styles = {}
    for tag in _COL.findall(head):
        named = attributes(tag)
        if b"style" in named:
            for column in range(int(named[b"min"]), int(named[b"max"]) + 1):
                styles[column] = named[b"style"]
    return styles


def _area(text: str) -> Area | None:
    try:
        return Area.parse(text)
    except ValueError:
        return None
