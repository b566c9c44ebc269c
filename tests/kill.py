"""A run killed at random moments, again and again: `python -m tests.kill [--kills 100] [--rows 1500] [--seed 1]`.

Prints its figures as JSON and exits with 1 when a draft was made twice, lost, published, or a row left unanswered;
with `--updates` the offers are there, their prices and stocks change between the kills, and it is 1 when one was lost,
sent with another effect than the workbook asked for, or left unanswered. `--steps` kills a run of few changes and its
undo before and after every step instead, all of those that the tests take some of. `--database postgresql` has the
journal there.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from batch.simulator import Settings, Simulator, catalogue
from tests.helpers.journals import POSTGRESQL, SQLITE, journals_in
from tests.helpers.killed_updates import effects, kill_at_every_step
from tests.helpers.postgres import sharing
from tests.helpers.shop import Shop

PER_MINUTE = 1500


def kill_again_and_again(folder: Path, *, kills: int, rows: int, seed: int) -> dict[str, Any]:
    """The figures of one such ordeal."""
    dice = random.Random(seed)
    with Simulator(latency=0.03) as simulator:
        shop = Shop(folder, simulator)
        shop.write_settings(limits={"offer_writes_per_minute": PER_MINUTE})
        accounts = ("e-sklep1", "e-sklep2")
        shop.fill(
            [{"account": accounts[n % 2], "ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(rows)],
            Defaults=[{"account": "e-sklep1", "shipping_rates": "Kurier i automaty"}, {"account": "e-sklep2"}],
        )
        killed = finished = 0
        while killed < kills and finished <= 3:
            if run_or_kill(shop, dice.uniform(0.3, 2.5), "run", "--only", "drafts"):
                finished += 1
            else:
                killed += 1
        started = time.monotonic()
        summary = shop.drafts(timeout=600)
        if summary["exit_code"]:
            summary = shop.drafts(timeout=600)
        offers = Counter(o["external"]["id"] for account in accounts for o in shop.offers(account))
        table = shop.table("Products")
        published = sum(o["publication"]["status"] != "INACTIVE" for a in accounts for o in shop.offers(a))
        return {
            "kills": killed,
            "rows": rows,
            "duplicates": sum(count - 1 for count in offers.values()),
            "lost": sum(offers[row["ean"]] == 0 for row in table),
            "unanswered": sum(not row["offer_id"] or row["status"][:1] not in {"✔", "–"} for row in table),
            "published": published,
            "last_run_seconds": round(time.monotonic() - started, 1),
            "last_run": summary["counts"],
        }


def run_or_kill(shop: Shop, seconds: float, *arguments: str) -> bool:
    """Give a run so many seconds; whether it came to its end."""
    process = subprocess.Popen(
        shop.command(*arguments), env=shop.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def kill_updates(folder: Path, *, kills: int, rows: int, seed: int) -> dict[str, Any]:
    """The figures of runs that change offers; every third time the workbook asks for higher prices than before."""
    dice = random.Random(seed)
    settings = Settings(latency=0.03, command_seconds=1)
    with Simulator(settings=settings, log_size=1_000_000) as simulator:
        shop = Shop(folder, simulator)
        accounts = ("e-sklep1", "e-sklep2")
        wanted: list[dict[str, Any]] = [
            {"account": account, "offer_id": offer}
            for account in accounts
            for offer in simulator.add_offers(account, [{"status": "ACTIVE"}] * (rows // 2))
        ]
        killed = finished = raised = 0
        while killed < kills:
            if not raised or not dice.randrange(3):
                raised += 1
                for n, row in enumerate(wanted):
                    row |= {"price": raised + 10 + (n % 90) / 100, "stock": raised + n % 3 + 1}
                shop.fill(wanted)
            if run_or_kill(shop, dice.uniform(1, 7), "run", "--force"):
                finished += 1
            else:
                killed += 1
        started = time.monotonic()
        summary = json.loads(shop.run("run", "--force", "--json", timeout=600).stdout)
        seconds = time.monotonic() - started
        held = {o["id"]: o for account in accounts for o in shop.offers(account)}
        sent: dict[tuple[str, str], list[float]] = {}
        for exchange in simulator.requests:
            for offer, what, value in effects(exchange):
                sent.setdefault((offer, what), []).append(float(str(value)))
        return {
            "kills": killed,
            "finished": finished,
            "rows": len(wanted),
            "times_the_prices_rose": raised,
            "commands": sum(e.method in {"PUT", "POST"} and e.path.startswith("/sale/") for e in simulator.requests),
            "lost": sum(
                (
                    float(held[row["offer_id"]]["sellingMode"]["price"]["amount"]),
                    held[row["offer_id"]]["stock"]["available"],
                )
                != (row["price"], row["stock"])
                for row in wanted
            ),
            "sent_with_another_effect": sum("USED_FOR_ANOTHER" in e.answer for e in simulator.requests)
            + sum(values != sorted(values) for values in sent.values()),
            "unanswered": sum(row["status"][:1] not in {"✔", "–"} for row in shop.table("Products")),
            "last_run_seconds": round(seconds, 1),
            "last_run": summary["counts"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--updates", action="store_true")
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--database", choices=[SQLITE, POSTGRESQL], default=SQLITE)
    options = parser.parse_args()
    ordeal = kill_updates if options.updates else kill_again_and_again
    with tempfile.TemporaryDirectory() as folder, journals_in(options.database), sharing():
        if options.steps:
            figures: dict[str, Any] = {"moments": kill_at_every_step(Path(folder))}
        else:
            figures = ordeal(Path(folder), kills=options.kills, rows=options.rows, seed=options.seed)
    print(json.dumps(figures, ensure_ascii=False, indent=1))
    bad = ("duplicates", "lost", "unanswered", "published", "sent_with_another_effect")
    sys.exit(any(figures.get(name) for name in bad))


if __name__ == "__main__":
    main()
