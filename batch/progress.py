"""A progress bar for each account, on stderr, where there is a person to look at it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from batch.model import Outcome
from batch.world import NoProgress, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class BarPerAccount:
    """Progress as rich's bars."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def begin(self, account: str, total: int) -> None:
        """A new bar."""
        self._tasks[account] = self._bars.add_task(account, total=total)

    def advance(self, outcome: Outcome) -> None:
        """One step of the account's bar."""
        self._bars.advance(self._tasks[outcome.account])


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars while a person watches; nothing in a pipe or a scheduled run."""
    if not (sys.stderr and sys.stderr.isatty()):  # a program without a console (pythonw) has no stderr at all
        yield NoProgress()
        return
    from rich.console import Console  # noqa: PLC0415  (slow, and most runs have nobody watching)
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield BarPerAccount(bars)
