"""Again and again: when turns come, what may be in their way, how it ends, and tokens that last in between."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch import schedule
from batch.accounts.tokens import TokenStore
from batch.errors import BatchError, NoAnswer, SettingsError, UsageError, WorkbookError
from batch.schedule import Turns, interval, repeat, until_asked, when_free
from tests.helpers.accounts import Station
from tests.helpers.token_endpoint import token_endpoint


@dataclass
class Clock:
    """Sleeping takes no time."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Script:
    """Turns that take as long as they are told, or are in somebody's way; when they came."""

    clock: Clock
    last: float = 0.0
    busy: int = 0
    begun: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    def turn(self) -> int:
        self.begun.append(self.clock.seconds)
        if self.busy:
            self.busy -= 1
            raise WorkbookError("workbook_busy", path="x")
        self.clock.seconds += self.last
        return 0

    def freshen(self) -> None:
        self.looks.append(self.clock.seconds)


def run_for(seconds: float, script: Script, every: float, *, wait: bool = False) -> Script:
    turns: Any = script
    repeat(turns, timedelta(seconds=every), script.clock, lambda: script.clock.seconds >= seconds, wait=wait)
    return script


def test_a_turn_comes_at_once_and_then_at_every_interval() -> None:
    assert run_for(100, Script(Clock(), last=3), 30).begun == [0, 30, 60, 90]


def test_a_turn_that_takes_longer_is_followed_by_the_next_and_never_doubled() -> None:
    assert run_for(200, Script(Clock(), last=70), 30).begun == [0, 70, 140]


def test_tokens_are_looked_after_every_minute_between_turns() -> None:
    """Also when the next turn is hours away: other stations live on what this one publishes."""
    script = run_for(3600, Script(Clock()), 7200)
    assert len(script.looks) == 59
    assert max(b - a for a, b in zip(script.looks, script.looks[1:], strict=False)) < 62


def test_it_ends_soon_after_it_was_asked_to() -> None:
    script = run_for(10, Script(Clock()), 3600)
    assert script.clock.seconds <= 11


def test_a_busy_workbook_costs_the_turn_or_is_waited_for_as_told() -> None:
    assert run_for(70, Script(Clock(), busy=1), 30).begun == [0, 30, 60]
    assert run_for(70, Script(Clock(), busy=2), 30, wait=True).begun == [0, 2, 4, 30, 60]


def test_waiting_ends_when_it_is_asked_to() -> None:
    """The one who waits is not stuck behind a run that never ends."""
    clock = Clock()

    def take() -> None:
        raise WorkbookError("schedule_busy", path="x")

    with pytest.raises(WorkbookError, match="schedule_busy"):
        when_free(take, clock, lambda: clock.seconds > 10, wait=True)
    with pytest.raises(WorkbookError, match="workbook_open"):
        when_free(lambda: (_ for _ in ()).throw(WorkbookError("workbook_open")), clock, lambda: False, wait=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15m", 900), ("90s", 90), ("2h", 7200), (" 1 H ", 3600), ("1s", 1), ("24h", 86_400)],
)
def test_intervals(text: str, seconds: int) -> None:
    assert interval(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "-5m", "1.5h", "15 min", "1d", "٣m", "0s", "0m", "25h", "99999999m"])
def test_no_intervals(text: str) -> None:
    with pytest.raises(UsageError, match="every_"):
        interval(text)


# --- turns


def turns(fail: Callable[[], Any], failed: list[Exception]) -> Turns:
    return Turns(fail, lambda: contextlib.nullcontext(None), lambda summary: None, failed.append)  # type: ignore[arg-type]  # no world is needed


@pytest.mark.parametrize(("error", "code"), [(SettingsError("settings_missing", looked=[]), 2), (KeyError("bug"), 1)])
def test_whatever_stops_a_turn_is_told_and_no_more(error: Exception, code: int) -> None:
    """Broken settings, a bug: the next turn comes in its time."""
    failed: list[Exception] = []

    def fail() -> Any:
        raise error

    assert turns(fail, failed).turn() == code
    assert failed == [error]


def test_trouble_between_turns_is_told_once_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every minute of a night without the internet."""
    failed: list[Exception] = []
    trouble: dict[str, BatchError] = {}
    monkeypatch.setattr(schedule, "renew_due", lambda stores, margin: dict(trouble))
    watched = turns(lambda: None, failed)
    for error in (NoAnswer("token_no_answer", sent=True), NoAnswer("token_no_answer", sent=True)):
        trouble["a"] = error
        watched.freshen()
    assert len(failed) == 1
    trouble.clear()
    watched.freshen()
    trouble["a"] = NoAnswer("token_no_answer", sent=True)
    watched.freshen()
    assert len(failed) == 2


@pytest.fixture
def pc(tmp_path: Path) -> Iterator[Station]:
    with token_endpoint() as allegro:
        yield Station(allegro, tmp_path)


@pytest.mark.parametrize(("minutes", "renewals"), [(5, 0), (20, 0), (21, 1), (65, 1)])
def test_a_turn_renews_what_would_not_last_until_the_next(pc: Station, minutes: int, renewals: int) -> None:
    """Twenty minutes and a half are left: enough for the next five, not for the next hour."""
    pc.write(left=20.5 * 60)
    assert schedule.renew_due({"shop": pc.store()}, timedelta(minutes=minutes)) == {}
    assert pc.allegro.renewals == renewals


def test_one_account_in_trouble_does_not_keep_the_others_from_being_renewed(pc: Station, tmp_path: Path) -> None:
    pc.write()
    stores: dict[str, TokenStore] = {"lost": pc.store(token_file="lost.token"), "shop": pc.store()}
    assert schedule.renew_due(stores, timedelta(minutes=5)).keys() == {"lost"}
    assert pc.allegro.renewals == 1


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_the_first_ctrl_c_asks_and_the_second_interrupts() -> None:
    told: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    with until_asked(lambda: told.append(True)) as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert told == [True]
    assert signal.getsignal(signal.SIGINT) is before
