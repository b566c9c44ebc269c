"""What is left of one of Allegro's limits, and when the next turn is: pure arithmetic on what processes share.

Turns lie evenly below the limit of a minute, so that no minute holds more of them than it may, even when each is
used up to `LATE` seconds after its time. Windows are kept for what even turns do not ensure: the hour, and the minute
of requests that weigh much at once. They err towards too little, by less than one of their `STEPS`.

What is kept of a limit is JSON data, with times in seconds since 1970: `free`, the next turn that nobody has; `seen`,
when a turn was granted last; and for each window `[until when it counts, weight]`, the oldest first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

HEADROOM = 0.99  # of a limit: a minute has room for turns used LATE, and for 0.35 s of drift on their way
LATE = 0.25  # seconds after its time at which a turn is lost
FARTHEST = 60.0  # seconds ahead that a turn is granted at most; who would have to wait longer asks again
STEPS = 120  # of a window: what was taken within one step counts as one

Kept = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `per_minute` and `per_hour`, None: any number.

    Limits under one key may have an hour each, told apart by `kind`. `heavy`: a request weighs more than one turn.
    """

    per_minute: int | None = None
    per_hour: int | None = None
    kind: str = ""
    heavy: bool = False

    @property
    def interval(self) -> float:
        """Seconds from one turn to the next."""
        return 60 / (self.per_minute * HEADROOM) if self.per_minute else 0.0

    def windows(self) -> Iterator[tuple[str, float, int]]:
        """Name, seconds and limit of each window that is kept."""
        if self.per_hour:
            yield f"hour {self.kind}".rstrip(), 3600.0, self.per_hour
        if self.per_minute and self.heavy:
            yield "minute", 60.0, self.per_minute


def grant(limit: Limit, kept: Kept, now: float, turns: int) -> tuple[Kept, float, bool]:
    """The next `turns` in a row: what is to be kept, seconds until the first, and whether they are granted.

    They are unless it lies beyond `FARTHEST`. More turns than a limit has are granted when nothing else counts. Of a
    `heavy` limit all are used at the time of the first.
    """
    kept = _as_of(kept, now)
    turn = max(now, kept.get("free", now))
    taken = {name: [pair for pair in kept.get(name, ()) if pair[0] > now] for name, _, _ in limit.windows()}
    for name, _, most in limit.windows():
        turn = _first_fit(taken[name], most, turn, turns)
    if turn - now > FARTHEST:
        return kept, turn - now, False
    last_use = turn + LATE + (0 if limit.heavy else turns * limit.interval)
    for name, seconds, _ in limit.windows():
        step = seconds / STEPS
        _add(taken[name], math.ceil(last_use / step) * step + seconds, turns)
    return {**kept, **taken, "free": turn + turns * limit.interval, "seen": now}, turn - now, True


def hold(kept: Kept, now: float, seconds: float) -> Kept:
    """What is to be kept when no turn may come for so many seconds."""
    kept = _as_of(kept, now)
    return {**kept, "free": max(kept.get("free", now), now + seconds), "seen": now}


def backlog(kept: Kept, now: float) -> float:
    """Seconds until the next turn that nobody has."""
    return max(float(_as_of(kept, now).get("free", now)) - now, 0.0)


def _as_of(kept: Kept, now: float) -> Kept:
    """What is kept, moved back together with a clock that was put back since."""
    ahead = kept.get("seen", now) - now
    if ahead <= 0:
        return kept
    return {
        name: [[until - ahead, weight] for until, weight in value] if isinstance(value, list) else value - ahead
        for name, value in kept.items()
    }


def _first_fit(taken: list[list[float]], most: int, turn: float, weight: int) -> float:
    """The first moment from `turn` on at which `weight` more fits into a window."""
    surplus = weight - most + sum(held for until, held in taken if until > turn)
    for until, held in taken:
        if surplus <= 0:
            break
        if until > turn:
            turn, surplus = until, surplus - held
    return turn


def _add(taken: list[list[float]], until: float, weight: int) -> None:
    if taken and taken[-1][0] >= until:
        taken[-1] = [taken[-1][0], taken[-1][1] + weight]
    else:
        taken.append([until, weight])
