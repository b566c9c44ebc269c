"""Changes travel in the fewest calls, and no run takes more from the buyers' sight than it may."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.model import Action, Change, FoundOffer, Money, Outcome, State, Way
from batch.plan_changes import ChangeStep, calls, change_outcome, refuse_ends
from tests.helpers.drafts import SELLER, row


def change(number: int, way: Way = Way.PRICE, *, price: int | None = None, stock: int | None = None) -> Change:
    """A change of offer `number`; its price or stock is that of its number unless given."""
    money = Money(Decimal(number if price is None else price), "PLN")
    return Change(
        number,
        SELLER,
        "this",
        f"{number:04}",
        None,
        way,
        State.SENDING,
        new_price=money if way is Way.PRICE else None,
        new_stock=(number if stock is None else stock) if way in {Way.STOCK, Way.PATCH} else None,
        old_status="ACTIVE",
    )


def shape(changes: list[Change]) -> Counter[tuple[str, int]]:
    """(way, size) of the calls."""
    return Counter((call[0].way.value, len(call)) for call in calls(changes))


TRAVELS: dict[str, tuple[list[Change], dict[tuple[str, int], int]]] = {
    "nothing": ([], {}),
    "one": ([change(1)], {("price", 1): 1}),
    "all prices differ": ([change(n) for n in range(60)], {("bulk", 25): 2, ("bulk", 10): 1}),
    "one price for all": ([change(n, price=9) for n in range(2500)], {("price", 1000): 2, ("price", 500): 1}),
    "few of one price": ([change(n, price=9) for n in range(3)], {("price", 3): 1}),
    "price and stock of two offers": (
        [change(n, way) for n in range(2) for way in (Way.PRICE, Way.STOCK)],
        {("bulk", 4): 1},
    ),
    "a large group beside single ones": (
        [change(n, price=9) for n in range(100)] + [change(n) for n in range(100, 125)],
        {("price", 100): 1, ("bulk", 25): 1},
    ),
    "stock 0, each alone": ([change(n, Way.PATCH, stock=0) for n in range(3)], {("patch", 1): 3}),
    "price and stock of one offer by PATCH": (
        [change(1, Way.PATCH, stock=0), replace(change(1), way=Way.PATCH)],
        {("patch", 2): 1},
    ),
    "publications": ([change(n, Way.PUBLISH) for n in range(1001)], {("publish", 1000): 1, ("publish", 1): 1}),
}


@pytest.mark.parametrize(("changes", "expected"), TRAVELS.values(), ids=TRAVELS)
def test_the_cheapest_way(changes: list[Change], expected: dict[tuple[str, int], int]) -> None:
    """How changes travel."""
    assert shape(changes) == expected


@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.sampled_from([Way.PRICE, Way.STOCK]), st.integers(1, 4)),
        unique_by=lambda t: t[:2],
    )
)
def test_every_change_travels_once_and_as_it_is(wanted: list[tuple[int, Way, int]]) -> None:
    """Whatever the mix: each change in one call, a command of one value carries one value, and no way is dearer."""
    changes = [change(n, way, price=value, stock=value) for n, way, value in wanted]
    sent = calls(changes)
    assert sorted((c.offer_id, c.new_price is None) for call in sent for c in call) == sorted(
        (c.offer_id, c.new_price is None) for c in changes
    )
    for call in sent:
        assert len({c.way for c in call}) == 1
        assert call[0].way is Way.BULK or len({(c.new_price, c.new_stock) for c in call}) == 1
        assert len(call) <= (25 if call[0].way is Way.BULK else 1000)
    assert len(sent) <= len({(c.way, c.new_price, c.new_stock) for c in changes})
    assert len(sent) <= math.ceil(len(changes) / 25) + sum(len(call) > 25 for call in sent)


def ending(number: int, account: str = "e-sklep1", *, stock: int = 5) -> ChangeStep:
    """A row that takes an active offer to stock 0."""
    held = FoundOffer(f"{number:04}", None, "ACTIVE", None, stock)
    return ChangeStep(row(number, account=account), held.offer_id, held, (change(number, Way.PATCH, stock=0),))


def staying(number: int) -> ChangeStep:
    """A row that changes a price."""
    return replace(ending(number), changes=(change(number),))


def unchanged(number: int) -> Outcome:
    """A row whose active offer is as it wants it."""
    return Outcome(number, "e-sklep1", "offer_unchanged", {"sells": True})


def emptying_draft(number: int) -> ChangeStep:
    step = ending(number)
    assert step.held is not None
    return replace(step, held=replace(step.held, status="INACTIVE"), changes=(change(number, Way.PATCH, stock=0),))


ENDS: dict[str, tuple[dict[str, list[Any]], int | None, list[int]]] = {
    "as many as allowed": ({"a": [ending(1), ending(2)]}, 2, []),
    "one too many": ({"a": [ending(1), ending(2), ending(3)]}, 2, [1, 2, 3]),
    "one too many of two accounts": ({"a": [ending(1), ending(2)], "b": [ending(3)]}, 2, [1, 2, 3]),
    "the others go on": ({"a": [ending(1), ending(2), staying(3)]}, 1, [1, 2]),
    "none allowed": ({"a": [ending(1)]}, 0, [1]),
    "lifted": ({"a": [ending(n) for n in range(99)]}, None, []),
    "most of an account, but few": ({"a": [ending(n) for n in range(9)]}, 20, []),
    "most of an account": ({"a": [ending(n) for n in range(12)] + [staying(20)]}, 20, list(range(12))),
    "most of an account, one unchanged": ({"a": [ending(n) for n in range(12)] + [unchanged(20)]}, 20, list(range(12))),
    "not most, the others unchanged": (
        {"a": [ending(n) for n in range(10)] + [unchanged(n) for n in range(20, 31)]},
        20,
        [],
    ),
    "drafts, which nobody sees": ({"a": [emptying_draft(n) for n in range(12)]}, 20, []),
    "not most of an account": ({"a": [ending(n) for n in range(10)] + [staying(n) for n in range(20, 31)]}, 20, []),
}


@pytest.mark.parametrize(("steps", "limit", "expected"), ENDS.values(), ids=ENDS)
def test_ends_beyond_the_limit_are_refused(steps: dict[str, list[Any]], limit: int | None, expected: list[int]) -> None:
    """Which rows are refused."""
    refused = refuse_ends(steps, limit)
    assert sorted(refused) == expected
    assert {outcome.code for outcome in refused.values()} <= {"end_refused"}


STANDS: dict[str, tuple[list[Change], str]] = {
    "price applied": ([replace(change(1), state=State.DONE)], "offer_updated"),
    "price applied, stock open": ([replace(change(1), state=State.DONE), change(1, Way.STOCK)], "update_pending"),
    "price refused, stock open": (
        [replace(change(1), state=State.FAILED, code="rejected"), change(1, Way.STOCK)],
        "rejected",
    ),
    "ended by stock 0": ([replace(change(1, Way.PATCH, stock=0), state=State.DONE)], "offer_ended"),
    "a draft with stock 0": (
        [replace(change(1, Way.PATCH, stock=0), state=State.DONE, old_status="INACTIVE")],
        "offer_updated",
    ),
    "priced and published": (
        [replace(change(1), state=State.DONE), replace(change(1, Way.PUBLISH), state=State.DONE)],
        "offer_published",
    ),
    "ended": ([replace(change(1, Way.END), state=State.DONE)], "offer_ended"),
    "deleted": ([replace(change(1, Way.DELETE), state=State.DONE)], "undone"),
}


@pytest.mark.parametrize(("changes", "code"), STANDS.values(), ids=STANDS)
def test_where_changes_stand_is_the_rows_answer(changes: list[Change], code: str) -> None:
    """All outcomes of a row's changes."""
    outcome = change_outcome(row(action=Action.AUTO), changes)
    assert outcome.code == code
    assert outcome.offer_id == "0001"
