"""What the body of an offer may hold: every field, its form and its allowed values.

A check takes a value and its path and yields an error object for everything that is wrong with it.
Allegro ignores a few of these mistakes; the simulator refuses them all, because it exists to find ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeAlias

from batch.simulator.wire import LANGUAGES, Json, problem

Check: TypeAlias = Callable[[Any, str], Iterator[Json]]

HANDLING_TIMES = ("PT0S", "PT24H", "P2D", "P3D", "P4D", "P5D", "P7D", "P10D", "P14D", "P21D", "P30D", "P60D")
DURATIONS = ("P3D", "P5D", "P7D", "P10D", "P20D", "P30D")
PROVINCES = (
    "DOLNOSLASKIE",
    "KUJAWSKO_POMORSKIE",
    "LUBELSKIE",
    "LUBUSKIE",
    "LODZKIE",
    "MALOPOLSKIE",
    "MAZOWIECKIE",
    "OPOLSKIE",
    "PODKARPACKIE",
    "PODLASKIE",
    "POMORSKIE",
    "SLASKIE",
    "SWIETOKRZYSKIE",
    "WARMINSKO_MAZURSKIE",
    "WIELKOPOLSKIE",
    "ZACHODNIOPOMORSKIE",
)
TAX_RATES = ("23.00", "8.00", "5.00", "0.00")


def check_new_offer(body: Json) -> list[Json]:
    """Everything wrong with the body of POST /sale/product-offers."""
    return list(_NEW_OFFER(body, ""))


def check_changes(body: Json) -> list[Json]:
    """Everything wrong with the body of PATCH /sale/product-offers/{offerId}; null deletes a field."""
    return list(_OFFER(_without_nulls(body), ""))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value


def _wrong(path: str, message: str, code: str = "VALIDATION_FAILED") -> Json:
    return problem(code, f"{path or 'body'}: {message}", path=path or None)


def obj(fields: dict[str, Check], *required: str) -> Check:
    """An object with these fields and no others."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if not isinstance(value, dict):
            yield _wrong(path, "must be an object")
            return
        prefix = f"{path}." if path else ""
        for name in value:
            if name not in fields:
                yield _wrong(prefix + name, "unknown property found in the request", "UnknownJSONProperty")
        for name in required:
            if value.get(name) is None:
                yield _wrong(prefix + name, "must not be empty")
        for name, inner in fields.items():
            if name in value and not (value[name] is None and name in required):
                yield from inner(value[name], prefix + name)

    return check


def array(item: Check, low: int = 0, high: int = 1000) -> Check:
    """A list of `low` to `high` items."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if not isinstance(value, list) or not low <= len(value) <= high:
            yield _wrong(path, f"must be a list of {low} to {high} items")
            return
        for place, inner in enumerate(value):
            yield from item(inner, f"{path}[{place}]")

    return check


def text(low: int = 1, high: int = 40_000, pattern: str = "") -> Check:
    """Text of `low` to `high` characters that matches `pattern` as a whole."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if not isinstance(value, str):
            yield _wrong(path, "must be text")
        elif not low <= len(value) <= high:
            yield _wrong(path, f"must have from {low} to {high} characters")
        elif pattern and not re.fullmatch(pattern, value):
            yield _wrong(path, f"must look like {pattern}")
        elif value != value.strip():
            yield _wrong(path, "must not begin or end with a space")

    return check


def one_of(*values: str, code: str = "VALIDATION_FAILED") -> Check:
    """One of these texts."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if value not in values:
            yield _wrong(path, f"{value!r} is not one of {', '.join(values)}", code)

    return check


def whole(low: int, high: int = 2**31 - 1) -> Check:
    """A whole number within bounds."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            yield _wrong(path, f"must be a whole number from {low} to {high}")

    return check


def nullable(inner: Check) -> Check:
    """Null, or what `inner` allows."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if value is not None:
            yield from inner(value, path)

    return check


def yes_or_no(value: Any, path: str) -> Iterator[Json]:
    """A JSON boolean."""
    if not isinstance(value, bool):
        yield _wrong(path, "must be true or false")


def anything(_value: Any, _path: str) -> Iterator[Json]:
    """A part of an offer that this simulator does not look into."""
    yield from ()


def moment(value: Any, path: str) -> Iterator[Json]:
    """A moment with its time zone, ISO 8601."""
    try:
        aware = datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    if not aware:
        yield _wrong(path, "must be a moment with its time zone")


def price(value: Any, path: str) -> Iterator[Json]:
    """An amount as text, at least 1.00, in the currency of allegro.pl."""
    yield from obj({"amount": text(pattern=r"\d{1,9}(\.\d{1,2})?"), "currency": one_of("PLN")}, "amount", "currency")(
        value, path
    )
    amount = value.get("amount") if isinstance(value, dict) else None
    if isinstance(amount, str) and re.fullmatch(r"\d{1,9}(\.\d{1,2})?", amount) and float(amount) < 1:
        yield _wrong(f"{path}.amount", "must be at least 1.00", "ConstraintViolationException.Price")


def location(value: Any, path: str) -> Iterator[Json]:
    """Where the parcel is sent from; Poland needs its province."""
    fields = {
        "city": text(high=50),
        "countryCode": text(pattern="[A-Z]{2}"),
        "postCode": text(high=12),
        "province": one_of(*PROVINCES),
    }
    yield from obj(fields)(value, path)
    if isinstance(value, dict) and value.get("countryCode", "PL") == "PL":
        polish = {"province": anything, "postCode": text(pattern=r"\d\d-\d\d\d")}
        yield from obj({**dict.fromkeys(fields, anything), **polish}, "province")(value, path)


def tagged(variants: dict[str, Check], refused: dict[str, str] | None = None) -> Check:
    """An object whose `type` says which form it has; `refused` types have their own code."""

    def check(value: Any, path: str) -> Iterator[Json]:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind in variants:
            yield from variants[kind](value, path)
        else:
            yield _wrong(
                f"{path}.type", f"{kind!r} is not allowed", (refused or {}).get(str(kind), "VALIDATION_FAILED")
            )

    return check


UUID = text(pattern=r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ID_OR_NAME = obj({"id": UUID, "name": text(high=250)})
PARAMETER = obj(
    {
        "id": text(),
        "name": text(),
        "rangeValue": nullable(obj({"from": text(), "to": text()}, "from", "to")),
        "values": array(text()),
        "valuesIds": array(text()),
    }
)
PRODUCT = obj(
    {
        "id": text(high=50),
        "idType": nullable(one_of("GTIN", "MPN")),
        "name": text(high=75),
        "category": obj({"id": text()}),
        "parameters": array(PARAMETER),
        "images": array(text(), high=16),
    },
    "id",
)
PRODUCT_SET = array(
    obj(
        {
            "product": PRODUCT,
            "quantity": obj({"value": whole(1)}),
            "responsiblePerson": ID_OR_NAME,
            "responsibleProducer": tagged(
                {
                    "ID": obj({"type": anything, "id": UUID}, "id"),
                    "NAME": obj({"type": anything, "name": text(high=50)}, "name"),
                }
            ),
            "safetyInformation": tagged(
                {
                    "TEXT": obj({"type": anything, "description": text(high=5000)}, "description"),
                    "ATTACHMENTS": obj(
                        {"type": anything, "attachments": array(obj({"id": UUID}, "id"), 1, 20)}, "attachments"
                    ),
                },
                {"NO_SAFETY_INFORMATION": "NO_SAFETY_INFORMATION_OPTION_NOT_ALLOWED"},
            ),
            "marketedBeforeGPSRObligation": nullable(yes_or_no),
            "deposits": array(obj({"id": UUID, "quantity": whole(1)})),
        },
        "product",
    ),
    1,
)
FIELDS: dict[str, Check] = {
    "productSet": PRODUCT_SET,
    "name": text(12, 75, r"\S+(\s+\S+){2,}"),
    "category": obj({"id": text()}),
    "parameters": array(PARAMETER),
    "stock": obj({"available": whole(0), "unit": one_of("UNIT", "PAIR", "SET")}),
    "sellingMode": obj(
        {
            "format": one_of("BUY_NOW", "AUCTION", "ADVERTISEMENT"),
            "price": price,
            "minimalPrice": nullable(price),
            "startingPrice": nullable(price),
        }
    ),
    "delivery": obj(
        {
            "handlingTime": one_of(*HANDLING_TIMES),
            "shippingRates": ID_OR_NAME,
            "additionalInfo": text(high=650),
            "shipmentDate": moment,
        }
    ),
    "afterSalesServices": obj({"impliedWarranty": ID_OR_NAME, "returnPolicy": ID_OR_NAME, "warranty": ID_OR_NAME}),
    "location": location,
    "payments": obj({"invoice": one_of("VAT", "VAT_MARGIN", "WITHOUT_VAT", "NO_INVOICE")}),
    "taxSettings": nullable(
        obj(
            {
                "rates": array(
                    obj(
                        {
                            "rate": one_of(*TAX_RATES, code="SETTING_NOT_SUPPORTED_IN_CATEGORY"),
                            "countryCode": one_of("PL"),
                        },
                        "rate",
                        "countryCode",
                    ),
                    1,
                ),
                "subject": one_of("GOODS", "SERVICES"),
                "exemption": text(),
            },
            "rates",
        )
    ),
    "publication": obj(
        {
            "duration": nullable(one_of(*DURATIONS)),
            "startingAt": moment,
            "endingAt": moment,
            "status": one_of("INACTIVE", "ACTIVE", "ENDED"),
            "republish": yes_or_no,
        }
    ),
    "external": obj({"id": text(high=100)}, "id"),
    "language": one_of(*LANGUAGES, code="UnsupportedLanguageException"),
    "b2b": obj({"buyableOnlyByBusiness": yes_or_no}),
    "images": array(text(), 1, 16),
    "description": anything,
    "attachments": anything,
    "fundraisingCampaign": anything,
    "additionalServices": anything,
    "additionalMarketplaces": anything,
    "compatibilityList": anything,
    "aiCoCreatedContent": anything,
    "sizeTable": anything,
    "contact": anything,
    "discounts": anything,
    "messageToSellerSettings": anything,
}
_OFFER = obj(FIELDS)
_NEW_OFFER = obj(
    {
        **FIELDS,
        "stock": obj({"available": whole(0), "unit": one_of("UNIT", "PAIR", "SET")}, "available"),
        "sellingMode": obj(
            {"format": one_of("BUY_NOW"), "price": price},
            "price",
        ),
        "publication": obj(
            {
                "duration": nullable(one_of(*DURATIONS)),
                "startingAt": moment,
                "status": one_of("INACTIVE", "ACTIVE"),
                "republish": yes_or_no,
            }
        ),
    },
    "productSet",
    "stock",
    "sellingMode",
)
