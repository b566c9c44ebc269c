"""The real process, killed at every step: nothing done twice, nothing lost, every row answered by the next run."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from batch.simulator import Settings, Simulator, catalogue
from tests.helpers.journals import wipe_journal
from tests.helpers.kill_at import NEVER, Forks, Killer
from tests.helpers.killed_updates import kill_at_every_step
from tests.helpers.shop import Shop
from tests.soak import PROMISES, soak

GOOD = [{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(2)]
SLOW = {"ean": catalogue.SLOW, "price": 20, "stock": 1}
REFUSED = {"ean": catalogue.NOT_IN_CATALOGUE, "price": 20, "stock": 1}
TIMES = 20


def check_after(shop: Shop, killer: Killer, moment: str) -> None:
    """One more run, unharmed: everything is there once and answered."""
    killer.run(NEVER, "run", "--only", "drafts")
    offers = Counter(offer["external"]["id"] for offer in shop.offers())
    assert offers == {row["ean"]: 1 for row in (*GOOD, SLOW)}, moment
    assert {offer["publication"]["status"] for offer in shop.offers()} == {"INACTIVE"}, moment
    rows = shop.table("Products")
    assert re.fullmatch("[✔–]{3}✖", "".join(row["status"][0] for row in rows)), moment
    held = {offer["external"]["id"]: offer["id"] for offer in shop.offers()}
    assert [row["offer_id"] for row in rows] == [held.get(row["ean"], "") for row in rows], moment


@pytest.mark.parametrize("when", ["before", "after"])
def test_drafts_killed_at_steps(tmp_path: Path, when: str) -> None:
    """Before and after every other write of the journal, which is between any two of them; and of the workbook."""
    with Simulator(settings=Settings(operation_polls=0, retry_after=0)) as simulator:
        shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])

        def fresh() -> None:
            simulator.reset()
            wipe_journal(tmp_path)
            shop.fill([*GOOD, SLOW, REFUSED])
            shop.link("e-sklep1")

        with Forks(times=TIMES) as forks:
            killer = Killer(shop, forks)
            fresh()
            writes = killer.run(NEVER, "run", "--only", "drafts")
            check_after(shop, killer, NEVER)
            assert writes >= 9  # 4 intents, 1 accepted, 4 outcomes
            for moment in [*(f"{when}:{n}" for n in range(1, writes + 1, 2)), f"replace:{when}"]:
                fresh()
                killer.run(moment, "run", "--only", "drafts")
                check_after(shop, killer, moment)


def test_updates_and_undo_killed(tmp_path: Path) -> None:
    """One moment in twelve of a run that changes offers in every way, and its undo; `tests.soak --steps` takes all."""
    assert kill_at_every_step(tmp_path, one_in=12, first=1) > 5


def test_a_short_soak(tmp_path: Path) -> None:
    """A workbook in all weathers, killed at random; `tests.soak` takes thousands of rows and hundreds of kills."""
    figures = soak(tmp_path, rows=80, kills=3, seed=7, desks=1)
    assert figures["kills"] == 3
    assert {promise: figures[promise] for promise in PROMISES} == dict.fromkeys(PROMISES, 0), figures["details"]


def test_ctrl_c_says_what_comes_next(tmp_path: Path, simulator: Simulator) -> None:
    """A run that is interrupted says so in words; the next one makes what is missing and answers every row."""
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"], times=TIMES)
    shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(40)])
    simulator.settings.latency = 0.5
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children would ignore it
    process = shop.start("run", "--only", "drafts")
    signal.signal(signal.SIGINT, before)
    try:
        shop.wait_for(shop.offers)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("Przerwano. Jeśli trwał przebieg, następny go dokończy")

    simulator.settings.latency = 0
    assert shop.drafts()["exit_code"] == 0
    assert Counter(offer["external"]["id"] for offer in shop.offers()) == {catalogue.gtin(n): 1 for n in range(40)}
    assert {row["status"][0] for row in shop.table("Products")} == {"✔"}
