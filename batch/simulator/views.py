"""How an offer looks from outside: alone, and in the seller's list."""

from __future__ import annotations

import json

from batch.simulator.catalogue import Product
from batch.simulator.clock import stamp
from batch.simulator.state import Offer
from batch.simulator.wire import Json


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


def render_listed(offer: Offer) -> Json:
    """An offer in `GET /sale/offers`, which may not know its latest changes yet."""
    body, status = json.loads(offer.shown[0]), offer.shown[1]
    return {
        "id": offer.id,
        "name": body["name"],
        "category": {"id": offer.product.category_id},
        "primaryImage": {"url": f"https://a.allegroimg.com/original/{offer.product.id}"},
        "sellingMode": {"format": body["sellingMode"]["format"], "price": body["sellingMode"]["price"]},
        "stock": {"available": body["stock"]["available"], "sold": 0},
        "stats": {"watchersCount": 0, "visitsCount": 0},
        "publication": {
            "status": status,
            "marketplaces": {"base": {"id": "allegro-pl"}, "additional": []},
        },
        "afterSalesServices": body["afterSalesServices"],
        "external": {"id": offer.external_id} if offer.external_id else None,
        "delivery": {"shippingRates": body["delivery"]["shippingRates"]},
        "b2b": {"buyableOnlyByBusiness": False},
        "additionalMarketplaces": {},
    }
