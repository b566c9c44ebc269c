"""How fast: just under Allegro's limits, evenly, and no more at once than it takes.

Limits (OpenAPI; #12700, #13498): 2,490 POST+PATCH of product offers a minute and 74,700 an hour for a seller,
9,000 requests a minute for a client id, which is blocked for a minute when it asks for more. Commands may change
9,000 offers a minute for a seller, 150,000 an hour in price and bulk commands, 250,000 in others. Failed requests
fill the bucket faster (#13528). Too many parallel calls bring 429 whatever the rate (Allegro's FAQ).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from batch.clock import Clock

HEADROOM = 0.99  # of a limit: requests may drift by 0.6 s on their way without crowding Allegro's window
FIRST_LANES, MOST_LANES = 4, 24
SPARE = 1.25  # lanes beyond rate times latency, since answers do not take equally long


PRICE_CHANGES_PER_HOUR, OTHER_CHANGES_PER_HOUR = 150_000, 250_000


class Window:
    """What was taken within the last `seconds`, which may weigh `limit` at most."""

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._taken: deque[tuple[float, int]] = deque()
        self._total = 0

    def earliest(self, turn: float, weight: int) -> float:
        """The first moment from `turn` on at which `weight` more fits; what weighs more than all fits when empty."""
        while self._taken and self._taken[0][0] <= turn - self._seconds:
            self._total -= self._taken.popleft()[1]
        surplus = self._total + weight - self._limit
        for taken, freed in self._taken:
            if surplus <= 0:
                break
            turn, surplus = taken + self._seconds, surplus - freed
        return turn

    def add(self, turn: float, weight: int) -> None:
        """Something is taken at `turn`, which is not before any other."""
        self._taken.append((turn, weight))
        self._total += weight


class Budget:
    """Requests, or what they weigh, spaced evenly below `per_minute`, at most `per_hour` in any hour; what is taken
    is taken from the budget `within` which this one is, too. For many threads."""

    def __init__(
        self, clock: Clock, *, per_minute: int | None = None, per_hour: int | None = None, within: Budget | None = None
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._interval = 60.0 / (per_minute * HEADROOM) if per_minute else 0.0
        self._next = clock.monotonic()
        self._windows = [
            Window(seconds, limit) for seconds, limit in ((60.0 / HEADROOM, per_minute), (3600, per_hour)) if limit
        ]
        self._within = within

    def take(self, weight: int = 1) -> float:
        """Wait for the turn of a request that weighs so much; returns the seconds waited."""
        waited = self._within.take(weight) if self._within else 0.0
        with self._lock:
            now = self._clock.monotonic()
            turn = max(now, self._next)
            for window in self._windows:
                turn = window.earliest(turn, weight)
            for window in self._windows:
                window.add(turn, weight)
            self._next = turn + weight * self._interval
        if turn > now:
            self._clock.sleep(turn - now)
        return waited + turn - now

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes for this long."""
        with self._lock:
            self._next = max(self._next, self._clock.monotonic() + seconds)

    def charge(self) -> None:
        """A request weighed more than it should: leave out a turn."""
        with self._lock:
            self._next += self._interval


class Lanes:
    """How many requests of one seller run at once: grows while that helps, halves when Allegro objects.

    `per_minute` is the rate they are to carry. More lanes than that takes would only add to the parallel calls
    Allegro dislikes.
    """

    def __init__(self, *, per_minute: int) -> None:
        self._per_second = per_minute / 60
        self._free = threading.Condition()
        self._allowed = float(FIRST_LANES)
        self._busy = 0
        self._usual: float | None = None  # seconds an answer takes when nobody is in the way

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Hold one lane for the time of a request."""
        with self._free:
            self._free.wait_for(lambda: self._busy < int(self._allowed))
            self._busy += 1
        try:
            yield
        finally:
            with self._free:
                self._busy -= 1
                self._free.notify()  # one lane lets one in: waking all who wait costs more than the request

    def answered(self, seconds: float, *, waited: float) -> None:
        """An answer came after `seconds`; its turn in the budget had been `waited` for.

        A request that had to wait for its turn shows that there are lanes enough. One that did not, with all
        lanes busy and answers as quick as ever, asks for another lane.
        """
        with self._free:
            self._usual = seconds if self._usual is None else min(self._usual * 1.01, seconds)
            enough = min(self._per_second * seconds * SPARE + 1, MOST_LANES)
            crowded = waited < 0.001 and self._busy >= int(self._allowed)
            if crowded and seconds < 2 * self._usual and self._allowed < enough:
                self._allowed = min(self._allowed + 1 / self._allowed, enough)
                self._free.notify()

    def halve(self) -> None:
        """Allegro said there was too much at once."""
        with self._free:
            self._allowed = max(1.0, self._allowed / 2)

    def narrow(self) -> None:
        """Allegro is in trouble: one request at a time until it answers again."""
        with self._free:
            self._allowed = 1.0
