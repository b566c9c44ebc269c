"""A run that changes offers in every way and its undo, killed at every step, for CI and `tests.soak --steps`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from batch.simulator import Settings, Simulator, catalogue
from batch.simulator.clock import Clock
from batch.simulator.log import Exchange
from tests.helpers.journals import restore_journal, save_journal, wipe_journal
from tests.helpers.kill_at import NEVER, Forks, Killer
from tests.helpers.shop import ACCOUNT, Shop

TIMES = 20
Held = tuple[str, int, str]  # price, stock, status
ACTIVE, DRAFT = ("10.00", 5, "ACTIVE"), ("20.00", 1, "INACTIVE")
CASES: list[tuple[dict[str, object], Held, Held, str, str]] = [
    # cells, before, after the run, its code, the undo's code; the last one is made by the run
    ({"price": 11}, ACTIVE, ("11.00", 5, "ACTIVE"), "offer_updated", "offer_updated"),
    ({"price": 12}, ACTIVE, ("12.00", 5, "ACTIVE"), "offer_updated", "offer_updated"),
    ({"price": 13, "stock": 7}, ACTIVE, ("13.00", 7, "ACTIVE"), "offer_updated", "offer_updated"),
    ({"stock": 6}, ACTIVE, ("10.00", 6, "ACTIVE"), "offer_updated", "offer_updated"),
    ({"stock": 6}, ACTIVE, ("10.00", 6, "ACTIVE"), "offer_updated", "offer_updated"),
    ({"stock": 0}, ACTIVE, ("10.00", 0, "ENDED"), "offer_ended", "offer_published"),
    ({"action": "zakończ"}, ACTIVE, ("10.00", 5, "ENDED"), "offer_ended", "offer_published"),
    (
        {"price": 11, "action": "aktywuj"},
        ("10.00", 5, "INACTIVE"),
        ("11.00", 5, "ACTIVE"),
        "offer_published",
        "offer_ended",
    ),
    ({"ean": catalogue.gtin(0), "price": 20, "stock": 1}, DRAFT, DRAFT, "draft_created", "undone"),
]
PUBLISHED = len(CASES) - 2  # its place; it cannot become a draft again, an undo ends it
BEFORE = {n: before for n, (_, before, *_) in enumerate(CASES[:-1])}
AFTER = {n: after for n, (_, _, after, *_) in enumerate(CASES)}
TAKEN_BACK = BEFORE | {PUBLISHED: ("10.00", 5, "ENDED")}


def moments(writes: int, *, one_in: int, first: int) -> Iterator[str]:
    """Every `one_in`-th moment of a run, from the one with this number."""
    numbered = (f"{when}:{n}" for n in range(1, writes + 1) for when in ("before", "after"))
    yield from [*numbered, "replace:before", "replace:after"][first % one_in :: one_in]


class Ordeal:
    """One seller's offers before and after a run, and what became of them."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.simulator = simulator
        self.shop = Shop(folder, simulator, accounts=[ACCOUNT])
        self.saved = folder / "saved"

    def before_run(self) -> None:
        """Everything anew."""
        self._reset(BEFORE)
        wipe_journal(self.shop.folder)
        cells = [case[0] for case in CASES]
        rows = [
            {"offer_id": id_, **row} for id_, row in zip(self.ids, cells, strict=False)
        ]  # the draft has no offer yet
        self.shop.fill([*rows, cells[-1]])

    def save(self) -> None:
        """Keep journal and workbook as the run left them."""
        self.saved.mkdir()
        save_journal(self.shop.folder, self.saved)
        shutil.copy(self.shop.workbook, self.saved)

    def before_undo(self) -> None:
        """As the run left everything."""
        self._reset(AFTER)
        restore_journal(self.shop.folder, self.saved)
        shutil.copy(self.saved / self.shop.workbook.name, self.shop.folder)

    def _reset(self, offers: Mapping[int, Held]) -> None:
        self.simulator.reset()
        self.ids = self.simulator.add_offers(
            ACCOUNT,
            [
                {"gtin": catalogue.gtin(0 if n == len(CASES) - 1 else n + 1), "price": p, "stock": s, "status": t}
                for n, (p, s, t) in offers.items()
            ],
        )
        self.shop.link(ACCOUNT)

    def held(self) -> dict[int, Held]:
        """Price, stock and status by place."""
        return {
            place: (o["sellingMode"]["price"]["amount"], o["stock"]["available"], o["publication"]["status"])
            for place, o in enumerate(self.shop.offers())
        }

    def told(self, *, since: int = 0) -> list[set[str]]:
        """The codes that `Results` has for each row, after so many of its rows."""
        results = self.shop.table("Results")[since:]
        numbers = [str(row["_row"]) for row in self.shop.table("Products")]
        return [{r["code"] for r in results if r["row"] == number} for number in numbers]

    def sent(self) -> dict[tuple[str, str], list[object]]:
        """The different values sent about each (offer, field), in order."""
        found: dict[tuple[str, str], list[object]] = {}
        for exchange in self.simulator.requests:
            for offer, what, value in effects(exchange):
                values = found.setdefault((offer, what), [])
                if values[-1:] != [value]:
                    values.append(value)
        return found

    def check_ids(self, moment: str) -> None:
        """No command id was used for another change, and no call broke the simulator."""
        answers = [exchange.answer for exchange in self.simulator.requests]
        assert not any("COMMAND_ID_USED_FOR_ANOTHER_CHANGE" in answer for answer in answers), moment

    # --- one moment each

    def kill_run(self, killer: Killer, moment: str) -> int:
        """A run killed at `moment`, and one more: all is as the workbook says, told, and sent with one effect."""
        self.before_run()
        writes = killer.run(moment, "run")
        killer.run(NEVER, "run")
        assert self.held() == AFTER, (moment, self.shop.table("Products"), self.sent())
        for codes, (*_, code, _) in zip(self.told(), CASES, strict=True):
            assert code in codes, (moment, code, codes)
        assert all(row["status"][0] in "✔–" for row in self.shop.table("Products")), moment
        assert all(len(values) == 1 for values in self.sent().values()), (moment, self.sent())
        self.check_ids(moment)
        return writes

    def kill_undo(self, killer: Killer, moment: str, *, again: bool) -> int:
        """An undo killed at `moment`, and then the undo `again`, or a run.

        The one leaves all as it was before, the other as the workbook says, but for the draft once it is deleted.
        """
        self.before_undo()
        results = self.shop.table("Results")
        writes = killer.run(moment, "undo", results[0]["run"])
        killer.run(NEVER, *(["undo", results[0]["run"]] if again else ["run"]))
        held, codes = self.held(), self.told(since=len(results))
        if again:
            assert held == TAKEN_BACK, moment
            for told, (*_, code) in zip(codes, CASES, strict=True):
                assert code in told, (moment, code, told)
        else:
            draft = len(CASES) - 1
            assert {**held, draft: AFTER[draft]} == AFTER, moment
            row = self.shop.table("Products")[draft]
            assert bool(row["offer_id"]) == (draft in held), moment
        assert all(len(values) <= (1 if again else 2) for values in self.sent().values()), (moment, self.sent())
        self.check_ids(moment)
        return writes


def effects(exchange: Exchange) -> Iterator[tuple[str, str, object]]:
    """What a request sets, whatever its way: (offer, field, value)."""
    path = exchange.path.split("/")
    if exchange.method == "GET" or path[1] != "sale":
        return
    body: Any = json.loads(exchange.body or "{}")
    if exchange.method == "DELETE" or path[2] == "product-offers":
        offer = path[3] if len(path) > 3 else body["external"]["id"]
        if exchange.method == "DELETE":
            yield offer, "draft", "deleted"
        if "sellingMode" in body:
            yield offer, "price", body["sellingMode"]["price"]["amount"]
        if "stock" in body:
            yield offer, "stock", body["stock"]["available"]
    elif path[2] == "offer-bulk-modification-commands":
        for change in body["modifications"]:
            if "stock" in change:
                yield change["offerId"], "stock", change["stock"]["value"]
            else:
                yield change["offerId"], "price", change["prices"]["allegro-pl"]["value"]["amount"]
    else:
        for offer in body["offerCriteria"][0]["offers"]:
            if "publication" in body:
                yield offer["id"], "publication", body["publication"]["action"]
            elif "price" in body["modification"]:
                yield offer["id"], "price", body["modification"]["price"]["amount"]
            else:
                yield offer["id"], "stock", body["modification"]["value"]


def kill_at_every_step(folder: Path, *, one_in: int = 1, first: int = 0) -> int:
    """The run and its undo, killed at every `one_in`-th moment; returns how many moments that were."""
    settings = Settings(operation_polls=0, retry_after=0, command_seconds=1)
    with Simulator(clock=Clock(speed=TIMES), settings=settings) as simulator:
        ordeal = Ordeal(folder, simulator)
        count = 0
        with Forks(times=TIMES) as forks:
            killer = Killer(ordeal.shop, forks)
            writes = ordeal.kill_run(killer, NEVER)
            ordeal.before_run()
            killer.run(NEVER, "run")
            ordeal.save()
            for moment in moments(writes, one_in=one_in, first=first):
                ordeal.kill_run(killer, moment)
                count += 1
            writes = ordeal.kill_undo(killer, NEVER, again=True)
            for place, moment in enumerate(moments(writes, one_in=one_in, first=first)):
                ordeal.kill_undo(killer, moment, again=place % 2 == 0)
                count += 1
        return count
