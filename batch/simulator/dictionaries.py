"""What an account has set up: price lists, policies, responsible producers and persons, and who it is."""

from __future__ import annotations

from collections.abc import Callable

from batch.simulator.state import Entry, Kind, Seller
from batch.simulator.wire import Answer, Call, Json, Route

ADDRESS = {"countryCode": "PL", "street": "Wiśniowa 1", "postalCode": "00-001", "city": "Warszawa"}
CONTACT = {"email": "kontakt@example.com", "phoneNumber": "500600700", "formUrl": "https://example.com/kontakt"}


def me(call: Call) -> Answer:
    """GET /me."""
    seller = call.seller
    company = {"name": f"{seller.login} sp. z o.o.", "taxId": "5252674798"} if seller.business else None
    body = {
        "id": seller.id,
        "login": seller.login,
        "firstName": "Amadeusz",
        "lastName": "Iksiński",
        "email": f"{seller.login}@example.com",
        "baseMarketplace": {"id": "allegro-pl"},
        "features": [],
    }
    return Answer(200, {**body, "company": company} if company else body)


def shipping_rates(call: Call) -> Answer:
    """GET /sale/shipping-rates: all of them, without paging."""
    call.only("marketplace")
    marketplace = call.ask("marketplace", "allegro-pl")
    entries = call.seller.dictionaries[Kind.SHIPPING_RATES] if marketplace == "allegro-pl" else []
    return Answer(200, {"shippingRates": [_shipping_rate(entry) for entry in entries]})


def _shipping_rate(entry: Entry) -> Json:
    return {
        "id": entry.id,
        "name": entry.name,
        "features": {"managedByAllegro": entry.managed_by_allegro, "isFulfillment": entry.is_fulfillment},
        "marketplaces": [{"id": "allegro-pl"}],
    }


def _conditions(kind: Kind, key: str, render: Callable[[Seller, Entry], Json]) -> Callable[[Call], Answer]:
    """After-sales conditions: pages of at most 60, `count` is of the page."""

    def rule(call: Call) -> Answer:
        call.only("limit", "offset")
        limit, offset = call.number("limit", 60, 1, 60), call.number("offset", 0, 0, 59)
        page = call.seller.dictionaries[kind][offset : offset + limit]
        return Answer(200, {"count": len(page), key: [render(call.seller, entry) for entry in page]})

    return rule


def _just_name(_seller: Seller, entry: Entry) -> Json:
    return {"id": entry.id, "name": entry.name}


def _return_policy(seller: Seller, entry: Entry) -> Json:
    return {
        "id": entry.id,
        "isFulfillment": entry.is_fulfillment,
        "seller": {"id": seller.id},
        "name": entry.name,
        "availability": {"range": "FULL", "restrictionCause": None},
        "withdrawalPeriod": "P14D",
        "returnCost": {"coveredBy": "BUYER"},
        "address": {
            "name": seller.login,
            "street": "Grunwaldzka 182",
            "postCode": "60-166",
            "city": "Poznań",
            "countryCode": "PL",
        },
        "contact": None,
        "options": {
            "cashOnDeliveryNotAllowed": True,
            "freeAccessoriesReturnRequired": False,
            "refundLoweredByReceivedDiscount": False,
            "businessReturnAllowed": False,
            "collectBySellerOnly": False,
        },
    }


def _responsible(kind: Kind, key: str, last_offset: int, data: Callable[[Entry], Json]) -> Callable[[Call], Answer]:
    """Responsible producers or persons: pages of at most 1000, with the total beside them."""

    def rule(call: Call) -> Answer:
        call.only("limit", "offset")
        limit, offset = call.number("limit", 1000, 1, 1000), call.number("offset", 0, 0, last_offset)
        entries = call.seller.dictionaries[kind]
        page = [{"id": entry.id, "name": entry.name, **data(entry)} for entry in entries[offset : offset + limit]]
        return Answer(200, {key: page, "count": len(page), "totalCount": len(entries)})

    return rule


def _producer(entry: Entry) -> Json:
    return {"producerData": {"tradeName": entry.name, "address": ADDRESS, "contact": CONTACT}}


def _person(entry: Entry) -> Json:
    return {"personalData": {"name": entry.name, "address": ADDRESS, "contact": CONTACT}}


_AFTER_SALES = "/after-sales-service-conditions"

ROUTES = (
    Route("GET", "/me", me),
    Route("GET", "/sale/shipping-rates", shipping_rates),
    Route(
        "GET",
        f"{_AFTER_SALES}/return-policies",
        _conditions(Kind.RETURN_POLICIES, "returnPolicies", _return_policy),
    ),
    Route(
        "GET",
        f"{_AFTER_SALES}/implied-warranties",
        _conditions(Kind.IMPLIED_WARRANTIES, "impliedWarranties", _just_name),
    ),
    Route("GET", f"{_AFTER_SALES}/warranties", _conditions(Kind.WARRANTIES, "warranties", _just_name)),
    Route(
        "GET",
        "/sale/responsible-producers",
        _responsible(Kind.RESPONSIBLE_PRODUCERS, "responsibleProducers", 50_000, _producer),
    ),
    Route(
        "GET",
        "/sale/responsible-persons",
        _responsible(Kind.RESPONSIBLE_PERSONS, "responsiblePersons", 16_000, _person),
    ),
)
