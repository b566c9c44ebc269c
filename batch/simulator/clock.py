"""The simulator's own time, which can run faster than real time or jump.

Limits and token lifetimes are hours long; a test that waited for them would take as long.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Time since `start`, running `speed` times as fast as real time."""

    def __init__(self, speed: float = 1.0, start: datetime | None = None) -> None:
        self._speed = speed
        self._start = start or datetime.now(UTC)
        self._origin = time.monotonic()
        self._skipped = 0.0

    def monotonic(self) -> float:
        """Seconds of simulated time since this clock was made; never goes back."""
        return (time.monotonic() - self._origin) * self._speed + self._skipped

    def now(self) -> datetime:
        """The simulated moment, aware, UTC."""
        return self._start + timedelta(seconds=self.monotonic())

    def advance(self, seconds: float) -> None:
        """Jump `seconds` of simulated time ahead."""
        self._skipped += seconds


def stamp(moment: datetime) -> str:
    """A moment as Allegro writes it: `2026-05-29T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
