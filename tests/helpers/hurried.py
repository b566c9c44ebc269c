"""The real program in a world whose clock runs faster: `python -m tests.helpers.hurried TIMES ARGUMENTS…`.

Every wait, limit and patience keeps its value and its proportion; a minute of them takes a minute / TIMES. Time
spent on the network does not shrink, so the limit of one read does instead, as far as a busy machine allows. The clocks
of two such programs do not agree, so each has Allegro's limits for itself.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

import batch.accounts.endpoint
import batch.allegro.session
import batch.ledger
from batch.cli import main
from batch.clock import SystemClock

SHORTEST_READ = 0.75  # seconds


def hurry(times: float) -> None:
    """Let the system clock of this process run `times` as fast from now on."""
    begun, begun_at = time.monotonic(), datetime.now(UTC)
    SystemClock.monotonic = lambda _self: begun + (time.monotonic() - begun) * times  # type: ignore[method-assign]
    SystemClock.now = lambda self: begun_at + timedelta(seconds=self.monotonic() - begun)  # type: ignore[method-assign]
    SystemClock.sleep = lambda _self, seconds: time.sleep(seconds / times)  # type: ignore[method-assign]
    batch.ledger.Ledger.of_journal = lambda clock, *_: batch.ledger.Ledger(clock)  # type: ignore[method-assign]
    session, endpoint = batch.allegro.session, batch.accounts.endpoint
    session.READ_SECONDS = max(session.READ_SECONDS / times, SHORTEST_READ)
    endpoint.TIMEOUT = (5, max(10 / times, SHORTEST_READ))


if __name__ == "__main__":
    hurry(float(sys.argv[1]))
    main(sys.argv[2:])
