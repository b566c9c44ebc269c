"""Orders of the simulator: filters, sorting, pages, and how they change."""

from __future__ import annotations

from typing import Any

import pytest

from batch.simulator import Simulator
from tests.helpers.caller import Caller

PATH = "/order/checkout-forms"


def ids(caller: Caller, **query: Any) -> list[str]:
    answer = caller.get(PATH, params={name.replace("__", "."): value for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == len(answer.json()["checkoutForms"])
    return [form["id"] for form in answer.json()["checkoutForms"]]


def test_orders_are_listed_by_what_they_are(simulator: Simulator) -> None:
    """Each filter, alone; another seller sees none of them."""
    ready = simulator.add_order("e-sklep2", note={"text": "VIP"}, surcharges=[])
    other = simulator.add_order("e-sklep2", status="FILLED_IN", marketplace={"id": "allegro-cz"},
                                fulfillment={"status": "SENT"}, payment={"type": "CASH_ON_DELIVERY"})  # fmt: skip
    with Caller(simulator) as caller, Caller(simulator, "e-sklep1") as stranger:
        assert set(ids(caller)) == {ready["id"], other["id"]}
        assert ids(stranger) == []
        for query in (
            {"status": "FILLED_IN"},
            {"fulfillment__status": "SENT"},
            {"marketplace__id": "allegro-cz"},
            {"buyer__login": other["buyer"]["login"]},
            {"payment__id": other["payment"]["id"]},
            {"updatedAt__gte": "2020-01-01T00:00:00Z", "status": "FILLED_IN"},
        ):
            assert ids(caller, **query) == [other["id"]], query
        assert ids(caller, updatedAt__lte="2020-01-01T00:00:00.000Z") == []
        assert caller.get(f"{PATH}/{ready['id']}").json()["note"] == {"text": "VIP"}
        assert caller.get(f"{PATH}/{simulator.world.new_id('nothing')}").status_code == 404
        assert "paidAmount" not in other["payment"]


def test_orders_come_in_sorted_pages(simulator: Simulator) -> None:
    """By the last change or by the purchase, both ways; 100 a page."""
    made = []
    for _ in range(103):
        simulator.clock.advance(1)
        made.append(simulator.add_order("e-sklep2")["id"])
    simulator.clock.advance(1)
    changed = simulator.change_order("e-sklep2", made[0], buyer={"phoneNumber": "+48500600700"})
    assert changed["buyer"]["login"].startswith("kupujacy")
    with Caller(simulator) as caller:
        by_change = [*made[1:], made[0]]
        assert ids(caller, sort="updatedAt") == by_change[:100]
        assert ids(caller, sort="updatedAt", offset=100) == by_change[100:]
        assert ids(caller, sort="-updatedAt", limit=2) == [made[0], made[102]]
        assert ids(caller, limit=2) == [made[102], made[101]]
        assert ids(caller, sort="lineItems.boughtAt", limit=1, offset=1) == [made[1]]
        assert caller.get(PATH, params={"limit": 1}).json()["totalCount"] == 103


@pytest.mark.parametrize(
    "query",
    [{"limit": 101}, {"limit": 0}, {"offset": 9901}, {"offset": 9999, "limit": 2}, {"sort": "id"}, {"status": "NEW"},
     {"updatedAt.gte": "2026-01-01"}, {"updatedAt.gte": "yesterday"}, {"statuses": "BOUGHT"}],
)  # fmt: skip
def test_wrong_questions_are_400(unchecked_simulator: Simulator, query: dict[str, Any]) -> None:
    """Bounds, names and values of the documentation, and the largest offset (#1118)."""
    with Caller(unchecked_simulator) as caller:
        assert caller.get(PATH, params=query).status_code == 400


def test_an_order_adds_up(simulator: Simulator) -> None:
    """Lines, services, deposits, vouchers and delivery make what the buyer pays."""
    money = {"amount": "2.00", "currency": "PLN"}
    order = simulator.add_order(
        "e-sklep2",
        [{"price": "10", "quantity": 3, "deposit": {"price": {"amount": "0.50", "currency": "PLN"}}},
         {"price": "5", "selectedAdditionalServices": [{"definitionId": "X", "name": "X", "price": money,
                                                        "quantity": 2}],
          "vouchers": [{"type": "NOTEBOOKS_FOR_TEACHERS", "value": money}]}],
        delivery={"cost": {"amount": "9.99"}},
    )  # fmt: skip
    assert order["summary"]["totalToPay"] == {"amount": "48.49", "currency": "PLN"}
    assert order["payment"]["paidAmount"] == order["summary"]["totalToPay"]
    with Caller(simulator) as caller:
        assert ids(caller) == [order["id"]]


def test_changes_have_their_own_revision(simulator: Simulator) -> None:
    """And a later time, even within the same tick; the old state can stay in the list."""
    first = simulator.add_order("e-sklep2")
    simulator.settings.orders_stale = True
    second = simulator.cancel_order("e-sklep2", first["id"])
    assert second["status"] == "CANCELLED"
    assert second["revision"] != first["revision"]
    assert second["updatedAt"] > first["updatedAt"]
    with Caller(simulator) as caller:
        assert ids(caller, sort="updatedAt") == [first["id"], first["id"]]
        simulator.settings.orders_reversed = True
        forms = caller.get(PATH, params={"sort": "updatedAt"}).json()["checkoutForms"]
        assert [form["revision"] for form in forms] == [second["revision"], first["revision"]]


def test_orders_move_between_pages(simulator: Simulator) -> None:
    """Those of a page jump to the end once it has been read."""
    for _ in range(4):
        simulator.clock.advance(1)
        simulator.add_order("e-sklep2")
    simulator.settings.orders_moving = 1
    with Caller(simulator) as caller:
        first, second = (ids(caller, sort="updatedAt", limit=2, offset=offset) for offset in (0, 2))
    made = [form["id"] for form in simulator.orders("e-sklep2")]
    assert (first, second) == ([made[0], made[1]], [made[3], made[0]])


def test_the_control_door_makes_and_changes_orders(simulator: Simulator) -> None:
    """From another process."""
    with Caller(simulator) as caller:
        made = caller.post("/_control/orders", {"seller": "e-sklep2", "lines": [{"price": "7.00"}]}).json()
        caller.patch("/_control/orders", {"seller": "e-sklep2", "id": made["id"], "status": "CANCELLED"})
        listed = caller.get("/_control/orders", params={"seller": "e-sklep2"}).json()
    assert [(form["id"], form["status"]) for form in listed] == [(made["id"], "CANCELLED")]
    assert simulator.state()["sellers"]["e-sklep2"]["orders"] == 1
