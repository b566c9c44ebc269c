"""The two libraries that read cells, behind one shape: rows of a sheet, only the columns asked for.

Both give the same values: text, float, bool, date, datetime, time, timedelta, and None or "" for a blank cell.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from itertools import islice
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

try:
    import python_calamine
except ImportError:  # its Rust library does not load everywhere
    python_calamine = None  # type: ignore[assignment]  # what an absent module is

RawRow: TypeAlias = tuple[int, Sequence[Any]]


class Engine(Protocol):
    """Opens the content of a package and reads rows `first` to `last`, picking `columns` (counted from 1)."""

    def __init__(self, content: bytes) -> None: ...

    def rows(self, index: int, first: int, last: int, columns: Sequence[int]) -> Iterator[RawRow]:
        """Rows of sheet `index`, in order; rows without any cell may be left out."""
        ...


class Calamine:
    """python-calamine: fast, and makes a dense array of the whole sheet."""

    def __init__(self, content: bytes) -> None:
        self._book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))

    def rows(self, index: int, first: int, last: int, columns: Sequence[int]) -> Iterator[RawRow]:
        sheet = self._book.get_sheet_by_index(index)
        if sheet.start is None:
            return
        left = sheet.start[1] + 1
        pick = _picker([c - left for c in columns], sheet.width)
        rows = islice(sheet.iter_rows(), first - 1, last)  # the first filled column on, but from row 1 on
        yield from zip(range(first, last + 1), map(pick, rows), strict=False)


class Openpyxl:
    """openpyxl in its reading mode: ten times slower, row by row."""

    def __init__(self, content: bytes) -> None:
        import openpyxl  # noqa: PLC0415  (a quarter of a second that most runs do not need)

        self._book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)

    def rows(self, index: int, first: int, last: int, columns: Sequence[int]) -> Iterator[RawRow]:
        left, right = min(columns), max(columns)
        pick = _picker([c - left for c in columns], right - left + 1)
        sheet = self._book.worksheets[index]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a date out of range is a value like any other
            found = sheet.iter_rows(min_row=first, max_row=last, min_col=left, max_col=right, values_only=True)
            for number, row in enumerate(found, first):
                if any(value is not None for value in row):
                    yield number, tuple(_as_calamine(value) for value in pick(row))


def best_engine(*, dense: bool) -> type[Engine]:
    """python-calamine where it loads and the sheets fill their rectangle well enough; else openpyxl."""
    return Calamine if python_calamine is not None and dense else Openpyxl


def _picker(positions: Sequence[int], width: int) -> Any:
    """A function that takes the values at `positions` out of a row, blank where the row is too short."""
    if len(positions) > 1 and min(positions) >= 0 and max(positions) < width:
        return itemgetter(*positions)
    return lambda row: tuple(row[p] if 0 <= p < width else None for p in positions)


def _as_calamine(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date()
    return value
