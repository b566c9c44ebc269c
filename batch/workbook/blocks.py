"""Cells -> rectangles, so that a program like Excel is called once for each instead of once for a cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from batch.workbook.area import Area

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block(Generic[T]):
    """A filled rectangle: its values row by row."""

    area: Area
    rows: list[list[T]]


def blocks(cells: Mapping[tuple[int, int], T]) -> Iterator[Block[T]]:
    """All of `cells`, (row, column) -> value, in rectangles: runs of columns, joined with the same run right below."""
    open_runs: dict[tuple[int, int], tuple[int, list[list[T]]]] = {}  # (left, right) -> first row, rows
    last = 0
    for row, columns in _by_row(cells):
        runs = dict.fromkeys(_runs(columns))
        for run in [run for run in open_runs if row > last + 1 or run not in runs]:
            yield _block(run, *open_runs.pop(run))
        for left, right in runs:
            values = [cells[row, column] for column in range(left, right + 1)]
            open_runs.setdefault((left, right), (row, []))[1].append(values)
        last = row
    for run, (top, rows) in open_runs.items():
        yield _block(run, top, rows)


def _block(run: tuple[int, int], top: int, rows: list[list[T]]) -> Block[T]:
    return Block(Area(run[0], top, run[1], top + len(rows) - 1), rows)


def _by_row(cells: Mapping[tuple[int, int], T]) -> Iterator[tuple[int, list[int]]]:
    found: dict[int, list[int]] = {}
    for row, column in cells:
        found.setdefault(row, []).append(column)
    for row in sorted(found):
        yield row, sorted(found[row])


def _runs(columns: list[int]) -> Iterator[tuple[int, int]]:
    """Neighbours together: 1, 2, 5 -> (1, 2), (5, 5)."""
    start = columns[0]
    for column, following in pairwise([*columns, 0]):
        if following != column + 1:
            yield start, column
            start = following
