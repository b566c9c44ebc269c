"""Workers in processes of their own, one of them killed: `python -m tests.bench.workers [--rows 5000] [--table]`.

The reference is what the client id may ask for, or, with `--table`, what so many workers may send for the accounts they
have at one time. The simulator refuses what is above these limits. Journal and queue lie in a PostgreSQL of its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from batch.simulator import Simulator, catalogue
from batch.simulator.limits import Limits
from tests.helpers.journals import POSTGRESQL, journal_url, journals_in
from tests.helpers.postgres import shared_folder, stop_shared
from tests.helpers.shop import DEFAULTS, Shop
from tests.helpers.workers import worker_of

LATENCY = 0.08


def measure(
    folder: Path,
    *,
    rows: int,
    accounts: int,
    workers: int,
    concurrency: int,
    limits: dict[str, int],
    kill: bool = False,
) -> dict[str, Any]:
    """Figures of one queued run of drafts, from its queueing until all its answers are collected."""
    names = [f"e-sklep{n + 1}" for n in range(accounts)]
    with Simulator(latency=LATENCY, limits=Limits(**limits), log_size=1_000_000) as simulator, ExitStack() as open_:
        for name in names[2:]:
            simulator.add_seller(name)
        shop = Shop(folder, simulator, accounts=names, forked=False)
        shop.write_settings(limits=limits)
        wanted = [
            {"account": names[n % accounts], "ean": catalogue.gtin(n // accounts), "price": 20, "stock": 1}
            for n in range(rows)
        ]
        shop.fill(wanted, Defaults=[*DEFAULTS, *({"account": name} for name in names[1:])])
        engine = sa.create_engine(journal_url(folder), poolclass=sa.NullPool)
        processes = []
        for number in range(workers):
            processes.append(open_.enter_context(worker_of(shop, "--concurrency", str(concurrency))))
            _until(lambda: len(_ask(engine, "SELECT id FROM procrastinate_workers")) > number)  # noqa: B023  (at once)
        ids = [row[0] for row in _ask(engine, "SELECT id FROM procrastinate_workers ORDER BY id")]
        begun = time.monotonic()
        queued = shop.run("run", "--queue", "--only", "drafts", "--json")
        run = json.loads(queued.stdout)["run"]
        found: dict[str, Any] = {}
        if kill:
            _until(lambda: _made(shop) >= rows / 4)
            doing = (
                "SELECT worker_id, count(*) FROM procrastinate_jobs WHERE status = 'doing' GROUP BY 1 ORDER BY 2 DESC"
            )
            at_work = _ask(engine, doing)
            processes[ids.index(at_work[0][0])].kill()
            killed = time.monotonic()
            found |= {"accounts_at_work": [row[1] for row in at_work], "rows_at_the_kill": _made(shop)}
            over = "SELECT 1 FROM procrastinate_jobs WHERE status <> 'succeeded' AND attempts > 0"
            _until(lambda: _ask(engine, over))
            found["seconds_until_taken_over"] = round(time.monotonic() - killed, 1)
        answered = f"SELECT 1 FROM queued_answers WHERE run = '{run}' AND part > 0"
        _until(lambda: len(_ask(engine, answered)) == accounts, every=1)
        seconds = time.monotonic() - begun
        collected = json.loads(shop.run("collect", "--json").stdout)
        table = shop.table("Products")
        offers = {name: Counter(offer["external"]["id"] for offer in shop.offers(name)) for name in names}
        exchanges = [exchange for exchange in simulator.requests if not exchange.path.startswith("/auth/")]
        posts = sorted(e.when for e in exchanges if e.method == "POST" and e.path == "/sale/product-offers")
        sending = (posts[-1] - posts[0]).total_seconds()
        within = sum(posts[0] <= exchange.when <= posts[-1] for exchange in exchanges)
        return {
            **found,
            "workers": workers,
            "rows": rows,
            "duplicates": sum(count - 1 for of_account in offers.values() for count in of_account.values()),
            "lost": sum(not offers[row["account"]][row["ean"]] for row in table),
            "unanswered": sum(row["status"][:1] != "✔" or not row["offer_id"] for row in table),
            "429": sum(exchange.status == 429 for exchange in exchanges),
            "seconds": round(seconds, 1),
            "rows_per_second": round(rows / sending, 2),
            "requests_per_second": round(within / sending, 2),
            "counts": collected["counts"],
        }


def shared_limit(rows: int, *, workers: int, per_minute: int, kill: bool) -> dict[str, Any]:
    """Six accounts that share what their client id may ask for, worked on by all workers."""
    limits = {"requests_per_minute": per_minute}
    with on_server() as folder:
        found = measure(folder, rows=rows, accounts=6, workers=workers, concurrency=3, limits=limits, kill=kill)
    return found | {"of_allowed_%": round(100 * found["requests_per_second"] * 60 / per_minute, 1)}


def more_workers(rows: int, *, accounts: int = 8, per_minute: int = 300) -> Iterator[dict[str, Any]]:
    """1, 2 and 4 workers of two accounts at a time, each account with its own limit."""
    limits = {"offer_writes_per_minute": per_minute}
    with on_server() as folder:
        for workers in (1, 2, 4):
            here = folder / str(workers)
            here.mkdir()
            found = measure(here, rows=rows, accounts=accounts, workers=workers, concurrency=2, limits=limits)
            allowed = min(2 * workers, accounts) * per_minute / 60
            yield found | {
                "allowed_rows_per_second": allowed,
                "of_allowed_%": round(100 * found["rows_per_second"] / allowed, 1),
            }


@contextmanager
def on_server() -> Iterator[Path]:
    """A folder, and from here on journals in a PostgreSQL of our own, which is stopped afterwards for good."""
    shared_folder()
    try:
        with tempfile.TemporaryDirectory() as folder, journals_in(POSTGRESQL):
            yield Path(folder)
    finally:
        stop_shared()


def _made(shop: Shop) -> int:
    return sum(len(shop.offers(account)) for account in shop.accounts)


def _ask(engine: sa.Engine, query: str) -> Sequence[Any]:
    with engine.connect() as connection:
        there = connection.exec_driver_sql("SELECT to_regclass('procrastinate_workers')").scalar()
        return connection.exec_driver_sql(query).all() if there else []


def _until(happened: Any, *, every: float = 0.2) -> None:
    deadline = time.monotonic() + 3600
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(every)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.workers", description=__doc__)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--per-minute", type=int, default=1800)
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        for found in more_workers(800):
            print(json.dumps(found), flush=True)
    else:
        kill = not options.no_kill
        print(json.dumps(shared_limit(options.rows, workers=options.workers, per_minute=options.per_minute, kill=kill)))


if __name__ == "__main__":
    main()
