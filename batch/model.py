"""What travels between the stages: plain frozen data, no behaviour that touches the world.

Money is `Decimal` with a currency, time is aware UTC, a GTIN is text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

Facts: TypeAlias = Mapping[str, Any]
"""Named facts behind a message; the catalogue's templates turn them into words."""


class Job(StrEnum):
    """One of the things a run does."""

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
    cell: CellRef | None
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
    login: str | None = None  # the login it was linked to, as an earlier run wrote it
    token_file_of: str | None = None  # another account that names the same token file, which is not known to be ours

    @property
    def token_row(self) -> str | None:
        """The name of its tokens in the shared database, where the token file is `db:` or `db:NAME`."""
        kind, colon, name = (self.token_file or "").strip().partition(":")
        return (name.strip() or self.name) if colon and kind.casefold() == "db" else None


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
    cells: Mapping[str, CellRef] = field(default_factory=dict)  # where each named default stands, or would stand
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
    """One usable row of `Products`; `external_id` is the effective one."""

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
    cell: CellRef  # where `name` stands
    columns: Mapping[str, str] = field(default_factory=dict)  # letters of the table's columns by key
    missing: tuple[Problem, ...] = ()  # what a draft would lack; an offer that exists needs none of it

    @property
    def name(self) -> str:
        """What it is about, by the first of these that is filled in."""
        return self.offer_id or self.gtin or self.product_id or self.external_id

    def at(self, key: str) -> CellRef | None:
        """The row's cell in a column."""
        return CellRef(self.cell.sheet, self.columns[key], self.row) if key in self.columns else None


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """One price list, policy … of an account. `common` entries are those Allegro may choose by itself."""

    kind: str
    name: str
    id: str
    common: bool = True


@dataclass(frozen=True, slots=True)
class FoundOffer:
    """An offer as Allegro's list of the seller's offers shows it."""

    offer_id: str
    external_id: str | None
    status: str
    price: Money | None
    stock: int | None
    marketplace: str = "allegro-pl"  # the base one, on which its price is


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row of `Products`: a code of the catalogue and the facts for its text.

    `errors` are Allegro's own words, one (message, code) pair each. `problems` are all bad cells of the row,
    the first of which gives the code. `entry` is the journal's entry behind it, `changes` are its changes.
    """

    row: int
    account: str
    code: str
    facts: Facts = field(default_factory=dict)
    cell: CellRef | None = None
    value: object = None
    problems: tuple[Problem, ...] = ()
    offer_id: str | None = None
    external_id: str | None = None
    action: Action | None = None
    old_price: Money | None = None
    new_price: Money | None = None
    old_stock: int | None = None
    new_stock: int | None = None
    errors: tuple[tuple[str, str], ...] = ()
    trace_id: str | None = None
    entry: int | None = None
    changes: tuple[int, ...] = ()

    @classmethod
    def of_problems(
        cls, row: int, account: str, problems: Sequence[Problem], external_id: str | None = None
    ) -> Outcome:
        """The answer of a row whose cells cannot be used."""
        first = problems[0]
        return cls(
            row,
            account,
            first.code,
            cell=first.cell,
            value=first.value,
            problems=tuple(problems),
            external_id=external_id,
        )


class State(StrEnum):
    """Where an attempt at a draft, or a change of an offer, stands."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    DONE = "done"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"  # it is certain that nothing arrived, or it was overtaken
    UNDONE = "undone"  # done, and taken back since


@dataclass(frozen=True, slots=True)
class Entry:
    """The journal's newest attempt at one draft of one seller. Times are aware UTC."""

    id: int
    seller: str
    external_id: str
    attempt: int
    run: str
    state: State
    created_at: datetime
    updated_at: datetime
    price: Money | None = None
    stock: int | None = None
    offer_id: str | None = None
    operation: str | None = None
    code: str | None = None
    details: Facts | None = None
    trace_id: str | None = None
    reported: bool = False


class Way(StrEnum):
    """How a change is sent to Allegro."""

    PRICE = "price"  # command: one price for up to 1000 offers
    STOCK = "stock"  # command: one stock for up to 1000 offers
    BULK = "bulk"  # command: 25 changes, each of its own
    PUBLISH = "publish"  # command, up to 1000 offers
    END = "end"  # command, up to 1000 offers
    PATCH = "patch"  # one offer: stock 0, and what commands do not do
    DELETE = "delete"  # one draft


@dataclass(frozen=True, slots=True)
class Change:
    """The journal's record of one thing sent about one offer. Times are aware UTC.

    `old_…` is what Allegro held before, `new_…` what was sent; None where it is not touched. Changes of one
    `command` went out in one call.
    """

    id: int
    seller: str
    run: str
    offer_id: str
    external_id: str | None
    way: Way
    state: State
    command: str | None = None
    old_price: Money | None = None
    new_price: Money | None = None
    old_stock: int | None = None
    new_stock: int | None = None
    old_status: str | None = None
    marketplace: str = "allegro-pl"  # on which the price is; only for sending
    operation: str | None = None
    code: str | None = None
    errors: tuple[tuple[str, str], ...] = ()
    trace_id: str | None = None
    updated_at: datetime | None = None
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What a call came to.

    DONE, ACCEPTED (perhaps with an operation to follow), WITHDRAWN when the offer is busy with an earlier edit, or
    FAILED: `status` is the HTTP status, `code` ours, `errors` Allegro's own words.
    """

    state: State
    operation: str | None = None
    status: int | None = None
    code: str | None = None
    errors: tuple[tuple[str, str], ...] = ()
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a change stands by Allegro's report: DONE, FAILED or ACCEPTED (still open).

    `code` is ours for a FAILED one, `passing` says that another attempt may mend it.
    """

    state: State
    code: str | None = None
    errors: tuple[tuple[str, str], ...] = ()
    passing: bool = False
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """Allegro's answer: the offer exists. `errors` are what it lacks before it can be published."""

    offer_id: str
    status: str
    errors: tuple[tuple[str, str], ...] = ()
    trace_id: str | None = None
    price: Money | None = None
    stock: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Allegro's answer 202: it works on it. `operation` is the id of the work, `retry_after` in seconds."""

    offer_id: str | None
    operation: str | None
    retry_after: float | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Allegro's answer: no offer. `code` is ours, `facts` fill its text, `errors` are Allegro's own words."""

    code: str
    facts: Facts = field(default_factory=dict)
    errors: tuple[tuple[str, str], ...] = ()
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Busy:
    """Allegro's answer 409 to an edit: an earlier one still runs; nothing was changed, it can be tried later."""

    trace_id: str | None = None
