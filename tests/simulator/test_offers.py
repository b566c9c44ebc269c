"""The simulator's offers behave as Allegro documents them, and never kinder."""

from __future__ import annotations

from typing import Any

import pytest

from batch.simulator import Entry, Kind, Simulator, Trouble
from batch.simulator import catalogue as products
from tests.helpers.caller import Caller, draft


def codes(response: Any) -> list[str]:
    return [error["code"] for error in response.json()["errors"]]


def test_a_draft_is_created_and_read_back(simulator: Simulator) -> None:
    """201 with the whole offer; GET shows the same; the list has it under its external id."""
    with Caller(simulator) as caller:
        created = caller.create(products.gtin(1), "SKU-1")
        assert created.status_code == 201
        offer = created.json()
        assert offer["publication"]["status"] == "INACTIVE"
        assert offer["validation"]["errors"] == []
        assert caller.get(f"/sale/product-offers/{offer['id']}").json() == offer
        listed = caller.get("/sale/offers", params={"external.id": ["SKU-1", "SKU-2"]}).json()
        assert [(item["id"], item["external"]["id"]) for item in listed["offers"]] == [(offer["id"], "SKU-1")]
        assert created.headers["trace-id"]


def test_two_equal_posts_make_two_offers(simulator: Simulator) -> None:
    """There is no idempotency."""
    with Caller(simulator) as caller:
        first, second = caller.create(products.gtin(1)), caller.create(products.gtin(1))
    assert first.json()["id"] != second.json()["id"]
    assert len(simulator.offers("e-sklep2")) == 2


def test_an_offer_without_status_goes_live_and_is_counted(simulator: Simulator) -> None:
    """Allegro's own default is immediate publication."""
    with Caller(simulator) as caller:
        body = draft(products.gtin(1))
        del body["publication"]
        assert caller.post("/sale/product-offers", body).json()["publication"]["status"] == "ACTIVE"
        caller.create(products.gtin(2))
    assert simulator.state()["published_by_accident"] == 1


@pytest.mark.parametrize(
    ("gtin", "code"),
    [
        (products.NOT_IN_CATALOGUE, "ProductNotFoundException"),
        (products.AMBIGUOUS, "MultipleProductsFoundException"),
        (products.MISSING_PARAMETERS, "ConstraintViolationException.MissingRequiredParameters"),
        (products.LIMIT_REACHED, "offerCounter"),
        (products.DRAFTS_FULL, "ConstraintViolationException.MaxInactiveOffers"),
        (products.gtin(1)[:-1] + str((int(products.gtin(1)[-1]) + 1) % 10), "WrongChecksumInGtinParameter"),
        ("123456789", "NotStandardLengthInGtinParameter"),
    ],
)
def test_gtins_that_stand_for_a_refusal(simulator: Simulator, gtin: str, code: str) -> None:
    """422 with the code of the documentation, and no offer."""
    with Caller(simulator) as caller:
        refused = caller.create(gtin)
    assert refused.status_code == 422
    assert codes(refused)[0].endswith(code)
    assert simulator.offers("e-sklep2") == []


def test_an_ambiguous_gtin_is_settled_by_a_product_id(simulator: Simulator) -> None:
    """The refusal names the candidates; the catalogue names them too; a candidate's id makes the offer."""
    with Caller(simulator) as caller:
        refused = caller.create(products.AMBIGUOUS)
        candidates = refused.json()["errors"][0]["metadata"]["foundProductsIds"].split(",")
        found = caller.get("/sale/products", params={"phrase": products.AMBIGUOUS, "mode": "GTIN"}).json()["products"]
        assert [product["id"] for product in found] == candidates
        assert len({product["name"] for product in found}) == 2
        body = draft("x") | {"productSet": [{"product": {"id": candidates[1]}}]}
        created = caller.post("/sale/product-offers", body)
        assert created.json()["productSet"][0]["product"]["id"] == candidates[1]
        assert caller.get(f"/sale/products/{candidates[1]}").json()["name"] == found[1]["name"]


def test_an_incomplete_draft_names_what_it_lacks(simulator: Simulator) -> None:
    """201, with validation.errors."""
    with Caller(simulator) as caller:
        created = caller.create(products.INCOMPLETE)
        assert created.status_code == 201
        assert created.json()["validation"]["errors"][0]["code"] == "PRODUCT_SAFETY_EMPTY"


@pytest.mark.parametrize("pending_visible", [True, False])
def test_a_slow_offer_ends_in_303(simulator: Simulator, pending_visible: bool) -> None:
    """202 with Location and Retry-After; 202 while polled; then 303, empty, with the offer's address."""
    simulator.settings.pending_visible = pending_visible
    with Caller(simulator) as caller:
        accepted = caller.create(products.SLOW)
        assert (accepted.status_code, accepted.headers["Retry-After"]) == (202, "1")
        operation = accepted.headers["Location"].removeprefix(simulator.url)
        offer_path = f"/sale/product-offers/{accepted.json()['id']}"
        assert caller.get(offer_path).status_code == (200 if pending_visible else 404)
        assert caller.get("/sale/offers").json()["count"] == pending_visible
        assert [caller.get(operation).status_code for _ in range(2)] == [202, 202]
        ended = caller.get(operation)
        assert (ended.status_code, ended.text) == (303, "")
        assert ended.headers["Location"] == simulator.url + offer_path
        assert caller.get(offer_path).status_code == 200


def test_an_operation_takes_its_time(simulator: Simulator) -> None:
    """With `operation_seconds`, polling does not hurry it."""
    simulator.settings.operation_polls, simulator.settings.operation_seconds = 0, 30
    with Caller(simulator) as caller:
        operation = caller.create(products.SLOW).headers["Location"].removeprefix(simulator.url)
        assert [caller.get(operation).status_code for _ in range(5)] == [202] * 5
        simulator.clock.advance(31)
        assert caller.get(operation).status_code == 303


def test_a_slow_refusal_leaves_no_offer(simulator: Simulator) -> None:
    """202, then 422 for ever; the offer is gone."""
    with Caller(simulator) as caller:
        accepted = caller.create(products.SLOW_REFUSED)
        operation = accepted.headers["Location"].removeprefix(simulator.url)
        assert [caller.get(operation).status_code for _ in range(4)] == [202, 202, 422, 422]
        assert caller.get(f"/sale/product-offers/{accepted.json()['id']}").status_code == 404


def test_operations_that_vanish_or_never_end(simulator: Simulator) -> None:
    """404 at the first poll; 202 at every poll."""
    simulator.faults.add(Trouble.OPERATION_VANISHES, method="POST")
    with Caller(simulator) as caller:
        lost = caller.create(products.gtin(1)).headers["Location"].removeprefix(simulator.url)
        endless = caller.create(products.NEVER_ENDS).headers["Location"].removeprefix(simulator.url)
        assert caller.get(lost).status_code == 404
        assert {caller.get(endless).status_code for _ in range(10)} == {202}


def test_a_wrong_location_still_ends_in_the_operation_id(simulator: Simulator) -> None:
    """Port and path are wrong, the last segment is right (#5712)."""
    simulator.faults.add(Trouble.WRONG_LOCATION)
    with Caller(simulator) as caller:
        caller.get("/me")
        accepted = caller.create(products.gtin(1))
        location = accepted.headers["Location"]
        assert not location.startswith(f"{simulator.url}/sale/product-offers/{accepted.json()['id']}")
        right = f"/sale/product-offers/{accepted.json()['id']}/operations/{location.rsplit('/', 1)[1]}"
        assert caller.get(right).status_code == 202


WRONG_FIELDS: dict[str, dict[str, Any]] = {
    "unknown property": {"sku": "1"},
    "unknown nested property": {"stock": {"available": 1, "quantity": 1}},
    "no price": {"sellingMode": {}},
    "price as a number": {"sellingMode": {"price": {"amount": 12.3, "currency": "PLN"}}},
    "three decimals": {"sellingMode": {"price": {"amount": "12.300", "currency": "PLN"}}},
    "a comma": {"sellingMode": {"price": {"amount": "12,30", "currency": "PLN"}}},
    "under one zloty": {"sellingMode": {"price": {"amount": "0.99", "currency": "PLN"}}},
    "another currency": {"sellingMode": {"price": {"amount": "12.30", "currency": "EUR"}}},
    "negative stock": {"stock": {"available": -1}},
    "stock as text": {"stock": {"available": "3"}},
    "stock as boolean": {"stock": {"available": True}},
    "no stock": {"stock": {}},
    "no product": {"productSet": []},
    "status": {"publication": {"status": "DRAFT"}},
    "duration": {"publication": {"status": "INACTIVE", "duration": "PT72H"}},
    "handling time": {"delivery": {"handlingTime": "24h"}},
    "invoice": {"payments": {"invoice": "FAKTURA"}},
    "province missing": {"location": {"countryCode": "PL", "city": "Poznań", "postCode": "60-166"}},
    "province": {"location": {"countryCode": "PL", "province": "wielkopolskie"}},
    "post code": {"location": {"countryCode": "PL", "province": "WIELKOPOLSKIE", "postCode": "60166"}},
    "tax rate": {"taxSettings": {"rates": [{"rate": "23", "countryCode": "PL"}]}},
    "long external id": {"external": {"id": "x" * 101}},
    "empty external id": {"external": {"id": ""}},
    "null external": {"external": None},
    "language": {"language": "pl"},
    "short name": {"name": "Kubek"},
    "shipping rates of nobody": {"delivery": {"shippingRates": {"id": "5637592a-0a24-4771-b527-d89b2767d821"}}},
    "product type": {"productSet": [{"product": {"id": products.gtin(1), "idType": "EAN"}}]},
}


@pytest.mark.parametrize("fields", WRONG_FIELDS.values(), ids=WRONG_FIELDS)
def test_a_wrong_field_is_refused(unchecked_simulator: Simulator, fields: dict[str, Any]) -> None:
    """422, and no offer."""
    with Caller(unchecked_simulator) as caller:
        assert caller.create(products.gtin(1), **fields).status_code == 422
    assert unchecked_simulator.offers("e-sklep2") == []


def test_safety_information_cannot_be_declared_absent(unchecked_simulator: Simulator) -> None:
    """The type that Allegro itself shows is refused with a code of its own."""
    element = {
        "product": {"id": products.gtin(1), "idType": "GTIN"},
        "safetyInformation": {"type": "NO_SAFETY_INFORMATION"},
    }
    with Caller(unchecked_simulator) as caller:
        refused = caller.create(products.gtin(1), productSet=[element])
    assert codes(refused) == ["NO_SAFETY_INFORMATION_OPTION_NOT_ALLOWED"]


def test_a_body_that_is_no_json_is_400(unchecked_simulator: Simulator) -> None:
    """400, with Allegro's error shape."""
    with Caller(unchecked_simulator) as caller:
        for text in ("", "{", "[]", '{"name": "\\ud83d"}'):
            answer = caller.session.post(unchecked_simulator.url + "/sale/product-offers", data=text, timeout=10)
            assert answer.status_code == 400
            assert codes(answer)


def test_all_default_fields_together(simulator: Simulator) -> None:
    """Every field the tool can send is taken and shown."""
    kinds = simulator.state()["sellers"]["e-sklep2"]["dictionaries"]
    ids = {kind: kinds[kind][0]["id"] for kind in Kind}
    element = {
        "product": {"id": products.gtin(1), "idType": "GTIN"},
        "quantity": {"value": 1},
        "responsibleProducer": {"type": "ID", "id": ids[Kind.RESPONSIBLE_PRODUCERS]},
        "responsiblePerson": {"id": ids[Kind.RESPONSIBLE_PERSONS]},
        "safetyInformation": {"type": "TEXT", "description": "Nie połykać."},
    }
    fields: dict[str, Any] = {
        "productSet": [element],
        "delivery": {"handlingTime": "P2D", "shippingRates": {"id": ids[Kind.SHIPPING_RATES]}},
        "afterSalesServices": {
            "returnPolicy": {"id": ids[Kind.RETURN_POLICIES]},
            "impliedWarranty": {"id": ids[Kind.IMPLIED_WARRANTIES]},
            "warranty": {"id": ids[Kind.WARRANTIES]},
        },
        "payments": {"invoice": "VAT_MARGIN"},
        "location": {"countryCode": "PL", "province": "SLASKIE", "city": "Katowice", "postCode": "40-001"},
        "taxSettings": {"rates": [{"rate": "23.00", "countryCode": "PL"}]},
        "publication": {"status": "INACTIVE", "duration": "P30D"},
        "language": "pl-PL",
    }
    with Caller(simulator) as caller:
        created = caller.create(products.gtin(1), "SKU", **fields)
    assert created.status_code == 201
    shown = created.json()
    for name in ("delivery", "afterSalesServices", "payments", "location", "taxSettings", "publication"):
        assert fields[name].items() <= shown[name].items()
    assert shown["productSet"][0]["responsibleProducer"] == {"id": ids[Kind.RESPONSIBLE_PRODUCERS]}
    assert shown["productSet"][0]["safetyInformation"] == element["safetyInformation"]


def test_names_stand_for_ids(simulator: Simulator) -> None:
    """A name that one entry has is its id; a name that two have is refused; so is One Fulfillment."""
    warehouse = Entry("5637592a-0a24-4771-b527-d89b2767d821", "One Fulfillment", is_fulfillment=True)
    simulator.add_seller("shop", dictionaries={Kind.SHIPPING_RATES: ["A", "B", "B", warehouse]})
    with Caller(simulator, "shop") as caller:
        good = caller.create(products.gtin(1), delivery={"shippingRates": {"name": "A"}})
        assert good.status_code == 201
        twice = caller.create(products.gtin(1), delivery={"shippingRates": {"name": "B"}})
        assert codes(twice) == ["ShippingRatesNotUniqueException"]
        denied = caller.create(products.gtin(1), delivery={"shippingRates": {"id": warehouse.id}})
        assert codes(denied) == ["SHIPPING_RATES_ACCESS_DENIED"]
    with Caller(simulator, "e-sklep2") as caller:
        foreign = good.json()["delivery"]["shippingRates"]
        assert codes(caller.create(products.gtin(1), delivery={"shippingRates": foreign})) == [
            "ShippingRatesNotFoundException"
        ]


@pytest.mark.parametrize(
    ("names", "chosen"), [(["A"], "A"), (["A", "default"], "default"), (["A", "B"], None), ([], None)]
)
def test_default_shipping_rates(simulator: Simulator, names: list[str], chosen: str | None) -> None:
    """The only one, else the one named default, else 422."""
    shop = simulator.add_seller("shop", dictionaries={Kind.SHIPPING_RATES: names})
    with Caller(simulator, "shop") as caller:
        answer = caller.create(products.gtin(1))
    if chosen is None:
        assert codes(answer) == ["DefaultShippingRatesNotFoundException"]
    else:
        ids = {entry.name: entry.id for entry in shop.dictionaries[Kind.SHIPPING_RATES]}
        assert answer.json()["delivery"]["shippingRates"] == {"id": ids[chosen]}


@pytest.mark.parametrize(("business", "status"), [(True, 422), (False, 201)])
def test_only_a_business_needs_a_return_policy(simulator: Simulator, business: bool, status: int) -> None:
    """Two policies and none chosen: refused for a business, left open for a private seller."""
    simulator.add_seller("shop", business=business, dictionaries={Kind.RETURN_POLICIES: ["A", "B"]})
    with Caller(simulator, "shop") as caller:
        assert caller.create(products.gtin(1)).status_code == status


def test_five_offers_of_a_product_are_the_limit(simulator: Simulator) -> None:
    """The sixth is refused; deleting one makes room."""
    with Caller(simulator) as caller:
        made = [caller.create(products.gtin(1)).json()["id"] for _ in range(5)]
        assert codes(caller.create(products.gtin(1))) == ["offerCounter"]
        assert caller.delete(f"/sale/offers/{made[0]}").status_code == 204
        assert caller.create(products.gtin(1)).status_code == 201


def test_drafts_are_limited(simulator: Simulator) -> None:
    """One more than `max_drafts` is refused; deleting one makes room."""
    simulator.settings.max_drafts = 2
    with Caller(simulator) as caller:
        made = [caller.create(products.gtin(number)) for number in range(3)]
        assert [answer.status_code for answer in made] == [201, 201, 422]
        caller.delete(f"/sale/offers/{made[0].json()['id']}")
        assert caller.create(products.gtin(4)).status_code == 201


def test_the_list_lags_behind(simulator: Simulator) -> None:
    """A new offer can be read at once and listed only later."""
    simulator.settings.index_lag = 20
    with Caller(simulator) as caller:
        offer_id = caller.create(products.gtin(1), "SKU").json()["id"]
        query = {"external.id": "SKU"}
        assert caller.get(f"/sale/product-offers/{offer_id}").status_code == 200
        assert caller.get("/sale/offers", params=query).json()["totalCount"] == 0
        simulator.clock.advance(21)
        assert caller.get("/sale/offers", params=query).json()["totalCount"] == 1


def test_the_list_pages_and_filters(simulator: Simulator) -> None:
    """20 by default, at most 1000; filters by id and status; counts of the page and of all."""
    with Caller(simulator) as caller:
        ids = [caller.create(products.gtin(number), f"SKU-{number % 20}").json()["id"] for number in range(25)]
        caller.create(products.gtin(99), publication={"status": "ACTIVE"})
        first = caller.get("/sale/offers").json()
        assert (first["count"], first["totalCount"]) == (20, 26)
        second = caller.get("/sale/offers", params={"offset": 20, "limit": 1000}).json()
        assert [offer["id"] for offer in first["offers"] + second["offers"]][:25] == ids
        active = caller.get("/sale/offers", params={"publication.status": "ACTIVE"}).json()
        assert active["totalCount"] == 1
        same = caller.get("/sale/offers", params={"external.id": "SKU-3"}).json()
        assert [offer["id"] for offer in same["offers"]] == [ids[3], ids[23]]
        assert caller.get("/sale/offers", params={"offer.id": ",".join(ids[:3])}).json()["count"] == 3
        assert caller.get("/sale/offers", params={"offer.id": ids[:3]}).json()["count"] == 1


def test_a_hundred_long_external_ids_fit_one_look_up(simulator: Simulator) -> None:
    """The documented bound, in letters that need six bytes each in an address."""
    external_ids = [f"{number:02d}" + "ż" * 98 for number in range(100)]
    with Caller(simulator) as caller:
        caller.create(products.gtin(1), external_ids[99])
        found = caller.get("/sale/offers", params={"external.id": external_ids, "limit": 1000}).json()
    assert [offer["external"]["id"] for offer in found["offers"]] == [external_ids[99]]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "ten"},
        {"external.id": [str(number) for number in range(101)]},
        {"external.id": "x" * 101},
        {"externalId": "1"},
        {"publication.status": "DRAFT"},
    ],
)
def test_a_wrong_query_is_400(unchecked_simulator: Simulator, query: dict[str, Any]) -> None:
    """Values out of bounds and names that are not in the documentation."""
    with Caller(unchecked_simulator) as caller:
        caller.create(products.gtin(1))
        assert caller.get("/sale/offers", params=query).status_code == 400


def test_editing_follows_merge_patch(simulator: Simulator) -> None:
    """Only what is sent changes; stock 0 ends an active offer; a draft of another seller is 404."""
    with Caller(simulator) as caller, Caller(simulator, "e-sklep1") as other:
        path = f"/sale/product-offers/{caller.create(products.gtin(1), 'SKU').json()['id']}"
        changed = caller.patch(path, {"sellingMode": {"price": {"amount": "20.00", "currency": "PLN"}}}).json()
        assert changed["sellingMode"]["price"]["amount"] == "20.00"
        assert (changed["stock"]["available"], changed["external"]) == (3, {"id": "SKU"})
        assert caller.patch(path, {"publication": {"status": "ACTIVE"}}).json()["publication"]["status"] == "ACTIVE"
        ended = caller.patch(path, {"stock": {"available": 0}, "external": None}).json()
        assert (ended["publication"]["status"], ended["external"]) == ("ENDED", None)
        assert caller.get("/sale/offers").json()["offers"][0]["external"] is None
        assert other.get(path).status_code == 404


def test_only_complete_offers_go_live(simulator: Simulator) -> None:
    """Neither a new nor an edited offer is published while it lacks something or its stock is 0."""
    live = {"publication": {"status": "ACTIVE"}}
    with Caller(simulator) as caller:
        assert codes(caller.create(products.INCOMPLETE, **live)) == ["PRODUCT_SAFETY_EMPTY"]
        assert caller.create(products.gtin(1), stock={"available": 0}, **live).status_code == 422
        incomplete, empty = caller.create(products.INCOMPLETE), caller.create(products.gtin(1), stock={"available": 0})
        for answer in incomplete, empty:
            assert caller.patch(f"/sale/product-offers/{answer.json()['id']}", live).status_code == 422
    assert {offer["publication"]["status"] for offer in simulator.offers("e-sklep2")} == {"INACTIVE"}


def test_an_offer_cannot_be_edited_while_its_operation_runs(simulator: Simulator) -> None:
    """409."""
    with Caller(simulator) as caller:
        path = f"/sale/product-offers/{caller.create(products.NEVER_ENDS).json()['id']}"
        assert caller.patch(path, {"stock": {"available": 1}}).status_code == 409


def test_only_drafts_can_be_deleted(simulator: Simulator) -> None:
    """204 and gone; an active offer stays."""
    with Caller(simulator) as caller:
        offer_id = caller.create(products.gtin(1)).json()["id"]
        assert caller.delete(f"/sale/offers/{offer_id}").status_code == 204
        assert caller.get(f"/sale/product-offers/{offer_id}").status_code == 404
        assert caller.get("/sale/offers", params={"external.id": products.gtin(1)}).json()["count"] == 0
        active = caller.create(products.gtin(2), publication={"status": "ACTIVE"}).json()["id"]
        assert caller.delete(f"/sale/offers/{active}").status_code == 403
