"""What Allegro adds to a new offer: the product behind a GTIN, a price list, policies, usual values.

The only entry of a dictionary is chosen by itself, else the one named "default"; One Fulfillment entries
and those that Allegro manages are left aside.
"""

from __future__ import annotations

from batch.simulator.catalogue import Product, check_digit
from batch.simulator.state import Entry, Kind, Seller, World
from batch.simulator.wire import Json, problem, refuse


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
