"""Offers made from products: POST, GET, PATCH and DELETE, their operations, and the seller's list.

As at Allegro, a new offer without `publication.status` goes live at once (counted as published by
accident), and two equal POSTs make two offers: there is no idempotency.
"""

from __future__ import annotations

from typing import Any

from batch.simulator import checks
from batch.simulator.catalogue import Outcome, Product, check_digit
from batch.simulator.clock import stamp
from batch.simulator.faults import Trouble
from batch.simulator.state import Entry, Kind, Offer, Operation, Seller, World
from batch.simulator.wire import Answer, Call, Json, Refused, Route, problem

LIST_FILTERS = ("offer.id", "external.id", "publication.status", "name", "limit", "offset", "sort")
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
    operation.refused = outcome == Outcome.SLOW_REFUSED
    operation.vanished = outcome == Trouble.OPERATION_VANISHES
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


def refuse(problems: list[Json]) -> None:
    """Answer 422 when there is anything wrong."""
    if problems:
        raise Refused(422, *problems)


def find_product(world: World, wanted: Json) -> Product:
    """The one product that a request names by GTIN or by id. Refuses with 422."""
    product_id, path = wanted["id"], "productSet[0].product.id"
    if wanted.get("idType") == "GTIN":
        refuse(_gtin_problems(product_id, path))
        found = world.catalogue.by_gtin(product_id)
    else:
        one = None if wanted.get("idType") else world.catalogue.by_id(product_id)
        found = [one] if one else []
    if not found:
        refuse(
            [problem("ProductNotFoundException", "Product not found", path=path, metadata={"productId": product_id})]
        )
    if len(found) > 1:
        ids = ",".join(product.id for product in found)
        refuse(
            [
                problem(
                    "MultipleProductsFoundException",
                    f"Multiple products found: {ids}",
                    path=path,
                    metadata={"foundProductsIds": ids},
                )
            ]
        )
    return found[0]


def _gtin_problems(text: str, path: str) -> list[Json]:
    code = ""
    if not text.isdecimal() or not text.isascii() or len(text) not in {8, 10, 12, 13, 14}:
        code = "NotStandardLengthInGtinParameter"
    elif len(text) != 10 and check_digit(text[:-1]) != text[-1]:
        code = "WrongChecksumInGtinParameter"
    elif len(text) == 13 and text[0] == "2":
        code = "InvalidPrefixRestrictedCirculationNumbersInGtinParameter"
    return [problem(f"ConstraintViolationException.{code}", f"{code}: {text}", path=path)] if code else []


def fill_in(seller: Seller, product: Product, body: Json) -> None:
    """Put ids in place of names and Allegro's defaults where nothing was given. Refuses with 422."""
    body.setdefault("name", product.name)
    body.setdefault("language", "pl-PL")
    body.setdefault("payments", {}).setdefault("invoice", "VAT")
    body["stock"].setdefault("unit", "UNIT")
    body["sellingMode"].setdefault("format", "BUY_NOW")
    delivery = body.setdefault("delivery", {})
    delivery.setdefault("handlingTime", "PT24H")
    _choose(seller, Kind.SHIPPING_RATES, delivery, "shippingRates", "ShippingRates", needed=True)
    services = body.setdefault("afterSalesServices", {})
    for kind, name, code in (
        (Kind.RETURN_POLICIES, "returnPolicy", "ReturnPolicy"),
        (Kind.IMPLIED_WARRANTIES, "impliedWarranty", "ImpliedWarranty"),
    ):
        _choose(seller, kind, services, name, code, needed=seller.business)
    _choose(seller, Kind.WARRANTIES, services, "warranty", "Warranty", needed=False)
    for element in body.get("productSet", []):
        for kind, name, code in (
            (Kind.RESPONSIBLE_PERSONS, "responsiblePerson", "ResponsiblePerson"),
            (Kind.RESPONSIBLE_PRODUCERS, "responsibleProducer", "ResponsibleProducer"),
        ):
            _choose(seller, kind, element, name, code, needed=False)


def _choose(seller: Seller, kind: Kind, holder: Json, name: str, code: str, *, needed: bool) -> None:
    """Make `holder[name]` name an entry of the seller by id: the one asked for, else the only or default one."""
    wanted = holder.get(name)
    entries = seller.dictionaries[kind]
    if wanted:
        entry = _wanted_entry(entries, wanted, code)
        holder[name] = {**{key: wanted[key] for key in wanted if key == "type"}, "id": entry.id}
        return
    own = [entry for entry in entries if not entry.is_fulfillment and not entry.managed_by_allegro]
    default = own if len(own) == 1 else [entry for entry in own if entry.name == "default"]
    if default:
        holder[name] = {"id": default[0].id}
    elif needed:
        refuse([problem(f"Default{code}NotFoundException", f"Choose {name}", metadata={"defaultName": "default"})])


def _wanted_entry(entries: list[Entry], wanted: Json, code: str) -> Entry:
    key = "id" if wanted.get("id") else "name"
    found = [entry for entry in entries if getattr(entry, key) == wanted.get(key)]
    asked = {"requestedName": str(wanted.get(key))}
    if not found:
        refuse([problem(f"{code}NotFoundException", f"{code} not found: {wanted.get(key)}", metadata=asked)])
    if len(found) > 1:
        refuse([problem(f"{code}NotUniqueException", f"{code} is not unique", metadata=asked)])
    if found[0].is_fulfillment:
        refuse([problem("SHIPPING_RATES_ACCESS_DENIED", "Only for One Fulfillment offers", metadata=asked)])
    return found[0]


def render(offer: Offer) -> Json:
    """An offer as Allegro shows it."""
    body, product = offer.body, offer.product
    publication = body.get("publication") or {}
    return {
        "id": offer.id,
        "name": body["name"],
        "productSet": [_render_element(body["productSet"][0], product)],
        "parameters": body.get("parameters", []),
        "images": body.get("images", [f"https://a.allegroimg.com/original/{product.id}"]),
        "afterSalesServices": body["afterSalesServices"],
        "payments": body["payments"],
        "sellingMode": {**body["sellingMode"], "minimalPrice": None, "startingPrice": None},
        "stock": body["stock"],
        "location": body.get("location")
        or {"countryCode": "PL", "province": "WIELKOPOLSKIE", "city": "Poznań", "postCode": "60-166"},
        "delivery": {
            "handlingTime": body["delivery"]["handlingTime"],
            "shippingRates": body["delivery"]["shippingRates"],
            "additionalInfo": None,
            "shipmentDate": None,
        },
        "publication": {
            "duration": publication.get("duration"),
            "status": offer.status,
            "endedBy": None,
            "endingAt": None,
            "republish": publication.get("republish", False),
            "marketplaces": {"base": {"id": "allegro-pl"}, "additional": []},
        },
        "category": {"id": product.category_id},
        "taxSettings": body.get("taxSettings"),
        "language": body["language"],
        "external": {"id": offer.external_id} if offer.external_id else None,
        "sizeTable": None,
        "messageToSellerSettings": None,
        "b2b": body.get("b2b", {"buyableOnlyByBusiness": False}),
        "validation": {"errors": offer.errors, "warnings": [], "validatedAt": stamp(offer.updated_at)},
        "createdAt": stamp(offer.created_at),
        "updatedAt": stamp(offer.updated_at),
    }


def _render_element(element: Json, product: Product) -> Json:
    def only_id(name: str) -> Json | None:
        return {"id": element[name]["id"]} if element.get(name) else None

    return {
        "product": {
            "id": product.id,
            "publication": {"status": "LISTED"},
            "parameters": [{"id": "225693", "name": "EAN (GTIN)", "values": [product.gtin], "valuesIds": None}],
        },
        "quantity": element.get("quantity", {"value": 1}),
        "responsiblePerson": only_id("responsiblePerson"),
        "responsibleProducer": only_id("responsibleProducer"),
        "safetyInformation": element.get("safetyInformation"),
        "marketedBeforeGPSRObligation": element.get("marketedBeforeGPSRObligation"),
    }


def read(call: Call) -> Answer:
    """GET /sale/product-offers/{offerId}."""
    return Answer(200, render(own_offer(call)))


def own_offer(call: Call) -> Offer:
    """The offer that the path names; 404 when it is not this seller's or not visible yet."""
    offer = call.seller.offers.get(call.params["offerId"])
    if offer is None or not _visible(call.world, offer):
        offer_id = call.params["offerId"]
        raise Refused(404, problem("OfferNotFoundException", "Offer not found", metadata={"offerId": offer_id}))
    return offer


def _visible(world: World, offer: Offer) -> bool:
    return world.settings.pending_visible or offer.operation is None or not offer.operation.creates


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
        if operation.refused:
            world.remove_offer(offer)
    refuse([MISSING_PARAMETERS] if operation.refused else [])
    return Answer(303, None, {"Location": f"{call.base_url}/sale/product-offers/{operation.offer_id}"})


def edit(call: Call) -> Answer:
    """PATCH /sale/product-offers/{offerId}: a merge patch; stock 0 ends an active offer."""
    world, offer, changes = call.world, own_offer(call), call.json()
    if offer.operation is not None:
        raise Refused(409, problem("ConflictException", "The previous edit is still being processed"))
    refuse(checks.check_changes(changes))
    body = merge(offer.body, changes)
    fill_in(offer.seller, offer.product, body)
    wanted = (changes.get("publication") or {}).get("status")
    status = wanted or offer.status
    if wanted == "INACTIVE" and offer.status != "INACTIVE":
        refuse([problem("VALIDATION_FAILED", "An offer cannot become a draft again", path="publication.status")])
    if not body["stock"].get("available") and offer.status == "ACTIVE":
        status = "ENDED"
    elif wanted == "ACTIVE" and (offer.errors or not body["stock"].get("available")):
        refuse(offer.errors or [problem("VALIDATION_FAILED", "stock must be positive", path="stock.available")])
    world.change_offer(offer, body, status)
    return Answer(200, render(offer))


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


def listing(call: Call) -> Answer:
    """GET /sale/offers: the seller's offers by offer id, external id and status; it lags behind."""
    call.only(*LIST_FILTERS)
    limit, offset = call.number("limit", 20, 1, 1000), call.number("offset", 0, 0, 9_999_999)
    found = [offer for offer in _candidates(call) if _listed(call, offer)]
    page = found[offset : offset + limit]
    body = {"offers": [_render_listed(offer) for offer in page], "count": len(page), "totalCount": len(found)}
    return Answer(200, body)


def _candidates(call: Call) -> list[Offer]:
    """Offers narrowed down by id, so that a look-up costs the same whatever the seller has."""
    offers, external = call.seller.offers, call.ask_all("external.id")
    if len(external) > 100 or any(len(text) > 100 for text in external):
        raise Refused(400, problem("VALIDATION_ERROR", "At most 100 values of 100 characters", path="external.id"))
    if external:
        by_external = call.seller.by_external
        return [offer for text in dict.fromkeys(external) for offer in by_external.get(text, {}).values()]
    if call.ask_all("offer.id"):
        return [offers[offer_id] for offer_id in dict.fromkeys(call.ask_all("offer.id")) if offer_id in offers]
    return list(offers.values())


def _listed(call: Call, offer: Offer) -> bool:
    statuses, ids, name = call.ask_all("publication.status"), call.ask_all("offer.id"), call.ask("name")
    for status in statuses:
        if status not in {"INACTIVE", "ACTIVE", "ACTIVATING", "ENDED"}:
            raise Refused(400, problem("VALIDATION_ERROR", f"Unknown status {status}", path="publication.status"))
    return (
        offer.listed_at <= call.world.clock.monotonic()
        and _visible(call.world, offer)
        and (not statuses or offer.status in statuses)
        and (not ids or offer.id in ids)
        and name.lower() in (offer.body["name"].lower() if name else "")
    )


def _render_listed(offer: Offer) -> Json:
    body = offer.body
    return {
        "id": offer.id,
        "name": body["name"],
        "category": {"id": offer.product.category_id},
        "primaryImage": {"url": f"https://a.allegroimg.com/original/{offer.product.id}"},
        "sellingMode": {"format": body["sellingMode"]["format"], "price": body["sellingMode"]["price"]},
        "stock": {"available": body["stock"]["available"], "sold": 0},
        "stats": {"watchersCount": 0, "visitsCount": 0},
        "publication": {
            "status": offer.status,
            "marketplaces": {"base": {"id": "allegro-pl"}, "additional": []},
        },
        "afterSalesServices": body["afterSalesServices"],
        "external": {"id": offer.external_id} if offer.external_id else None,
        "delivery": {"shippingRates": body["delivery"]["shippingRates"]},
        "b2b": {"buyableOnlyByBusiness": False},
        "additionalMarketplaces": {},
    }


ROUTES = (
    Route("POST", "/sale/product-offers", create),
    Route("GET", "/sale/product-offers/{offerId}", read),
    Route("PATCH", "/sale/product-offers/{offerId}", edit),
    Route("GET", "/sale/product-offers/{offerId}/operations/{operationId}", operation_status),
    Route("DELETE", "/sale/offers/{offerId}", delete),
    Route("GET", "/sale/offers", listing),
)
