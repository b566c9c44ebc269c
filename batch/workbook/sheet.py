"""A worksheet's XML cut into rows and cells without parsing all of it, so that what we leave alone stays as it is.

Cutting by pattern is right only for XML of a plain shape: no comments or CDATA, rows and cells numbered and in order.
That is how spreadsheet programs write. Anything else raises `NotPlainError`, and `plain()` rewrites it into that shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

MAX_ROW, MAX_COLUMN = 1_048_576, 16_384
_MAX_DEPTH = 100
_ATTRIBUTES = rb'((?:\s+[\w:.-]+="[^"<]*")*)\s*'
_ATTRIBUTE = re.compile(rb'\s+([\w:.-]+)="([^"<]*)"')
_RANGE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})(?::\$?([A-Z]{1,3})\$?([1-9]\d{0,6}))?")


class NotPlainError(Exception):
    """This XML cannot be cut by pattern as it stands."""


def letters(column: int) -> str:
    """1 -> A, 27 -> AA."""
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def number(name: str) -> int:
    """A -> 1, AA -> 27."""
    found = 0
    for letter in name:
        found = found * 26 + ord(letter) - 64
    return found


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of cells, borders included, counted from 1."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def parse(cls, text: str) -> Area:
        """`A1`, `$A$1:D9`. Raises ValueError for anything else."""
        found = _RANGE.fullmatch(text)
        if found is None:
            msg = f"not a range: {text!r}"
            raise ValueError(msg)
        left, top, right, bottom = found.groups()
        area = cls(number(left), int(top), number(right or left), int(bottom or top))
        if area.left > area.right or area.top > area.bottom or area.right > MAX_COLUMN or area.bottom > MAX_ROW:
            msg = f"not a range: {text!r}"
            raise ValueError(msg)
        return area

    def __str__(self) -> str:
        first, last = f"{letters(self.left)}{self.top}", f"{letters(self.right)}{self.bottom}"
        return first if first == last else f"{first}:{last}"

    def meets(self, other: Area) -> bool:
        """Whether the two have a cell in common."""
        return (
            self.left <= other.right
            and other.left <= self.right
            and self.top <= other.bottom
            and other.top <= self.bottom
        )


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
        return b"<f" in self.inside or b":f" in self.inside


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
            found = int(attributes(row[2]).get(b"r", b"0"))
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


def plain(data: bytes) -> bytes:
    """A worksheet rewritten into the plain shape. Raises NotPlainError when it is no well-formed worksheet."""
    writer = _PlainWriter()
    try:
        writer.parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise NotPlainError from error
    return writer.result()


class _PlainWriter:
    """Writes what expat reports, numbering rows and cells that carry no number, and sorts both."""

    def __init__(self) -> None:
        self.parser: Any = expat.ParserCreate()
        self.parser.ordered_attributes = True
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._out: list[str] = ['<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n']
        self._depth = 0
        self._row_at, self._cell_at = 0, 0
        self._rows: dict[int, str] = {}
        self._cells: dict[int, str] = {}
        self._outside: list[list[str]] = []

    def result(self) -> bytes:
        return "".join(self._out).encode()

    def _start(self, name: str, flat: list[str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._refuse()
        named = dict(zip(flat[::2], flat[1::2], strict=True))
        local = name.rpartition(":")[2]
        if local == "row" and self._depth == 3:
            self._row_at = int(named.pop("r", self._row_at + 1))
            named = {"r": str(self._row_at), **named}
            self._open_part()
            self._cell_at = 0
        elif local == "c" and self._depth == 4:
            column = re.match("[A-Z]+", named.pop("r", ""))
            self._cell_at = number(column[0]) if column else self._cell_at + 1
            named = {"r": f"{letters(self._cell_at)}{self._row_at}", **named}
            self._open_part()
        self._out.append(f"<{name}{''.join(f' {key}={_quoted(value)}' for key, value in named.items())}>")

    def _end(self, name: str) -> None:
        local = name.rpartition(":")[2]
        if local == "sheetData" and self._depth == 2:
            self._out += [self._rows[at] for at in sorted(self._rows)]
        elif local == "row" and self._depth == 3:
            self._out += [self._cells[at] for at in sorted(self._cells)]
            self._cells = {}
        self._out.append(f"</{name}>")
        if local == "row" and self._depth == 3:
            self._close_part(self._rows, self._row_at)
        elif local == "c" and self._depth == 4:
            self._close_part(self._cells, self._cell_at)
        self._depth -= 1

    def _text(self, text: str) -> None:
        self._out.append(escape(text, {"\r": "&#13;"}))

    def _open_part(self) -> None:
        self._outside.append(self._out)
        self._out = []

    def _close_part(self, parts: dict[int, str], at: int) -> None:
        if at in parts:  # two rows or cells of one name: which one counts is anybody's guess
            self._refuse()
        parts[at] = "".join(self._out)
        self._out = self._outside.pop()

    def _refuse(self, *_: object) -> None:
        msg = "not a worksheet we can take"
        raise ValueError(msg)


def _quoted(value: str) -> str:
    return '"' + escape(value, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}) + '"'
