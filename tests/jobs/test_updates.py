"""Prices and stock follow the workbook, offers are published and ended, and a run can be taken back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from batch.simulator import Settings, Simulator, catalogue
from tests.helpers.kill_at import Forks
from tests.helpers.shop import Shop


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks(times=TIMES) as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, simulator: Simulator, forks: Forks) -> Shop:
    simulator.settings.command_polls = 0
    return ForkedShop(tmp_path, simulator, forks=forks)


@dataclass
class ForkedShop(Shop):
    """A shop whose commands are forks of one process that has loaded the program."""

    forks: Forks = field(kw_only=True)

    def run(self, *arguments: str, **_: Any) -> subprocess.CompletedProcess[str]:
        ended = self.forks.run(self, *arguments)
        return subprocess.CompletedProcess(arguments, ended.returncode, ended.stdout, ended.stderr)


def held(shop: Shop) -> list[tuple[str, int, str]]:
    """Price, stock and status of the first account's offers, oldest first."""
    return [
        (o["sellingMode"]["price"]["amount"], o["stock"]["available"], o["publication"]["status"])
        for o in shop.offers()
    ]


def run(shop: Shop, *arguments: str) -> dict[str, Any]:
    """A command of the tool; its summary."""
    done = shop.run(*arguments, "--json")
    assert done.stdout, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["exit_code"] == done.returncode, done.stderr
    return summary


def lose_a_deletion(shop: Shop) -> None:
    """A draft is made, and an undo of it gets no answer."""
    shop.fill([{"ean": catalogue.gtin(900), "price": 20, "stock": 1}])
    run(shop, "run")
    shop.simulator.faults.add("status_before", method="DELETE", count=None, status=503)
    assert run(shop, "undo", "last")["counts"] == {"server_trouble": 1}


def writes(shop: Shop) -> list[str]:
    """The changing requests, in order."""
    return [f"{e.method} {e.path.rsplit('/', 1)[0]}" for e in shop.simulator.requests if e.method != "GET"]


TIMES = 20  # a second of waiting takes a twentieth of one
OFFER = {"price": "10.00", "stock": 5, "status": "ACTIVE"}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, tuple[str, int, str]]] = {
    "price": (OFFER, {"price": 11}, "offer_updated", ("11.00", 5, "ACTIVE")),
    "stock": (OFFER, {"stock": 6}, "offer_updated", ("10.00", 6, "ACTIVE")),
    "both": (OFFER, {"price": 11, "stock": 6}, "offer_updated", ("11.00", 6, "ACTIVE")),
    "nothing": (OFFER, {"price": 10, "stock": 5}, "offer_unchanged", ("10.00", 5, "ACTIVE")),
    "blank cells": (OFFER, {}, "offer_unchanged", ("10.00", 5, "ACTIVE")),
    "stock 0": (OFFER, {"stock": 0}, "offer_ended", ("10.00", 0, "ENDED")),
    "end": (OFFER, {"action": "zakończ"}, "offer_ended", ("10.00", 5, "ENDED")),
    "publish": (OFFER | {"status": "INACTIVE"}, {"action": "aktywuj"}, "offer_published", ("10.00", 5, "ACTIVE")),
    "publish again": (
        OFFER | {"status": "ENDED", "stock": 0},
        {"stock": 4, "action": "aktywuj"},
        "offer_published",
        ("10.00", 4, "ACTIVE"),
    ),
    "a draft": (OFFER | {"status": "INACTIVE"}, {"price": 9}, "offer_updated", ("9.00", 5, "INACTIVE")),
    "an ended offer": (OFFER | {"status": "ENDED"}, {"price": 9}, "offer_updated", ("9.00", 5, "ENDED")),
    "too dear": (OFFER, {"price": 14}, "price_change_refused", ("10.00", 5, "ACTIVE")),
    "create": (OFFER, {"price": 11, "action": "utwórz"}, "skipped", ("10.00", 5, "ACTIVE")),
    "skip": (OFFER, {"price": 11, "action": "pomiń"}, "skipped", ("10.00", 5, "ACTIVE")),
}


def test_every_row_gets_what_it_asks_for(shop: Shop) -> None:
    """A table of offers, rows, codes and what Allegro holds afterwards; a second run has nothing to do."""
    ids = shop.simulator.add_offers("e-sklep1", [offer for offer, *_ in CASES.values()])
    cells = [cells for _, cells, *_ in CASES.values()]
    shop.fill([{"offer_id": id_, **row} for id_, row in zip(ids, cells, strict=True)])
    summary = run(shop, "run")
    rows, results = shop.table("Products"), {r["row"]: r["code"] for r in shop.table("Results")}
    for row, now, (name, (_, _, code, then)) in zip(rows, held(shop), CASES.items(), strict=True):
        assert now == then, name
        assert results.get(str(row["_row"]), code) == code, name
        assert (str(row["_row"]) in results) == (code not in {"offer_unchanged", "skipped"}), name
    assert summary["exit_code"] == 4  # one price was refused
    sent = len(writes(shop))
    again = run(shop, "run")
    assert again["counts"] == {"offer_unchanged": 11, "skipped": 2, "price_change_refused": 1}
    assert len(writes(shop)) == sent


def test_offers_are_found_by_external_id(shop: Shop) -> None:
    """An offer made elsewhere: its price follows, its number goes into the row; what is equal is told as found."""
    ids = shop.simulator.add_offers("e-sklep1", [OFFER | {"external_id": name} for name in ("A", "B")])
    shop.fill([{"external_id": "A", "price": 11}, {"external_id": "B", "price": 10}])
    assert run(shop, "run")["counts"] == {"draft_found": 1, "offer_updated": 1}
    assert [row["offer_id"] for row in shop.table("Products")] == ids
    assert [price for price, _, _ in held(shop)] == ["11.00", "10.00"]


def test_updates_alone_make_no_drafts(shop: Shop) -> None:
    """`--only updates`: rows without an offer wait; those that ask for one by action are told."""
    shop.fill([{"ean": catalogue.gtin(900), "price": 20, "stock": 1}, {"external_id": "none", "action": "aktualizuj"}])
    assert run(shop, "run", "--only", "updates")["counts"] == {"skipped": 1, "offer_missing": 1}
    assert shop.offers() == []


def test_offers_of_others_and_unknown_ones_are_missing(shop: Shop) -> None:
    """A wrong number does not stop the account."""
    [theirs] = shop.simulator.add_offers("e-sklep2", 1)
    [ours] = shop.simulator.add_offers("e-sklep1", [OFFER])
    shop.fill([{"offer_id": theirs, "price": 9}, {"offer_id": "123", "price": 9}, {"offer_id": ours, "price": 9}])
    assert run(shop, "run")["counts"] == {"offer_updated": 1, "offer_missing": 2}


def test_a_dry_run_shows_old_and_new_and_sends_nothing(shop: Shop) -> None:
    """On the screen and in `Results`."""
    ids = shop.simulator.add_offers("e-sklep1", [OFFER, OFFER])
    shop.fill([{"offer_id": ids[0], "price": 11, "stock": 5}, {"offer_id": ids[1], "stock": 0}])
    done = shop.run("check")
    assert "10.00 → 11.00" in done.stdout
    assert [
        (r["code"], r["old_price"], r["new_price"], r["old_stock"], r["new_stock"]) for r in shop.table("Results")
    ] == [("planned_update", "10", "11", "", ""), ("planned_end", "", "", "5", "0")]
    assert writes(shop) == []


def test_ends_beyond_the_limit_wait_for_force(shop: Shop) -> None:
    """The ending rows are refused, the others go on; the limit is that of the run, not of an account."""
    ids = shop.simulator.add_offers("e-sklep1", [OFFER] * 2)
    [other] = shop.simulator.add_offers("e-sklep2", [OFFER])
    rows = [
        {"offer_id": ids[0], "stock": 0},
        {"offer_id": ids[1], "price": 11},
        {"account": "e-sklep2", "offer_id": other, "action": "zakończ"},
    ]
    shop.fill(rows, Settings=[{"key": "max_ended_offers", "value": 1}])
    assert run(shop, "run")["counts"] == {"offer_updated": 1, "end_refused": 2}
    refused = [row["message"] for row in shop.table("Products") if "--force" in row["message"]]
    assert len(refused) == 2
    assert run(shop, "run", "--force")["counts"] == {"offer_ended": 2, "offer_unchanged": 1}


def test_without_waiting_changes_are_pending_and_any_later_run_settles_them(shop: Shop) -> None:
    """⌚, then ✔ in a run that is about drafts only."""
    shop.simulator.settings.command_polls = 1
    [offer] = shop.simulator.add_offers("e-sklep1", [OFFER])
    shop.fill([{"offer_id": offer, "price": 11}])
    first = run(shop, "run", "--wait", "0")
    assert (first["counts"], first["exit_code"]) == ({"update_pending": 1}, 0)
    assert run(shop, "run", "--only", "drafts")["counts"] == {"offer_updated": 1}
    assert shop.table("Products")[0]["status"] == "✔ gotowe"
    assert run(shop, "run", "--only", "drafts")["counts"] == {"skipped": 1}
    assert len(writes(shop)) == 1


def test_a_dry_run_lists_what_would_be_done_and_says_why_rows_are_skipped(shop: Shop) -> None:
    """Unchanged rows stand in neither; skipped ones are printed with the reason, not listed."""
    ids = shop.simulator.add_offers("e-sklep1", [OFFER, OFFER, OFFER])
    shop.fill([
        {"offer_id": ids[0], "price": 11},
        {"offer_id": ids[1], "price": 10},
        {"offer_id": ids[2], "price": 12, "action": "pomiń"},
    ])  # fmt: skip
    done = shop.run("check")
    assert [row["code"] for row in shop.table("Results")] == ["planned_update"]
    changed, skipped = done.stdout.splitlines()
    assert "10.00 → 11.00" in changed
    assert skipped.startswith("wiersz 4: ")
    assert skipped.endswith("e-sklep1 – Pominięto na Twoje życzenie (kolumna Akcja).")


def test_an_undo_waits_for_what_is_under_way(shop: Shop) -> None:
    """The run did not wait for its change: it is settled first, and then taken back."""
    shop.simulator.settings.command_polls = 1
    [offer] = shop.simulator.add_offers("e-sklep1", [OFFER])
    shop.fill([{"offer_id": offer, "price": 11}])
    first = run(shop, "run", "--wait", "0")
    undone = shop.run("undo", first["run"], "--json")
    assert json.loads(undone.stdout)["counts"] == {"offer_updated": 1}
    assert "następny przebieg wyśle je znowu" in undone.stderr
    assert held(shop) == [("10.00", 5, "ACTIVE")]


def test_an_undo_that_cannot_wait_so_long_says_that_nothing_was_taken_back(shop: Shop) -> None:
    """And what to do, instead of promising that the change will come about."""
    shop.simulator.settings.command_polls = 1000
    [offer] = shop.simulator.add_offers("e-sklep1", [OFFER])
    shop.fill([{"offer_id": offer, "price": 11}])
    first = run(shop, "run", "--wait", "0")
    assert "przyjęło zmianę" in shop.table("Products")[0]["message"]
    assert run(shop, "undo", first["run"])["counts"] == {"update_pending": 1}
    assert "na razie niczego nie cofnięto" in shop.table("Products")[0]["message"]


def test_right_after_a_run_the_offers_are_asked_and_not_their_list(shop: Shop) -> None:
    """It lags behind: a second run would end the offers once more, and an undo would find nothing to take back."""
    shop.simulator.settings.list_lag = 3600
    offers = [OFFER, OFFER | {"external_id": "E"}, OFFER]
    ids = shop.simulator.add_offers("e-sklep1", offers)
    before = held(shop)
    rows = [{"price": 11, "stock": 6}, {"action": "zakończ"}, {"stock": 0}]
    shop.fill([{"offer_id": id_, **row} for id_, row in zip(ids, rows, strict=True)])
    done = run(shop, "run")
    assert done["counts"] == {"offer_updated": 1, "offer_ended": 2}
    sent = len(writes(shop))
    assert run(shop, "run")["counts"] == {"offer_unchanged": 3}
    assert len(writes(shop)) == sent
    assert run(shop, "undo", done["run"])["counts"] == {"offer_updated": 1, "offer_published": 2}
    assert held(shop) == before


def test_a_newer_price_waits_for_the_older_one(shop: Shop) -> None:
    """The workbook changed while Allegro still worked on the first price: the last one wins."""
    shop.simulator.settings.command_polls = 2
    [offer] = shop.simulator.add_offers("e-sklep1", [OFFER])
    shop.fill([{"offer_id": offer, "price": 11}])
    run(shop, "run", "--wait", "0")
    shop.fill([{"offer_id": offer, "price": 12}])
    assert run(shop, "run")["counts"] == {"offer_updated": 1}
    assert held(shop) == [("12.00", 5, "ACTIVE")]
    [row] = shop.table("Results")
    assert (row["old_price"], row["new_price"]) == ("11", "12")


def test_a_refused_task_tells_allegros_reason_and_blames_its_row_alone(shop: Shop) -> None:
    """Accepted is not applied: of two drafts to be published one has nothing to sell, and its id is quoted."""
    ids = shop.simulator.add_offers(
        "e-sklep1", [OFFER | {"status": "INACTIVE"}, OFFER | {"status": "INACTIVE", "stock": 0}]
    )
    shop.fill([{"offer_id": id_, "action": "aktywuj"} for id_ in ids])
    assert run(shop, "run")["counts"] == {"offer_published": 1, "rejected": 1}
    assert "Allegro: „" in shop.table("Products")[1]["message"]
    assert shop.table("Products")[1]["message"].startswith(f"Produkty!I3 „{ids[1]}”: ")


def test_undo_takes_a_run_back_whole(shop: Shop) -> None:
    """Drafts go, prices and stock come back, what ended is active again, what was published ends."""
    offers = [OFFER, OFFER, OFFER | {"external_id": "E"}, OFFER | {"status": "INACTIVE"}]
    ids = shop.simulator.add_offers("e-sklep1", offers)
    before = held(shop)
    shop.fill([
        {"ean": catalogue.gtin(900), "price": 20, "stock": 1},
        {"offer_id": ids[0], "price": 11, "stock": 8},
        {"offer_id": ids[1], "stock": 0},
        {"external_id": "E", "action": "zakończ"},
        {"offer_id": ids[3], "action": "aktywuj"},
    ])  # fmt: skip
    done = run(shop, "run")
    assert done["counts"] == {"draft_created": 1, "offer_updated": 1, "offer_published": 1, "offer_ended": 2}
    sent = len(writes(shop))
    planned = run(shop, "undo", "last", "--dry-run")
    assert planned["counts"] == {"planned_update": 1, "planned_publish": 2, "planned_end": 2}
    assert len(writes(shop)) == sent
    undone = run(shop, "undo", done["run"])
    assert undone["counts"] == {"offer_updated": 1, "offer_published": 2, "offer_ended": 1, "undone": 1}
    assert [*held(shop)[:3], ("10.00", 5, "ENDED")] == [*before[:3], held(shop)[3]]
    assert len(shop.offers()) == 4
    rows = shop.table("Products")
    assert (rows[0]["offer_id"], rows[0]["status"][0]) == ("", "–")
    assert {r["code"] for r in shop.table("Results") if r["run"] == undone["run"]} == set(undone["counts"])
    sent = len(writes(shop))
    assert run(shop, "undo", done["run"])["exit_code"] == 0
    assert run(shop, "undo", "last")["exit_code"] == 0
    assert len(writes(shop)) == sent
    assert run(shop, "run", "--only", "drafts")["counts"]["undone"] == 1
    assert len(shop.offers()) == 4


def test_an_undo_settles_the_drafts_that_were_left_open_first(tmp_path: Path, simulator: Simulator) -> None:
    """`last` is the run whose draft is still pending, not the one before; what Allegro keeps open is told as such."""
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])  # clocks of which the second run's is the later
    good, slow, stuck = catalogue.gtin(900), catalogue.SLOW, catalogue.NEVER_ENDS
    shop.fill([{"ean": good, "price": 20, "stock": 1}])
    run(shop, "run")
    shop.fill([{"ean": ean, "price": 20, "stock": 1} for ean in (good, slow, stuck)])
    pending = run(shop, "run", "--only", "drafts", "--wait", "0")
    assert pending["counts"] == {"draft_pending": 2, "draft_found": 1}
    sent = len(writes(shop))
    assert run(shop, "undo", "last", "--dry-run")["counts"] == {"draft_pending": 2}
    assert len(writes(shop)) == sent
    assert run(shop, "undo", "last", "--wait", "5")["counts"] == {"undone": 1, "draft_pending": 1}
    assert [offer["external"]["id"] for offer in shop.offers()] == [good, stuck]
    assert [row["status"][0] for row in shop.table("Products")] == ["✔", "–", "⌚"]


def test_a_draft_taken_back_is_made_again_when_asked_for(shop: Shop) -> None:
    """By the action, or by another price."""
    rows = [{"ean": catalogue.gtin(900 + n), "price": 20, "stock": 1} for n in range(3)]
    shop.fill(rows)
    run(shop, "run")
    run(shop, "undo", "last")
    assert shop.offers() == []
    shop.fill([rows[0], rows[1] | {"action": "utwórz"}, rows[2] | {"price": 21}])
    assert run(shop, "run")["counts"] == {"draft_created": 2, "undone": 1}


def test_a_draft_that_a_later_run_had_updated_is_not_made_again_after_its_undo(shop: Shop) -> None:
    """Its row asks for what was deleted, though not for what was made at first."""
    row = {"ean": catalogue.gtin(900), "price": 20, "stock": 1}
    shop.fill([row])
    first = run(shop, "run")
    shop.fill([row | {"price": 21}])
    assert run(shop, "run")["counts"] == {"offer_updated": 1}
    assert run(shop, "undo", first["run"])["counts"] == {"undone": 1}
    assert run(shop, "run")["counts"] == {"undone": 1}
    shop.fill([row | {"price": 22}])
    assert run(shop, "run")["counts"] == {"draft_created": 1}


def test_an_undo_names_the_accounts_it_leaves_alone(shop: Shop) -> None:
    """They are switched off since the run; it does not say that there was nothing to do."""
    [offer] = shop.simulator.add_offers("e-sklep1", [OFFER])
    row = {"offer_id": offer, "price": 11}
    shop.fill([row])
    run(shop, "run")
    shop.fill([row], Accounts=[{"account": "e-sklep1", "environment": "simulator", "active": "nie"}])
    assert "na których niczego nie cofnięto: e-sklep1" in shop.run("undo", "last").stderr
    assert held(shop) == [("11.00", 5, "ACTIVE")]


@pytest.mark.slow
def test_a_draft_of_which_it_is_unknown_whether_it_was_deleted_is_not_made_again(shop: Shop) -> None:
    """The answer to the deletion was lost, and then the offer could not be looked at; the next run finds it."""
    lose_a_deletion(shop)
    shop.fill([{"ean": catalogue.gtin(900), "price": 21, "stock": 1}])
    shop.simulator.faults.add("status_before", method="GET", path="/sale/product-offers/.*", count=None, status=400)
    assert run(shop, "run", "--wait", "0")["counts"] == {"update_pending": 1}
    shop.simulator.faults.clear()
    assert run(shop, "run")["counts"] == {"offer_updated": 1}
    assert held(shop) == [("21.00", 1, "INACTIVE")]


@pytest.mark.slow
def test_a_draft_whose_deletion_never_came_about_is_there_again(shop: Shop) -> None:
    """The run that finds that out goes on with the draft as it is, and makes no second one."""
    lose_a_deletion(shop)
    shop.simulator.faults.clear()
    shop.fill([{"ean": catalogue.gtin(900), "price": 21, "stock": 1}])
    assert run(shop, "run")["counts"] == {"offer_updated": 1}
    assert held(shop) == [("21.00", 1, "INACTIVE")]


def test_undo_leaves_alone_what_was_changed_since(shop: Shop) -> None:
    """Somebody set another price at Allegro; a draft was published by hand."""
    [offer] = shop.simulator.add_offers("e-sklep1", [OFFER])
    shop.fill([{"offer_id": offer, "price": 11}, {"ean": catalogue.gtin(900), "price": 20, "stock": 1}])
    done = run(shop, "run")
    shop.simulator.edit_offer(offer, {"sellingMode": {"price": {"amount": "99.00", "currency": "PLN"}}})
    draft = shop.table("Products")[1]["offer_id"]
    shop.simulator.edit_offer(draft, {"publication": {"status": "ACTIVE"}})
    assert run(shop, "undo", done["run"])["counts"] == {"skipped": 2}
    assert held(shop) == [("99.00", 5, "ACTIVE"), ("20.00", 1, "ACTIVE")]
    assert "cofnięto" in shop.table("Results")[-2]["message"]


def test_an_undo_can_be_undone(shop: Shop) -> None:
    """It is a run like any other."""
    [offer] = shop.simulator.add_offers("e-sklep1", [OFFER])
    shop.fill([{"offer_id": offer, "price": 11}])
    run(shop, "run")
    undone = run(shop, "undo", "last")
    assert run(shop, "undo", undone["run"])["counts"] == {"offer_updated": 1}
    assert held(shop) == [("11.00", 5, "ACTIVE")]


def test_an_unknown_run_is_not_undone(shop: Shop) -> None:
    """Exit 2, and it says where the names are."""
    shop.fill([])
    done = shop.run("undo", "20200101-000000-abc")
    assert done.returncode == 2
    assert "Wyniki" in done.stderr
    assert shop.run("undo", "last").returncode == 2


def test_one_accounts_trouble_does_not_hold_up_another(shop: Shop) -> None:
    """A dead login ends its own account's part; the other's prices are changed."""
    shop.simulator.add_offers("e-sklep1", [OFFER | {"external_id": "A"}])
    [second] = shop.simulator.add_offers("e-sklep2", [OFFER])
    shop.fill([{"external_id": "A", "price": 11}, {"account": "e-sklep2", "offer_id": second, "price": 11}])
    shop.simulator.revoke("e-sklep1")
    summary = run(shop, "run")
    assert (summary["counts"], summary["exit_code"]) == ({"offer_updated": 1, "login_needed": 1}, 3)


def test_the_bulk_command_is_used_for_prices_of_their_own(tmp_path: Path, forks: Forks) -> None:
    """60 prices that differ: 3 calls; 40 stocks that are equal: one."""
    with Simulator(settings=Settings(command_polls=0)) as simulator:
        shop = ForkedShop(tmp_path, simulator, forks=forks)
        ids = simulator.add_offers("e-sklep1", [OFFER] * 60)
        shop.fill(
            [{"offer_id": o, "price": 10 + n / 100 + 0.01, "stock": 7 if n < 40 else 5} for n, o in enumerate(ids)]
        )
        assert run(shop, "run")["counts"] == {"offer_updated": 60}
        assert sorted(writes(shop)) == ["POST /sale"] * 3 + ["PUT /sale/offer-quantity-change-commands"]
        assert [stock for _, stock, _ in held(shop)] == [7] * 40 + [5] * 20
