"""What the body of an offer may hold: every field, its form and its allowed values.

Allegro lets a few of these mistakes pass; the simulator refuses them all, because it exists to find ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from batch.simulator.forms import (
    Check,
    anything,
    array,
    moment,
    nullable,
    obj,
    one_of,
    tagged,
    text,
    whole,
    wrong,
    yes_or_no,
)
from batch.simulator.wire import LANGUAGES, Json

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


def price(value: Any, path: str) -> Iterator[Json]:
    """An amount as text, at least 1.00, in the currency of allegro.pl."""
    yield from obj({"amount": text(pattern=r"\d{1,9}(\.\d{1,2})?"), "currency": one_of("PLN")}, "amount", "currency")(
        value, path
    )
    amount = value.get("amount") if isinstance(value, dict) else None
    if isinstance(amount, str) and re.fullmatch(r"\d{1,9}(\.\d{1,2})?", amount) and float(amount) < 1:
        yield wrong(f"{path}.amount", "must be at least 1.00", "ConstraintViolationException.Price")


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
