"""Allegro's answers made hostile: every answer that the tool reads, with something else in it than Allegro documents.

What comes of it is a value that can be written, or an error that says so; never a bug, never questions without end.
The true answers are the simulator's, recorded once over a real connection.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from batch.accounts.endpoint import _json, parse_grant
from batch.allegro.changes import OfferChanges
from batch.allegro.dictionaries import SOURCES, read_dictionary
from batch.allegro.offers import Offers
from batch.allegro.orders import read_orders
from batch.allegro.pace import Budget
from batch.allegro.profile import read_profile
from batch.allegro.session import ApiSession, Traffic
from batch.allegro.survey import holdings
from batch.errors import AccountError, ApiError
from batch.export import OrderOptions, export_order
from batch.model import Accepted, Change, Money, OfferDefaults, State, Way
from batch.order_files import csv_line, epp_line
from batch.simulator import Simulator, catalogue
from batch.workbook.values import written_form
from tests.fuzz.mutate import TEXTS, json_of
from tests.helpers.caller import Caller

LOGIN = "e-sklep2"
MOST_QUESTIONS = 400  # what the tool asks in one reading of a few offers
GTIN_OF_TWO = catalogue.gtin(52)
Raw = tuple[int, Mapping[str, str], bytes]


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


@dataclass
class Tokens:
    """A token that stays good."""

    token: str = "token"

    def access_token(self) -> str:
        return self.token

    def replace(self, rejected: str) -> str:
        return rejected


@dataclass
class Recording(ApiSession):
    """A session that remembers what came."""

    heard: list[Raw] = field(default_factory=list)

    def _exchange(self, *asked: Any) -> Raw:
        status, headers, content = super()._exchange(*asked)
        self.heard.append((status, dict(headers), content))
        return status, headers, content


@dataclass
class Replaying(ApiSession):
    """A session that hears what was recorded, in its order, the last answer again and again."""

    heard: list[Raw] = field(default_factory=list)
    random: Random = field(default_factory=Random)
    asked: int = 0
    mutated: dict[int, Raw] = field(default_factory=dict)

    def _exchange(self, *_: Any) -> Raw:
        self.asked += 1
        assert self.asked < MOST_QUESTIONS, "asks without end"
        at = min(self.asked, len(self.heard)) - 1
        if at not in self.mutated:
            self.mutated[at] = _mutated(self.random, self.heard[at])
        return self.mutated[at]


def _mutated(random: Random, raw: Raw) -> Raw:
    status, headers, content = raw
    if not random.randrange(6):
        status = random.choice((200, 201, 202, 204, 301, 303, 307, 400, 403, 404, 409, 422, 429, 500, 599))
    if not random.randrange(6):
        name = random.choice(("Location", "Retry-After", "trace-id"))
        headers = {**headers, name: random.choice(TEXTS), name.lower(): random.choice(TEXTS)}
    if random.randrange(5):
        content = json_of(random, content.decode()).encode("utf-8", "surrogatepass")
    return status, {name.lower(): value for name, value in headers.items()}, content


def _session(kind: type[ApiSession], url: str, token: str, **more: Any) -> Any:
    clock = Clock()
    traffic = Traffic.open(clock, Budget(clock, per_minute=9000))
    return kind(url, LOGIN, "Demo/1.0 (+https://example.com)", "pl", Tokens(token), traffic, clock, **more)


def _change(way: Way, offer_id: str, **values: Any) -> Change:
    return Change(1, "seller", "run", offer_id, None, way, State.SENDING, str(UUID(int=int(offer_id))), **values)


PRICE = {"new_price": Money(Decimal("20.50"), "PLN")}


def _row(gtin: str) -> Any:
    from batch.model import Action, CellRef, ProductRow  # noqa: PLC0415

    price = Money(Decimal(20), "PLN")
    return ProductRow(2, LOGIN, gtin, None, "new", price, 1, Action.AUTO, None, OfferDefaults(), CellRef("P", "B", 2))


def readings(offers: list[str]) -> Iterator[tuple[str, Callable[[ApiSession], Any]]]:
    """Every way in which the tool reads an answer, by name; `offers` are there."""
    for kind in SOURCES:
        yield kind, functools.partial(read_dictionary, kind=kind)
    yield "whose login", read_profile
    yield "offers by external id", lambda s: Offers(s).find(["a0", "a1"])
    yield "list of offers", lambda s: holdings(Offers(s), offers)
    yield "one offer", lambda s: (Offers(s).look(offers[0]), Offers(s).get(offers[0]))
    yield "new draft", lambda s: Offers(s).create(_row(catalogue.gtin(50)), {})
    yield "new draft, two products", lambda s: Offers(s).create(_row(GTIN_OF_TWO), {})
    yield "new draft, later", _followed
    yield "edit", lambda s: Offers(s).edit(offers[0], stock=5)
    yield "deletion", lambda s: Offers(s).delete(offers[1])
    yield "orders", lambda s: read_orders(s, datetime(2020, 1, 1, tzinfo=UTC))
    ways: dict[Way, dict[str, Any]] = {Way.PRICE: PRICE, Way.STOCK: {"new_stock": 7}, Way.PUBLISH: {}, Way.BULK: PRICE}
    for number, (way, values) in enumerate(ways.items(), 2):
        yield f"command {way.name}", functools.partial(_reported, change=_change(way, offers[number], **values))


def _followed(session: ApiSession) -> Any:
    sent = Offers(session).create(_row(catalogue.gtin(51)), {})
    return Offers(session).follow(sent, patience=60) if isinstance(sent, Accepted) else sent


def _reported(session: ApiSession, *, change: Change) -> Any:
    changes = OfferChanges(session)
    return changes.send([change]), changes.report([change]), changes.report([change])


@functools.cache
def _recorded() -> dict[str, tuple[Callable[[ApiSession], Any], list[Raw]]]:
    """The simulator's true answers to every reading."""
    found = {}
    with Simulator() as simulator, Caller(simulator, LOGIN) as caller:
        simulator.settings.command_polls, simulator.settings.command_seconds = 1, 0
        offers = [{"external_id": f"a{n}", "price": "10.00", "stock": 1} for n in range(8)]
        ids = simulator.add_offers(LOGIN, offers)
        for name in ("Jedna", "Druga"):
            simulator.add_product(GTIN_OF_TWO, name=name)
        for _ in range(3):
            simulator.add_order(LOGIN, [{"name": "Kubek", "price": "12.30"}, {}], message="=1+1")
        for name, read in readings(ids):
            if name == "new draft, later":
                simulator.faults.add("slow", method="POST", path="/sale/product-offers")
            session = _session(Recording, simulator.url, caller.tokens["access_token"])
            read(session)
            found[name] = (read, session.heard)
    return found


def answer(random: Random, folder: Path) -> str:  # noqa: ARG001  (all targets take both)
    """One reading of answers that are not what they should be; `read`, or the code of the error."""
    name = random.choice(list(_recorded()))
    read, heard = _recorded()[name]
    session = _session(Replaying, "http://localhost", "token", heard=heard, random=random)
    try:
        result = read(session)
    except (ApiError, AccountError) as error:
        check_sound(error.facts)
        str(error).encode()
        return error.code
    check_sound(result)
    for order in getattr(result, "orders", ()):
        exported = export_order(order, LOGIN, OrderOptions(), "pl", is_new=True)
        for row in exported.rows:
            csv_line(row.values()).encode()
            epp_line(row.values())
            for value in row.values():
                written_form(value, date_style=True, since_1904=False)
    return "read"


def check_sound(value: Any) -> None:
    """What is handed on can be written: into the journal, a cell, a file, another request."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, Decimal):
        assert value.is_finite()
        assert abs(value.adjusted()) < 40, f"{value!r} takes {abs(value.adjusted())} digits to write"
    elif isinstance(value, datetime):
        assert value.tzinfo is not None
    elif isinstance(value, int):
        assert abs(value) < 2**63, "no database takes that"
    elif is_dataclass(value):
        for each in fields(value):
            inner = getattr(value, each.name)
            check_sound(inner)
            if each.name in {"stock", "status"} and inner is not None:
                assert isinstance(inner, int if each.name == "stock" else str | int), f"{each.name} is {inner!r}"
    elif isinstance(value, Mapping):
        check_sound([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for inner in value:
            check_sound(inner)


GRANT = '{"access_token": "a.b.c", "refresh_token": "d.e.f", "token_type": "bearer", "expires_in": 43199}'


def grant(random: Random, folder: Path) -> str:  # noqa: ARG001
    """One answer of the token endpoint."""
    content = json_of(random, GRANT).encode("utf-8", "surrogatepass")
    try:
        found = parse_grant(_json(content), datetime.now(UTC), host="h")
    except ApiError as error:
        assert "a.b.c" not in str(error)
        return error.code
    assert found.expires_at > found.issued_at
    found.access_token.encode("ascii")
    found.refresh_token.encode("ascii")
    return "read"
