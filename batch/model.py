"""What travels between the stages: plain frozen data, no behaviour that touches the world.

Money is `Decimal` with a currency, time is aware UTC, a GTIN is text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

Facts: TypeAlias = Mapping[str, Any]
"""Named facts behind a message; the catalogue's templates turn them into words."""


class Job(StrEnum):
    """One of the three things a run does."""

    DRAFTS = "drafts"
    UPDATES = "updates"
    ORDERS = "orders"


class Action(StrEnum):
    """What the user asks for in the `action` column; AUTO is a blank cell."""

    AUTO = "auto"
    CREATE = "create"
    UPDATE = "update"
    PUBLISH = "publish"
    END = "end"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with its currency; `amount` has at most two decimals."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class CellRef:
    """A place in the user's workbook, as people write it: `Products!C7`."""

    sheet: str
    column: str
    row: int

    def __str__(self) -> str:
        return f"{self.sheet}!{self.column}{self.row}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A cell (or row) that cannot be used: nothing is sent for its row."""

    code: str
    cell: CellRef
    value: object = None
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """One row of `Accounts`: one seller login and where its tokens lie."""

    name: str
    environment: str
    token_file: str | None
    active: bool
    row: int


@dataclass(frozen=True, slots=True)
class NamedDefault:
    """A default the user gave by name or by id (a price list, a policy …) and the cell it stands in."""

    text: str
    cell: CellRef


@dataclass(frozen=True, slots=True)
class OfferDefaults:
    """One row of `Defaults`: what every new offer of a profile gets. None means Allegro's own default."""

    profile: str | None = None
    account: str | None = None
    row: int | None = None
    sheet: str = ""
    shipping_rates: NamedDefault | None = None
    return_policy: NamedDefault | None = None
    implied_warranty: NamedDefault | None = None
    warranty: NamedDefault | None = None
    responsible_producer: NamedDefault | None = None
    responsible_person: NamedDefault | None = None
    handling_time: str | None = None
    invoice: str | None = None
    duration: str | None = None
    country: str | None = None
    province: str | None = None
    city: str | None = None
    post_code: str | None = None
    vat_rate: str | None = None
    safety_information: str | None = None
    language: str | None = None
    currency: str = "PLN"
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One usable row of `Products`. `gtin` or `product_id` is always there, `external_id` is the effective one."""

    row: int
    account: str
    gtin: str | None
    product_id: str | None
    external_id: str
    price: Money | None
    stock: int | None
    action: Action
    offer_id: str | None
    defaults: OfferDefaults
