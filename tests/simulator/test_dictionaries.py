"""The dictionaries of an account, as Allegro lists them."""

from __future__ import annotations

import pytest

from batch.simulator import Entry, Kind, Simulator
from tests.helpers.caller import Caller

AFTER_SALES = "/after-sales-service-conditions"
PATHS = {
    Kind.SHIPPING_RATES: ("/sale/shipping-rates", "shippingRates"),
    Kind.RETURN_POLICIES: (f"{AFTER_SALES}/return-policies", "returnPolicies"),
    Kind.IMPLIED_WARRANTIES: (f"{AFTER_SALES}/implied-warranties", "impliedWarranties"),
    Kind.WARRANTIES: (f"{AFTER_SALES}/warranties", "warranties"),
    Kind.RESPONSIBLE_PRODUCERS: ("/sale/responsible-producers", "responsibleProducers"),
    Kind.RESPONSIBLE_PERSONS: ("/sale/responsible-persons", "responsiblePersons"),
}


@pytest.mark.parametrize("kind", Kind)
def test_each_dictionary_lists_its_entries(simulator: Simulator, kind: Kind) -> None:
    """Ids and names in order; another seller has other ids."""
    shop = simulator.add_seller("shop", dictionaries={kind: ["A", "B", "A"]})
    path, key = PATHS[kind]
    with Caller(simulator, "shop") as caller, Caller(simulator, "e-sklep1") as other:
        listed = caller.get(path).json()[key]
        assert [entry["name"] for entry in listed] == ["A", "B", "A"]
        assert [entry["id"] for entry in listed] == [entry.id for entry in shop.dictionaries[kind]]
        assert not {entry["id"] for entry in listed} & {entry["id"] for entry in other.get(path).json()[key]}


def test_entries_of_one_fulfillment_say_so(simulator: Simulator) -> None:
    """Price lists by their features, return policies by a field of their own."""
    simulator.add_seller("shop")
    for login in "e-sklep2", "shop":
        with Caller(simulator, login) as caller:
            policies = caller.get("/after-sales-service-conditions/return-policies").json()["returnPolicies"]
            assert [policy["isFulfillment"] for policy in policies] == [False, True]
            rates = caller.get("/sale/shipping-rates").json()["shippingRates"]
            assert [rate["features"]["isFulfillment"] for rate in rates] == [False, True]
            assert [rate["features"]["managedByAllegro"] for rate in rates] == [False, True]
    with Caller(simulator, "shop") as caller:
        assert caller.get("/sale/shipping-rates", params={"marketplace": "allegro-cz"}).json() == {"shippingRates": []}


@pytest.mark.parametrize("kind", [Kind.RETURN_POLICIES, Kind.IMPLIED_WARRANTIES, Kind.WARRANTIES])
def test_after_sales_conditions_come_in_pages_of_sixty(simulator: Simulator, kind: Kind) -> None:
    """At most 60, from an offset of at most 59; `count` is of the page."""
    names = [f"Warunki {number}" for number in range(70)]
    simulator.add_seller("shop", dictionaries={kind: names})
    path, key = PATHS[kind]
    with Caller(simulator, "shop") as caller:
        first, second = caller.get(path).json(), caller.get(path, params={"offset": 59, "limit": 60}).json()
        assert [entry["name"] for entry in first[key]] == names[:60]
        assert [entry["name"] for entry in second[key]] == names[59:]
        assert (first["count"], second["count"]) == (60, 11)


@pytest.mark.parametrize("kind", [Kind.RESPONSIBLE_PRODUCERS, Kind.RESPONSIBLE_PERSONS])
def test_responsible_parties_come_in_pages_of_a_thousand(simulator: Simulator, kind: Kind) -> None:
    """1000 by default; the total is told beside the count of the page."""
    entries = [Entry(simulator.world.new_id(number), f"Firma {number}") for number in range(1003)]
    simulator.add_seller("shop", dictionaries={kind: entries})
    path, key = PATHS[kind]
    with Caller(simulator, "shop") as caller:
        first, second = caller.get(path).json(), caller.get(path, params={"offset": 1000}).json()
        assert (first["count"], first["totalCount"]) == (1000, 1003)
        assert [entry["name"] for entry in second[key]] == ["Firma 1000", "Firma 1001", "Firma 1002"]


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (Kind.RETURN_POLICIES, {"limit": 61}),
        (Kind.WARRANTIES, {"offset": 60}),
        (Kind.RESPONSIBLE_PERSONS, {"limit": 1001}),
        (Kind.SHIPPING_RATES, {"limit": 1}),
    ],
)
def test_wrong_pages_are_400(unchecked_simulator: Simulator, kind: Kind, query: dict[str, int]) -> None:
    """Bounds of the documentation; price lists have no pages."""
    with Caller(unchecked_simulator) as caller:
        assert caller.get(PATHS[kind][0], params=query).status_code == 400


@pytest.mark.parametrize("business", [True, False])
def test_who_am_i(simulator: Simulator, business: bool) -> None:
    """Login and id of the token's seller; a company only for a business."""
    shop = simulator.add_seller("shop", business=business)
    with Caller(simulator, "shop") as caller:
        me = caller.get("/me").json()
    assert (me["login"], me["id"], "company" in me) == ("shop", shop.id, business)
