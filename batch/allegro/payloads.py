"""Our types to Allegro's JSON and back. Pure.

In product mode only the product's code, price, stock, external id and the default parameters are sent;
everything else comes from Allegro's catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from batch.model import FoundOffer, Money, ProductRow

_MOST_STOCK = 2**31
_MOST_DIGITS = 20  # before the decimal point, or between it and the first other digit


def draft(row: ProductRow, ids: Mapping[str, str]) -> dict[str, Any]:
    """The body that creates a draft; `ids` are the row's defaults resolved on its account.

    `publication.status` is always there: without it Allegro publishes at once.
    """
    assert row.price is not None
    assert row.stock is not None
    defaults = row.defaults
    product = {"id": row.product_id} if row.product_id else {"id": row.gtin, "idType": "GTIN"}
    element: dict[str, Any] = {"product": product}
    if "responsible_producer" in ids:
        element["responsibleProducer"] = {"type": "ID", "id": ids["responsible_producer"]}
    if "responsible_person" in ids:
        element["responsiblePerson"] = {"id": ids["responsible_person"]}
    if defaults.safety_information:
        element["safetyInformation"] = {"type": "TEXT", "description": defaults.safety_information}
    publication = {"status": "INACTIVE"}
    if defaults.duration and defaults.duration != "UNLIMITED":
        publication["duration"] = defaults.duration
    body: dict[str, Any] = {
        "productSet": [element],
        "sellingMode": {"price": amount(row.price)},
        "stock": {"available": row.stock},
        "external": {"id": row.external_id},
        "publication": publication,
    }
    body |= _present("delivery", shippingRates=_by_id(ids, "shipping_rates"), handlingTime=defaults.handling_time)
    body |= _present(
        "afterSalesServices",
        returnPolicy=_by_id(ids, "return_policy"),
        impliedWarranty=_by_id(ids, "implied_warranty"),
        warranty=_by_id(ids, "warranty"),
    )
    body |= _present(
        "location",
        countryCode=defaults.country,
        province=defaults.province if defaults.country == "PL" else None,
        city=defaults.city,
        postCode=defaults.post_code,
    )
    body |= _present("payments", invoice=defaults.invoice)
    if defaults.vat_rate:
        body["taxSettings"] = {"rates": [{"rate": defaults.vat_rate, "countryCode": "PL"}]}
    if defaults.language:
        body["language"] = defaults.language
    return body


def new_values(price: Money | None, stock: int | None, status: str | None) -> dict[str, Any]:
    """The body that changes these values of an offer and no others."""
    return {
        **_present("sellingMode", price=amount(price) if price else None),
        **_present("stock", available=stock),
        **_present("publication", status=status),
    }


def amount(price: Money) -> dict[str, str]:
    """Money as Allegro writes it."""
    return {"amount": f"{price.amount:.2f}", "currency": price.currency}


def found_offer(data: Mapping[str, Any]) -> FoundOffer:
    """One element of `GET /sale/offers`; any part of it may be absent or null.

    Raises KeyError without an id, and TypeError or ValueError for a part of another type: better no step than one in
    the light of a value that was misunderstood.
    """
    price = _part(data, "sellingMode", "price")
    return FoundOffer(
        offer_id=str(data["id"]),
        external_id=_text(data, "external", "id"),
        status=_text(data, "publication", "status") or "",
        price=_money(price),
        stock=_stock(_part(data, "stock", "available")),
        marketplace=_text(data, "publication", "marketplaces", "base", "id") or "allegro-pl",
    )


# Allegro's error codes (tutorial on product offers, OpenAPI) by the last part of their name.
REFUSALS = {
    "ProductNotFoundException": "product_not_found",
    "MatchingProductForDataNotFoundException": "product_not_found",
    "MultipleProductsFoundException": "product_ambiguous",
    "MissingRequiredParameters": "parameters_missing",
    "DuplicateDetectionMissingParametersException": "parameters_missing",
    "offerCounter": "limit_reached",
    "MaxInactiveOffers": "limit_reached",
}


def refusal_code(errors: list[dict[str, Any]]) -> str:
    """Our code for a refused draft: the first error that has one of its own, else `rejected`."""
    for error in errors:
        code = REFUSALS.get(str(error.get("code") or "").rsplit(".", 1)[-1])
        if code:
            return code
    return "rejected"


def found_products(errors: list[dict[str, Any]]) -> list[str]:
    """The product ids behind MultipleProductsFoundException; its metadata is a list or a comma-separated text."""
    for error in errors:
        ids = _part(error, "metadata", "foundProductsIds")
        if ids:
            parts = ids if isinstance(ids, list) else str(ids).strip("[]").split(",")
            return [str(part).strip().strip("\"'") for part in parts if str(part).strip()]
    return []


def _present(name: str, **parts: Any) -> dict[str, Any]:
    kept = {key: value for key, value in parts.items() if value is not None}
    return {name: kept} if kept else {}


def _by_id(ids: Mapping[str, str], kind: str) -> dict[str, str] | None:
    return {"id": ids[kind]} if kind in ids else None


def _part(data: Any, *path: str) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _text(data: Any, *path: str) -> str | None:
    value = _part(data, *path)
    if value is not None and not isinstance(value, str):
        raise TypeError(path)
    return value


def _stock(value: Any) -> int | None:
    if value is not None and (type(value) is not int or abs(value) > _MOST_STOCK):
        raise ValueError(value)
    return value


def number_of(value: Any) -> Decimal:
    """A number of Allegro's, which may come as text. Raises ValueError or ArithmeticError.

    Python takes `1e999999999` for a number, and a thousand megabytes to write it out.
    """
    number = Decimal(str(value))
    if not (number.is_finite() and -_MOST_DIGITS < number.adjusted() < _MOST_DIGITS):
        raise ValueError(value)
    return number


def _money(data: Any) -> Money | None:
    try:
        return Money(number_of(data["amount"]), str(data["currency"]))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None
