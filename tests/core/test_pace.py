"""Just under the limit, evenly, and no more at once than it takes."""

from __future__ import annotations

import threading
from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st

from batch.allegro.pace import FIRST_LANES, HEADROOM, MOST_LANES, Budget, Lanes
from tests.helpers.drafts import FakeClock


def most_in_a_window(times: list[float], seconds: float) -> int:
    return max(bisect_left(times, begin + seconds) - i for i, begin in enumerate(times))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.001, 0.5, 30.0]), min_size=1, max_size=600), st.integers(60, 600))
def test_no_minute_holds_more_than_the_limit(pauses: list[float], per_minute: int) -> None:
    """However the requests come, even when each drifts by half a second on its way."""
    clock = FakeClock()
    budget = Budget(clock, per_minute=per_minute)
    turns = []
    for pause in pauses:
        clock.sleep(pause)
        budget.take()
        turns.append(clock.monotonic())
    assert most_in_a_window(turns, 60.5) <= per_minute + 1


def test_a_steady_stream_uses_the_headroom_and_no_more() -> None:
    """The rate is the limit less one percent."""
    clock = FakeClock()
    budget = Budget(clock, per_minute=2490)
    for _ in range(5001):
        budget.take()
    assert abs(5000 / clock.monotonic() * 60 / 2490 - HEADROOM) < 0.001


def test_no_hour_holds_more_than_its_limit() -> None:
    """The minute's rate is kept up until the hour's share is used; then the oldest must be an hour old."""
    clock = FakeClock()
    budget = Budget(clock, per_minute=60, per_hour=100)
    turns = []
    for _ in range(350):
        budget.take()
        turns.append(clock.monotonic())
    assert turns[99] < 120
    assert most_in_a_window(turns, 3600) == 100


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 30.0]), st.integers(1, 100)), min_size=1, max_size=200))
def test_no_minute_holds_more_weight_than_the_limit(taken: list[tuple[float, int]]) -> None:
    """Whatever each weighs, and from whichever of two budgets within the same one it is taken."""
    clock = FakeClock()
    whole = Budget(clock, per_minute=250)
    parts = [Budget(clock, per_hour=10_000, within=whole), Budget(clock, per_hour=10_000, within=whole)]
    turns = []
    for place, (pause, weight) in enumerate(taken):
        clock.sleep(pause)
        parts[place % 2].take(weight)
        turns.append((clock.monotonic(), weight))
    for begin, _ in turns:
        assert sum(weight for turn, weight in turns if begin <= turn < begin + 60.5) <= 250


def test_weight_counts_in_the_hour_of_its_own_budget_only() -> None:
    """Used up in one, free in the other."""
    clock = FakeClock()
    whole = Budget(clock, per_minute=100_000)
    one, other = Budget(clock, per_hour=1000, within=whole), Budget(clock, per_hour=1000, within=whole)
    one.take(600)
    other.take(600)
    assert clock.monotonic() < 60
    one.take(600)
    assert 3600 <= clock.monotonic() < 3660


def test_what_weighs_more_than_the_limit_goes_alone() -> None:
    """A limit set below the size of a request slows it down and does not stop it for ever."""
    clock = FakeClock()
    budget = Budget(clock, per_minute=10)
    for _ in range(3):
        budget.take(25)
    assert 250 < clock.monotonic() < 360


def test_hold_stops_everybody_for_so_long() -> None:
    """A 429 with Retry-After is everybody's."""
    clock = FakeClock()
    budget = Budget(clock, per_minute=6000)
    budget.hold(30)
    budget.take()
    assert clock.monotonic() == 30


def test_a_failed_request_costs_a_turn() -> None:
    """Allegro lets failures weigh more."""
    clock = FakeClock()
    budget = Budget(clock, per_minute=60)
    budget.take()
    budget.charge()
    budget.take()
    assert clock.monotonic() > 2


def test_lanes_grow_while_that_helps_and_halve_when_told() -> None:
    """Answers as quick as ever with all lanes busy: more lanes. Waiting for one's turn: enough of them."""
    lanes = Lanes(per_minute=2490)
    for _ in range(2000):
        with lanes.lane():
            lanes._busy = int(lanes._allowed)  # all are busy
            lanes.answered(2, waited=0)
            lanes._busy = 1
    assert lanes._allowed == MOST_LANES
    lanes.halve()
    assert lanes._allowed == MOST_LANES / 2
    for _ in range(100):
        with lanes.lane():
            lanes.answered(2, waited=0.5)
    assert lanes._allowed == MOST_LANES / 2
    lanes.narrow()
    assert lanes._allowed == 1


def test_no_more_lanes_than_the_rate_takes() -> None:
    """41 requests a second of 80 ms each need 3.3 lanes and a little to spare."""
    lanes = Lanes(per_minute=2490)
    for _ in range(2000):
        with lanes.lane():
            lanes._busy = int(lanes._allowed)
            lanes.answered(0.08, waited=0)
            lanes._busy = 1
    assert int(lanes._allowed) == 5


def test_slow_answers_do_not_open_lanes() -> None:
    """Twice the usual time says that Allegro has enough to do."""
    lanes = Lanes(per_minute=2490)
    lanes.answered(0.1, waited=1)
    for _ in range(50):
        with lanes.lane():
            lanes._busy = FIRST_LANES
            lanes.answered(0.5, waited=0)
            lanes._busy = 1
    assert lanes._allowed == FIRST_LANES


def test_never_more_at_once_than_lanes() -> None:
    """Real threads: four lanes, ten workers."""
    lanes = Lanes(per_minute=2490)
    inside, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        for _ in range(200):
            with lanes.lane():
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                with lock:
                    inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most[0] <= FIRST_LANES
