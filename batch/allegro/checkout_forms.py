"""Allegro's JSON of an order -> `Order`. Pure. Every optional part may be absent or null."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from batch.allegro.payloads import number_of
from batch.model import Money
from batch.order import LineItem, Order, Person, Service


def order_of(form: Mapping[str, Any]) -> Order:
    """One checkout form. Raises KeyError, TypeError, ValueError or ArithmeticError for what is none."""
    buyer, delivery, invoice = _part(form, "buyer"), _part(form, "delivery"), _part(form, "invoice")
    payment, place = _part(form, "payment"), _part(invoice, "address")
    updated_at = _moment(form.get("updatedAt"))
    return Order(
        id=_needed(form["id"]),
        revision=_text(form, "revision") or (updated_at.isoformat() if updated_at else ""),
        status=_text(form, "status"),
        total=_needed_money(_part(form, "summary").get("totalToPay")),
        lines=tuple(_line(line) for line in form["lineItems"]),
        buyer=_person(buyer, _part(buyer, "address"), company=_text(buyer, "companyName")),
        buyer_login=_text(buyer, "login"),
        buyer_email=_text(buyer, "email"),
        fulfillment=_text(_part(form, "fulfillment"), "status"),
        updated_at=updated_at,
        marketplace=_text(_part(form, "marketplace"), "id"),
        message=_text(form, "messageToSeller"),
        seller_note=_text(_part(form, "note"), "text"),
        payment=_text(payment, "type"),
        paid=_money(payment.get("paidAmount")),
        surcharges=tuple(_moneys(form.get("surcharges"), "paidAmount")),
        delivery_method=_text(_part(delivery, "method"), "name"),
        delivery_cost=_money(delivery.get("cost")),
        recipient=_recipient(_part(delivery, "address")),
        pickup_point=_pickup_point(_part(delivery, "pickupPoint")),
        invoice_wanted=invoice.get("required") is True,
        tax_ids=_tax_ids(_part(place, "company")),
        invoice=_person(_part(place, "naturalPerson"), place, company=_text(_part(place, "company"), "name")),
    )


def moment_of(form: Mapping[str, Any]) -> datetime | None:
    """When a form was last changed; None where it does not say. Raises as `order_of`."""
    return _moment(form.get("updatedAt"))


def _line(line: Mapping[str, Any]) -> LineItem:
    offer, tax = _part(line, "offer"), _part(line, "tax")
    used = [voucher for voucher in _list(line, "vouchers") if voucher.get("status") != "CANCELLED"]
    return LineItem(
        id=_needed(line["id"]),
        offer_id=_text(offer, "id"),
        external_id=_text(_part(offer, "external"), "id"),
        name=_text(offer, "name"),
        quantity=_quantity(line["quantity"]),
        price=_needed_money(line["price"]),
        deposit=_money(_part(line, "deposit").get("price")),
        vat_rate=_text(tax, "rate").strip(),
        exemption=_text(tax, "exemption").strip(),
        bought_at=_moment(line.get("boughtAt")),
        services=tuple(
            _service(service, _needed(line["price"]["currency"]))
            for service in _list(line, "selectedAdditionalServices")
        ),
        vouchers=tuple(_moneys(used, "value")),
    )


def _service(service: Mapping[str, Any], currency: str) -> Service:
    quantity = service.get("quantity")
    return Service(
        id=_text(service, "definitionId"),
        name=_text(service, "name"),
        quantity=Decimal(1) if quantity is None else _quantity(quantity),
        price=_money(service.get("price")) or Money(Decimal(0), currency),  # OpenAPI: not required
    )


def _recipient(address: Mapping[str, Any]) -> Person:
    return _person(address, address, company=_text(address, "companyName"))


def _person(who: Mapping[str, Any], where: Mapping[str, Any], *, company: str) -> Person:
    return Person(
        name=" ".join(filter(None, (_text(who, "firstName").strip(), _text(who, "lastName").strip()))),
        company=company,
        street=_text(where, "street"),
        post_code=_text(where, "zipCode") or _text(where, "postCode"),
        city=_text(where, "city"),
        country=_text(where, "countryCode"),
        phone=_text(who, "phoneNumber"),
    )


def _pickup_point(point: Mapping[str, Any]) -> str:
    """The point's name, and its id where the name does not hold it: the parcel label needs the id."""
    name, id_ = _text(point, "name").strip(), _text(point, "id").strip()
    return name if id_ in name else f"{name} ({id_})" if name else id_


def _tax_ids(company: Mapping[str, Any]) -> tuple[str, ...]:
    """All different ids, a Polish NIP first; the deprecated field where the list is missing."""
    ids = sorted(_list(company, "ids"), key=lambda entry: entry.get("type") != "PL_NIP")
    values = [_text(entry, "value").strip() for entry in ids] or [_text(company, "taxId").strip()]
    return tuple(dict.fromkeys(filter(None, values)))


def _moneys(entries: Any, key: str) -> list[Money]:
    found = [_money(entry.get(key)) for entry in entries or () if entry]
    return [money for money in found if money is not None]


def _money(price: Any) -> Money | None:
    return None if price is None else _needed_money(price)


def _needed_money(price: Any) -> Money:
    return Money(number_of(price["amount"]), _needed(price["currency"]))


def _quantity(value: Any) -> Decimal:
    quantity = number_of(value)
    return quantity.normalize() if quantity % 1 else quantity.to_integral_value()


def _moment(text: Any) -> datetime | None:
    """ISO 8601, Allegro's is in UTC; a moment without a zone is taken for that."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _needed(value: Any) -> str:
    if not value:
        raise ValueError(value)
    return str(value)


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return "" if value is None else str(value)


def _part(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = holder.get(key)
    if part is not None and not isinstance(part, Mapping):
        raise TypeError(key)
    return part or {}


def _list(holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [entry for entry in holder.get(key) or () if entry]
