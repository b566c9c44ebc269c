"""The one place that decides how a workbook is reached: open in this user's Excel, or as a file.

A workbook that somebody else has open is a file, too: `check_writable` says by whom, and nothing is written to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batch.clock import Clock
from batch.errors import WorkbookError
from batch.workbook.live import LiveWorkbook
from batch.workbook.patch import TableChange, check_writable, write_workbook
from batch.workbook.read import WorkbookData, read_workbook

READINGS = 5  # of a file that changes under our hands


class Desk(Protocol):
    """A workbook, wherever it is. Every verb raises WorkbookError."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def read(self, tables: Collection[str]) -> WorkbookData:
        """Read the named tables, as `read.read_workbook`."""
        ...

    def check_writable(self, growing: Collection[str]) -> None:
        """Raise for everything that would make writing fail, as `patch.check_writable`."""
        ...

    def update(self, book: WorkbookData, changes: Callable[[WorkbookData], Sequence[TableChange]]) -> None:
        """Write what `changes` says of the tables of `book` as they are by now; it may be asked several times."""
        ...


@dataclass(frozen=True, slots=True)
class ClosedWorkbook:
    """A workbook as a file."""

    path: Path

    def read(self, tables: Collection[str]) -> WorkbookData:
        """As `read.read_workbook`."""
        return read_workbook(self.path, tables=tables)

    def check_writable(self, growing: Collection[str]) -> None:
        """As `patch.check_writable`."""
        check_writable(self.path, growing=growing)

    def update(self, book: WorkbookData, changes: Callable[[WorkbookData], Sequence[TableChange]]) -> None:
        """Write in one replacement of the file; one that somebody saved meanwhile is read again."""
        for attempt in range(READINGS):
            try:
                write_workbook(self.path, changes(book), expect=book.stamp)
            except WorkbookError as error:
                if error.code != "workbook_changed" or attempt == READINGS - 1:
                    raise
                book = read_workbook(self.path, tables=book.tables)
            else:
                return


@contextmanager
def open_desk(path: Path, clock: Clock) -> Iterator[Desk]:
    """The workbook as it is reached now, for as long as one job takes."""
    live = LiveWorkbook(path, clock)
    try:
        yield live if live.attach() else ClosedWorkbook(path)
    finally:
        live.close()
