"""How close to Allegro's limit drafts are made: `python -m tests.bench.drafts [--rows 2000] [--sellers 1 4]`.

The reference is the limit itself, whichever takes longer: 2,490 drafts a minute for a seller, or 9,000 requests a
minute for the client id, which all sellers share. Prints a line of JSON for each number of sellers.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from batch.simulator import Simulator, catalogue
from tests.helpers.shop import Shop

PER_MINUTE, REQUESTS_PER_MINUTE = 2490, 9000


def measure(folder: Path, *, rows: int, latency: float, sellers: int) -> dict[str, Any]:
    """Seconds and rate of one real run, all included, against the limit."""
    accounts = [f"e-sklep{n + 1}" for n in range(sellers)]
    with Simulator(latency=latency, log_size=200_000) as simulator:
        for account in accounts[2:]:
            simulator.add_seller(account)
        shop = Shop(folder, simulator, accounts=accounts, forked=False)
        products = [
            {"account": account, "ean": catalogue.gtin(n), "price": 20, "stock": 1}
            for n in range(rows)
            for account in accounts
        ]
        defaults = [{"account": "e-sklep1", "shipping_rates": "Kurier i automaty"}]
        shop.fill(products, Defaults=[*defaults, *({"account": account} for account in accounts[1:])])
        begun = time.monotonic()
        summary = shop.drafts(timeout=3600)
        seconds = time.monotonic() - begun
        exchanges = [e for e in simulator.requests if e.path != "/auth/oauth/token"]
        posts = sorted(e.when for e in exchanges if e.method == "POST" and e.path == "/sale/product-offers")
        sending = (posts[-1] - posts[0]).total_seconds()
        requests = sum(posts[0] <= e.when <= posts[-1] for e in exchanges)
        limit = 60 * max(rows / PER_MINUTE, requests / REQUESTS_PER_MINUTE)
        return {
            "sellers": sellers,
            "rows_per_seller": rows,
            "seconds": round(seconds, 2),
            "limit_seconds": round(limit, 2),
            "of_allowed_rate_%": round(100 * limit / seconds, 1),
            "sending_only_%": round(100 * limit / sending, 1),
            "429": sum(e.status == 429 for e in exchanges),
            "requests_per_row": round(len(exchanges) / (rows * sellers), 3),
            "counts": summary["counts"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=0.08)
    parser.add_argument("--sellers", type=int, nargs="*", default=[1])
    options = parser.parse_args()
    for sellers in options.sellers:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder), rows=options.rows, latency=options.latency, sellers=sellers)))


if __name__ == "__main__":
    main()
