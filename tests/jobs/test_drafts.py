"""The main job whole: a workbook goes in, drafts are at Allegro, a workbook with an answer beside each row is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batch.simulator import Simulator, catalogue
from tests.helpers.journals import wipe_journal
from tests.helpers.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, simulator: Simulator) -> Shop:
    return Shop(tmp_path, simulator)


def good(number: int = 0, **cells: Any) -> dict[str, Any]:
    return {"ean": catalogue.gtin(number), "price": 19.99, "stock": 3} | cells


def test_good_rows_become_drafts_with_their_defaults(shop: Shop) -> None:
    """Nothing but code, price, stock, external id and defaults is sent, and never without INACTIVE."""
    defaults = {
        "account": "e-sklep1",
        "shipping_rates": "kurier i AUTOMATY",
        "return_policy": "Zwroty 14 dni",
        "implied_warranty": "Reklamacje",
        "warranty": "Gwarancja 24 miesiące",
        "handling_time": "24 godziny",
        "invoice": "VAT marża",
        "duration": "30 days",
        "country": "Polska",
        "province": "wielkopolskie",
        "city": "Poznań",
        "post_code": "60-166",
        "vat_rate": "23%",
        "responsible_producer": "Modrzew S.A.",
        "responsible_person": "Importer sp. z o.o.",
        "safety_information": "Nie połykać.",
        "language": "polski",
    }
    shop.fill([good(external_id="SKU-1")], Defaults=[defaults])
    assert shop.drafts()["counts"] == {"draft_created": 1}
    [offer] = shop.offers()
    [body] = [json.loads(e.body) for e in shop.simulator.requests if e.path == "/sale/product-offers"]
    ids = {
        kind: {e.name: e.id for e in entries}
        for kind, entries in shop.simulator.world.sellers["e-sklep1"].dictionaries.items()
    }
    assert body == {
        "productSet": [
            {
                "product": {"id": catalogue.gtin(0), "idType": "GTIN"},
                "responsibleProducer": {"type": "ID", "id": ids["responsible_producers"]["Modrzew S.A."]},
                "responsiblePerson": {"id": ids["responsible_persons"]["Importer sp. z o.o."]},
                "safetyInformation": {"type": "TEXT", "description": "Nie połykać."},
            }
        ],
        "sellingMode": {"price": {"amount": "19.99", "currency": "PLN"}},
        "stock": {"available": 3},
        "external": {"id": "SKU-1"},
        "publication": {"status": "INACTIVE", "duration": "P30D"},
        "delivery": {"shippingRates": {"id": ids["shipping_rates"]["Kurier i automaty"]}, "handlingTime": "PT24H"},
        "afterSalesServices": {
            "returnPolicy": {"id": ids["return_policies"]["Zwroty 14 dni"]},
            "impliedWarranty": {"id": ids["implied_warranties"]["Reklamacje"]},
            "warranty": {"id": ids["warranties"]["Gwarancja 24 miesiące"]},
        },
        "location": {"countryCode": "PL", "province": "WIELKOPOLSKIE", "city": "Poznań", "postCode": "60-166"},
        "payments": {"invoice": "VAT_MARGIN"},
        "taxSettings": {"rates": [{"rate": "23.00", "countryCode": "PL"}]},
        "language": "pl-PL",
    }
    [row] = shop.table("Products")
    assert (row["status"], row["offer_id"]) == ("✔ gotowe", offer["id"])
    assert row["updated_at"]


ANSWERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "mangled EAN": (good(ean="5,90123E+12"), "ean_mangled", "Produkty!B"),
    "wrong check digit": (good(ean="5901234123458"), "ean_invalid", "5901234123458"),
    "no EAN": (good(ean=None), "ean_missing", "Produkty!B"),
    "ambiguous price": (good(100, price="1.234"), "price_invalid", "Produkty!C"),
    "no price": (good(101, price=None), "price_missing", "Produkty!C"),
    "price under the minimum": (good(102, price=0.5), "price_too_low", "1.00 PLN"),
    "half a piece": (good(103, stock=1.5), "stock_invalid", "Produkty!D"),
    "no stock": (good(104, stock=None), "stock_missing", "Produkty!D"),
    "unknown account": (good(105, account="e-sklep9"), "account_unknown", "e-sklep9"),
    "unknown profile": (good(106, profile="nie ma"), "profile_unknown", "Produkty!F"),
    "default not on the account": (good(107, profile="stary"), "default_unknown", "Domyślne parametry!C"),
    "Allegro cannot choose": (good(108, profile="bez cennika"), "default_missing", "Duże gabaryty"),
    "unknown action": (good(109, action="sprzedaj"), "action_unknown", "sprzedaj"),
    "external id too long": (good(110, external_id="x" * 101), "rejected", "100"),
    "not in the catalogue": (good(ean=catalogue.NOT_IN_CATALOGUE), "product_not_found", "trace-id"),
    "several products": (good(ean=catalogue.AMBIGUOUS), "product_ambiguous", "–"),
    "parameters missing": (good(ean=catalogue.MISSING_PARAMETERS), "parameters_missing", "Allegro: „"),
    "limit of offers": (good(ean=catalogue.LIMIT_REACHED), "limit_reached", "offerCounter"),
    "limit of drafts": (good(ean=catalogue.DRAFTS_FULL), "limit_reached", "MaxInactiveOffers"),
    "accepted, then refused": (good(ean=catalogue.SLOW_REFUSED), "rejected", "Allegro: „"),
    "incomplete": (good(ean=catalogue.INCOMPLETE), "draft_incomplete", "Allegro: „"),
    "accepted, then made": (good(ean=catalogue.SLOW), "draft_created", ""),
    "skipped by the user": (good(111, action="pomiń"), "skipped", ""),
    "has an offer": (good(112, offer_id="123"), "skipped", "123"),
}
DEFAULTS = [
    {"account": "e-sklep1", "shipping_rates": "Kurier i automaty"},
    {"account": "e-sklep1", "profile": "stary", "shipping_rates": "Paczkomaty 2019"},
    {"account": "e-sklep1", "profile": "bez cennika"},
]


def test_every_bad_row_is_answered_in_its_row_and_the_others_go_on(shop: Shop) -> None:
    """Each mistake and each refusal has its code; its message names the cell, the value or Allegro's words."""
    shop.fill([*(cells for cells, _, _ in ANSWERS.values()), good(1)], Defaults=DEFAULTS)
    summary = shop.drafts()
    assert summary["exit_code"] == 4
    rows = shop.table("Products")
    results = {row["row"]: row for row in shop.table("Results")}
    for row, (name, (_, code, words)) in zip(rows, ANSWERS.items(), strict=False):
        assert words in row["message"], name
        if code == "skipped":
            assert str(row["_row"]) not in results, name
            assert row["status"].startswith("–"), name
        else:
            result = results[str(row["_row"])]
            on_one_line = " • ".join(result["message"].splitlines())
            assert (result["code"], on_one_line) == (code, row["message"]), name
            assert result["status"] == row["status"], name
    assert rows[-1]["status"] == "✔ gotowe"
    assert summary["counts"]["draft_created"] == 2
    assert sum(summary["counts"].values()) == len(rows)


def test_second_run_sends_nothing(shop: Shop) -> None:
    """A row that has its offer is marked, and no draft is made again."""
    shop.fill([good(0), good(1)])
    shop.drafts()
    summary = shop.drafts()
    assert (summary["counts"], summary["exit_code"]) == ({"skipped": 2}, 0)
    assert len(shop.offers()) == 2


def test_pasted_product_id_is_sent_without_a_type(shop: Shop) -> None:
    """The way out of an ambiguous code."""
    [first, _] = shop.simulator.world.catalogue.by_gtin(catalogue.AMBIGUOUS)
    shop.fill([good(ean=catalogue.AMBIGUOUS, product_id=first.id), good(ean=None, product_id=first.id)])
    assert shop.drafts()["counts"] == {"draft_created": 2}
    assert {offer["external"]["id"] for offer in shop.offers()} == {catalogue.AMBIGUOUS, first.id}
    assert {offer["productSet"][0]["product"]["id"] for offer in shop.offers()} == {first.id}


@pytest.mark.parametrize("loss", ["journal", "workbook", "both"])
def test_what_exists_is_found_not_made_again(shop: Shop, loss: str) -> None:
    """The journal deleted, or the workbook as it was before the run, or both (another PC): no second draft."""
    shop.fill([good(0), good(1, external_id="SKU-1")])
    before = shop.workbook.read_bytes()
    shop.drafts()
    if loss in {"journal", "both"}:
        wipe_journal(shop.folder)
    if loss in {"workbook", "both"}:
        shop.workbook.write_bytes(before)
    summary = shop.drafts()
    assert len(shop.offers()) == 2
    assert summary["counts"] == ({"skipped": 2} if loss == "journal" else {"draft_found": 2})
    held = {offer["external"]["id"]: offer["id"] for offer in shop.offers()}
    assert [row["offer_id"] for row in shop.table("Products")] == [held[catalogue.gtin(0)], held["SKU-1"]]


def test_a_draft_deleted_at_allegro_is_made_again(shop: Shop) -> None:
    """The journal does not keep the user from a fresh start."""
    shop.fill([good(0)])
    before = shop.workbook.read_bytes()
    shop.drafts()
    world = shop.simulator.world
    [offer] = world.sellers["e-sklep1"].offers.values()
    world.remove_offer(offer)
    shop.workbook.write_bytes(before)
    assert shop.drafts()["counts"] == {"draft_created": 1}


def test_two_rows_of_one_product(shop: Shop) -> None:
    """The first goes, the second is told which row has it; another account is another matter."""
    shop.fill(
        [good(0), good(0), good(0, account="e-sklep2"), good(0, external_id="B"), good(1, external_id="B")],
        Defaults=[*DEFAULTS, {"account": "e-sklep2"}],
    )
    assert shop.drafts()["counts"] == {"draft_created": 3, "duplicate_row": 2}
    rows = shop.table("Products")
    assert [row["status"][0] for row in rows] == ["✔", "✖", "✔", "✔", "✖"]
    assert f"w wierszu {rows[0]['_row']}" in rows[1]["message"]


def test_which_defaults_a_row_gets(shop: Shop) -> None:
    """Named profile of the account before that of all accounts; blank: the nameless, else the only one, else all's."""
    other = {"account": "e-sklep2"}
    shop.fill(
        [
            good(0),
            good(1, profile="duże"),
            good(2, profile="wspólny"),
            good(3, **other),
            good(4, profile="WSPÓLNY", **other),
        ],
        Defaults=[
            {"handling_time": "P60D"},
            {"profile": "wspólny", "shipping_rates": "Cennik podstawowy", "handling_time": "P30D"},
            {"account": "e-sklep1", "shipping_rates": "Kurier i automaty", "handling_time": "P2D"},
            {"account": "e-sklep1", "profile": "duże", "shipping_rates": "Duże gabaryty", "handling_time": "P3D"},
            {"account": "e-sklep1", "profile": "wspólny", "shipping_rates": "Duże gabaryty", "handling_time": "P4D"},
            {"account": "e-sklep2", "profile": "jedyny", "handling_time": "P5D"},
        ],
    )
    assert shop.drafts()["counts"] == {"draft_created": 5}
    times = [o["delivery"]["handlingTime"] for a in ("e-sklep1", "e-sklep2") for o in shop.offers(a)]
    assert sorted(times[:3]) == ["P2D", "P3D", "P4D"]
    assert sorted(times[3:]) == ["P30D", "P5D"]


def test_dry_run_changes_nothing_at_allegro_and_shows_the_plan(shop: Shop) -> None:
    """Only GET requests, a planned row in `Results`, nothing else in the workbook; the next dry run replaces it."""
    shop.fill([good(0), good(price="x")])
    before = {row["_row"]: row for row in shop.table("Products")}
    done = shop.run("check")
    assert done.returncode == 4, done.stderr
    assert "19.99" in done.stdout
    assert {e.method for e in shop.simulator.requests} == {"GET"}
    assert {row["_row"]: row for row in shop.table("Products")} == before
    assert [row["code"] for row in shop.table("Results")] == ["planned_create", "price_invalid"]
    shop.run("check")
    assert len(shop.table("Results")) == 2
    assert shop.drafts()["counts"]["draft_created"] == 1


def test_results_keep_the_newest_runs_only(shop: Shop) -> None:
    """`keep_runs` of the settings; the newest run stands last."""
    shop.fill([good(price=None)], Settings=[{"key": "keep_runs", "value": 2}])
    runs = [shop.drafts()["run"] for _ in range(3)]
    assert [row["run"] for row in shop.table("Results")] == runs[1:]


def test_pending_draft_is_settled_by_the_next_run(shop: Shop) -> None:
    """⌚ is no failure; the offer's number comes when Allegro has finished."""
    shop.fill([good(ean=catalogue.SLOW)])
    summary = shop.drafts("--wait", "0")
    assert (summary["counts"], summary["exit_code"]) == ({"draft_pending": 1}, 0)
    [row] = shop.table("Products")
    assert row["status"] == "⌚ w toku"
    summary = shop.drafts()
    assert summary["counts"] == {"draft_created": 1}
    assert len(shop.offers()) == 1


def test_only_the_named_account_is_worked_on(shop: Shop) -> None:
    """`--account` leaves the rows of others untouched; an unknown name is a mistake of the command."""
    shop.fill([good(0), good(1, account="e-sklep2")], Defaults=[*DEFAULTS, {"account": "e-sklep2"}])
    assert shop.drafts("--account", "e-sklep2")["counts"] == {"draft_created": 1}
    assert [row["status"] for row in shop.table("Products")] == ["", "✔ gotowe"]
    assert shop.run("run", "--account", "nikt").returncode == 2


def test_inactive_account_is_skipped(shop: Shop) -> None:
    """`active` no: its rows are counted and marked, its tokens not touched."""
    accounts = [
        {"account": "e-sklep1", "environment": "simulator", "active": "nie"},
        {"account": "e-sklep2", "environment": "simulator"},
    ]
    shop.fill([good(0), good(1, account="e-sklep2")], Accounts=accounts, Defaults=[{"account": "e-sklep2"}])
    assert shop.drafts()["counts"] == {"draft_created": 1, "account_inactive": 1}


def test_accounts_get_their_token_columns(shop: Shop) -> None:
    """Login and validity stand beside the account after a run."""
    shop.fill([good(0)])
    shop.drafts()
    [first, second] = shop.table("Accounts")
    assert first["login"] == "e-sklep1"
    assert first["valid_until"]
    assert second["login"] == ""


def test_json_is_all_that_stands_on_stdout(shop: Shop) -> None:
    """A script can read it, also of a dry run; each account has its own counts, its bad rows included."""
    shop.fill([good(0), good(price="x"), good(1, account="nikt")])
    summary = json.loads(shop.run("check", "--json").stdout)
    assert summary["counts"] == {"planned_create": 1, "account_unknown": 1, "price_invalid": 1}
    assert summary["accounts"] == {
        "e-sklep1": {"counts": {"planned_create": 1, "price_invalid": 1}, "state": "ok"},
        "e-sklep2": {"counts": {}, "state": "ok"},
    }
    assert set(summary) == {
        "run", "started", "finished", "exit_code", "counts", "accounts", "workbook", "report",
    }  # fmt: skip


def test_english_answers(shop: Shop) -> None:
    """`--lang en` speaks English, Allegro's own words included."""
    shop.fill([good(ean=catalogue.NOT_IN_CATALOGUE)])
    shop.drafts("--lang", "en")
    [row] = shop.table("Products")
    assert row["status"] == "✖ failed"
    assert "Allegro's catalogue has no such product." in row["message"]


def test_dictionaries_fill_their_table(shop: Shop) -> None:
    """Every kind of every account; a second fetch changes nothing, a vanished entry goes."""
    shop.fill([])
    done = shop.run("dictionaries")
    assert done.returncode == 0, done.stderr
    rows = shop.table("Dictionaries")
    names = {(row["account"], row["kind"], row["name"]) for row in rows}
    assert ("e-sklep1", "cennik dostaw", "Duże gabaryty") in names
    assert ("e-sklep2", "producent odpowiedzialny", "Modrzew S.A.") in names
    content = shop.workbook.read_bytes()
    shop.run("dictionaries")
    assert shop.workbook.read_bytes() == content
    shop.simulator.world.sellers["e-sklep1"].dictionaries["shipping_rates"].pop()
    shop.run("dictionaries")
    assert len(shop.table("Dictionaries")) == len(rows) - 1


def test_tokens_are_shown_and_renewed(shop: Shop) -> None:
    """One line per account; `--refresh` renews; a missing file is exit 3."""
    shop.fill([])
    shown = shop.run("tokens")
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) == 2
    before = (shop.folder / "e-sklep1.allegro.token").read_text()
    assert shop.run("tokens", "--refresh").returncode == 0
    after = json.loads((shop.folder / "e-sklep1.allegro.token").read_text())
    assert after["generation"] == json.loads(before)["generation"] + 1
    assert after["access_token"] not in before
