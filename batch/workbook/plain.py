"""Any well-formed worksheet, rewritten so that it can be cut by pattern.

Comments, CDATA and processing instructions go, attributes get double quotes, rows and cells get their numbers and their
order. It reads event by event, so that a sheet made to exhaust memory as a tree does not.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape

from batch.workbook.area import MAX_ROW, number, reference
from batch.workbook.sheet import NotPlainError

_MAX_DEPTH = 100


def plain(data: bytes) -> bytes:
    """A worksheet rewritten into the plain shape. Raises NotPlainError when it is no well-formed worksheet."""
    writer = _PlainWriter()
    try:
        writer.parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise NotPlainError from error
    return writer.result()


def check_well_formed(data: bytes) -> None:
    """Raise NotPlainError when this is no well-formed XML."""
    try:
        expat.ParserCreate().Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise NotPlainError from error


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
            if self._row_at > MAX_ROW:
                self._refuse()
            named = {"r": str(self._row_at), **named}
            self._open_part()
            self._cell_at = 0
        elif local == "c" and self._depth == 4:
            self._cell_at = self._column(named.pop("r", None))
            named = {"r": reference(self._cell_at, self._row_at), **named}
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

    def _column(self, stated: str | None) -> int:
        """Where a cell stands in its row: as it says itself, else behind the one before."""
        if stated is None:
            return self._cell_at + 1
        column = re.fullmatch(r"([A-Z]{1,3})\d{1,7}", stated, re.ASCII)
        if column is None:
            self._refuse()
        return number(column[1].encode())

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

    def _refuse(self, *_: object) -> NoReturn:
        msg = "not a worksheet we can take"
        raise ValueError(msg)


def _quoted(value: str) -> str:
    return '"' + escape(value, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}) + '"'
