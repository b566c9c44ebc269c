"""How cheaply and how fast prices and stocks follow the workbook: `python -m tests.bench.updates [--offers 10000]`.

Every price is new and its own, three in ten stocks change too, to values they share with a hundred others. The
reference is Allegro's limit of 9,000 changed offers a minute. `with_allegro` is what a run takes from its first request
about offers to the answer that settles the last change, `seconds` all of it, with start-up, reading and writing the
workbook. The clocks of the run and of the simulator go `--times` as fast as real ones, latency in proportion. Prints
one line of JSON for rows that name their offers and one for rows that only have an external id; ends with 1 when a
promise is broken.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from batch.simulator import Settings, Simulator
from batch.simulator.clock import Clock
from tests.helpers.shop import Shop

CHANGES_PER_MINUTE = 9000
MOST_REQUESTS, MOST_TIME = 0.06, 1.1  # per change; of the time the limit takes
STOCK_GROUP = 100


def measure(
    folder: Path, *, offers: int, times: float, latency: float, command_seconds: float, named: bool
) -> dict[str, Any]:
    """The figures of one real run, all included. Seconds are those of the hurried clocks."""
    settings = Settings(latency=latency / times, command_seconds=command_seconds)
    with Simulator(clock=Clock(speed=times), settings=settings, log_size=100_000) as simulator:
        shop = Shop(folder, simulator, accounts=["e-sklep1"], times=times, forked=False)
        ids = simulator.add_offers("e-sklep1", [{"external_id": f"X{n}", "status": "ACTIVE"} for n in range(offers)])
        wanted = [(Decimal(1001 + n) / 100, _stock(n, offers)) for n in range(offers)]
        shop.fill([
            {"offer_id" if named else "external_id": ids[n] if named else f"X{n}", "price": price, "stock": stock}
            for n, (price, stock) in enumerate(wanted)
        ])  # fmt: skip
        begun, started, spent = time.monotonic(), simulator.clock.now(), _cpu_seconds()
        done = shop.run("run", "--force", "--json", timeout=3600)
        seconds = (time.monotonic() - begun) * times
        exchanges = simulator.requests
        changes = offers + sum(stock is not None for _, stock in wanted)
        about_offers = [e for e in exchanges if e.path.startswith("/sale/")]
        sent = [e.when for e in about_offers if e.method in {"PUT", "POST"}]
        with_allegro = max(e.when for e in about_offers) - min(e.when for e in about_offers)
        held = [(Decimal(o["sellingMode"]["price"]["amount"]), o["stock"]["available"]) for o in shop.offers()]
        limit = changes / CHANGES_PER_MINUTE * 60
        return {
            "rows": "offer id" if named else "external id",
            "changes": changes,
            "requests": len(exchanges),
            "requests_per_change": round(len(exchanges) / changes, 4),
            "by_kind": dict(Counter(f"{e.method} {_kind(e.path)}" for e in exchanges)),
            "seconds": round(seconds, 1),
            "before_sending": round((min(sent) - started).total_seconds(), 1),
            "sending": round((max(sent) - min(sent)).total_seconds(), 1),
            "with_allegro": round(with_allegro.total_seconds(), 1),
            "cpu_seconds": round(_cpu_seconds() - spent, 1),  # real ones, of the run alone
            "limit_seconds": round(limit, 1),
            "of_limit": round(with_allegro.total_seconds() / limit, 3),
            "whole_run_of_limit": round(seconds / limit, 3),
            "429": sum(e.status == 429 for e in exchanges),
            "wrong_at_the_end": sum(
                now != (price, stock or 1) for now, (price, stock) in zip(held, wanted, strict=True)
            ),
            "counts": json.loads(done.stdout)["counts"] if done.stdout else done.stderr,
        }


def _stock(number: int, offers: int) -> int | None:
    """A new stock for three in ten offers; a group of a hundred shares one."""
    return number // STOCK_GROUP + 2 if number < offers * 3 // 10 else None


def _cpu_seconds() -> float:
    """What the processes started here have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _kind(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offers", type=int, default=10_000)
    parser.add_argument("--times", type=float, default=1)
    parser.add_argument("--latency", type=float, default=0.08)
    parser.add_argument("--command-seconds", type=float, default=2)
    options = parser.parse_args()
    kept = True
    for named in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(
                Path(folder),
                offers=options.offers,
                times=options.times,
                latency=options.latency,
                command_seconds=options.command_seconds,
                named=named,
            )
        print(json.dumps(figures, ensure_ascii=False), flush=True)
        kept &= figures["requests_per_change"] <= MOST_REQUESTS and figures["of_limit"] <= MOST_TIME
        kept &= not figures["429"] and not figures["wrong_at_the_end"]
    sys.exit(not kept)


if __name__ == "__main__":
    main()
