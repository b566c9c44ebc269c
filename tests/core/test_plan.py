"""What is done with each row, decided from the row, the journal and what Allegro holds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from batch.execute import INDEX_LAG
from batch.model import Action, CellRef, Change, FoundOffer, Job, Money, Outcome, Problem, State, Way
from batch.plan import Known, Planned, Planner, Step, best_offer
from batch.plan_changes import Catches, ChangeStep
from batch.resolve import ResolvedDefaults
from tests.helpers.drafts import NOW, SELLER, entry, offer, row

LAG = INDEX_LAG.total_seconds()
FINE = {None: ResolvedDefaults({}, ())}
DRAFTS, UPDATES = frozenset({Job.DRAFTS}), frozenset({Job.UPDATES})
BOTH = DRAFTS | UPDATES
HELD_VALUES: dict[str, Any] = {"price": Money(Decimal("12.30"), "PLN"), "stock": 5}


def plan(the_row: Any, *, jobs: Any = DRAFTS, defaults: Any = FINE, **known: Any) -> Planned:
    """The plan of one row."""
    planner = Planner(jobs, SELLER, "this", Known(**known), defaults, Catches(Decimal(30)), NOW)
    return planner.plan([the_row])[0]


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing anywhere": ({}, "create"),
    "create, asked for": ({"row": row(action=Action.CREATE)}, "create"),
    "has an offer": ({"row": row(offer_id="55")}, "skipped"),
    "an update is not this job": ({"row": row(action=Action.UPDATE)}, "skipped"),
    "Allegro has it, whoever made it": ({"offers": [offer()]}, "draft_found"),
    "Allegro has it, ended": ({"offers": [offer(status="ENDED")]}, "draft_found"),
    "sent just now, answer lost": ({"entry": entry(State.SENDING, age=LAG - 1)}, "look_up"),
    "answer lost, list shows nothing": ({"entry": entry(State.SENDING, age=LAG + 1)}, "look_up"),
    "answer lost days ago, list shows nothing": ({"entry": entry(State.SENDING, age=86_401)}, "create"),
    "answer lost, list shows it": ({"entry": entry(State.SENDING, age=999), "offers": [offer()]}, "look_up"),
    "Allegro still works on it": ({"entry": entry(State.ACCEPTED, age=99_999, offer_id="100")}, "follow"),
    "refused before": ({"entry": entry(State.FAILED)}, "create"),
    "never arrived": ({"entry": entry(State.WITHDRAWN)}, "create"),
    "made, answer not in the workbook yet": (
        {"entry": entry(State.DONE, offer_id="100", code="draft_created"), "offers": [offer()]},
        "draft_created",
    ),
    "made and told, the user cleared the cell": (
        {"entry": entry(State.DONE, offer_id="100", code="draft_created", reported=True), "offers": [offer()]},
        "draft_found",
    ),
    "made and deleted at Allegro": (
        {"entry": entry(State.DONE, offer_id="100", code="draft_created", reported=True)},
        "create",
    ),
    "made, told to the sheet, not noted as told": (
        {"row": row(offer_id="100"), "entry": entry(State.DONE, offer_id="100", code="draft_created")},
        "draft_created",
    ),
    "a default is wrong": (
        {"defaults": {None: ResolvedDefaults({}, (Problem("default_unknown", CellRef("D", "C", 5), "x"),))}},
        "default_unknown",
    ),
    "a default is wrong, but the offer exists": (
        {
            "offers": [offer()],
            "defaults": {None: ResolvedDefaults({}, (Problem("default_unknown", CellRef("D", "C", 5), "x"),))},
        },
        "draft_found",
    ),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES)
def test_plan_of_a_row(given: dict[str, Any], expected: str) -> None:
    """Each situation has one plan."""
    given = dict(given)
    the_row = given.pop("row", row())
    known = {the_row.external_id: found} if (found := given.pop("entry", None)) else {}
    offers = {the_row.external_id: held} if (held := given.pop("offers", None)) else {}
    assert kind(plan(the_row, entries=known, offers=offers, **given)) == expected


def kind(planned: Planned) -> str:
    """What a plan is, in a word."""
    if isinstance(planned, ChangeStep):
        ways = [change.way.value for change in planned.all_changes]
        return "pending" if planned.pending else " ".join(ways)
    return planned.kind.value if isinstance(planned, Step) else planned.code


HELD = FoundOffer("100", "X7", "ACTIVE", Money(Decimal("12.30"), "PLN"), 5)
DRAFT = replace(HELD, status="INACTIVE")
ENDED = replace(HELD, status="ENDED", stock=0)
TYPED = row(offer_id="100")
DEAR = Money(Decimal("15.00"), "PLN")  # 22 % more
TOO_DEAR = Money(Decimal("16.00"), "PLN")  # 30.1 % more


def change(state: State, way: Way = Way.PRICE, **more: Any) -> Change:
    """What the journal knows of a change of the offer."""
    values: dict[str, Any] = {"old_price": HELD.price, "new_price": DEAR, "command": "c", "updated_at": NOW}
    return Change(9, SELLER, "earlier", "100", "X7", way, state, **(values | more))


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing differs": ({}, "offer_unchanged"),
    "price differs": ({"row": replace(TYPED, price=DEAR)}, "price"),
    "stock differs": ({"row": replace(TYPED, stock=6)}, "stock"),
    "both differ": ({"row": replace(TYPED, price=DEAR, stock=6)}, "price stock"),
    "blank cells change nothing": ({"row": replace(TYPED, price=None, stock=None)}, "offer_unchanged"),
    "stock 0 goes by PATCH, price with it": ({"row": replace(TYPED, price=DEAR, stock=0)}, "patch patch"),
    "an ended offer goes by PATCH": ({"held": ENDED}, "patch"),
    "a draft goes by command": ({"held": DRAFT, "row": replace(TYPED, stock=6)}, "stock"),
    "price too far up": ({"row": replace(TYPED, price=TOO_DEAR)}, "price_change_refused"),
    "price too far down": ({"row": replace(TYPED, price=Money(Decimal("8.60"), "PLN"))}, "price_change_refused"),
    "price in another currency": (
        {"row": replace(TYPED, price=Money(Decimal("12.30"), "EUR"))},
        "price_change_refused",
    ),
    "offer unknown to Allegro": ({"held": None}, "offer_missing"),
    "create with an offer": ({"row": replace(TYPED, action=Action.CREATE, price=DEAR)}, "skipped"),
    "update": ({"row": replace(TYPED, action=Action.UPDATE, price=DEAR)}, "price"),
    "update, found by external id": ({"row": row(action=Action.UPDATE, stock=6)}, "stock"),
    "update without an offer": ({"row": row(action=Action.UPDATE), "held": None}, "offer_missing"),
    "publish a draft": ({"held": DRAFT, "row": replace(TYPED, action=Action.PUBLISH)}, "publish"),
    "publish a draft with another price": (
        {"held": DRAFT, "row": replace(TYPED, action=Action.PUBLISH, price=DEAR)},
        "price publish",
    ),
    "publish an ended offer: stock first": (
        {"held": ENDED, "row": replace(TYPED, action=Action.PUBLISH)},
        "patch publish",
    ),
    "publish what is active": ({"row": replace(TYPED, action=Action.PUBLISH)}, "offer_unchanged"),
    "end": ({"row": replace(TYPED, action=Action.END, price=TOO_DEAR)}, "end"),
    "end what has ended": ({"held": ENDED, "row": replace(TYPED, action=Action.END)}, "offer_unchanged"),
    "found by external id, price differs": ({"row": row(price=DEAR)}, "price"),
    "found by external id, nothing differs": ({"row": row()}, "draft_found"),
    "found, in a run that only updates": ({"row": row(), "jobs": UPDATES}, "offer_unchanged"),
    "no offer, in a run that only updates": ({"row": row(), "held": None, "jobs": UPDATES}, "skipped"),
    "a run that only drafts": ({"row": replace(TYPED, price=DEAR), "jobs": DRAFTS}, "skipped"),
    "an older change is under way": (
        {"row": replace(TYPED, price=DEAR), "changes": [change(State.ACCEPTED)]},
        "pending",
    ),
    "under way, in a run that only drafts": ({"changes": [change(State.SENDING)], "jobs": DRAFTS}, "pending"),
    "settled, not told yet": ({"changes": [change(State.DONE)]}, "offer_updated"),
    "ended by stock 0, not told yet": (
        {"changes": [change(State.DONE, Way.PATCH, new_price=None, new_stock=0, old_status="ACTIVE")]},
        "offer_ended",
    ),
    "no price, but the offer exists": (
        {"row": row(price=None, missing=(Problem("price_missing", None),))},
        "draft_found",
    ),
    "no price and no offer": (
        {"row": row(price=None, missing=(Problem("price_missing", None),)), "held": None},
        "price_missing",
    ),
    "taken back": ({"row": row(), "held": None, "entry": entry(State.UNDONE, offer_id="100", **HELD_VALUES)}, "undone"),
    "taken back, the list still shows it": (
        {"row": row(), "entry": entry(State.UNDONE, offer_id="100", **HELD_VALUES)},
        "undone",
    ),
    "taken back by an undo that was killed, the row still names it": (
        {"held": None, "entry": entry(State.UNDONE, offer_id="100", **HELD_VALUES)},
        "undone",
    ),
    "taken back, the row names another": (
        {"entry": entry(State.UNDONE, offer_id="99", **HELD_VALUES)},
        "offer_unchanged",
    ),
    "taken back, wanted again": (
        {"row": row(action=Action.CREATE), "held": None, "entry": entry(State.UNDONE, **HELD_VALUES)},
        "create",
    ),
    "taken back, another price": (
        {"row": row(price=DEAR), "held": None, "entry": entry(State.UNDONE, **HELD_VALUES)},
        "create",
    ),
    "perhaps taken back, another price": (
        {
            "row": row(price=DEAR),
            "entry": entry(State.UNDONE, offer_id="100", **HELD_VALUES),
            "changes": [change(State.SENDING, Way.DELETE, new_price=None)],
        },
        "pending",
    ),
}


@pytest.mark.parametrize(("given", "expected"), CHANGES.values(), ids=CHANGES)
def test_plan_of_an_offer(given: dict[str, Any], expected: str) -> None:
    """A row with an offer, by its id or its external id, in a run that does everything unless it says otherwise."""
    the_row, held = given.get("row", TYPED), given.get("held", HELD)
    held_by_id = {"100": held} if held and the_row.offer_id else {}
    offers = {"X7": [held]} if held and not the_row.offer_id else {}
    entries = {"X7": given["entry"]} if "entry" in given else {}
    changes = {"100": given.get("changes", ())}
    plan_ = plan(
        the_row, jobs=given.get("jobs", BOTH), held=held_by_id, offers=offers, entries=entries, changes=changes
    )
    assert kind(plan_) == expected


def test_a_refused_price_says_by_how_much() -> None:
    """Old and new price, percent, limit, and the cell."""
    refused = plan(replace(TYPED, price=TOO_DEAR, columns={"price": "C"}), jobs=BOTH, held={"100": HELD})
    assert isinstance(refused, Outcome)
    told = {"old": "12.30 PLN", "new": "16.00 PLN", "limit": Decimal(30), "percent": Decimal("30.1"), "sells": True}
    assert refused.facts == told
    assert str(refused.cell) == "Produkty!C7"


def test_two_rows_about_one_offer_do_not_fight() -> None:
    """The first goes on, the second is told which row was first."""
    rows = [replace(TYPED, stock=6), row(8, offer_id="100", external_id="other", stock=7)]
    planner = Planner(BOTH, SELLER, "this", Known(held={"100": HELD}), FINE, Catches(), NOW)
    first, second = planner.plan(rows)
    assert isinstance(first, ChangeStep)
    assert isinstance(second, Outcome)
    assert (second.code, second.problems[0].facts) == ("duplicate_row", {"first_row": 7})


def test_a_draft_in_doubt_with_broken_defaults_is_not_sent_again() -> None:
    """Its step has no ids, so that it can only be looked up."""
    broken = {None: ResolvedDefaults({}, (Problem("default_unknown", None, "x"),))}
    known = {"X7": entry(State.SENDING)}
    step = plan(row(), entries=known, defaults=broken)
    assert isinstance(step, Step)
    assert step.ids is None


def test_several_offers_with_one_external_id_are_all_named() -> None:
    """The active one is taken, and the answer lists the others."""
    offers = [offer("1", "ENDED"), offer("2", "ACTIVE"), offer("3", "INACTIVE")]
    outcome = plan(row(), offers={"X7": offers})
    assert isinstance(outcome, Outcome)
    assert outcome.offer_id == "2"
    assert outcome.facts["offer_ids"] == ["2", "1", "3"]


def test_the_offer_the_journal_knows_is_preferred() -> None:
    """Ours comes before any other with the same external id."""
    offers: list[FoundOffer] = [offer("1", "ACTIVE"), offer("2", "INACTIVE")]
    assert best_offer(offers, "2").offer_id == "2"
