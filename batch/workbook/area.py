"""Places on a sheet: column letters, and rectangles such as `A1:D9`."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_ROW, MAX_COLUMN = 1_048_576, 16_384
_RANGE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})(?::\$?([A-Z]{1,3})\$?([1-9]\d{0,6}))?")


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
