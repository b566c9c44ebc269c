"""Places on a sheet: column letters, and rectangles such as `A1:D9`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_ROW, MAX_COLUMN = 1_048_576, 16_384
_RANGE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})(?::\$?([A-Z]{1,3})\$?([1-9]\d{0,6}))?")


@lru_cache(maxsize=MAX_COLUMN)
def letters(column: int) -> bytes:
    """1 -> A, 27 -> AA."""
    name = b""
    while column:
        column, rest = divmod(column - 1, 26)
        name = bytes((65 + rest,)) + name
    return name


class _Numbers(dict[bytes, int]):
    """Keeps what it has found: looked up faster than a call is made, and asked for every cell."""

    def __missing__(self, name: bytes) -> int:
        found = 0
        for letter in name:
            found = found * 26 + letter - 64
        if len(name) <= 3:
            self[name] = found
        return found


number = _Numbers().__getitem__
"""A -> 1, AA -> 27."""


def reference(column: int, row: int) -> str:
    """3, 7 -> C7."""
    return f"{letters(column).decode()}{row}"


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
        if found is not None:
            left, top, right, bottom = found.groups()
            area = cls(number(left.encode()), int(top), number((right or left).encode()), int(bottom or top))
            if area.left <= area.right <= MAX_COLUMN and area.top <= area.bottom <= MAX_ROW:
                return area
        msg = f"not a range: {text!r}"
        raise ValueError(msg)

    def __str__(self) -> str:
        first, last = reference(self.left, self.top), reference(self.right, self.bottom)
        return first if first == last else f"{first}:{last}"

    def meets(self, other: Area) -> bool:
        """Whether the two have a cell in common."""
        across = self.left <= other.right and other.left <= self.right
        return across and self.top <= other.bottom and other.top <= self.bottom
