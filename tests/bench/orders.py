"""What exporting orders costs, and bringing all of them up to date: time, memory, API calls for each 1,000 orders.

Run it with `python -m tests.bench.orders [--orders 5000 10000 20000]`. Prints a line of JSON for each size and pass.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batch.simulator import Simulator
from tests.bench.process import python
from tests.helpers.ooxml_validator import complaints
from tests.helpers.shop import Shop

SELLER = "e-sklep1"


def measure(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Figures of the export of `count` orders, then of the update of all of them, then of a run with nothing new."""
    with Simulator(log_size=100_000) as simulator:
        shop = Shop(folder, simulator, accounts=[SELLER], forked=False)
        shop.fill([])
        for number in range(count):
            simulator.clock.advance(0.01)
            simulator.add_order(SELLER, [{"price": f"{number % 90 + 1}.90"}, {"rate": "8.00"}][: number % 2 + 1])
        yield figures(shop, count, "export")
        for order in simulator.orders(SELLER):
            simulator.clock.advance(0.01)
            simulator.change_order(SELLER, order["id"], fulfillment={"status": "SENT"})
        yield figures(shop, count, "update")
        yield figures(shop, count, "nothing new")
        rows = shop.table("Orders")
        assert len(rows) == sum(len(order["lineItems"]) + 1 for order in simulator.orders(SELLER))
        assert {row["fulfillment"] for row in rows} == {"wysłane"}
        assert len({(row["order_id"], row["line_id"]) for row in rows}) == len(rows)
        yield {"orders": count, "rows": len(rows), "validator": complaints(shop.workbook)}


def figures(shop: Shop, count: int, job: str) -> dict[str, Any]:
    """One real run in a process of its own."""
    before = len(shop.simulator.requests)
    said = shop.folder / "said"
    used = python(["-m", "batch", "run", str(shop.workbook), "--only", "orders"], said, shop.environment())
    assert used.exit_code == 0, said.read_text("utf-8")
    calls = [call for call in shop.simulator.requests[before:] if call.path == "/order/checkout-forms"]
    windows = {(dict(c.query)["updatedAt.gte"], dict(c.query).get("updatedAt.lte")) for c in calls}
    return {
        "orders": count,
        "job": job,
        "seconds": round(used.seconds, 2),
        "cpu_seconds": round(used.cpu_seconds, 2),
        "cpu_seconds_per_1000": round(used.cpu_seconds / count * 1000, 3),
        "MB": round(used.megabytes),
        "MB_per_1000": round(used.megabytes / count * 1000, 2),
        "calls": len(calls),
        "windows": len({window for window in windows if window[1]}),
        "calls_allowed": -(-count // 100) + len({window for window in windows if window[1]}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="*", default=[5000, 10_000, 20_000])
    for count in parser.parse_args().orders:
        with tempfile.TemporaryDirectory() as folder:
            for line in measure(Path(folder), count):
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
