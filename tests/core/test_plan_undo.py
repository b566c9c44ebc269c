"""What a run did is taken back where Allegro still holds it, and told where it does not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from batch.model import Change, Entry, FoundOffer, Money, Outcome, State, Way
from batch.plan_changes import OPEN, ChangeStep
from batch.plan_undo import plan_undo
from tests.helpers.drafts import NOW, SELLER, entry, row

OLD, NEW, OTHER = (Money(Decimal(n), "PLN") for n in (10, 12, 99))
HELD = FoundOffer("100", "X7", "ACTIVE", NEW, 8)
MADE = entry(State.DONE, offer_id="100", price=OLD, stock=5)


def done(way: Way = Way.PRICE, **more: Any) -> Change:
    """A change that the run made: price from 10 to 12, or stock from 5 to 8."""
    values: dict[str, Any] = {
        Way.PRICE: {"old_price": OLD, "new_price": NEW},
        Way.STOCK: {"old_stock": 5, "new_stock": 8},
        Way.PATCH: {"old_stock": 5, "new_stock": 0},
    }.get(way, {})
    values |= {"old_status": "ACTIVE", "updated_at": NOW}
    return replace(Change(3, SELLER, "then", "100", "X7", way, State.DONE, **values), **more)


CASES: dict[str, tuple[list[Entry], list[Change], FoundOffer | None, str]] = {
    "a draft": ([MADE], [], replace(HELD, status="INACTIVE"), "delete"),
    "a draft that is gone already": ([MADE], [], None, "delete"),
    "a draft that was published since": ([MADE], [], HELD, "skipped no_draft"),
    "a draft that sold out since": ([MADE], [], replace(HELD, status="ENDED"), "skipped no_draft"),
    "a draft taken back already": ([replace(MADE, state=State.UNDONE)], [], None, "undone"),
    "a price": ([], [done()], HELD, "price 10"),
    "a price changed since": ([], [done()], replace(HELD, price=OTHER), "skipped changed_since"),
    "a price that is back already": ([], [done()], replace(HELD, price=OLD), "skipped as_before"),
    "a price taken back already": ([], [replace(done(), state=State.UNDONE)], HELD, "offer_unchanged"),
    "a price changed twice": ([], [done(), done(new_price=OTHER)], replace(HELD, price=OTHER), "price 10"),
    "a stock": ([], [done(Way.STOCK)], HELD, "stock 5"),
    "a stock of which some was sold": ([], [done(Way.STOCK)], replace(HELD, stock=6), "skipped changed_since"),
    "price back, stock sold": ([], [done(), done(Way.STOCK)], replace(HELD, stock=6), "price 10 left stock"),
    "both": ([], [done(), done(Way.STOCK)], HELD, "price 10 stock 5"),
    "ended by stock 0": ([], [done(Way.PATCH)], replace(HELD, status="ENDED", stock=0), "patch 5 publish"),
    "ended": ([], [done(Way.END)], replace(HELD, status="ENDED"), "publish"),
    "ended, and sold out": ([], [done(Way.END)], replace(HELD, status="ENDED", stock=0), "skipped as_before"),
    "published": ([], [done(Way.PUBLISH, old_status="INACTIVE")], HELD, "end"),
    "published with stock": (
        [], [done(Way.PATCH, old_stock=0, new_stock=5), done(Way.PUBLISH)], replace(HELD, stock=5), "patch 0",
    ),
    "published, ended since": ([], [done(Way.PUBLISH)], replace(HELD, status="ENDED"), "skipped as_before"),
    "an offer that is gone": ([], [done()], None, "offer_missing"),
    "a draft that the run also priced": ([MADE], [done()], replace(HELD, status="INACTIVE"), "delete"),
    "a deletion of an undo": ([], [done(Way.DELETE)], None, "undone"),
}  # fmt: skip


@pytest.mark.parametrize(("entries", "changes", "held", "expected"), CASES.values(), ids=CASES)
def test_what_takes_a_run_back(
    entries: list[Entry], changes: list[Change], held: FoundOffer | None, expected: str
) -> None:
    """Each thing a run may have done, and what Allegro may hold by now."""
    plan = plan_undo(entries, changes, [], {"100": held} if held else {}, {"100": row(offer_id="100")}, run="undo")
    assert " ".join(map(said, plan)) == expected


def said(planned: ChangeStep | Outcome) -> str:
    """A plan in words."""
    if isinstance(planned, Outcome):
        return f"{planned.code} {planned.facts['reason']}" if planned.code == "skipped" else planned.code
    words = []
    for change in planned.all_changes:
        assert (change.run, change.state, change.id) == ("undo", State.SENDING, 0)
        value = change.new_price.amount if change.new_price else change.new_stock
        words += [change.way.value, *([str(value)] if value is not None else [])]
    return " ".join([*words, *(["left", *planned.left] if planned.left else [])])


def test_taking_back_an_undo_brings_the_newer_price_again() -> None:
    """An undo is a run like any other."""
    back = done(old_price=NEW, new_price=OLD)
    [step] = plan_undo([], [back], [], {"100": replace(HELD, price=OLD)}, {"100": row()}, run="undo")
    assert isinstance(step, ChangeStep)
    assert step.changes[0].new_price == NEW


UNTOLD: dict[str, tuple[Change, FoundOffer, str]] = {
    # a change the workbook does not know the end of, what Allegro holds, what is planned
    "of the run itself, under way": (done(state=State.ACCEPTED), HELD, "pending"),
    "of another run, under way": (done(run="other", id=9, state=State.SENDING), HELD, "pending"),
    "of the run itself, done": (done(), HELD, "price 10 told 3"),
    "of an undo that was killed": (done(run="undo", id=9), replace(HELD, price=OLD), "offer_updated 9"),
    "of a later run": (done(run="later", id=9), replace(HELD, price=OTHER), "skipped changed_since"),
}


@pytest.mark.parametrize(("untold", "held", "expected"), UNTOLD.values(), ids=UNTOLD)
def test_what_is_under_way_comes_first_and_what_was_never_told_is_told(
    untold: Change, held: FoundOffer, expected: str
) -> None:
    """While Allegro works on an offer nothing is planned about it; an answer that a kill swallowed is given."""
    changes = [] if untold.state in OPEN and untold.run == "then" else [done()]
    [planned] = plan_undo([], changes, [untold], {"100": held}, {"100": row(offer_id="100")}, run="again")
    if isinstance(planned, Outcome):
        assert said(planned) + "".join(f" {n}" for n in planned.changes) == expected
    elif planned.pending:
        assert (planned.pending, planned.all_changes, expected) == ((untold,), (), "pending")
    else:
        words = [f"{c.way} {c.new_price.amount}" for c in planned.changes if c.new_price]
        assert " ".join([*words, "told", *map(str, planned.earlier)]) == expected


def test_drafts_deleted_by_an_undo_that_was_killed_are_told() -> None:
    """Their rows lose the number and get their answer."""
    gone = Change(9, SELLER, "undo", "100", "X7", Way.DELETE, State.DONE)
    [planned] = plan_undo(
        [replace(MADE, state=State.UNDONE)], [], [gone], {}, {"100": row(offer_id="100")}, run="again"
    )
    assert isinstance(planned, Outcome)
    assert (planned.code, planned.offer_id, planned.changes) == ("undone", "100", (9,))
