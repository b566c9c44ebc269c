"""Everything the simulator remembers: sellers, offers, operations, applications. Data and rules, no HTTP.

Readers and writers hold `World.lock`; the server takes it for each call, the test's handles for theirs.
"""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from batch.simulator.catalogue import Catalogue, Product
from batch.simulator.clock import Clock
from batch.simulator.faults import FaultScript
from batch.simulator.limits import Limits, Meter
from batch.simulator.settings import Settings
from batch.simulator.tokens import Lifetimes, Tokens
from batch.simulator.wire import Json

FIRST_OFFER_ID = 7_000_000_001
DEMO_SELLERS = {"e-sklep1": ["Kurier i automaty", "Duże gabaryty"], "e-sklep2": ["Cennik podstawowy"]}
"""The price lists of the sellers that are there from the start: for the first, Allegro cannot choose."""


class Kind(StrEnum):
    """The dictionaries of a seller."""

    SHIPPING_RATES = "shipping_rates"
    RETURN_POLICIES = "return_policies"
    IMPLIED_WARRANTIES = "implied_warranties"
    WARRANTIES = "warranties"
    RESPONSIBLE_PRODUCERS = "responsible_producers"
    RESPONSIBLE_PERSONS = "responsible_persons"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a dictionary, for example a price list for delivery."""

    id: str
    name: str
    is_fulfillment: bool = False
    managed_by_allegro: bool = False


@dataclass(slots=True)
class Operation:
    """What Allegro still does about an offer: done after so many polls and so many seconds."""

    id: str
    offer_id: str
    started_at: datetime
    ready_at: float
    polls_left: float
    creates: bool = False
    vanished: bool = False
    problems: list[Json] = field(default_factory=list)
    """Why it ends in a refusal; empty when it does not."""


@dataclass(slots=True)
class Task:
    """One offer's part of a command: NEW, then SUCCESS or FAIL."""

    offer_id: str
    part: str
    change: Json
    status: str = "NEW"
    errors: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class Command:
    """A change of many offers under an id its sender chose. Its tasks are worked off while it is polled and ages."""

    id: str
    kind: str
    seller: Seller
    text: str
    created_at: datetime
    accepted_at: float
    seconds: float
    polls: int
    tasks: list[Task]
    outcome: str
    polled: int = 0
    done: int = 0
    completed_at: datetime | None = None


@dataclass(slots=True, eq=False, repr=False)
class Offer:
    """One offer. `text` is its request as JSON, with what Allegro filled in: text is small. `shown` is what the list
    of offers shows of it: text and status, which may lag behind."""

    id: str
    seller: Seller
    product: Product
    external_id: str | None
    text: str
    status: str
    created_at: datetime
    updated_at: datetime
    listed_at: float
    shown: tuple[str, str]
    errors: list[Json] = field(default_factory=list)
    operation: Operation | None = None

    @property
    def body(self) -> Json:
        """The offer's data in the shape of a request."""
        body: Json = json.loads(self.text)
        return body


@dataclass(slots=True, eq=False, repr=False)
class Seller:
    """One account at Allegro."""

    id: str
    login: str
    business: bool
    dictionaries: dict[Kind, list[Entry]]
    offers: dict[str, Offer] = field(default_factory=dict)
    by_external: dict[str, dict[str, Offer]] = field(default_factory=dict)
    per_product: Counter[str] = field(default_factory=Counter)
    drafts: int = 0
    orders: dict[str, Json] = field(default_factory=dict)
    stale_orders: list[Json] = field(default_factory=list)
    """Earlier revisions that the list still shows."""


@dataclass(frozen=True, slots=True)
class Application:
    """A registered application. Its name must stand in the User-Agent."""

    client_id: str
    client_secret: str
    name: str
    redirect_uris: tuple[str, ...] = ("http://localhost",)


class World:
    """The whole state behind one simulator."""

    def __init__(self, *, seed: int, clock: Clock, limits: Limits, settings: Settings) -> None:
        self.seed = seed
        self.clock = clock
        self.limits = limits
        self.lifetimes = Lifetimes()
        self.settings = settings
        self.lock = threading.RLock()
        self.faults = FaultScript(seed, self.lock)
        self.reset()

    def reset(self) -> None:
        """Forget everything but limits, lifetimes and settings."""
        self.faults.clear()
        self.catalogue = Catalogue(self.seed)
        self.tokens = Tokens(self.clock, self.lifetimes)
        self.meter = Meter(self.limits, self.clock.monotonic)
        self.applications = {"demo": Application("demo", "demo", "Demo")}
        self.sellers: dict[str, Seller] = {}
        self.offers: dict[str, Offer] = {}
        self.operations: dict[str, Operation] = {}
        self.commands: dict[str, Command] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.published_by_accident = 0
        self._next_offer = FIRST_OFFER_ID
        for login, names in DEMO_SELLERS.items():
            shipping_rates: list[str | Entry] = [*names, self._fulfillment_rates(login)]
            self.add_seller(login, dictionaries={Kind.SHIPPING_RATES: shipping_rates})

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen after so many simulated seconds; at once when there are none."""
        if seconds > 0:
            heapq.heappush(self._agenda, (self.clock.monotonic() + seconds, next(self._order), action))
        else:
            action()

    def catch_up(self) -> None:
        """Let everything happen whose time has come; called before anybody looks."""
        while self._agenda and self._agenda[0][0] <= self.clock.monotonic():
            heapq.heappop(self._agenda)[2]()

    def new_id(self, *names: object) -> str:
        """An id that is the same for the same seed and names."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, (self.seed, *names)))))

    def add_seller(
        self, login: str, *, business: bool = True, dictionaries: Mapping[str, Iterable[str | Entry]] | None = None
    ) -> Seller:
        """A new seller; `dictionaries` names the entries of a kind, others are as of a usual shop.

        Raises ValueError when the login is taken.
        """
        if login in self.sellers:
            msg = f"there is a seller {login} already"
            raise ValueError(msg)
        names: dict[str, Iterable[str | Entry]] = {**self._usual_dictionaries(login), **(dictionaries or {})}
        entries = {
            kind: [
                entry if isinstance(entry, Entry) else Entry(self.new_id(login, kind, place, entry), entry)
                for place, entry in enumerate(names[kind])
            ]
            for kind in Kind
        }
        seller = Seller(str(46_000_001 + len(self.sellers)), login, business, entries)
        self.sellers[login] = seller
        return seller

    def seller_by_id(self, seller_id: str) -> Seller | None:
        """The seller whose tokens carry this user id."""
        return next((seller for seller in self.sellers.values() if seller.id == seller_id), None)

    def add_offer(self, seller: Seller, product: Product, body: Json, status: str, errors: list[Json]) -> Offer:
        """A new offer with the next id."""
        now = self.clock.now()
        external = (body.get("external") or {}).get("id")
        text = json.dumps(body, ensure_ascii=False)
        offer = Offer(
            id=str(self._next_offer),
            seller=seller,
            product=product,
            external_id=external,
            text=text,
            status=status,
            shown=(text, status),
            created_at=now,
            updated_at=now,
            listed_at=self.clock.monotonic() + self.settings.index_lag,
            errors=errors,
        )
        self._next_offer += 1
        self.offers[offer.id] = seller.offers[offer.id] = offer
        seller.by_external.setdefault(external or "", {})[offer.id] = offer
        seller.per_product[product.id] += 1
        seller.drafts += status == "INACTIVE"
        return offer

    def change_offer(self, offer: Offer, body: Json, status: str) -> None:
        """An edited offer. One that goes live is ACTIVATING first, if that takes time."""
        if status == "ACTIVE" and offer.status != "ACTIVE" and self.settings.activation_seconds > 0:
            status = "ACTIVATING"
            self.later(self.settings.activation_seconds, lambda: self._activated(offer))
        offer.seller.by_external[offer.external_id or ""].pop(offer.id)
        offer.external_id = (body.get("external") or {}).get("id")
        offer.seller.by_external.setdefault(offer.external_id or "", {})[offer.id] = offer
        offer.seller.drafts += (status == "INACTIVE") - (offer.status == "INACTIVE")
        offer.text = json.dumps(body, ensure_ascii=False)
        offer.status, offer.updated_at = status, self.clock.now()
        self._show(offer)

    def _activated(self, offer: Offer) -> None:
        if offer.status == "ACTIVATING":
            offer.status, offer.updated_at = "ACTIVE", self.clock.now()
            self._show(offer)

    def _show(self, offer: Offer) -> None:
        """Bring the list of offers up to date, now or later."""
        shown = (offer.text, offer.status)

        def show() -> None:
            offer.shown = shown

        self.later(self.settings.list_lag, show)

    def visible(self, offer: Offer) -> bool:
        """Whether Allegro shows the offer; one that is still being made it may hide."""
        return self.settings.pending_visible or offer.operation is None or not offer.operation.creates

    def remove_offer(self, offer: Offer) -> None:
        """A deleted draft, or an offer that Allegro gave up."""
        del self.offers[offer.id], offer.seller.offers[offer.id]
        offer.seller.by_external[offer.external_id or ""].pop(offer.id)
        offer.seller.per_product[offer.product.id] -= 1
        offer.seller.drafts -= offer.status == "INACTIVE"

    def start_operation(self, offer: Offer, *, endless: bool = False, seconds: float | None = None) -> Operation:
        """Let Allegro work on an offer: for exactly `seconds`, else as long as the settings say."""
        operation = Operation(
            id=str(uuid.uuid4()),
            offer_id=offer.id,
            started_at=self.clock.now(),
            ready_at=self.clock.monotonic() + (self.settings.operation_seconds if seconds is None else seconds),
            polls_left=float("inf") if endless else self.settings.operation_polls if seconds is None else 0,
        )
        self.operations[operation.id] = offer.operation = operation
        return operation

    def _usual_dictionaries(self, login: str) -> dict[str, Iterable[str | Entry]]:
        returns = Entry(self.new_id(login, "fulfillment returns"), "Zwroty One Fulfillment", is_fulfillment=True)
        return {
            Kind.SHIPPING_RATES: ["Cennik podstawowy", self._fulfillment_rates(login)],
            Kind.RETURN_POLICIES: ["Zwroty 14 dni", returns],
            Kind.IMPLIED_WARRANTIES: ["Reklamacje"],
            Kind.WARRANTIES: ["Gwarancja 24 miesiące"],
            Kind.RESPONSIBLE_PRODUCERS: ["Brava sp. z o.o.", "Modrzew S.A."],
            Kind.RESPONSIBLE_PERSONS: ["Importer sp. z o.o."],
        }

    def _fulfillment_rates(self, login: str) -> Entry:
        """A price list that every seller has and that no offer of his own may use."""
        name = "One Fulfillment by Allegro"
        return Entry(self.new_id(login, name), name, is_fulfillment=True, managed_by_allegro=True)
