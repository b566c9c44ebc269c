"""How fast: just under Allegro's limits, evenly, and no more at once than it takes.

Limits (OpenAPI; #12700, #13498): 2,490 POST+PATCH of product offers a minute and 74,700 an hour for a seller,
9,000 requests a minute for a client id, which is blocked for a minute when it asks for more. Commands may change
9,000 offers a minute for a seller, 150,000 an hour in price and bulk commands, 250,000 in others. Failed requests
fill the bucket faster (#13528). Too many parallel calls bring 429 whatever the rate (Allegro's FAQ).

A limit is shared by all processes with one ledger. Each takes a few turns in a row from there, a fifth of a second's
need, and hands them to its threads; what it does not use in time is lost. What only asks lets what creates or changes
go first: it takes the turns that are left, and while others wait for a lane it has one.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol, TypeVar

from batch.allegro import allowance
from batch.allegro.allowance import FARTHEST, LATE, Kept, Limit
from batch.clock import Clock

FIRST_LANES, MOST_LANES = 4, 24
SPARE = 1.25  # lanes beyond rate times latency, since answers do not take equally long
DARING = 1 / 5000  # what an answer adds to the number of lanes that is tried, once there were too many
LEASE = 0.2  # seconds for which turns are taken from the ledger where several may want some
OWN_LEASE = 1.0  # the same of what hardly anybody else wants
YIELD = 0.25  # seconds for which what only asks lets others go first
SUSPECTED_BLOCK = 5.0  # seconds that all sellers of a client id wait after a 429 of one of them

PRICE_CHANGES_PER_HOUR, OTHER_CHANGES_PER_HOUR = 150_000, 250_000

T = TypeVar("T")


class Ledger(Protocol):
    """Where budgets are kept (`ledger.Ledger`)."""

    def change(self, key: str, decide: Callable[[Kept, float], tuple[Kept, T]]) -> T: ...


class Budget:
    """This process's part of the turns below one limit, which the ledger keeps under `key`. For many threads."""

    def __init__(self, ledger: Ledger, clock: Clock, key: str, limit: Limit, *, lease: float = LEASE) -> None:
        self._ledger, self._clock, self._key, self._limit, self._seconds = ledger, clock, key, limit, lease
        self._lock = threading.Lock()
        self._asking = threading.Lock()  # the line of those who only ask
        # The lease: its turns, how many were used and are left; the next one, and when it was taken, by our clock.
        self._turns, self._used, self._left = 1, 0, 0
        self._next, self._taken = 0.0, clock.monotonic()
        self._holds = 0

    def take(self, weight: int = 1, *, asking: bool = False) -> float:
        """Wait for the turn of a request that weighs so much; the seconds waited.

        One that is `asking` takes the turns that nobody else wants, and seldom one that others do.
        """
        begun = self._clock.monotonic()
        with self._asking if asking else nullcontext():
            first, yields_until = True, self._clock.monotonic() + YIELD if asking else -math.inf
            while True:
                with self._lock:
                    now = self._clock.monotonic()
                    spare = first or not asking  # who had to let others go first takes no more than it must
                    turn, granted = self._reserve(now, weight, spare=spare, yielding=now < yields_until)
                    holds = self._holds
                if (pause := turn - self._clock.monotonic()) > 0:
                    self._clock.sleep(pause)
                if granted and holds == self._holds:
                    return max(turn - begun, 0.0)
                first = False

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes for this long; turns that were handed out and are still waited for are void."""
        with self._lock:
            self._left = 0
            self._holds += 1
            self._ledger.change(self._key, lambda kept, now: (allowance.hold(kept, now, seconds), None))

    def charge(self) -> None:
        """A request weighed more than it should: leave out a turn."""
        with self._lock:
            self._reserve(self._clock.monotonic(), 1)

    def _reserve(self, now: float, weight: int, *, spare: bool = False, yielding: bool = False) -> tuple[float, bool]:
        """When the next turn is, and whether the caller has it or must ask again then."""
        interval = self._limit.interval
        if self._left and now > self._next + LATE:
            lost = min(int((now - LATE - self._next) / interval) + 1, self._left)
            self._next, self._left = self._next + lost * interval, self._left - lost
        enough = self._left >= weight or self._lease(now, weight, spare=spare, yielding=yielding)
        turn = max(now, self._next)
        if not enough or (yielding and turn > now):
            return min(turn, now + FARTHEST), False
        self._next += weight * interval
        self._left -= weight
        self._used += 1
        return turn, True

    def _lease(self, now: float, weight: int, *, spare: bool, yielding: bool) -> bool:
        """Take turns from the ledger, with some to spare or just what is asked for; `yielding`: if none is awaited."""
        turns = max(self._needed(now), weight) if spare and not self._limit.heavy else weight

        def decide(kept: Kept, there: float) -> tuple[Kept, tuple[float, bool]]:
            here = self._clock.monotonic()
            ahead = allowance.backlog(kept, there) if yielding else 0.0
            granted = not ahead
            if granted:
                kept, ahead, granted = allowance.grant(self._limit, kept, there, turns)
            return kept, (here + ahead, granted)

        self._next, granted = self._ledger.change(self._key, decide)
        if granted:
            self._turns, self._used, self._left, self._taken = turns, 0, turns, now
        return granted

    def _needed(self, now: float) -> int:
        """How many turns to take: as many as were used when some were lost, else what the next seconds take and one
        more, by which those who get less than others catch up with them."""
        if self._used < self._turns:
            return max(self._used, 1)
        rate = self._used / max(now - self._taken, 0.001)
        most = self._seconds / self._limit.interval if self._limit.interval else 1
        return max(int(min(rate * self._seconds, self._turns, most - 1)) + 1, 1)


class _Line(threading.Condition):
    """Those who wait for a lane, and how many of their kind have one."""

    waiting = inside = 0


class Lanes:
    """How many requests of one seller run at once: grows while that helps, halves when Allegro objects.

    `per_minute` is the rate they are to carry. More lanes than that takes would only add to the parallel calls
    Allegro dislikes. A number of lanes that was too much is not tried again soon.
    """

    def __init__(self, *, per_minute: int) -> None:
        self._per_second = per_minute / 60
        lock = threading.Lock()
        self._changes, self._asks = _Line(lock), _Line(lock)
        self._last: _Line | None = None  # of which line the last one was let in
        self._allowed = float(FIRST_LANES)
        self._most = float(MOST_LANES)
        self._halved, self._grown = -math.inf, False  # when they were, and whether lanes were added since
        self._usual: float | None = None  # seconds an answer takes when nobody is in the way

    @contextmanager
    def lane(self, *, asking: bool = False) -> Iterator[None]:
        """Hold one lane for the time of a request. Those that only ask share one while others wait."""
        line = self._asks if asking else self._changes
        with line:
            line.waiting += 1
            line.wait_for(lambda: self._is_free() and self._next_line() is line)
            line.waiting -= 1
            line.inside += 1
            self._last = line
            self._let_in()
        try:
            yield
        finally:
            with line:
                line.inside -= 1
                self._let_in()

    def _is_free(self) -> bool:
        return self._changes.inside + self._asks.inside < int(self._allowed)

    def _next_line(self) -> _Line:
        """Whose turn it is. Where there is but one lane, they take turns."""
        one_asks = self._asks.waiting and not self._asks.inside and self._last is not self._asks
        return self._asks if one_asks or not self._changes.waiting else self._changes

    def _let_in(self) -> None:
        """Wake one who waits, if there is a lane: waking all costs more than the request."""
        if self._is_free():
            self._next_line().notify()

    def answered(self, seconds: float) -> None:
        """An answer came after `seconds`; with all lanes busy and answers as quick as ever, it asks for another lane.

        So it does if its request had to wait for its turn: who gets less of what sellers share has too few lanes.
        """
        with self._changes:
            self._usual = seconds if self._usual is None else min(self._usual * 1.01, seconds)
            self._most = min(self._most + DARING, MOST_LANES)
            enough = min(self._per_second * seconds * SPARE + 1, self._most)
            if not self._is_free() and seconds < 2 * self._usual and self._allowed < enough:
                self._allowed, self._grown = min(self._allowed + 1 / self._allowed, enough), True
                self._let_in()

    def halve(self, *, begun: float, now: float) -> None:
        """Allegro said there was too much at once, to a request that had begun then; of those under way, once only."""
        with self._changes:
            if begun < self._halved:
                return
            if self._grown:  # else there was too much of something else, or still is
                self._most = max(self._allowed - 1, FIRST_LANES)
            self._allowed = max(1.0, self._allowed / 2)
            self._grown, self._halved = False, now

    def narrow(self) -> None:
        """Allegro is in trouble: one request at a time until it answers again."""
        with self._changes:
            self._allowed = 1.0
