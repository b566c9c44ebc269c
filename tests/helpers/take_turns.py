"""A process that takes turns from a budget which others take from, too: `python -m tests.helpers.take_turns`.

Arguments: the journal's URL, a key, the limit of a minute, the number of turns, threads. It says `ready`, begins when
it is told to, and prints as JSON what it took from the ledger, as `[first turn, turns]` in seconds since 1970, how many
turns its threads used, and how many were left when they had done.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from batch.allegro.allowance import Limit
from batch.allegro.pace import Budget
from batch.clock import SystemClock
from batch.ledger import Ledger
from batch.parallel import each


def main() -> None:
    url, key, per_minute, turns, threads = sys.argv[1:]
    clock, limit = SystemClock(), Limit(int(per_minute))
    leases: list[tuple[float, int]] = []

    class Watched(Ledger):
        def change(self, key: str, decide: Callable[..., Any]) -> Any:
            last: list[Any] = []

            def watched(kept: Any, now: float) -> Any:
                new, result = decide(kept, now)
                last[:] = max(kept.get("free", now), now), new["free"], result
                return new, result

            result = super().change(key, watched)
            first, free, (_, granted) = last
            if granted:
                leases.append((first, round((free - first) / limit.interval)))
            return result

    with Watched.of_journal(clock, url, Path()) as ledger:
        budget = Budget(ledger, clock, key, limit)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        each(range(int(turns)), lambda _: budget.take(), threads=int(threads))
        sys.stdout.write(json.dumps({"leases": leases, "used": int(turns), "left": budget._left}))


if __name__ == "__main__":
    main()
