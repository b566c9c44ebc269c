"""Again and again: one run at a time, tokens kept fresh in between, until somebody ends it.

A run that fails is said so and the next one comes in its time. What may be in the way of a run is another run on
the workbook, started by hand, or another schedule; then this one waits or leaves, as told.
"""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from batch import pipeline
from batch.accounts.decide import MARGIN
from batch.accounts.tokens import TokenStore
from batch.clock import Clock
from batch.errors import BatchError, UsageError, WorkbookError
from batch.pipeline import Request
from batch.report import Summary
from batch.world import World

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=1)
FRESHEN_EVERY = 60.0  # seconds; well within the margin with which a token is renewed
SLICE = 0.5  # seconds; how soon Ctrl+C is noticed, on Windows too
LOOK_EVERY = 2.0  # seconds, whether the workbook is free
BUSY = {"workbook_busy", "schedule_busy"}

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
_T = TypeVar("_T")


def interval(text: str) -> timedelta:
    """`90s`, `15m`, `2h` -> that long. Raises UsageError every_unclear (value) or every_out_of_bounds (value)."""
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*([smh])\s*", text.casefold())
    if match is None:
        raise UsageError("every_unclear", value=text)
    every = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if not SHORTEST <= every <= LONGEST:
        raise UsageError("every_out_of_bounds", value=text)
    return every


@dataclass
class Turns:
    """The run that comes again and again, with settings and workbook read anew each time.

    `worlds` gives the surroundings for one run; `finished` is told what came of it, `failed` what stopped it.
    `margin` is how long the tokens are to last at least.
    """

    make_request: Callable[[], Request]
    worlds: Callable[[], AbstractContextManager[World]]
    finished: Callable[[Summary], None]
    failed: Callable[[Exception], None]
    margin: timedelta = MARGIN
    _stores: Mapping[str, TokenStore] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    def turn(self) -> int:
        """One run; its exit code. Raises nothing but WorkbookError of BUSY, when the run could not begin."""
        try:
            request = self.make_request()
            with self.worlds() as world:
                self._stores = pipeline.token_stores(request, world)
                renew_due(self._stores, self.margin)  # the run says itself what is wrong with an account
                summary = pipeline.run(request, world)
        except Exception as error:
            if isinstance(error, WorkbookError) and error.code in BUSY:
                raise
            self.failed(error)
            return 2 if isinstance(error, BatchError) else 1
        self.finished(summary)
        return summary.exit_code

    def freshen(self) -> None:
        """Renew what is due; new trouble is told once, until it is over."""
        trouble = renew_due(self._stores, self.margin)
        for account, error in trouble.items():
            if self._told.get(account) != error.code:
                self.failed(error)
        self._told = {account: error.code for account, error in trouble.items()}


def turn_command(workbook: Path, settings: Path, every: timedelta, language: str) -> list[str]:
    """The command line of one turn for the system's scheduler; absolute names, since it starts wherever it likes."""
    python = Path(sys.executable)
    windowless = python.with_name("pythonw.exe")  # or a console would pop up over Excel each time
    program = windowless if windowless.is_file() else python
    turn = ["schedule", str(workbook.absolute()), "--every", f"{int(every.total_seconds())}s", "--once"]
    return [str(program), "-m", "batch", *turn, "--config", str(settings.absolute()), "--lang", language]


def repeat(turns: Turns, every: timedelta, clock: Clock, stopped: Callable[[], bool], *, wait: bool) -> None:
    """Take a turn now and then every `every`, until `stopped`. A turn that takes longer is followed by the next."""
    due = clock.monotonic()
    while not stopped():
        with contextlib.suppress(WorkbookError):  # busy, and not told to wait: the next turn may have better luck
            when_free(turns.turn, clock, stopped, wait=wait)
        due = max(due + every.total_seconds(), clock.monotonic())
        _pass_time(due, turns.freshen, clock, stopped)


def _pass_time(until: float, freshen: Callable[[], None], clock: Clock, stopped: Callable[[], bool]) -> None:
    next_look = clock.monotonic() + FRESHEN_EVERY
    while not stopped() and (now := clock.monotonic()) < until:
        if now >= next_look:
            freshen()
            next_look = clock.monotonic() + FRESHEN_EVERY
        clock.sleep(min(SLICE, until - now))


def when_free(take: Callable[[], _T], clock: Clock, stopped: Callable[[], bool], *, wait: bool) -> _T:
    """`take()`; while somebody else is at work on the workbook, again and again if told to `wait`.

    Raises WorkbookError of BUSY when not told so, or stopped meanwhile.
    """
    while True:
        try:
            return take()
        except WorkbookError as error:
            if error.code not in BUSY or not wait or stopped():
                raise
        clock.sleep(LOOK_EVERY)


def renew_due(stores: Mapping[str, TokenStore], margin: timedelta) -> dict[str, BatchError]:
    """Renew what lasts less than `margin`; what is in the way, by account."""
    trouble: dict[str, BatchError] = {}
    for account, store in stores.items():
        try:
            store.current(margin)
        except BatchError as error:
            trouble[account] = error
    return trouble


@contextlib.contextmanager
def until_asked(on_first: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Whether Ctrl+C was pressed, or the system asked us to end: the first time lets the work be finished.

    `on_first` is then told, in a thread of its own (a signal may come in the middle of a line that is printed). The
    second time is a KeyboardInterrupt.
    """
    asked: list[int] = []

    def handle(number: int, _frame: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt
        threading.Thread(target=on_first).start()

    numbers = [number for name in ("SIGINT", "SIGTERM", "SIGBREAK") if (number := getattr(signal, name, None))]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
