"""Every call that the tool makes to Allegro's API, by what it is for: made by the tool's own code, in any session.

`tests/allegro/test_every_call.py` holds them against Allegro's OpenAPI file and fails when one is missing here; the
fuzzing gives them answers that are not what they should be.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from batch.allegro.changes import OfferChanges
from batch.allegro.dictionaries import SOURCES, read_dictionary
from batch.allegro.offers import Offers
from batch.allegro.orders import read_orders
from batch.allegro.profile import read_profile
from batch.allegro.session import ApiSession
from batch.allegro.survey import holdings
from batch.model import Accepted, Action, CellRef, Change, Money, NamedDefault, OfferDefaults, ProductRow, State, Way
from batch.simulator import Simulator, catalogue
from tests.allegro.conftest import LOGIN

Call = Callable[[ApiSession], Any]
PRICE = Money(Decimal("20.50"), "PLN")
LATER, AMBIGUOUS = catalogue.gtin(51), catalogue.AMBIGUOUS
DEFAULTS = OfferDefaults(
    shipping_rates=NamedDefault("Kurier", CellRef("D", "C", 2)),
    handling_time="PT24H",
    invoice="VAT",
    duration="P10D",
    country="PL",
    province="WIELKOPOLSKIE",
    city="Poznań",
    post_code="60-166",
    vat_rate="23.00",
    safety_information="Nie połykać.",
    language="pl-PL",
)


def calls(simulator: Simulator) -> dict[str, Call]:
    """The calls by name, in the order in which they are to be made; what they are about is put into the simulator."""
    offers = simulator.add_offers(LOGIN, [{"external_id": f"a{n}", "price": "10.00", "stock": 1} for n in range(8)])
    for message in ("=1+1", ""):
        simulator.add_order(LOGIN, [{"name": "Kubek", "price": "12.30"}, {}], messageToSeller=message)
    simulator.settings.operation_polls, simulator.settings.command_polls, simulator.settings.command_seconds = 0, 1, 0
    simulator.faults.add("slow", method="POST", path="/sale/product-offers", skip=2)
    commands: dict[Way, dict[str, Any]] = {
        Way.PRICE: {"new_price": PRICE},
        Way.STOCK: {"new_stock": 7},
        Way.PUBLISH: {},
        Way.END: {},
        Way.BULK: {"new_price": PRICE},
    }
    return {
        **{f"dictionary {kind}": functools.partial(read_dictionary, kind=kind) for kind in SOURCES},
        "whose login": read_profile,
        "offers by external id": lambda session: Offers(session).find(["a0", "a1"]),
        "list of offers": lambda session: holdings(Offers(session), offers),
        "one offer": lambda session: (Offers(session).look(offers[0]), Offers(session).get(offers[0])),
        "new draft": lambda session: Offers(session).create(row(catalogue.gtin(50)), _ids(session)),
        "new draft of two products": lambda session: Offers(session).create(row(AMBIGUOUS), {}),
        "new draft, made later": _followed,
        "edit": lambda session: Offers(session).edit(offers[0], price=PRICE, stock=5, status="ACTIVE"),
        "deletion": lambda session: Offers(session).delete(offers[1]),
        **{
            f"command {way.name}": functools.partial(_reported, change=_change(way, offers[number], **values))
            for number, (way, values) in enumerate(commands.items(), 2)
        },
        "orders": lambda session: read_orders(session, datetime(2020, 1, 1, tzinfo=UTC)),
    }


def row(gtin: str) -> ProductRow:
    """A row that asks for a draft with all that one can have."""
    price = Money(Decimal(20), "PLN")
    cell = CellRef("Products", "B", 2)
    return ProductRow(2, LOGIN, gtin, None, gtin, price, 1, Action.AUTO, None, DEFAULTS, cell)


def _ids(session: ApiSession) -> dict[str, str]:
    """The seller's first entry of every dictionary that has one."""
    entries = {kind: read_dictionary(session, kind) for kind in SOURCES}
    return {kind: found[0].id for kind, found in entries.items() if found}


def _change(way: Way, offer_id: str, **values: Any) -> Change:
    return Change(1, "seller", "run", offer_id, None, way, State.SENDING, str(UUID(int=int(offer_id))), **values)


def _followed(session: ApiSession) -> Any:
    sent = Offers(session).create(row(LATER), {})
    return Offers(session).follow(sent, patience=60) if isinstance(sent, Accepted) else sent


def _reported(session: ApiSession, *, change: Change) -> Any:
    changes = OfferChanges(session)
    return changes.send([change]), changes.report([change]), changes.report([change])
