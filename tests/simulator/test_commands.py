"""Changes of many offers at once: accepted is not applied, and every task has an end of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from batch.simulator import Simulator, Trouble
from batch.simulator import catalogue as products
from tests.helpers.caller import BETA, Caller

LOGIN = "e-sklep2"
ID = "c1b3f63d-d293-4333-911d-a0c1053e2c81"
ROOTS = {
    "price": "/sale/offer-price-change-commands",
    "stock": "/sale/offer-quantity-change-commands",
    "publication": "/sale/offer-publication-commands",
    "bulk": "/sale/offer-bulk-modification-commands",
}


def money(amount: str, currency: str = "PLN") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def criteria(ids: list[str]) -> dict[str, Any]:
    return {"offerCriteria": [{"type": "CONTAINS_OFFERS", "offers": [{"id": offer_id} for offer_id in ids]}]}


def price(ids: list[str], amount: str = "20.00", currency: str = "PLN") -> dict[str, Any]:
    return {"modification": {"type": "FIXED_PRICE", "price": money(amount, currency)}, **criteria(ids)}


def stock(ids: list[str], value: int = 7, change_type: str = "FIXED") -> dict[str, Any]:
    return {"modification": {"changeType": change_type, "value": value}, **criteria(ids)}


def publication(ids: list[str], action: str = "ACTIVATE") -> dict[str, Any]:
    return {"publication": {"action": action}, **criteria(ids)}


def bulk_price(offer_id: str, amount: str = "20.00") -> dict[str, Any]:
    return {"offerId": offer_id, "prices": {"allegro-pl": {"changeType": "FIXED", "value": money(amount)}}}


def bulk_stock(offer_id: str, value: int = 7) -> dict[str, Any]:
    return {"offerId": offer_id, "stock": {"changeType": "FIXED", "value": value}}


class Desk(Caller):
    """A caller who sends commands and looks at what becomes of them."""

    def command(self, kind: str, body: dict[str, Any], command_id: str = ID) -> requests.Response:
        return self.put(f"{ROOTS[kind]}/{command_id}", body)

    def bulk(self, *modifications: dict[str, Any], command_id: str = ID) -> requests.Response:
        body = {"commandId": command_id, "modifications": list(modifications)}
        return self.post(ROOTS["bulk"], body, headers=BETA)

    def counts(self, kind: str, command_id: str = ID) -> dict[str, int]:
        counts: dict[str, int] = self.get(f"{ROOTS[kind]}/{command_id}").json()["taskCount"]
        return counts

    def tasks(self, kind: str, command_id: str = ID, **query: int) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self.get(f"{ROOTS[kind]}/{command_id}/tasks", params=query).json()["tasks"]
        return tasks

    def statuses(self, kind: str, command_id: str = ID) -> list[str]:
        return [task["status"] for task in self.tasks(kind, command_id)]


@pytest.fixture
def desk(simulator: Simulator) -> Iterator[Desk]:
    """Commands end with their first poll."""
    simulator.settings.command_polls, simulator.settings.command_seconds = 1, 0
    with Desk(simulator, LOGIN) as desk:
        yield desk


def shown(simulator: Simulator, login: str = LOGIN) -> list[tuple[str, int, str]]:
    """Price, stock and status of a seller's offers."""
    return [
        (offer["sellingMode"]["price"]["amount"], offer["stock"]["available"], offer["publication"]["status"])
        for offer in simulator.offers(login)
    ]


def test_accepted_is_not_applied(simulator: Simulator, desk: Desk) -> None:
    """201 and the first poll count nothing; then half, then all; only a done task has changed its offer."""
    simulator.settings.command_polls = 2
    ids = simulator.add_offers(LOGIN, 2)
    accepted = desk.command("price", price(ids))
    assert (accepted.status_code, accepted.json()["id"], accepted.json()["completedAt"]) == (201, ID, None)
    assert desk.counts("price") == {"total": 0, "success": 0, "failed": 0}
    assert desk.statuses("price") == ["SUCCESS", "NEW"]
    done = desk.get(f"{ROOTS['price']}/{ID}").json()
    assert (done["taskCount"], bool(done["completedAt"])) == ({"total": 2, "success": 2, "failed": 0}, True)
    assert shown(simulator) == [("20.00", 1, "INACTIVE")] * 2


def test_nothing_changes_before_its_time(simulator: Simulator, desk: Desk) -> None:
    """With `command_seconds`, polling does not hurry a command; with no polls asked for, it ends unwatched."""
    simulator.settings.command_polls, simulator.settings.command_seconds = 0, 60
    desk.command("stock", stock(simulator.add_offers(LOGIN, 4)))
    assert [desk.statuses("stock") for _ in range(3)] == [[], ["NEW"] * 4, ["NEW"] * 4]
    simulator.clock.advance(31)
    assert [offer[1] for offer in shown(simulator)] == [7, 7, 1, 1]
    simulator.clock.advance(30)
    assert [offer[1] for offer in shown(simulator)] == [7, 7, 7, 7]


def test_bulk_changes_each_offer_in_its_own_way(simulator: Simulator, desk: Desk) -> None:
    """Price and stock of one offer are two changes; tasks name offer and field."""
    first, second = simulator.add_offers(LOGIN, 2)
    assert desk.bulk(bulk_price(first, "5.50"), bulk_stock(first, 9), bulk_price(second, "6.00")).status_code == 201
    desk.counts("bulk")
    assert [(task["subject"], task["status"]) for task in desk.tasks("bulk")] == [
        ({"offerId": first, "field": "prices"}, "SUCCESS"),
        ({"offerId": first, "field": "stock"}, "SUCCESS"),
        ({"offerId": second, "field": "prices"}, "SUCCESS"),
    ]
    assert shown(simulator) == [("5.50", 9, "INACTIVE"), ("6.00", 1, "INACTIVE")]


@dataclass(frozen=True)
class Case:
    """One task: the offer it meets, the command, and how both end."""

    kind: str
    body: Any
    ends: str
    code: str | None = None
    offer: dict[str, Any] = field(default_factory=dict)


READY = {"status": "ACTIVE"}
CASES = {
    "price of a draft": Case("price", price, "INACTIVE"),
    "price of an active offer": Case("price", price, "ACTIVE", offer=READY),
    "price of an ended offer": Case("price", price, "ENDED", "OFFER_ENDED", {"status": "ENDED"}),
    "price too low": Case("price", lambda ids: price(ids, "0.99"), "INACTIVE", "ConstraintViolationException.Price"),
    "price in euro": Case("price", lambda ids: price(ids, "20.00", "EUR"), "INACTIVE", "CURRENCY_MISMATCH"),
    "stock of a draft": Case("stock", stock, "INACTIVE"),
    "more stock": Case("stock", lambda ids: stock(ids, 6, "GAIN"), "ACTIVE", offer=READY),
    "less stock than none": Case("stock", lambda ids: stock(ids, -1, "GAIN"), "ACTIVE", "VALIDATION_FAILED", READY),
    "stock of an ended offer": Case("stock", stock, "ENDED", "OFFER_ENDED", {"status": "ENDED"}),
    "publish a draft": Case("publication", publication, "ACTIVE"),
    "publish an active offer": Case("publication", publication, "ACTIVE", offer=READY),
    "publish an ended offer": Case("publication", publication, "ACTIVE", offer={"status": "ENDED"}),
    "publish an empty draft": Case("publication", publication, "INACTIVE", "VALIDATION_FAILED", {"stock": 0}),
    "publish an incomplete draft": Case(
        "publication", publication, "INACTIVE", "PRODUCT_SAFETY_EMPTY", {"gtin": products.INCOMPLETE}
    ),
    "end an active offer": Case("publication", lambda ids: publication(ids, "END"), "ENDED", offer=READY),
    "end an ended offer": Case("publication", lambda ids: publication(ids, "END"), "ENDED", offer={"status": "ENDED"}),
    "end a draft": Case("publication", lambda ids: publication(ids, "END"), "INACTIVE", "OFFER_NOT_ACTIVE"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_how_a_task_ends(simulator: Simulator, desk: Desk, case: Case) -> None:
    """SUCCESS and the change, or FAIL with its code and no change; messages are for people."""
    if case.offer.get("gtin") == products.INCOMPLETE:
        ids = [desk.create(products.INCOMPLETE).json()["id"]]
    else:
        ids = simulator.add_offers(LOGIN, [case.offer])
    before = shown(simulator)
    desk.command(case.kind, case.body(ids))
    desk.counts(case.kind)
    task = desk.tasks(case.kind)[0]
    assert task["offer"] == {"id": ids[0]}
    assert (task["status"], [error["code"] for error in task["errors"]]) == (
        ("FAIL", [case.code]) if case.code else ("SUCCESS", [])
    )
    assert shown(simulator)[0][2] == case.ends
    if case.code:
        assert shown(simulator) == before
        assert task["message"]
    elif case.kind != "publication":
        assert shown(simulator)[0][:2] == (("20.00", 1) if case.kind == "price" else ("10.00", 7))


def test_one_task_fails_alone(simulator: Simulator, desk: Desk) -> None:
    """An offer that does not exist, one of another seller, one being edited, and one that is well."""
    simulator.settings.edit_seconds = 60
    foreign = simulator.add_offers("e-sklep1", 1)[0]
    edited, well = simulator.add_offers(LOGIN, 2)
    desk.patch(f"/sale/product-offers/{edited}", {"stock": {"available": 5}})
    desk.command("price", price(["1", foreign, edited, well]))
    assert desk.counts("price")["total"] == 0
    assert desk.counts("price") == {"total": 4, "success": 1, "failed": 3}
    codes = [[error["code"] for error in task["errors"]] for task in desk.tasks("price")]
    assert codes == [["OFFER_NOT_FOUND"], ["OFFER_NOT_FOUND"], ["OFFER_IS_BEING_EDITED"], []]
    assert shown(simulator, "e-sklep1") == [("10.00", 1, "INACTIVE")]


def test_activation_takes_its_time(simulator: Simulator, desk: Desk) -> None:
    """ACTIVATING, then ACTIVE; one that was ended meanwhile stays ended."""
    simulator.settings.activation_seconds = 60
    first, second = simulator.add_offers(LOGIN, 2)
    desk.command("publication", publication([first, second]))
    desk.counts("publication")
    assert {offer[2] for offer in shown(simulator)} == {"ACTIVATING"}
    assert desk.get("/sale/offers", params={"publication.status": "ACTIVATING"}).json()["count"] == 2
    desk.patch(f"/sale/product-offers/{second}", {"stock": {"available": 0}})
    simulator.clock.advance(61)
    assert [offer[2] for offer in shown(simulator)] == ["ACTIVE", "ENDED"]


def test_an_id_serves_once(simulator: Simulator, desk: Desk) -> None:
    """409 for the same command, 409 with another code for another; letters' case makes no other id."""
    ids = simulator.add_offers(LOGIN, 1)
    with Desk(simulator, "e-sklep1") as other:
        answers = [
            desk.command("price", price(ids)),
            desk.command("price", price(ids), ID.upper()),
            desk.command("price", price(ids, "21.00")),
            desk.command("stock", stock(ids)),
            other.command("price", price(ids)),
            desk.bulk(bulk_price(ids[0])),
        ]
    assert [answer.status_code for answer in answers] == [201, 409, 409, 409, 409, 409]
    codes = [answer.json()["errors"][0]["code"] for answer in answers[1:]]
    assert codes == ["COMMAND_ID_ALREADY_USED", *["COMMAND_ID_USED_FOR_ANOTHER_CHANGE"] * 4]


def test_commands_nobody_knows(simulator: Simulator, desk: Desk) -> None:
    """404: of another seller, of another kind, never sent."""
    desk.command("price", price(simulator.add_offers(LOGIN, 1)))
    with Desk(simulator, "e-sklep1") as other:
        foreign = other.get(f"{ROOTS['price']}/{ID}")
    answers = [
        foreign,
        desk.get(f"{ROOTS['stock']}/{ID}"),
        desk.get(f"{ROOTS['bulk']}/{ID}/tasks"),
        desk.get(f"{ROOTS['price']}/{uuid.uuid4()}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert foreign.json()["errors"][0]["code"] == "COMMAND_NOT_FOUND"


OFFER = "7000000001"
WRONG = {
    "no offers": ("price", price([])),
    "1001 offers": ("price", price([str(number) for number in range(1001)])),
    "two criteria": ("price", price([OFFER]) | {"offerCriteria": criteria([OFFER])["offerCriteria"] * 2}),
    "no criteria": ("price", {"modification": price([])["modification"]}),
    "amount as a number": ("price", price([OFFER]) | {"modification": {"type": "FIXED_PRICE", "price": 20}}),
    "a comma": ("price", price([OFFER], "20,00")),
    "no type": ("price", price([OFFER]) | {"modification": {"price": money("20.00")}}),
    "unknown property": ("price", price([OFFER]) | {"commandId": ID}),
    "stock 0": ("stock", stock([OFFER], 0)),
    "stock as text": ("stock", stock([OFFER]) | {"modification": {"changeType": "FIXED", "value": "7"}}),
    "no way to change": ("stock", stock([OFFER]) | {"modification": {"value": 7}}),
    "action": ("publication", publication([OFFER], "DELETE")),
    "another command's body": ("publication", price([OFFER])),
}


@pytest.mark.parametrize(("kind", "body"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_is_refused(unchecked_simulator: Simulator, kind: str, body: dict[str, Any]) -> None:
    """422, and the id is still free."""
    with Desk(unchecked_simulator, LOGIN) as desk:
        unchecked_simulator.add_offers(LOGIN, 1)
        assert desk.command(kind, body).status_code == 422
        assert desk.command("price", price([OFFER])).status_code == 201


WRONG_BULK: dict[str, tuple[list[dict[str, Any]], str]] = {
    "none": ([], ID),
    "26": ([bulk_price(str(number)) for number in range(26)], ID),
    "price and stock in one": ([bulk_price(OFFER) | bulk_stock(OFFER)], ID),
    "neither": ([{"offerId": OFFER}], ID),
    "the same twice": ([bulk_price(OFFER), bulk_price(OFFER, "21.00")], ID),
    "stock 0": ([bulk_stock(OFFER, 0)], ID),
    "marketplace": ([{"offerId": OFFER, "prices": {"PL": bulk_price(OFFER)["prices"]["allegro-pl"]}}], ID),
    "id": ([bulk_price(OFFER)], "1"),
}


@pytest.mark.parametrize(("modifications", "command_id"), WRONG_BULK.values(), ids=WRONG_BULK)
def test_a_wrong_bulk_command_is_refused(
    unchecked_simulator: Simulator, modifications: list[dict[str, Any]], command_id: str
) -> None:
    """422."""
    with Desk(unchecked_simulator, LOGIN) as desk:
        unchecked_simulator.add_offers(LOGIN, 1)
        assert desk.bulk(*modifications, command_id=command_id).status_code == 422


def test_media_types(unchecked_simulator: Simulator) -> None:
    """The bulk command is beta both ways; asking for it is not, nor are the others."""
    [offer_id] = unchecked_simulator.add_offers(LOGIN, 1)
    body = {"commandId": ID, "modifications": [bulk_price(offer_id)]}
    with Desk(unchecked_simulator, LOGIN) as desk:
        assert desk.post(ROOTS["bulk"], body).status_code == 406
        assert desk.post(ROOTS["bulk"], body, headers={"Accept": BETA["Accept"]}).status_code == 415
        accepted = desk.bulk(bulk_price(offer_id))
        assert (accepted.status_code, accepted.headers["Content-Type"]) == (201, BETA["Accept"])
        assert desk.get(f"{ROOTS['bulk']}/{ID}", headers=BETA).status_code == 406
        assert desk.get(f"{ROOTS['bulk']}/{ID}").status_code == 200


def test_command_ids_are_uuids(unchecked_simulator: Simulator) -> None:
    """400."""
    with Desk(unchecked_simulator, LOGIN) as desk:
        assert desk.command("price", price([OFFER]), "17").status_code == 400


def test_tasks_come_in_pages(simulator: Simulator, desk: Desk) -> None:
    """100 by default, 1000 at most, from an offset of up to 999."""
    ids = simulator.add_offers(LOGIN, 1000)
    desk.command("price", price(ids))
    desk.counts("price")
    assert [task["offer"]["id"] for task in desk.tasks("price")] == ids[:100]
    assert len(desk.tasks("price", limit=1000)) == 1000
    assert [task["offer"]["id"] for task in desk.tasks("price", limit=1000, offset=998)] == ids[998:]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"offset": 1000}, {"status": "FAIL"}])
def test_a_wrong_page_is_400(unchecked_simulator: Simulator, query: dict[str, Any]) -> None:
    """Out of bounds, or not documented."""
    with Desk(unchecked_simulator, LOGIN) as desk:
        desk.command("price", price(unchecked_simulator.add_offers(LOGIN, 1)))
        assert desk.get(f"{ROOTS['price']}/{ID}/tasks", params=query).status_code == 400


@pytest.mark.parametrize("kind", ["price", "bulk"])
@pytest.mark.parametrize(
    ("trouble", "code"),
    [(Trouble.TASK_BUSY, "OFFER_IS_BEING_PROCESSED"), (Trouble.TASK_ERROR, "INTERNAL_SERVER_ERROR")],
)
def test_a_task_fails_for_a_reason_that_passes(
    simulator: Simulator, desk: Desk, trouble: Trouble, code: str, kind: str
) -> None:
    """Of one command, the first task; calls of other kinds are not struck; the next command is well."""
    simulator.faults.add(trouble)
    ids = simulator.add_offers(LOGIN, 2)

    def send(command_id: str) -> None:
        if kind == "bulk":
            desk.bulk(*map(bulk_price, ids), command_id=command_id)
        else:
            desk.command(kind, price(ids), command_id)

    again = str(uuid.uuid4())
    for command_id in ID, again:
        send(command_id)
        desk.counts(kind, command_id)
    assert desk.statuses(kind) == ["FAIL", "SUCCESS"]
    assert desk.tasks(kind)[0]["errors"][0]["code"] == code
    assert desk.statuses(kind, again) == ["SUCCESS", "SUCCESS"]


@pytest.mark.parametrize(
    ("trouble", "status", "amount"),
    [
        (Trouble.COMMAND_VANISHES, 404, "10.00"),
        (Trouble.COMMAND_FORGOTTEN, 404, "20.00"),
        (Trouble.COMMAND_NEVER_ENDS, 200, "10.00"),
    ],
)
def test_commands_that_get_lost(simulator: Simulator, desk: Desk, trouble: Trouble, status: int, amount: str) -> None:
    """Unknown afterwards, done or not; or known and never done."""
    simulator.faults.add(trouble)
    simulator.settings.command_seconds = 10
    desk.command("price", price(simulator.add_offers(LOGIN, 1)))
    simulator.clock.advance(100)
    assert {desk.get(f"{ROOTS['price']}/{ID}{part}").status_code for part in ("", "/tasks") * 3} == {status}
    assert shown(simulator)[0][0] == amount
    if status == 200:
        assert desk.counts("price") == {"total": 1, "success": 0, "failed": 0}


def test_changes_of_a_minute_and_an_hour(simulator: Simulator, desk: Desk) -> None:
    """Counted by offer, all kinds together in a minute, two kinds of hours; a refused command counts nothing."""
    limits = simulator.limits
    limits.changes_per_minute, limits.price_changes_per_hour, limits.other_changes_per_hour = 5, 6, 7
    ids = simulator.add_offers(LOGIN, 4)

    bodies: dict[str, Callable[[list[str]], dict[str, Any]]]
    bodies = {"price": price, "stock": stock, "publication": publication}

    def send(kind: str, count: int) -> int:
        if kind == "bulk":
            return desk.bulk(*map(bulk_price, ids[:count]), command_id=str(uuid.uuid4())).status_code
        return desk.command(kind, bodies[kind](ids[:count]), str(uuid.uuid4())).status_code

    assert [send("price", 3), send("stock", 3), send("bulk", 2), send("stock", 1)] == [201, 429, 201, 429]
    simulator.clock.advance(61)
    assert [send("bulk", 2), send("price", 1), send("stock", 4)] == [429, 201, 201]
    simulator.clock.advance(61)
    assert [send("price", 1), send("publication", 4), send("stock", 3)] == [429, 429, 201]
    simulator.clock.advance(3600)
    assert [send("price", 4)] == [201]
    assert simulator.state()["refused_by_limits"] == {
        "changes_per_minute": 2,
        "price_changes_per_hour": 2,
        "other_changes_per_hour": 1,
    }


def test_an_edit_can_take_its_time(simulator: Simulator, desk: Desk) -> None:
    """202 and nothing changed; 409 for the next edit; then 303 and the change, or 422 and none."""
    simulator.settings.edit_seconds = 30
    good, empty = simulator.add_offers(LOGIN, [{}, {"stock": 0}])
    accepted = desk.patch(f"/sale/product-offers/{good}", {"stock": {"available": 5}})
    refused = desk.patch(f"/sale/product-offers/{empty}", {"publication": {"status": "ACTIVE"}})
    operations = [answer.headers["Location"].removeprefix(simulator.url) for answer in (accepted, refused)]
    assert (accepted.status_code, accepted.json()["stock"]["available"]) == (202, 1)
    assert desk.patch(f"/sale/product-offers/{good}", {"stock": {"available": 6}}).status_code == 409
    assert [desk.get(operation).status_code for operation in operations] == [202, 202]
    simulator.clock.advance(31)
    assert [offer[1:] for offer in shown(simulator)] == [(5, "INACTIVE"), (0, "INACTIVE")]
    assert [desk.get(operation).status_code for operation in operations] == [303, 422]
    assert desk.patch(f"/sale/product-offers/{good}", {"stock": {"available": 6}}).status_code == 202


def test_the_list_may_not_know_a_change_yet(simulator: Simulator, desk: Desk) -> None:
    """With `list_lag`: the offer itself has the new price, the list the old one."""
    simulator.settings.list_lag = 30
    [offer_id] = simulator.add_offers(LOGIN, 1)
    desk.patch(f"/sale/product-offers/{offer_id}", {"stock": {"available": 9}, "publication": {"status": "ACTIVE"}})

    def listed() -> tuple[int, str]:
        [offer] = desk.get("/sale/offers").json()["offers"]
        return offer["stock"]["available"], offer["publication"]["status"]

    assert desk.get(f"/sale/product-offers/{offer_id}").json()["stock"]["available"] == 9
    assert listed() == (1, "INACTIVE")
    assert desk.get("/sale/offers", params={"publication.status": "ACTIVE"}).json()["totalCount"] == 0
    simulator.clock.advance(31)
    assert listed() == (9, "ACTIVE")


def test_offers_that_are_simply_there(simulator: Simulator, desk: Desk) -> None:
    """Made, changed and taken away without a call, in this process or through the control door."""
    details = {"external_id": "A", "price": "12.30", "stock": 4, "status": "ACTIVE"}
    first, *_ = simulator.add_offers(LOGIN, [details, {"gtin": products.gtin(9)}])
    door = simulator.url + "/_control/offers"
    [third] = requests.post(door, json={"seller": LOGIN, "offers": 1}, timeout=10).json()
    external_ids = [offer["external"]["id"] for offer in desk.get("/sale/offers").json()["offers"]]
    assert external_ids == ["A", products.gtin(9), products.gtin(3)]
    assert shown(simulator)[0] == ("12.30", 4, "ACTIVE")
    simulator.edit_offer(first, {"sellingMode": {"price": money("5.00")}})
    requests.patch(door, json={"id": third, "changes": {"stock": {"available": 8}}}, timeout=10)
    assert [offer[:2] for offer in shown(simulator)] == [("5.00", 4), ("10.00", 1), ("10.00", 8)]
    simulator.remove_offer(first)
    requests.delete(door, params={"id": third}, timeout=10)
    assert len(shown(simulator)) == 1
