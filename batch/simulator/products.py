"""The catalogue as a seller searches it: by GTIN, or one product by its id."""

from __future__ import annotations

from batch.simulator.catalogue import Product
from batch.simulator.wire import Answer, Call, Json, Refused, Route, problem


def search(call: Call) -> Answer:
    """GET /sale/products?phrase=…&mode=GTIN."""
    call.only("phrase", "mode", "language", "category.id", "page.id", "searchFeatures")
    phrase = call.ask("phrase")
    if not 1 <= len(phrase) <= 1024 or call.ask("mode") not in {"", "GTIN", "MPN"}:
        raise Refused(400, problem("VALIDATION_ERROR", "phrase or mode is wrong", path="phrase"))
    found = call.world.catalogue.by_gtin(phrase) if call.ask("mode") != "MPN" and phrase.isdecimal() else []
    return Answer(200, {"products": [_render(product) for product in found]})


def read(call: Call) -> Answer:
    """GET /sale/products/{productId}."""
    call.only("language", "category.id")
    product_id = call.params["productId"]
    product = call.world.catalogue.by_id(product_id)
    if product is None:
        metadata = {"productId": product_id}
        raise Refused(404, problem("ProductNotFoundException", "Product not found", metadata=metadata))
    return Answer(200, _render(product))


def _render(product: Product) -> Json:
    return {
        "id": product.id,
        "name": product.name,
        "category": {"id": product.category_id, "path": [{"id": product.category_id, "name": "Dom i Ogród"}]},
        "images": [{"url": f"https://a.allegroimg.com/original/{product.id}"}],
        "parameters": [
            {
                "id": "225693",
                "name": "EAN (GTIN)",
                "values": [product.gtin],
                "valuesLabels": [product.gtin],
                "options": {"identifiesProduct": True, "isGTIN": True, "isTrusted": False, "isAiCoCreated": False},
            }
        ],
        "publication": {"status": "LISTED"},
        "hasProtectedBrand": False,
    }


ROUTES = (
    Route("GET", "/sale/products", search),
    Route("GET", "/sale/products/{productId}", read),
)
