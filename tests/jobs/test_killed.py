"""The real process, killed at every step: no second draft, none lost, every row answered by the next run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from batch.simulator import Settings, Simulator, catalogue
from tests.helpers.shop import Shop

GOOD = [{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(2)]
SLOW = {"ean": catalogue.SLOW, "price": 20, "stock": 1}
REFUSED = {"ean": catalogue.NOT_IN_CATALOGUE, "price": 20, "stock": 1}


def run_killed(shop: Shop, moment: str) -> int:
    """Run with a kill at `moment`; returns the number of journal writes reached."""
    count_file = shop.folder / "count"
    subprocess.run(
        [sys.executable, "-m", "tests.helpers.kill_at", moment, "1", "run", str(shop.workbook), "--only", "drafts"],
        env={**shop.environment(), "COUNT_FILE": str(count_file)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return int(count_file.read_text() or 0)  # blank when it died in the middle of writing it


def check_after(shop: Shop, moment: str) -> None:
    """One more run, unharmed: everything is there once and answered."""
    run_killed(shop, "never")
    offers = Counter(offer["external"]["id"] for offer in shop.offers())
    assert offers == {row["ean"]: 1 for row in (*GOOD, SLOW)}, moment
    assert {offer["publication"]["status"] for offer in shop.offers()} == {"INACTIVE"}, moment
    rows = shop.table("Products")
    assert re.fullmatch("[✔–]{3}✖", "".join(row["status"][0] for row in rows)), moment
    held = {offer["external"]["id"]: offer["id"] for offer in shop.offers()}
    assert [row["offer_id"] for row in rows] == [held.get(row["ean"], "") for row in rows], moment


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_step(tmp_path: Path, when: str) -> None:
    """Before or after each write of the journal, and before or after the workbook is replaced."""
    with Simulator(settings=Settings(operation_polls=0, retry_after=0)) as simulator:
        shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])

        def fresh() -> None:
            simulator.reset()
            for file in tmp_path.glob("journal.sqlite*"):
                file.unlink()
            shop.fill([*GOOD, SLOW, REFUSED])
            shop.link("e-sklep1")

        fresh()
        writes = run_killed(shop, "never")
        check_after(shop, "never")
        assert writes >= 9  # 4 intents, 1 accepted, 4 outcomes
        for moment in [*(f"{when}:{n}" for n in range(1, writes + 1)), f"replace:{when}"]:
            fresh()
            run_killed(shop, moment)
            check_after(shop, moment)
