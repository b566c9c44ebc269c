"""Orders: how one looks, how it changes, and the seller's list of them, which moves while it is read.

An order is kept as Allegro shows it (a checkout form). Optional parts that a real order lacks are null or absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from batch.simulator.clock import stamp
from batch.simulator.state import Seller, World
from batch.simulator.wire import Answer, Call, Json, Refused, Route, problem

STATUSES = ("BOUGHT", "FILLED_IN", "READY_FOR_PROCESSING", "CANCELLED")
FULFILLMENT = ("NEW", "PROCESSING", "READY_FOR_SHIPMENT", "READY_FOR_PICKUP", "SENT", "PICKED_UP", "CANCELLED",
               "SUSPENDED", "RETURNED")  # fmt: skip
SORTS = ("lineItems.boughtAt", "-lineItems.boughtAt", "updatedAt", "-updatedAt")
LARGEST_WINDOW = 10_000
"""`offset` and `limit` together (#1118, #3500)."""
RANGES = ("updatedAt.gte", "updatedAt.lte", "lineItems.boughtAt.gte", "lineItems.boughtAt.lte")
EXACT = {
    "status": ("status",),
    "fulfillment.status": ("fulfillment", "status"),
    "fulfillment.provider.id": ("fulfillment", "provider", "id"),
    "fulfillment.shipmentSummary.lineItemsSent": ("fulfillment", "shipmentSummary", "lineItemsSent"),
    "payment.id": ("payment", "id"),
    "delivery.method.id": ("delivery", "method", "id"),
    "buyer.login": ("buyer", "login"),
    "marketplace.id": ("marketplace", "id"),
}
CHOICES = {"status": STATUSES, "fulfillment.status": FULFILLMENT, "fulfillment.provider.id": ("SELLER", "ALLEGRO"),
           "fulfillment.shipmentSummary.lineItemsSent": ("NONE", "SOME", "ALL")}  # fmt: skip


# --- orders


def add_order(world: World, seller: Seller, lines: Iterable[Json] = ({},), **parts: Any) -> Json:
    """A new order, ready for processing.

    Each of `lines` may give `name`, `price`, `quantity`, `rate`, `offer_id`, `external_id`, `boughtAt`, and any part
    of a line item as Allegro shows it. `parts` change the form as a merge patch does (null removes). What the buyer
    pays is worked out unless `summary` is given.
    """
    number = len(seller.orders) + 1
    form = _form(world, seller, number, str(parts.get("currency", "PLN")))
    now = stamp(world.clock.now())
    form["lineItems"] = [
        _line(world, seller, number, place, line, now, str(parts.get("currency", "PLN")))
        for place, line in enumerate(lines)
    ]
    form = _merged(form, {"updatedAt": now, **{key: part for key, part in parts.items() if key != "currency"}})
    if "summary" not in parts:
        form["summary"] = {"totalToPay": _price(_total(form), form["delivery"]["cost"]["currency"])}
    payment = form.get("payment")
    if payment and payment["type"] != "CASH_ON_DELIVERY" and "paidAmount" not in payment:
        payment["paidAmount"] = dict(form["summary"]["totalToPay"])
    seller.orders[form["id"]] = form
    return deepcopy(form)


SELLERS = frozenset({"fulfillment", "note"})


def change_order(world: World, seller: Seller, order_id: str, **parts: Any) -> Json:
    """Change an order as a merge patch does; it gets a new revision and, unless one is given, a later `updatedAt`.

    But for what the seller does to it, which leaves `updatedAt` as it was (#4355, #9905).
    """
    old = seller.orders[order_id]
    later = datetime.fromisoformat(old["updatedAt"]) + timedelta(milliseconds=1)
    of_seller = parts.keys() <= SELLERS
    if world.settings.orders_stale and not of_seller:
        seller.stale_orders.append(old)
    revision = f"{int(old['revision'], 16) + 1:08x}"
    moment = {} if of_seller else {"updatedAt": stamp(max(world.clock.now(), later))}
    form = _merged(old, {**moment, "revision": revision, **parts})
    seller.orders[order_id] = form
    return deepcopy(form)


def _form(world: World, seller: Seller, number: int, currency: str) -> Json:
    names = ("order", seller.login, number)
    return {
        "id": world.new_id(*names),
        "messageToSeller": None,
        "buyer": {
            "id": str(23_000_000 + number),
            "email": f"kupujacy{number}+4f2a@allegromail.pl",
            "login": f"kupujacy_{number}",
            "firstName": "Jan",
            "lastName": "Kowalski",
            "companyName": None,
            "guest": False,
            "personalIdentity": None,
            "phoneNumber": "+48600100200",
            "preferences": {"language": "pl-PL"},
            "address": {"street": "Solna 1", "city": "Poznań", "postCode": "60-166", "countryCode": "PL"},
        },
        "payment": {
            "id": world.new_id(*names, "payment"),
            "type": "ONLINE",
            "provider": "PAYU",
            "finishedAt": stamp(world.clock.now()),
            "reconciliation": None,
            "features": [],
        },
        "status": "READY_FOR_PROCESSING",
        "fulfillment": {"status": "NEW", "shipmentSummary": {"lineItemsSent": "NONE"}, "provider": {"id": "SELLER"}},
        "delivery": {
            "address": {
                "firstName": "Anna",
                "lastName": "Nowak",
                "street": "Grunwaldzka 182",
                "city": "Poznań",
                "zipCode": "60-166",
                "countryCode": "PL",
                "companyName": None,
                "phoneNumber": "500600700",
                "modifiedAt": None,
            },
            "method": {"id": "1fa56f79-4b6a-4821-a6f2-ca9c16d5c925", "name": "Allegro Kurier DPD"},
            "pickupPoint": None,
            "cost": _price(Decimal("9.99"), currency),
            "time": None,
            "smart": False,
            "calculatedNumberOfPackages": 1,
        },
        "invoice": {"required": False, "address": None, "dueDate": None, "features": []},
        "lineItems": [],
        "surcharges": [],
        "note": None,
        "marketplace": {"id": "allegro-pl"},
        "revision": f"{number:08x}",
    }


def _line(world: World, seller: Seller, order: int, place: int, given: Json, now: str, currency: str) -> Json:
    short = {"name": f"Towar {place + 1}", "price": "20.00", "rate": "23.00", "boughtAt": now, **given}
    price, rate = short.pop("price"), short.pop("rate")
    external_id = short.pop("external_id", None)
    money = price if isinstance(price, dict) else _price(Decimal(str(price)), currency)
    line: Json = {
        "id": world.new_id("line", seller.login, order, place),
        "offer": {
            "id": str(short.pop("offer_id", 7_700_000_000 + place)),
            "name": short.pop("name"),
            "external": None if external_id is None else {"id": external_id},
            "productSet": None,
        },
        "quantity": 1,
        "originalPrice": money,
        "price": money,
        "deposit": None,
        "reconciliation": None,
        "selectedAdditionalServices": [],
        "vouchers": [],
        "tax": None if rate is None else {"rate": rate, "subject": "GOODS", "exemption": None},
        "discounts": [],
    }
    return _merged(line, short)


def _total(form: Json) -> Decimal:
    """What the buyer pays: lines with their services and deposits, less vouchers, and the delivery."""
    total = Decimal(form["delivery"]["cost"]["amount"])
    for line in form["lineItems"]:
        each = Decimal(line["price"]["amount"])
        if line["deposit"]:
            each += Decimal(line["deposit"]["price"]["amount"])
        total += each * line["quantity"]
        for service in line["selectedAdditionalServices"]:
            total += Decimal(service["price"]["amount"]) * service.get("quantity", 1)
        total -= sum(Decimal(v["value"]["amount"]) for v in line["vouchers"] if v.get("status") != "CANCELLED")
    return total


def _price(amount: Decimal, currency: str) -> Json:
    return {"amount": f"{amount:.2f}", "currency": currency}


def _merged(old: Json, changes: Mapping[str, Any]) -> Json:
    """`old` with `changes` as a merge patch; null removes, lists are whole."""
    merged = deepcopy(old)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


# --- resources


def listing(call: Call) -> Answer:
    """GET /order/checkout-forms: filtered, sorted, one page."""
    call.only("offset", "limit", "sort", "surcharges.id", *RANGES, *EXACT)
    limit, offset = call.number("limit", 100, 1, 100), call.number("offset", 0, 0, 999_999_999)
    if offset + limit > LARGEST_WINDOW:
        raise Refused(400, problem("VALIDATION_ERROR", f"offset + limit is above {LARGEST_WINDOW}", path="offset"))
    for name, known in CHOICES.items():
        if call.ask(name) and call.ask(name) not in known:
            raise Refused(400, problem("VALIDATION_ERROR", f"{name} cannot be {call.ask(name)}", path=name))
    found = _sorted(call, [form for form in _candidates(call) if _fits(call, form)])
    page = found[offset : offset + limit]
    answer = Answer(200, {"checkoutForms": deepcopy(page), "count": len(page), "totalCount": len(found)})
    _move(call, page)
    if call.world.settings.orders_reversed:
        answer.body["checkoutForms"].reverse()
    return answer


def details(call: Call) -> Answer:
    """GET /order/checkout-forms/{id}."""
    form = call.seller.orders.get(call.params["id"])
    if form is None:
        raise Refused(404, problem("CheckoutFormNotFound", f"There is no order {call.params['id']}"))
    return Answer(200, form)


def _candidates(call: Call) -> list[Json]:
    ranges = {name: _moment(call, name) for name in RANGES}
    low, high = ranges["updatedAt.gte"], ranges["updatedAt.lte"]
    first, last = ranges["lineItems.boughtAt.gte"], ranges["lineItems.boughtAt.lte"]
    return [
        form
        for form in (*call.seller.orders.values(), *call.seller.stale_orders)
        if (not low or form["updatedAt"] >= low)
        and (not high or form["updatedAt"] <= high)
        and (not first or any(line["boughtAt"] >= first for line in form["lineItems"]))
        and (not last or any(line["boughtAt"] <= last for line in form["lineItems"]))
    ]


def _fits(call: Call, form: Json) -> bool:
    surcharge = call.ask("surcharges.id")
    if surcharge and surcharge not in {entry["id"] for entry in form["surcharges"]}:
        return False
    return all(_at(form, path) == call.ask(name) for name, path in EXACT.items() if call.ask(name))


def _at(form: Any, path: Iterable[str]) -> Any:
    for step in path:
        form = (form or {}).get(step)
    return form


def _sorted(call: Call, forms: list[Json]) -> list[Json]:
    sort = call.ask("sort", "-lineItems.boughtAt")
    if sort not in SORTS:
        raise Refused(400, problem("VALIDATION_ERROR", f"sort cannot be {sort}", path="sort"))
    if sort.endswith("updatedAt"):
        return sorted(forms, key=lambda form: str(form["updatedAt"]), reverse=sort.startswith("-"))
    return sorted(forms, key=_bought_at, reverse=sort.startswith("-"))


def _bought_at(form: Json) -> str:
    return max((line["boughtAt"] for line in form["lineItems"]), default="")


def _moment(call: Call, name: str) -> str:
    text = call.ask(name)
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused(400, problem("VALIDATION_ERROR", f"{name} must be a moment with its time zone", path=name))
    return stamp(moment.astimezone(UTC))


def _move(call: Call, page: list[Json]) -> None:
    """What happens between two pages of a busy shop: the first orders of this one change."""
    for form in page[: call.world.settings.orders_moving]:
        change_order(call.world, call.seller, form["id"], messageToSeller="Proszę o szybką wysyłkę")


ROUTES = (
    Route("GET", "/order/checkout-forms", listing),
    Route("GET", "/order/checkout-forms/{id}", details),
)
