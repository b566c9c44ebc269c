"""Edits, deletions and what Allegro holds, asked of a simulator over real sockets."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from batch.allegro import offers as offers_module
from batch.allegro import survey
from batch.allegro.offers import Offers
from batch.allegro.session import ApiSession
from batch.allegro.survey import holdings
from batch.errors import Forbidden
from batch.model import Accepted, Busy, FoundOffer, Made, Money, Refused
from batch.simulator import Simulator
from tests.allegro.conftest import LOGIN

PRICE = Money(Decimal("20.50"), "PLN")
OLD = Money(Decimal("10.00"), "PLN")


@pytest.fixture
def offers(session: ApiSession) -> Offers:
    return Offers(session)


EDITS: dict[str, tuple[str, dict[str, Any], tuple[Money, int, str]]] = {
    "price": ("ACTIVE", {"price": PRICE}, (PRICE, 1, "ACTIVE")),
    "stock": ("INACTIVE", {"stock": 7}, (OLD, 7, "INACTIVE")),
    "both": ("ENDED", {"price": PRICE, "stock": 7}, (PRICE, 7, "ENDED")),
    "stock 0 ends": ("ACTIVE", {"stock": 0}, (OLD, 0, "ENDED")),
    "stock and publication": ("ENDED", {"stock": 5, "status": "ACTIVE"}, (OLD, 5, "ACTIVE")),
}


@pytest.mark.parametrize(("status", "values", "ends"), EDITS.values(), ids=EDITS)
def test_an_edit(
    simulator: Simulator, offers: Offers, status: str, values: dict[str, Any], ends: tuple[Money, int, str]
) -> None:
    """Only what is named changes, and the answer says how the offer stands now."""
    [offer_id] = simulator.add_offers(LOGIN, [{"status": status}])
    made = offers.edit(offer_id, **values)
    assert isinstance(made, Made)
    assert (made.price, made.stock, made.status) == ends
    assert offers.look(offer_id) == FoundOffer(
        offer_id, simulator.offers(LOGIN)[0]["external"]["id"], ends[2], *ends[:2]
    )


def test_an_edit_that_takes_its_time(simulator: Simulator, session: ApiSession, offers: Offers) -> None:
    """Accepted, nothing changed; the next edit finds it busy; then it is done."""
    simulator.settings.edit_seconds = 60
    [offer_id] = simulator.add_offers(LOGIN, 1)
    accepted = offers.edit(offer_id, price=PRICE)
    assert isinstance(accepted, Accepted)
    assert accepted.offer_id == offer_id
    assert accepted.retry_after == 1
    assert isinstance(offers.edit(offer_id, stock=7), Busy)
    assert isinstance(offers.follow(accepted, patience=10), Accepted)
    session.clock.sleep(61)
    made = offers.follow(accepted, patience=10)
    assert isinstance(made, Made)
    assert (made.price, made.stock) == (PRICE, 1)


@pytest.mark.parametrize("seconds", [0, 60])
def test_an_edit_allegro_refuses(simulator: Simulator, session: ApiSession, offers: Offers, seconds: float) -> None:
    """At once or after a while: Refused, with Allegro's words."""
    simulator.settings.edit_seconds = seconds
    [offer_id] = simulator.add_offers(LOGIN, [{"stock": 0}])
    result: Any = offers.edit(offer_id, status="ACTIVE")
    if seconds:
        session.clock.sleep(61)
        result = offers.follow(result, patience=10)
    assert isinstance(result, Refused)
    assert (result.code, result.errors[0][1]) == ("rejected", "VALIDATION_FAILED")


def test_an_edit_of_an_unknown_offer(offers: Offers) -> None:
    """None."""
    assert offers.edit("17", stock=1) is None
    assert offers.look("17") is None


@pytest.mark.parametrize("seconds", [0, 60])
def test_an_edit_whose_answer_is_lost(simulator: Simulator, offers: Offers, seconds: float) -> None:
    """It is sent again: done twice it is the same, or the first is found still running."""
    simulator.settings.edit_seconds = seconds
    simulator.faults.add("cut_after", method="PATCH")
    [offer_id] = simulator.add_offers(LOGIN, 1)
    result = offers.edit(offer_id, stock=7)
    assert isinstance(result, Busy if seconds else Made)
    assert [exchange.method for exchange in simulator.requests] == ["PATCH"] * 2
    simulator.clock.advance(61)
    assert simulator.offers(LOGIN)[0]["stock"]["available"] == 7


@pytest.mark.parametrize("trouble", ["", "cut_before", "cut_after"])
def test_a_deleted_draft_is_gone(simulator: Simulator, offers: Offers, trouble: str) -> None:
    """Also when the answer to the first attempt is lost; and deleting it again changes nothing."""
    [offer_id] = simulator.add_offers(LOGIN, 1)
    if trouble:
        simulator.faults.add(trouble, method="DELETE")
    assert offers.delete(offer_id) is None
    assert offers.delete(offer_id) is None
    assert simulator.offers(LOGIN) == []


def test_only_drafts_are_deleted(simulator: Simulator, offers: Offers) -> None:
    """An offer on sale is Refused and stays; an account that may do nothing is Forbidden."""
    active, draft = simulator.add_offers(LOGIN, [{"status": "ACTIVE"}, {}])
    refused = offers.delete(active)
    assert isinstance(refused, Refused)
    assert refused.errors[0][1] == "OfferAccessDenied"
    simulator.faults.add("blocked", method="DELETE")
    with pytest.raises(Forbidden):
        offers.delete(draft)
    assert len(simulator.offers(LOGIN)) == 2


@pytest.mark.parametrize(
    ("there", "wanted", "pages", "singles"),
    [
        (25, slice(0, 25), 3, 0),
        (25, slice(8, 13), 3, 0),
        (25, slice(0, 2), 1, 0),
        (25, slice(23, 25), 1, 2),
        (25, slice(24, 25), 0, 1),
        (1, slice(0, 0), 0, 0),
    ],
)
def test_what_allegro_holds_is_asked_in_the_fewest_requests(
    monkeypatch: pytest.MonkeyPatch,
    simulator: Simulator,
    session: ApiSession,
    there: int,
    wanted: slice,
    pages: int,
    singles: int,
) -> None:
    """Pages of the list (of ten offers here) while they are fewer than the offers still to find, then one by one."""
    for module in offers_module, survey:
        monkeypatch.setattr(module, "PAGE", 10)
    ids = simulator.add_offers(LOGIN, there)[wanted]
    assert sorted(holdings(Offers(session), ids)) == sorted(ids)
    paths = Counter(exchange.path == "/sale/offers" for exchange in simulator.requests)
    assert (paths[True], paths[False]) == (pages, singles)


def test_what_the_list_does_not_show_is_asked_for(simulator: Simulator, session: ApiSession) -> None:
    """A new offer is not in the list yet; an offer that nobody has is missing from the answer."""
    simulator.settings.index_lag = 60
    new = simulator.add_offers(LOGIN, [{"external_id": "A", "price": "20.50", "stock": 3, "status": "ACTIVE"}])[0]
    foreign = simulator.add_offers("e-sklep1", 1)[0]
    assert holdings(Offers(session), [new, foreign, "17"]) == {new: FoundOffer(new, "A", "ACTIVE", PRICE, 3)}
