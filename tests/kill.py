"""A run killed at random moments, again and again: `python -m tests.kill [--kills 100] [--rows 1500] [--seed 1]`.

Prints its figures as JSON and exits with 1 when a draft was made twice, lost, published, or a row left unanswered.
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

from batch.simulator import Simulator, catalogue
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
        while killed < kills:
            process = subprocess.Popen(
                shop.command("run", "--only", "drafts"),
                env=shop.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                process.wait(dice.uniform(0.3, 2.5))
                finished += 1
                if finished > 3:
                    break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = kill_again_and_again(Path(folder), kills=options.kills, rows=options.rows, seed=options.seed)
    print(json.dumps(figures, ensure_ascii=False, indent=1))
    sys.exit(any(figures[bad] for bad in ("duplicates", "lost", "unanswered", "published")))


if __name__ == "__main__":
    main()
