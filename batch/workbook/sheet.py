"""A worksheet's XML cut into rows and cells without parsing all of it, so that what we leave alone stays as it is.

Cutting by pattern is right only for XML of a plain shape: no comments or CDATA, rows and cells in order, each opening
with its number. That is how spreadsheet programs write. Anything else raises `NotPlainError`; `plain()` rewrites it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from operator import lt

from batch.workbook.area import MAX_COLUMN, MAX_ROW, letters, number

IN_TAG = rb"""(?:[^<>"']|"[^"]*"|'[^']*')*"""  # what may stand between a tag's name and its end
_ATTRIBUTES = rb'((?:\s+[\w:.-]+="[^"<]*")*)\s*'
_ATTRIBUTE = re.compile(rb'\s+([\w:.-]+)="([^"<]*)"')
_SPANS = re.compile(rb'\s+spans="[^"]*"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")


class NotPlainError(Exception):
    """This XML cannot be cut by pattern as it stands."""


@dataclass(slots=True)
class CellXml:
    """One `c` element: its attributes after `r` as they stand in the tag, and what is inside, as bytes of the file."""

    tag: bytes
    inside: bytes

    @property
    def style(self) -> bytes | None:
        """The index of its style; None for the default one."""
        return _value(self.tag, b' s="')

    @property
    def kind(self) -> bytes:
        """The type of its value, `n` for a number."""
        return _value(self.tag, b' t="') or b"n"

    @property
    def has_formula(self) -> bool:
        """Whether a formula makes its value."""
        return b"f" in self.inside and _FORMULA.search(self.inside) is not None


@dataclass(slots=True)
class RowXml:
    """One `row` element: its attributes after `r` without the optional `spans`, and its cells' XML by column."""

    at: int
    tag: bytes
    cells: dict[int, bytes] = field(default_factory=dict)


class SheetXml:
    """A worksheet part, cut at its rows. Raises NotPlainError when it is not of the plain shape."""

    def __init__(self, data: bytes) -> None:
        root = re.search(rb"<(?:(\w+):)?worksheet[\s>]", data[:100_000])
        if root is None or occurs(data, b"!", b"<!") or occurs(data, b"?", b"<?", root.start()):
            raise NotPlainError
        self.data = data
        self.prefix = p = root[1] + b":" if root[1] else b""
        opening = re.compile(rb"<%ssheetData(?:\s[^<>]*?)?(/?)>" % p).search(data)
        if opening is None:
            raise NotPlainError
        closing = b"</%ssheetData>" % p
        self.root_start = root.start()
        self.head = data[: opening.start()]
        self.body_start = opening.end()
        self.body_end = opening.end() if opening[1] else data.rfind(closing)
        if self.body_end < 0:
            raise NotPlainError
        self.tail = data[self.body_end + (0 if opening[1] else len(closing)) :]
        self._row = re.compile(rb'\s*(<%srow r="(\d{1,7})"%s(/?)>)' % (p, _ATTRIBUTES))
        self._row_end = b"</%srow>" % p
        cell = rb'(<%sc r="([A-Z]{1,3})(\d+)"[^<>]*>(?:<%sv>[^<]*</%sv></%sc>|(?<=/>)|.*?</%sc>))'
        self._cells = re.compile(cell % (p, p, p, p, p), re.DOTALL)
        self._cell = re.compile(rb'<%sc r="\w+"%s(?:/>|>(.*)</%sc>)' % (p, _ATTRIBUTES, p), re.DOTALL)

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """Each row's number and where its element starts and ends in `data`, in order."""
        data, place, last, body_end = self.data, self.body_start, 0, self.body_end
        match, find, length = self._row.match, data.find, len(self._row_end)
        while row := match(data, place, body_end):
            found, start, place = int(row[2]), row.start(1), row.end()
            if not row[4]:
                place = find(self._row_end, place, body_end) + length
            if not last < found <= MAX_ROW or place < start:
                raise NotPlainError
            last = found
            yield found, start, place
        if data[place:body_end].strip():
            raise NotPlainError

    def row(self, data: bytes) -> RowXml:
        """A row as `rows` found it in the file, or as `written` gave it."""
        opening = self._row.match(data)
        if opening is None:
            raise NotPlainError
        name = opening[2]
        found = self._cells.findall(data, opening.end())
        raws, names, rows = zip(*found, strict=True) if found else ((), (), ())
        columns = _ascending(names)
        if rows.count(name) < len(rows):
            raise NotPlainError
        length = opening.end() + sum(map(len, raws)) + len(self._row_end)
        if length < len(data) and self._cells.sub(b"", data[opening.end() :]).strip() != self._row_end:
            raise NotPlainError
        return RowXml(int(name), _without_spans(opening[3]), dict(zip(columns, raws, strict=True)))

    def cell(self, raw: bytes) -> CellXml:
        """A cell of a row, opened."""
        found = self._cell.fullmatch(raw)
        if found is None:
            raise NotPlainError
        return CellXml(found[1], found[2] or b"")

    def cell_xml(self, at: int, column: int, tag: bytes, inside: bytes) -> bytes:
        """A cell as XML, from its attributes and children."""
        p = self.prefix
        if inside:
            return b'<%sc r="%s%d"%s>%s</%sc>' % (p, letters(column), at, tag, inside, p)
        return b'<%sc r="%s%d"%s/>' % (p, letters(column), at, tag)

    def written(self, row: RowXml) -> bytes:
        """A row as XML; nothing at all when it holds neither cells nor a format."""
        if not row.cells and not row.tag:
            return b""
        cells = [row.cells[column] for column in sorted(row.cells)]
        return b"".join([b'<%srow r="%d"%s>' % (self.prefix, row.at, row.tag), *cells, self._row_end])


def attributes(text: bytes) -> dict[bytes, bytes]:
    """The attributes of a tag, values as they stand in the file."""
    return dict(_ATTRIBUTE.findall(text))


def without(tag: bytes, *names: bytes) -> bytes:
    """The attributes of a tag without some of them."""
    return b"".join(b' %s="%s"' % item for item in attributes(tag).items() if item[0] not in names)


@lru_cache(maxsize=256)  # the rows of a table name the same columns
def _ascending(names: tuple[bytes, ...]) -> tuple[int, ...]:
    """The numbers of columns that stand in order."""
    columns = tuple(map(number, names))
    if not all(map(lt, columns, (*columns[1:], MAX_COLUMN + 1))):
        raise NotPlainError
    return columns


@lru_cache(maxsize=256)
def _without_spans(tag: bytes) -> bytes:
    return _SPANS.sub(b"", tag)


def _value(tag: bytes, opening: bytes) -> bytes | None:
    at = tag.find(opening)
    if at < 0:
        return None
    return tag[at + len(opening) : tag.index(b'"', at + len(opening))]


def occurs(data: bytes, rare: bytes, needle: bytes, start: int = 0, end: int | None = None) -> bool:
    """Whether `needle` occurs; a rarer byte that comes with it is looked for first: that is five times faster."""
    return data.find(rare, start, end) >= 0 and data.find(needle, start, end) >= 0
