"""A worksheet's XML cut into rows and cells without parsing all of it, so that what we leave alone stays as it is.

Cutting by pattern is right only for XML of a plain shape: no comments or CDATA, rows and cells numbered and in order.
That is how spreadsheet programs write. Anything else raises `NotPlainError`, and `plain()` rewrites it into that shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from batch.workbook.area import MAX_COLUMN, MAX_ROW, letters, number

IN_TAG = rb"""(?:[^<>"']|"[^"]*"|'[^']*')*"""  # what may stand between a tag's name and its end
_ATTRIBUTES = rb'((?:\s+[\w:.-]+="[^"<]*")*)\s*'
_ATTRIBUTE = re.compile(rb'\s+([\w:.-]+)="([^"<]*)"')

_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")


class NotPlainError(Exception):
    """This XML cannot be cut by pattern as it stands."""


@dataclass(slots=True)
class CellXml:
    """One `c` element: its attributes without `r`, and what is inside, as bytes of the file."""

    attributes: dict[bytes, bytes]
    inside: bytes
    raw: bytes = b""  # the whole element as it stands in the file; empty when we made it

    @property
    def style(self) -> bytes | None:
        return self.attributes.get(b"s")

    @property
    def has_formula(self) -> bool:
        return _FORMULA.search(self.inside) is not None


@dataclass(slots=True)
class RowXml:
    """One `row` element, opened."""

    attributes: dict[bytes, bytes]  # without r
    cells: dict[int, CellXml] = field(default_factory=dict)


class SheetXml:
    """A worksheet part, cut at its rows. Raises NotPlainError when it is not of the plain shape."""

    def __init__(self, data: bytes) -> None:
        root = re.search(rb"<(?:(\w+):)?worksheet[\s>]", data[:100_000])
        if root is None or _occurs(data, b"!", b"<!") or _occurs(data, b"?", b"<?", root.start()):
            raise NotPlainError
        self.data = data
        self.prefix = root[1] + b":" if root[1] else b""
        opening = re.compile(rb"<%ssheetData(?:\s[^<>]*?)?(/?)>" % self.prefix).search(data)
        if opening is None:
            raise NotPlainError
        self.root_start, self.start = root.start(), opening.start()
        self.head = data[: opening.start()]
        self.body_start = opening.end()
        closing = b"</%ssheetData>" % self.prefix
        self.body_end = opening.end() if opening[1] else data.rfind(closing)
        if self.body_end < 0:
            raise NotPlainError
        self.tail = data[self.body_end + (0 if opening[1] else len(closing)) :]
        self._row = re.compile(rb"\s*(<%srow%s(/?)>)" % (self.prefix, _ATTRIBUTES))
        cell = rb"\s*(<%sc%s(?:/>|>(.*?)</%sc>))" % (self.prefix, _ATTRIBUTES, self.prefix)
        self._cell = re.compile(cell, re.DOTALL)

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """Each row's number and where its element starts and ends in `data`, in order."""
        data, place, last, closing = self.data, self.body_start, 0, b"</%srow>" % self.prefix
        while row := self._row.match(data, place, self.body_end):
            place = row.end()
            if not row[3]:
                place = data.find(closing, place, self.body_end) + len(closing)
            name = attributes(row[2]).get(b"r", b"")
            found = int(name) if name.isdigit() else 0
            if not last < found <= MAX_ROW or place < row.end():
                raise NotPlainError
            last = found
            yield found, row.start(1), place
        if data[place : self.body_end].strip():
            raise NotPlainError

    def row(self, start: int, end: int) -> RowXml:
        """The row between two places that `rows` gave."""
        opening = self._row.match(self.data, start)
        if opening is None:
            raise NotPlainError
        row = RowXml(attributes(opening[2]))
        name = row.attributes.pop(b"r").decode()
        place, last, stop = opening.end(), 0, end - len(b"</%srow>" % self.prefix)
        while cell := self._cell.match(self.data, place, stop):
            own = attributes(cell[2])
            column = _column(own.pop(b"r", b"").decode(), name)
            if not last < column <= MAX_COLUMN:
                raise NotPlainError
            row.cells[column] = CellXml(own, cell[3] or b"", cell[1])
            place, last = cell.end(), column
        if self.data[place:stop].strip():
            raise NotPlainError
        return row

    def written(self, number: int, row: RowXml) -> bytes:
        """A row as XML; nothing at all when it holds neither cells nor a format."""
        if not row.cells and not row.attributes:
            return b""
        p = self.prefix
        parts = [b'<%srow r="%d"%s>' % (p, number, joined(row.attributes))]
        for column in sorted(row.cells):
            cell = row.cells[column]
            if cell.raw:
                parts.append(cell.raw)
            elif cell.inside or cell.attributes:
                name = b'%s%d"' % (letters(column).encode(), number)
                parts.append(b'<%sc r="%s%s' % (p, name, joined(cell.attributes)))
                parts.append(b">%s</%sc>" % (cell.inside, p) if cell.inside else b"/>")
        parts.append(b"</%srow>" % p)
        return b"".join(parts)


def _occurs(data: bytes, rare: bytes, needle: bytes, start: int = 0) -> bool:
    """Whether `needle` occurs; its rarer byte is looked for first, because that is five times faster."""
    return data.find(rare, start) >= 0 and data.find(needle, start) >= 0


def _column(reference: str, row: str) -> int:
    """The column of `C7` in row `7`; 0 when it is no cell of that row."""
    name = reference[: -len(row)]
    return number(name) if name.isalpha() and name.isupper() and reference == name + row else 0


def attributes(text: bytes) -> dict[bytes, bytes]:
    """The attributes of a tag, values as they stand in the file."""
    return dict(_ATTRIBUTE.findall(text))


def joined(named: dict[bytes, bytes]) -> bytes:
    """Attributes as they stand in a tag."""
    return b"".join(b' %s="%s"' % item for item in named.items())
