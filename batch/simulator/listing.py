"""The seller's list of offers. It lags behind, and knows neither GTINs nor product ids."""

from __future__ import annotations

from collections.abc import Callable

from batch.simulator.state import Offer
from batch.simulator.views import render_listed
from batch.simulator.wire import Answer, Call, Refused, Route, problem

FILTERS = ("offer.id", "external.id", "publication.status", "name", "limit", "offset", "sort")


def listing(call: Call) -> Answer:
    """GET /sale/offers: the seller's offers by offer id, external id and status; it lags behind.

    Several offer ids are separated by commas (#11856); of a repeated `offer.id` only one counts (#13999).
    """
    call.only(*FILTERS)
    for status in call.ask_all("publication.status"):
        if status not in {"INACTIVE", "ACTIVE", "ACTIVATING", "ENDED"}:
            raise Refused(400, problem("VALIDATION_ERROR", f"Unknown status {status}", path="publication.status"))
    limit, offset = call.number("limit", 20, 1, 1000), call.number("offset", 0, 0, 9_999_999)
    found = list(filter(_is_listed(call), _candidates(call)))
    page = found[offset : offset + limit]
    body = {"offers": [render_listed(offer) for offer in page], "count": len(page), "totalCount": len(found)}
    return Answer(200, body)


def _candidates(call: Call) -> list[Offer]:
    """Offers narrowed down by id, so that a look-up costs the same whatever the seller has."""
    offers, external = call.seller.offers, call.ask_all("external.id")
    if len(external) > 100 or any(len(text) > 100 for text in external):
        raise Refused(400, problem("VALIDATION_ERROR", "At most 100 values of 100 characters", path="external.id"))
    if external:
        by_external = call.seller.by_external
        return [offer for text in dict.fromkeys(external) for offer in by_external.get(text, {}).values()]
    if ids := _offer_ids(call):
        return [offers[offer_id] for offer_id in ids if offer_id in offers]
    return list(offers.values())


def _offer_ids(call: Call) -> dict[str, None]:
    last = call.ask_all("offer.id")[-1:]
    return dict.fromkeys(last[0].split(",") if last else [])


def _is_listed(call: Call) -> Callable[[Offer], bool]:
    statuses, ids, name = call.ask_all("publication.status"), _offer_ids(call), call.ask("name").lower()
    now = call.world.clock.monotonic()

    def is_listed(offer: Offer) -> bool:
        return (
            offer.listed_at <= now
            and call.world.visible(offer)
            and (not statuses or offer.shown[1] in statuses)
            and (not ids or offer.id in ids)
            and name in (offer.body["name"].lower() if name else "")
        )

    return is_listed


ROUTES = (Route("GET", "/sale/offers", listing),)
