"""Just under the limit, evenly, and no more at once than it takes."""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.allegro.allowance import HEADROOM, LATE, Limit
from batch.allegro.pace import FIRST_LANES, LEASE, MOST_LANES, OWN_LEASE, Budget, Lanes
from batch.ledger import Ledger
from tests.core.test_allowance import heaviest
from tests.helpers.drafts import FakeClock


class VirtualClock(FakeClock):
    """Time that jumps on when all `threads` sleep, and wakes them in order; their sleeping takes no time."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._awake, self._order = threads, 0
        self._sleeping: list[tuple[float, int, threading.Event]] = []

    def sleep(self, seconds: float) -> None:
        woken = threading.Event()
        with self._lock:
            self._order += 1
            heapq.heappush(self._sleeping, (self._seconds + seconds, self._order, woken))
            self._one_less()
        woken.wait()

    def leave(self) -> None:
        """A thread is done."""
        with self._lock:
            self._one_less()

    def _one_less(self) -> None:
        self._awake -= 1
        if not self._awake and self._sleeping:
            self._seconds, _, woken = heapq.heappop(self._sleeping)
            self._awake = 1
            woken.set()


class Takers:
    """Threads of several processes at one budget, for so many seconds of a virtual clock."""

    def __init__(self, limit: Limit, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self.turns: list[tuple[float, int]] = []
        self.taken = Counter[str]()
        self._threads: list[tuple[str, float, float, bool, int]] = []

    def add(
        self, name: str, *, threads: int, latency: float, process: int, begin: float = 0, asking: bool = False
    ) -> None:
        """Threads that from `begin` on take a turn, are busy for `latency`, and take the next."""
        self._threads += [(name, begin, latency, asking, process)] * threads

    def run(self) -> None:
        clock = VirtualClock(len(self._threads))
        ledger = Ledger(clock)
        budgets = {process: Budget(ledger, clock, "k", self.limit) for *_, process in self._threads}

        def work(name: str, begin: float, latency: float, asking: bool, process: int) -> None:
            try:
                clock.sleep(begin)
                while clock.monotonic() < self.seconds:
                    budgets[process].take(asking=asking)
                    self.turns.append((clock.monotonic(), 1))
                    self.taken[name] += 1
                    clock.sleep(latency)
            finally:
                clock.leave()

        threads = [threading.Thread(target=work, args=thread) for thread in self._threads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def budget(clock: FakeClock, limit: Limit) -> Budget:
    return Budget(Ledger(clock), clock, "k", limit)


# --- several processes


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from([0.0, 0.08, 0.3, 3.0])), min_size=1, max_size=4),
    st.sampled_from([60, 600, 2490]),
)
def test_processes_together_never_take_more_than_the_limit(processes: list[tuple[int, float]], per_minute: int) -> None:
    """Whatever each of them wants."""
    takers = Takers(Limit(per_minute), seconds=90)
    for number, (threads, latency) in enumerate(processes):
        takers.add(f"{number}", threads=threads, latency=latency, process=number)
    takers.run()
    assert heaviest(takers.turns, 60) <= per_minute


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_that_want_more_than_there_is_use_all_of_it_and_share_it(processes: int) -> None:
    """None gets less than half of its part, and hardly a turn is lost."""
    takers = Takers(Limit(6000), seconds=60)
    for number in range(processes):
        takers.add(f"{number}", threads=8, latency=0.06, process=number)
    takers.run()
    allowed = takers.limit.per_minute or 0
    assert sum(takers.taken.values()) >= 0.97 * allowed
    assert min(takers.taken.values()) >= allowed / processes / 2


def test_a_process_that_comes_later_gets_its_part() -> None:
    """The others make room within seconds."""
    takers = Takers(Limit(6000), seconds=60)
    takers.add("first", threads=8, latency=0.06, process=1)
    takers.add("later", threads=8, latency=0.06, process=2, begin=30)
    takers.run()
    assert takers.taken["later"] >= 0.4 * 3000


def test_a_process_that_wants_little_takes_little_from_the_others() -> None:
    """It loses next to nothing of what it leases."""
    takers = Takers(Limit(6000), seconds=60)
    takers.add("little", threads=1, latency=0.1, process=1)
    takers.add("all", threads=10, latency=0.05, process=2)
    takers.run()
    assert sum(takers.taken.values()) >= 0.96 * 6000
    assert takers.taken["little"] >= 300


@pytest.mark.parametrize("process", [1, 2], ids=["of the same process", "of another one"])
def test_what_only_asks_does_not_steal_from_what_creates(process: int) -> None:
    """Creations get as good as all they want beneath the limit, and polls without end what is left of it."""
    takers = Takers(Limit(9000), seconds=60)
    takers.add("create", threads=10, latency=0.08, process=1)  # 125 a second, of 148
    takers.add("ask", threads=1, latency=0, asking=True, process=process)
    takers.run()
    assert takers.taken["create"] >= 0.95 * 7500
    assert sum(takers.taken.values()) >= 0.97 * 9000


def test_what_only_asks_is_not_starved() -> None:
    """Creations that would take everything leave some turns a second."""
    takers = Takers(Limit(9000), seconds=60)
    takers.add("create", threads=40, latency=0.08, process=1)
    takers.add("ask", threads=1, latency=0, asking=True, process=1)
    takers.run()
    assert 100 <= takers.taken["ask"] <= 600


# --- one process


def test_a_steady_stream_uses_the_headroom_and_no_more() -> None:
    """The rate is the limit less one percent."""
    clock = FakeClock()
    writes = budget(clock, Limit(2490, 74_700))
    for _ in range(5001):
        writes.take()
    assert abs(5000 / clock.monotonic() * 60 / 2490 - HEADROOM) < 0.001


def test_a_steady_stream_asks_the_ledger_but_a_few_times_a_second() -> None:
    """Each time costs a hundred times as much as a turn of the lease."""
    clock, changes = FakeClock(), [0]

    class Counting(Ledger):
        def change(self, key: str, decide: object) -> object:  # type: ignore[override]
            changes[0] += 1
            return super().change(key, decide)  # type: ignore[arg-type]

    requests = Budget(Counting(clock), clock, "k", Limit(9000))
    for _ in range(9000):
        requests.take()
    assert changes[0] <= 1.1 * clock.monotonic() / LEASE


def test_a_stream_below_the_limit_does_not_use_up_the_hour_with_turns_it_loses() -> None:
    """Twenty a second, where forty would be allowed."""
    clock = FakeClock()
    ledger = Ledger(clock)
    writes = Budget(ledger, clock, "k", Limit(2490, 74_700), lease=OWN_LEASE)
    for _ in range(2000):
        writes.take()
        clock.sleep(0.05)
    assert sum(weight for _, weight in ledger._known["k"]["hour"]) <= 2200


@pytest.mark.parametrize("pause", [0.05, 0.2, 0.5, 5, 500])
def test_turns_that_were_not_used_in_time_do_not_come_all_at_once(pause: float) -> None:
    """After a pause, no more than those of the last quarter of a second are there."""
    clock = FakeClock()
    limit = Limit(2490)
    writes = Budget(Ledger(clock), clock, "k", limit, lease=OWN_LEASE)
    for _ in range(600):
        writes.take()
    clock.sleep(pause)
    at_once = 0
    while not writes.take():
        at_once += 1
    assert at_once <= LATE / limit.interval + 1


def test_a_new_process_knows_what_the_hour_has_seen() -> None:
    """A limit used up by one is used up for the next."""
    clock = FakeClock()
    ledger = Ledger(clock)
    first, second = (Budget(ledger, clock, "k", Limit(60, 100)) for _ in range(2))
    for _ in range(100):
        first.take()
    assert clock.monotonic() < 120
    second.take()
    assert 3600 <= clock.monotonic() < 3640


def test_hold_stops_everybody_for_so_long() -> None:
    """A 429 with Retry-After is everybody's, of other processes too."""
    clock = FakeClock()
    ledger = Ledger(clock)
    budgets = [Budget(ledger, clock, "k", Limit(6000)) for _ in range(2)]
    for _ in range(600):
        budgets[0].take()
    held = clock.monotonic() + 30
    budgets[0].hold(30)
    for one in budgets:
        one.take()
        assert held <= clock.monotonic() < held + 1


def test_turns_that_are_waited_for_are_void_after_a_hold() -> None:
    """Else they would all come at once when it ends."""
    clock = VirtualClock(5)
    commands = Budget(Ledger(clock), clock, "k", Limit(60, heavy=True))
    turns = []

    def command() -> None:
        commands.take(10)
        turns.append(clock.monotonic())
        clock.leave()

    def refused() -> None:
        clock.sleep(1)
        commands.hold(60)
        clock.leave()

    threads = [threading.Thread(target=work) for work in (command, command, command, command, refused)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert turns[0] < 1
    assert turns[1] >= 61
    assert all(later - earlier >= 10 for earlier, later in pairwise(turns[1:]))


def test_a_failed_request_costs_a_turn() -> None:
    """Allegro lets failures weigh more."""
    clock = FakeClock()
    requests = budget(clock, Limit(60))
    requests.take()
    requests.charge()
    requests.take()
    assert clock.monotonic() > 2


# --- lanes


def test_lanes_grow_while_that_helps_and_halve_when_told() -> None:
    """Answers as quick as ever with all lanes busy: more lanes."""
    lanes = Lanes(per_minute=2490)
    for _ in range(2000):
        with lanes.lane():
            lanes._changes.inside = int(lanes._allowed)  # all are busy
            lanes.answered(2)
            lanes._changes.inside = 1
    assert lanes._allowed == MOST_LANES
    lanes.halve(begun=1, now=2)
    lanes.halve(begun=1, now=3)  # was under way when they were halved
    assert lanes._allowed == MOST_LANES / 2
    lanes.narrow()
    assert lanes._allowed == 1


def test_a_number_of_lanes_that_was_too_much_is_not_tried_again_soon() -> None:
    """Twelve at once are allowed: a few refusals in 20,000 answers, and hardly fewer lanes than that in between."""
    lanes, refused, allowed = Lanes(per_minute=2490), 0, []
    for time in range(20_000):
        with lanes.lane():
            lanes._changes.inside = int(lanes._allowed)
            lanes.answered(0.5)
            lanes._changes.inside = 1
        if int(lanes._allowed) > 12:
            refused += 1
            lanes.halve(begun=time, now=time)
        allowed.append(int(lanes._allowed))
    assert refused <= 6
    assert sum(allowed) / len(allowed) > 11


def test_trouble_that_goes_on_does_not_leave_one_lane_for_ever() -> None:
    """A minute of refusals, as of a blocked client id, is forgotten soon after."""
    lanes = Lanes(per_minute=2490)

    def grown() -> int:
        for _ in range(500):
            with lanes.lane():
                lanes._changes.inside = int(lanes._allowed)
                lanes.answered(0.5)
                lanes._changes.inside = 1
        return int(lanes._allowed)

    assert grown() == 24
    for time in range(10):
        lanes.halve(begun=time, now=time)
    assert int(lanes._allowed) == 1
    assert grown() == 23


def test_no_more_lanes_than_the_rate_takes() -> None:
    """41 requests a second of 80 ms each need 3.3 lanes and a little to spare."""
    lanes = Lanes(per_minute=2490)
    for _ in range(2000):
        with lanes.lane():
            lanes._changes.inside = int(lanes._allowed)
            lanes.answered(0.08)
            lanes._changes.inside = 1
    assert int(lanes._allowed) == 5


def test_slow_answers_do_not_open_lanes() -> None:
    """Twice the usual time says that Allegro has enough to do."""
    lanes = Lanes(per_minute=2490)
    lanes.answered(0.1)
    for _ in range(50):
        with lanes.lane():
            lanes._changes.inside = FIRST_LANES
            lanes.answered(0.5)
            lanes._changes.inside = 1
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


@pytest.mark.parametrize("lanes_allowed", [1, 4])
def test_what_only_asks_has_one_lane_while_others_wait(lanes_allowed: int) -> None:
    """And it does get that one: neither kind waits for ever, however little the other rests."""
    lanes = Lanes(per_minute=2490)
    lanes._allowed = lanes_allowed
    inside, most, lock, done = Counter[bool](), [0], threading.Lock(), Counter[bool]()
    enough = threading.Event()

    def work(asking: bool) -> None:
        while not enough.is_set():
            with lanes.lane(asking=asking):
                with lock:
                    inside[asking] += 1
                    crowded = lanes._changes.waiting > 0
                    most[0] = max(most[0], inside[True]) if crowded else most[0]
                    done[asking] += 1
                    if min(done[True], done[False]) >= 300:
                        enough.set()
                enough.wait(0.0001)
                with lock:
                    inside[asking] -= 1

    threads = [threading.Thread(target=work, args=(asking,), daemon=True) for asking in (True, False) * 10]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    for thread in threads:
        thread.join()
    assert most[0] <= 2  # one, and perhaps one that was inside before anybody waited
