"""Formulas of the user's own columns when their rows move: references shift as if the rows had been sorted.

A reference to another sheet stays, because what it points at did not move.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape

from batch.workbook.sheet import IN_TAG, attributes
from batch.workbook.values import xml_text

_FORMULA = re.compile(rb"<((?:\w+:)?)f(?=[\s/>])(" + IN_TAG + rb")(?:/>|>([^<]*)</\1f>)")


class FormulaError(Exception):
    """A formula that cannot be taken apart."""


@dataclass(frozen=True, slots=True)
class Formula:
    """The `f` element of a cell: its attributes and its text without `=` ("" in a follower of a shared formula)."""

    prefix: bytes
    tag: bytes
    text: str
    start: int
    end: int

    @classmethod
    def within(cls, inside: bytes) -> Formula | None:
        """The formula among the children of a cell."""
        found = _FORMULA.search(inside)
        return cls(found[1], found[2], unescape((found[3] or b"").decode()), *found.span()) if found else None

    @property
    def shared_group(self) -> bytes | None:
        """The group of a formula that Excel stores once for many cells."""
        named = attributes(self.tag)
        return named.get(b"si", b"") if named.get(b"t") == b"shared" else None

    def replaced(self, inside: bytes, text: str, tag: bytes = b"", *, keep_value: bool = True) -> bytes:
        """The children of the cell with another formula, and with the stored value or without any."""
        rest = inside[self.end :] if keep_value else b""
        return inside[: self.start] + formula_xml(text, tag, self.prefix) + rest

    def at(self, reference: str) -> bytes:
        """The attributes as they are when the cell stands at `reference` (an array formula says where it stands)."""
        return re.sub(rb'(\sref=")[^"]*', lambda m: m[1] + reference.encode(), self.tag)


def formula_xml(text: str, tag: bytes, prefix: bytes) -> bytes:
    """An `f` element."""
    return b"<%sf%s>%s</%sf>" % (prefix, tag, xml_text(text), prefix)


def shifted(formula: str, rows: int, columns: int, sheet: str | None = None) -> str:
    """`formula` with its relative references moved by so many rows and columns.

    With `sheet`, references that name another sheet than that one stay as they are. Raises FormulaError.
    """
    parts = []
    for text, is_range in _tokens(formula):
        parts.append(_moved(text, rows, columns) if is_range and _stands_on(text, sheet) else text)
    return "".join(parts)


@lru_cache(maxsize=1024)
def _tokens(formula: str) -> tuple[tuple[str, bool], ...]:
    from openpyxl.formula.tokenizer import Token, Tokenizer, TokenizerError  # noqa: PLC0415  (slow; few rows move)

    try:
        items = Tokenizer(f"={formula}").items
    except (TokenizerError, IndexError) as error:
        raise FormulaError(formula) from error
    return tuple((t.value, t.type == Token.OPERAND and t.subtype == Token.RANGE) for t in items)


def _moved(reference: str, rows: int, columns: int) -> str:
    from openpyxl.formula.translate import Translator, TranslatorError  # noqa: PLC0415  (as above)

    try:
        return str(Translator.translate_range(reference, rows, columns))  # type: ignore[no-untyped-call]  # no stub
    except TranslatorError:
        return "#REF!"


def _stands_on(reference: str, sheet: str | None) -> bool:
    if sheet is None or "!" not in reference:
        return True
    named = reference.rsplit("!", 1)[0].strip("'").replace("''", "'")
    return named.casefold() == sheet.casefold()
