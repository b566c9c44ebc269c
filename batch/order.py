"""One order as Allegro has it (its *checkout form*): frozen data, any optional part of which may be missing.

Prices are gross, of one piece, in the currency of the marketplace the order was made on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batch.model import Money

READY = "READY_FOR_PROCESSING"
"""The only status that is exported: before it the order may still change, and the address is hidden."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an address: a buyer, a recipient, or who gets the invoice. Blank text where nothing is given."""

    name: str = ""
    company: str = ""
    street: str = ""
    post_code: str = ""
    city: str = ""
    country: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """An additional service chosen for a line, such as carrying in. `price` is of one."""

    id: str
    name: str
    quantity: Decimal
    price: Money


@dataclass(frozen=True, slots=True)
class LineItem:
    """One offer inside an order. `vat_rate` and `exemption` are Allegro's own text, blank where it gives none.

    `deposit` is of one piece (#13878) and no part of `price`; `vouchers` are the values of those in use.
    """

    id: str
    offer_id: str
    external_id: str
    name: str
    quantity: Decimal
    price: Money
    deposit: Money | None = None
    vat_rate: str = ""
    exemption: str = ""
    bought_at: datetime | None = None
    services: tuple[Service, ...] = ()
    vouchers: tuple[Money, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `revision` names its state; `updated_at` is Allegro's time of the last change."""

    id: str
    revision: str
    status: str
    total: Money
    lines: tuple[LineItem, ...]
    buyer: Person = Person()
    buyer_login: str = ""
    buyer_email: str = ""
    fulfillment: str = ""
    updated_at: datetime | None = None
    marketplace: str = ""
    message: str = ""  # from the buyer
    seller_note: str = ""
    payment: str = ""  # Allegro's code
    paid: Money | None = None
    surcharges: tuple[Money, ...] = ()
    delivery_method: str = ""
    delivery_cost: Money | None = None
    recipient: Person = Person()
    pickup_point: str = ""
    invoice_wanted: bool = False
    tax_ids: tuple[str, ...] = ()
    invoice: Person = Person()

    @property
    def is_ready(self) -> bool:
        """Whether it may be exported."""
        return self.status == READY
