"""What is done with each row, decided from the row, the journal and what Allegro holds."""

from __future__ import annotations

from typing import Any

import pytest

from batch.model import Action, CellRef, FoundOffer, Outcome, Problem, State
from batch.plan import INDEX_LAG, Step, best_offer, plan_drafts
from batch.resolve import ResolvedDefaults
from tests.helpers.drafts import NOW, entry, offer, row

LAG = INDEX_LAG.total_seconds()
FINE = {None: ResolvedDefaults({}, ())}

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing anywhere": ({}, "create"),
    "create, asked for": ({"row": row(action=Action.CREATE)}, "create"),
    "has an offer": ({"row": row(offer_id="55")}, "skipped"),
    "an update is not this job": ({"row": row(action=Action.UPDATE)}, "skipped"),
    "Allegro has it, whoever made it": ({"offers": [offer()]}, "draft_found"),
    "Allegro has it, ended": ({"offers": [offer(status="ENDED")]}, "draft_found"),
    "sent just now, answer lost": ({"entry": entry(State.SENDING, age=LAG - 1)}, "look_up"),
    "sent long ago, answer lost, list shows nothing": ({"entry": entry(State.SENDING, age=LAG + 1)}, "create"),
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
    [plan] = plan_drafts([the_row], known=known, found=offers, defaults=given.pop("defaults", FINE), now=NOW)
    assert not given
    assert (plan.kind if isinstance(plan, Step) else plan.code) == expected


def test_a_draft_in_doubt_with_broken_defaults_is_not_sent_again() -> None:
    """Its step has no ids, so that it can only be looked up."""
    broken = {None: ResolvedDefaults({}, (Problem("default_unknown", None, "x"),))}
    known = {"X7": entry(State.SENDING)}
    [step] = plan_drafts([row()], known=known, found={}, defaults=broken, now=NOW)
    assert isinstance(step, Step)
    assert step.ids is None


def test_several_offers_with_one_external_id_are_all_named() -> None:
    """The active one is taken, and the answer lists the others."""
    offers = [offer("1", "ENDED"), offer("2", "ACTIVE"), offer("3", "INACTIVE")]
    [outcome] = plan_drafts([row()], known={}, found={"X7": offers}, defaults=FINE, now=NOW)
    assert isinstance(outcome, Outcome)
    assert outcome.offer_id == "2"
    assert outcome.facts["offer_ids"] == ["2", "1", "3"]


def test_the_offer_the_journal_knows_is_preferred() -> None:
    """Ours comes before any other with the same external id."""
    offers: list[FoundOffer] = [offer("1", "ACTIVE"), offer("2", "INACTIVE")]
    assert best_offer(offers, "2").offer_id == "2"
