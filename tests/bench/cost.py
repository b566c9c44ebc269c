"""What the tool costs the PC: processor time of start-up and of a row, and memory of a large workbook.

Each beside its reference, measured in the same run; processor time, because other programs make the clock lie.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from batch.simulator import Limits, Simulator, catalogue
from tests.bench.process import Used, python
from tests.helpers.shop import Shop

SELLER = "e-sklep1"
FREE = 10_000_000  # a limit that is never met: what a row costs is asked, not how long it has to wait
LIMITS = dict.fromkeys(
    ("offer_writes_per_minute", "offer_writes_per_hour", "requests_per_minute", "changes_per_minute"), FREE
)
UNLIMITED = Limits(*[FREE] * 7)
HEADERS = ("accept", "accept-language", "content-type", "user-agent")
STARTS, RUNS = 5, 2


def start_up(folder: Path) -> tuple[float, float]:
    """Processor seconds of `--help`, and of importing requests; the best of a few."""

    def best(*arguments: str) -> float:
        return min(python(arguments, folder / "said").cpu_seconds for _ in range(STARTS))

    return best("-m", "batch", "--help"), best("-c", "import requests")


def check_of(folder: Path, rows: int) -> Used:
    """`check` of a workbook with so many new drafts: read, planned and reported, nothing sent that changes anything."""
    with Simulator(log_size=10) as simulator:
        shop = _shop(folder, simulator, "drafts", rows)
        return _run(shop, "check")


def run_and_bare_loop(folder: Path, job: str, rows: int) -> tuple[float, float, float]:
    """Processor seconds of a run of `job` (drafts, updates), of a dry run of the same, which lacks the
    sending, and of the bare loop with the calls of the run; the best of a few."""
    measured = []
    for number in range(RUNS):
        here = folder / f"{job}{rows}-{number}"
        here.mkdir()
        measured.append(_run_and_bare_loop(here, job, rows))
    run, check, bare = (min(seconds) for seconds in zip(*measured, strict=True))
    return run, check, bare


def _run_and_bare_loop(folder: Path, job: str, rows: int) -> tuple[float, float, float]:
    """All three begin with what the simulator held before the run."""
    with Simulator(log_size=10 * rows + 1000, limits=UNLIMITED) as simulator:
        check = _run(_shop(folder / "check", simulator, job, rows), "run", "--only", job, "--dry-run", "--force")
    with Simulator(log_size=10 * rows + 1000, limits=UNLIMITED) as simulator:
        run = _run(_shop(folder / "run", simulator, job, rows), "run", "--only", job, "--force")
        exchanges = [e for e in simulator.requests if e.path != "/auth/oauth/token"]
    with Simulator(log_size=10, limits=UNLIMITED) as simulator:
        shop = _shop(folder / "bare", simulator, job, 1)
        _offers(simulator, rows if job == "updates" else 0)
        token = json.loads((shop.folder / f"{SELLER}.allegro.token").read_text("utf-8"))["access_token"]
        calls = [_call(exchange, simulator.url, token) for exchange in exchanges]
        file = folder / "calls.json"
        file.write_text(json.dumps(calls), "utf-8")
        bare = _finished(python(["-m", "tests.bench.bare_loop", str(file)], folder / "said"), folder / "said")
    return run.cpu_seconds, check.cpu_seconds, bare.cpu_seconds


def _shop(folder: Path, simulator: Simulator, job: str, rows: int) -> Shop:
    folder.mkdir(exist_ok=True)
    shop = Shop(folder, simulator, accounts=[SELLER], forked=False)
    shop.write_settings(limits=LIMITS)
    if job == "drafts":
        shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(rows)])
    else:
        prices = [(1001 + n) / 100 for n in range(rows)]
        ids = _offers(simulator, rows)
        shop.fill([{"offer_id": i, "price": price} for i, price in zip(ids, prices, strict=True)])
    return shop


def _offers(simulator: Simulator, count: int) -> list[str]:
    return list(simulator.add_offers(SELLER, [{"external_id": f"X{n}", "status": "ACTIVE"} for n in range(count)]))


def _call(exchange: Any, url: str, token: str) -> tuple[str, str, dict[str, str], str | None]:
    headers = {name: value for name, value in exchange.headers.items() if name.lower() in HEADERS}
    target = f"{exchange.path}?{urlencode(exchange.query)}" if exchange.query else exchange.path
    return exchange.method, url + target, {**headers, "Authorization": f"Bearer {token}"}, exchange.body or None


def _run(shop: Shop, *arguments: str) -> Used:
    command = shop.command(*arguments)[1:]
    return _finished(python(command, shop.folder / "said", shop.environment()), shop.folder / "said")


def _finished(used: Used, said: Path) -> Used:
    assert used.exit_code == 0, said.read_text("utf-8")
    return used
