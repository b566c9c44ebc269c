"""Offers made from products: POST, GET, PATCH and DELETE, and their operations.

As at Allegro, a new offer without `publication.status` goes live at once (counted as published by
accident), and two equal POSTs make two offers: there is no idempotency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batch.simulator import checks
from batch.simulator.catalogue import Outcome, Product
from batch.simulator.catalogue import gtin as catalogue_gtin
from batch.simulator.clock import stamp
from batch.simulator.defaults import fill_in, find_product
from batch.simulator.faults import Trouble
from batch.simulator.state import Kind, Offer, Operation, Seller, World
from batch.simulator.views import render
from batch.simulator.wire import Answer, Call, Json, Refused, Route, problem, refuse

MISSING_PARAMETERS = problem(
    "ConstraintViolationException.MissingRequiredParameters",
    "Missing required parameters: 11323, 224017",
    path="productSet[0].product.parameters",
)
SAFETY_MISSING = problem(
    "PRODUCT_SAFETY_EMPTY", "The product has no safety information", path="productSet[0].safetyInformation"
)


def create(call: Call) -> Answer:
    """POST /sale/product-offers."""
    world, seller, body = call.world, call.seller, call.json()
    refuse(checks.check_new_offer(body))
    product = find_product(world, body["productSet"][0]["product"])
    outcome = call.outcome or product.outcome
    status = body.setdefault("publication", {}).get("status")
    refuse(_limits(world, seller, product, outcome, status or "ACTIVE"))
    if outcome == Outcome.MISSING_PARAMETERS:
        refuse([MISSING_PARAMETERS])
    fill_in(seller, product, body)
    errors = [SAFETY_MISSING] if outcome == Outcome.INCOMPLETE else []
    if (status or "ACTIVE") == "ACTIVE" and (errors or not body["stock"]["available"]):
        refuse(errors or [problem("VALIDATION_FAILED", "stock must be positive", path="stock.available")])
    world.published_by_accident += status is None
    offer = world.add_offer(seller, product, body, status or "ACTIVE", errors)
    operation = _begin(world, offer, outcome)
    if operation is None:
        return Answer(201, render(offer))
    return Answer(202, render(offer), operation_headers(call, operation))


def _begin(world: World, offer: Offer, outcome: str) -> Operation | None:
    """Start what Allegro does after its answer; None when everything is done already."""
    if outcome in {Outcome.CREATED, Outcome.INCOMPLETE}:
        return None
    operation = world.start_operation(offer, endless=outcome == Outcome.NEVER_ENDS)
    operation.creates = True
    operation.problems = [MISSING_PARAMETERS] if outcome == Outcome.SLOW_REFUSED else []
    if outcome == Trouble.OPERATION_VANISHES:  # only its report is gone
        operation.vanished, offer.operation = True, None
    return operation


def operation_headers(call: Call, operation: Operation) -> dict[str, str]:
    """Where to ask about an operation, and when."""
    path = f"/sale/product-offers/{operation.offer_id}/operations/{operation.id}"
    if call.outcome == Trouble.WRONG_LOCATION:
        path = f":1/sale/product-offers/operations/{operation.id}"
    return {"Location": call.base_url + path, "Retry-After": str(call.world.settings.retry_after)}


def _limits(world: World, seller: Seller, product: Product, outcome: str, status: str) -> list[Json]:
    full = seller.per_product[product.id] >= world.settings.offers_per_product
    if full or outcome == Outcome.LIMIT_REACHED:
        return [problem("offerCounter", f"You already have {world.settings.offers_per_product} offers of this product")]
    if status == "INACTIVE" and (seller.drafts >= world.settings.max_drafts or outcome == Outcome.DRAFTS_FULL):
        return [problem("ConstraintViolationException.MaxInactiveOffers", "The limit of draft offers is reached")]
    return []


def read(call: Call) -> Answer:
    """GET /sale/product-offers/{offerId}."""
    return Answer(200, render(own_offer(call)))


def own_offer(call: Call) -> Offer:
    """The offer that the path names; 404 when it is not this seller's or not visible yet."""
    offer = call.seller.offers.get(call.params["offerId"])
    if offer is None or not call.world.visible(offer):
        offer_id = call.params["offerId"]
        raise Refused(404, problem("OfferNotFoundException", "Offer not found", metadata={"offerId": offer_id}))
    return offer


def operation_status(call: Call) -> Answer:
    """GET /sale/product-offers/{offerId}/operations/{operationId}: 202 running, 303 ended, 422 refused."""
    world = call.world
    operation = world.operations.get(call.params["operationId"])
    seller_has_it = operation is not None and operation.offer_id == call.params["offerId"]
    if operation is None or operation.vanished or not seller_has_it:
        raise Refused(404, problem("OperationNotFoundException", "Operation not found"))
    offer = call.seller.offers.get(operation.offer_id)
    if operation.polls_left > 0 or world.clock.monotonic() < operation.ready_at:
        operation.polls_left -= 1
        status = {"id": operation.id, "status": "IN_PROGRESS", "startedAt": stamp(operation.started_at)}
        headers = {"Retry-After": str(world.settings.retry_after)}
        return Answer(202, {"offer": {"id": operation.offer_id}, "operation": status}, headers)
    if offer is not None and offer.operation is operation:
        offer.operation = None
        if operation.creates and operation.problems:
            world.remove_offer(offer)
    refuse(operation.problems)
    return Answer(303, None, {"Location": f"{call.base_url}/sale/product-offers/{operation.offer_id}"})


def edit(call: Call) -> Answer:
    """PATCH /sale/product-offers/{offerId}: a merge patch; stock 0 ends an active offer."""
    world, offer, changes = call.world, own_offer(call), call.json()
    if offer.operation is not None:
        raise Refused(409, problem("ConflictException", "The previous edit is still being processed"))
    if not world.settings.edit_seconds:
        change(world, offer, changes)
        return Answer(200, render(offer))
    refuse(checks.check_changes(changes))
    operation = world.start_operation(offer, seconds=world.settings.edit_seconds)
    world.later(world.settings.edit_seconds, lambda: _finish_edit(world, offer, operation, changes))
    return Answer(202, render(offer), operation_headers(call, operation))


def _finish_edit(world: World, offer: Offer, operation: Operation, changes: Json) -> None:
    offer.operation = None
    try:
        change(world, offer, changes)
    except Refused as refused:
        operation.problems = list(refused.problems)


def change(world: World, offer: Offer, changes: Json) -> None:
    """Apply a merge patch to an offer. Refuses with 422."""
    refuse(checks.check_changes(changes))
    body = merge(offer.body, changes)
    fill_in(offer.seller, offer.product, body)
    wanted = (changes.get("publication") or {}).get("status")
    status = wanted or offer.status
    if wanted == "INACTIVE" and offer.status != "INACTIVE":
        refuse([problem("VALIDATION_FAILED", "An offer cannot become a draft again", path="publication.status")])
    if not body["stock"].get("available") and offer.status in {"ACTIVE", "ACTIVATING"}:
        status = "ENDED"
    elif wanted == "ACTIVE" and (offer.errors or not body["stock"].get("available")):
        refuse(offer.errors or [problem("VALIDATION_FAILED", "stock must be positive", path="stock.available")])
    world.change_offer(offer, body, status)


def add_offers(world: World, seller: Seller, offers: int | Iterable[Mapping[str, Any]]) -> list[str]:
    """Offers that are simply there, as if made long ago: so many, or one for each mapping. Returns their ids."""
    wanted = [{}] * offers if isinstance(offers, int) else offers
    return [_ready_offer(world, seller, **details).id for details in wanted]


def _ready_offer(
    world: World,
    seller: Seller,
    *,
    gtin: str = "",
    external_id: str = "",
    price: str = "10.00",
    stock: int = 1,
    status: str = "INACTIVE",
) -> Offer:
    """By default one of the next product, with its GTIN as external id."""
    gtin = gtin or catalogue_gtin(len(seller.offers) + 1)
    product = world.catalogue.by_gtin(gtin)[0]
    body: Json = {
        "productSet": [{"product": {"id": product.id}}],
        "sellingMode": {"format": "BUY_NOW", "price": {"amount": price, "currency": "PLN"}},
        "stock": {"available": stock},
        "external": {"id": external_id or gtin},
        "delivery": {"shippingRates": {"id": seller.dictionaries[Kind.SHIPPING_RATES][0].id}},
    }
    fill_in(seller, product, body)
    return world.add_offer(seller, product, body, status, [])


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396: objects are merged, null deletes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def delete(call: Call) -> Answer:
    """DELETE /sale/offers/{offerId}: drafts only."""
    offer = own_offer(call)
    if offer.status != "INACTIVE":
        raise Refused(403, problem("OfferAccessDenied", "Only a draft can be deleted"))
    call.world.remove_offer(offer)
    return Answer(204)


ROUTES = (
    Route("POST", "/sale/product-offers", create),
    Route("GET", "/sale/product-offers/{offerId}", read),
    Route("PATCH", "/sale/product-offers/{offerId}", edit),
    Route("GET", "/sale/product-offers/{offerId}/operations/{operationId}", operation_status),
    Route("DELETE", "/sale/offers/{offerId}", delete),
)
