"""Never more than the limit in any window, whoever takes and whatever the clock does."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from batch.allegro.allowance import FARTHEST, HEADROOM, LATE, Limit, backlog, grant, hold

START = 1_800_000_000.0
PAUSES = st.sampled_from([0.0] * 20 + [0.001, 0.5, 30.0, 70.0])


def heaviest(used: list[tuple[float, int]], seconds: float) -> int:
    """The most that any window of so many seconds holds."""
    used = sorted(used)
    most = total = first = 0
    for time, weight in used:
        total += weight
        while used[first][0] <= time - seconds:
            total -= used[first][1]
            first += 1
        most = max(most, total)
    return most


class Taker:
    """Asks again and again, as processes do, and remembers when each turn was used."""

    def __init__(self, limit: Limit) -> None:
        self.limit, self.now, self.kept = limit, START, {}
        self.used: list[tuple[float, int]] = []

    def take(self, turns: int, late: float = 0.0) -> None:
        kept, ahead, granted = grant(self.limit, self.kept, self.now, turns)
        while not granted:
            self.now += min(ahead, FARTHEST)
            kept, ahead, granted = grant(self.limit, kept, self.now, turns)
        self.kept = dict(kept)
        first = self.now + ahead
        if self.limit.heavy:
            self.used.append((first + late, turns))
        else:
            self.used += [(first + turn * self.limit.interval + late, 1) for turn in range(turns)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(PAUSES, st.integers(1, 40), st.floats(0, LATE)), min_size=1, max_size=60),
    st.integers(1, 900),
    st.integers(60, 900) | st.none(),
)
def test_no_window_holds_more_turns_than_its_limit(
    asked: list[tuple[float, int, float]], per_minute: int, per_hour: int | None
) -> None:
    """However many are taken in a row, and however late each is used while it may be."""
    taker = Taker(Limit(per_minute, per_hour))
    for pause, turns, late in asked:
        taker.now += pause
        taker.take(turns, late)
    assert heaviest(taker.used, 60) <= per_minute
    assert per_hour is None or heaviest(taker.used, 3600) <= per_hour


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(PAUSES, st.integers(1, 1000), st.floats(0, LATE)), min_size=20, max_size=80))
def test_no_window_holds_more_weight_than_its_limit(asked: list[tuple[float, int, float]]) -> None:
    """All that a command changes counts at the time it is sent."""
    taker = Taker(Limit(9000, 20_000, heavy=True))
    for pause, weight, late in asked:
        taker.now += pause
        taker.take(weight, late)
    assert heaviest(taker.used, 60) <= 9000
    assert heaviest(taker.used, 3600) <= 20_000


def test_a_steady_stream_uses_the_headroom_and_no_more() -> None:
    """The rate is the limit less one percent; that of commands hardly less."""
    for limit, turns, share in ((Limit(2490), 8, HEADROOM), (Limit(9000, heavy=True), 25, HEADROOM - 0.01)):
        taker = Taker(limit)
        for _ in range(6000):
            taker.take(turns)
        minutes = (taker.used[-1][0] - START) / 60
        rate = sum(weight for _, weight in taker.used) / minutes
        assert share <= rate / (limit.per_minute or 0) < HEADROOM + 0.001


def test_the_hours_share_can_be_used_at_once_and_comes_back_as_it_was_used() -> None:
    """Also by a process that knows only what is kept."""
    limit = Limit(60, 100)
    taker = Taker(limit)
    for _ in range(350):
        taker.take(1)
    times = [time - START for time, _ in taker.used]
    assert times[99] < 120
    assert 3600 <= times[100] < 3640
    assert 10_800 <= times[300] < 10_920


def test_hours_of_two_kinds_share_the_minute() -> None:
    """Used up in one, free in the other."""
    price, other = (Limit(100_000, 1000, kind=kind, heavy=True) for kind in ("price", "other"))
    kept: Any = {}
    for limit in (price, other):
        kept, ahead, granted = grant(limit, kept, START, 600)
        assert granted
        assert ahead < 1
    for limit in (price, other):
        _, ahead, granted = grant(limit, kept, START, 600)
        assert not granted
        assert 3600 <= ahead < 3700


def test_what_weighs_more_than_the_limit_goes_alone() -> None:
    """A limit set below the weight of a request slows it down and does not stop it for ever."""
    taker = Taker(Limit(10, heavy=True))
    for _ in range(3):
        taker.take(25)
    assert 250 < taker.used[-1][0] - START < 360


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e7, 1e7), st.integers(1, 100)), min_size=2, max_size=20),
    st.sampled_from([Limit(2490, 74_700), Limit(9000, 150_000, heavy=True), Limit(9000)]),
)
def test_a_clock_that_jumps_does_not_stop_the_tool(jumps: list[tuple[float, int]], limit: Limit) -> None:
    """Nobody waits longer than without the jump, and what was taken counts for an hour from now at most."""
    kept: Any = {}
    now, waits = START, 0.0
    for jump, turns in jumps:
        kept, ahead, granted = grant(limit, kept, now, turns)
        assert granted
        waits = max(waits + turns * limit.interval, 0)
        assert ahead <= waits + 1
        now += jump
        if jump > 0:
            waits = max(waits - jump, 0)
    kept, _, _ = grant(limit, kept, now, 1)
    assert all(until - now < 3600 + 30 + FARTHEST + 5 for until, _ in kept.get("hour", []))


def test_a_hold_moves_every_turn() -> None:
    """And says that there is a wait."""
    kept = hold({}, START, 30)
    assert backlog(kept, START) == 30
    assert backlog(kept, START + 31) == 0
    _, ahead, granted = grant(Limit(9000), kept, START + 10, 1)
    assert (ahead, granted) == (20, True)
