"""Formulas of the user's own columns when their rows move: references shift as if the row had been sorted.

A reference to another sheet stays, because what it points at did not move. Formulas that Excel stores once for many
cells ("shared") are written out first, so that each cell carries its own.
"""

from __future__ import annotations

from functools import lru_cache

from openpyxl.formula.tokenizer import Token, Tokenizer, TokenizerError
from openpyxl.formula.translate import Translator, TranslatorError


class FormulaError(Exception):
    """A formula that cannot be taken apart."""


def shifted(formula: str, rows: int, columns: int, sheet: str | None = None) -> str:
    """`formula` (without `=`) with its relative references moved by so many rows and columns.

    With `sheet`, references that name another sheet than that one stay as they are.
    """
    parts = []
    for text, is_range in _tokens(formula):
        parts.append(_moved(text, rows, columns) if is_range and _stands_on(text, sheet) else text)
    return "".join(parts)


@lru_cache(maxsize=1024)
def _tokens(formula: str) -> tuple[tuple[str, bool], ...]:
    try:
        items = Tokenizer(f"={formula}").items
    except (TokenizerError, IndexError) as error:
        raise FormulaError(formula) from error
    return tuple((t.value, t.type == Token.OPERAND and t.subtype == Token.RANGE) for t in items)


def _moved(reference: str, rows: int, columns: int) -> str:
    try:
        return str(Translator.translate_range(reference, rows, columns))  # type: ignore[no-untyped-call]  # no stub
    except TranslatorError:
        return "#REF!"


def _stands_on(reference: str, sheet: str | None) -> bool:
    if sheet is None or "!" not in reference:
        return True
    named = reference.rsplit("!", 1)[0].strip("'").replace("''", "'")
    return named.casefold() == sheet.casefold()
