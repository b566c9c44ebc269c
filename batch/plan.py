"""Rows + the journal + what Allegro holds -> what to do with each row. Pure; nothing is sent from here.

A row gets a Step (a draft to send or to follow), a ChangeStep (an offer to change) or an Outcome (its answer is known
already). What one row wants changed is decided in `plan_changes`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from batch.model import Action, Change, Entry, FoundOffer, Job, Outcome, Problem, ProductRow, State
from batch.plan_changes import OPEN, Catches, ChangeStep, change_outcome, plan_change, sells
from batch.resolve import ResolvedDefaults

LONGEST_RUN = timedelta(days=1)
"""How long after its intent a draft may still be sent at most: a run may wait out the limit of an hour, and more."""

# Which of several offers with one external id a row is about: the one buyers see, then the newest state.
_PREFERENCE = ("ACTIVE", "ACTIVATING", "INACTIVE", "ENDED")


class StepKind(StrEnum):
    """What a step does."""

    CREATE = "create"  # send a new draft
    FOLLOW = "follow"  # Allegro accepted it in an earlier run
    LOOK_UP = "look_up"  # sent, but the answer never came


@dataclass(frozen=True, slots=True)
class Step:
    """One planned draft.

    `ids` are the row's defaults, None when they cannot be used (then nothing is sent). `entry` is the newest
    attempt in the journal, if there was any.
    """

    kind: StepKind
    row: ProductRow
    ids: Mapping[str, str] | None
    entry: Entry | None = None


Planned: TypeAlias = Step | ChangeStep | Outcome


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal and Allegro know of one seller's rows.

    `entries`: the newest attempt by external id. `changes`: those unsettled, or settled and not told yet, by offer
    id. `offers`: what Allegro holds by external id, offers of the journal included; `held`: by offer id, those that
    the rows name.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    changes: Mapping[str, Sequence[Change]] = field(default_factory=dict)
    offers: Mapping[str, Sequence[FoundOffer]] = field(default_factory=dict)
    held: Mapping[str, FoundOffer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the rows of one account for one run."""

    jobs: Collection[Job]
    seller: str
    run: str
    known: Known
    defaults: Mapping[int | None, ResolvedDefaults]  # the resolved defaults by their row on the sheet
    catches: Catches
    now: datetime

    def plan(self, rows: Iterable[ProductRow]) -> list[Planned]:
        """What is done with each row, in sheet order. Of two rows about one offer the first goes on."""
        taken: dict[str, int] = {}
        planned = ((row, self._plan_row(row)) for row in rows)
        return [
            _once(plan, row, taken) if isinstance(plan, ChangeStep) or Job.UPDATES in self.jobs else plan
            for row, plan in planned
        ]

    def _plan_row(self, row: ProductRow) -> Planned:
        entry = self.known.entries.get(row.external_id)
        if row.offer_id is not None:
            return self._plan_offer(row, entry)
        if not wants_offer(row, self.jobs):
            return answer(row, "skipped", reason="job")
        drafts = wants_draft(row)
        offers = self.known.offers.get(row.external_id, ())
        if entry is not None and entry.state is State.UNDONE and entry.offer_id:
            deleting = [c for c in self.known.changes.get(entry.offer_id, ()) if c.state in OPEN]
            if deleting:  # whether there is still a draft is not known
                return ChangeStep(row, entry.offer_id, None, pending=tuple(deleting))
            # The list may still show what was deleted (it lags).
            offers = [offer for offer in offers if offer.offer_id != entry.offer_id]
        if drafts and entry is not None:
            step = self._unfinished(row, entry, offers)
            if step is not None:
                return step
        if offers:
            return self._plan_found(row, entry, offers)
        if not drafts:
            return answer(row, "offer_missing")
        return self._plan_new(row, entry)

    def _unfinished(self, row: ProductRow, entry: Entry, offers: Sequence[FoundOffer]) -> Step | None:
        """A draft of an earlier run that is not at its end; followed by a run of any kind."""
        if entry.state is State.ACCEPTED:
            return Step(StepKind.FOLLOW, row, {}, entry)
        if entry.state is State.SENDING and (offers or self.now - entry.updated_at < LONGEST_RUN):
            return Step(StepKind.LOOK_UP, row, self._ids(row), entry)
        return None

    def _plan_new(self, row: ProductRow, entry: Entry | None) -> Planned:
        """There is no offer yet."""
        if entry is not None and entry.state is State.UNDONE and row.action is Action.AUTO and _same(row, entry):
            return answer(row, "undone", offer_id=entry.offer_id)
        if Job.DRAFTS not in self.jobs:
            return answer(row, "skipped", reason="no_offer")
        problems = [*row.missing, *self.defaults[row.defaults.row].problems]
        if problems:
            placed = [problem if problem.cell else replace(problem, cell=row.cell) for problem in problems]
            return Outcome.of_problems(row.row, row.account, placed, row.external_id)
        return Step(StepKind.CREATE, row, self.defaults[row.defaults.row].ids, entry)

    def _plan_found(self, row: ProductRow, entry: Entry | None, offers: Sequence[FoundOffer]) -> Planned:
        """Allegro has an offer with the row's external id."""
        best = best_offer(offers, entry.offer_id if entry else None)
        untold = entry if entry and _untold(entry) and any(o.offer_id == entry.offer_id for o in offers) else None
        changing = self._plan_change(row, best, untold)
        if changing is not None:
            return changing
        if untold is not None:
            return draft_outcome(row, untold)
        if Job.DRAFTS in self.jobs and wants_draft(row):
            return found_outcome(row, offers, entry.offer_id if entry else None)
        return replace(answer(row, "offer_unchanged", sells=sells(best)), offer_id=best.offer_id)

    def _plan_offer(self, row: ProductRow, entry: Entry | None) -> Planned:
        """The row names its offer."""
        assert row.offer_id is not None
        untold = entry if entry and _untold(entry) and entry.offer_id == row.offer_id else None
        held = self.known.held.get(row.offer_id)
        updates = Job.UPDATES in self.jobs
        if entry is not None and entry.state is State.UNDONE and held is None and entry.offer_id == row.offer_id:
            return self._plan_change(row, None, None) or answer(row, "undone", offer_id=entry.offer_id)
        if updates and held is None and row.action is not Action.CREATE:
            return answer(row, "offer_missing")
        changing = self._plan_change(row, held, untold)
        if changing is not None:
            return changing
        if untold is not None:
            return draft_outcome(row, untold)
        if not updates or row.action is Action.CREATE:
            return answer(row, "skipped", reason="has_offer")
        return answer(row, "offer_unchanged", sells=held is not None and sells(held))

    def _plan_change(self, row: ProductRow, held: FoundOffer | None, untold: Entry | None) -> Planned | None:
        """What is to change about an offer, what earlier changes came to, or None when there is nothing to say."""
        offer_id = held.offer_id if held else row.offer_id or ""
        earlier = self.known.changes.get(offer_id, ())
        pending = [change for change in earlier if change.state in OPEN]
        if held is not None and Job.UPDATES in self.jobs and row.action is not Action.CREATE:
            planned = plan_change(row, held, seller=self.seller, run=self.run, pending=pending, catches=self.catches)
            if isinstance(planned, ChangeStep):
                told = tuple(change.id for change in earlier if change not in pending)
                return replace(planned, entry=untold.id if untold else None, earlier=told)
            if planned is not None:
                return planned
        if pending:
            return ChangeStep(row, offer_id, held, pending=tuple(pending))
        return change_outcome(row, earlier) if earlier else None

    def _ids(self, row: ProductRow) -> Mapping[str, str] | None:
        """The defaults a draft can be sent again with, if this run may send any."""
        resolved = self.defaults.get(row.defaults.row)
        usable = Job.DRAFTS in self.jobs and resolved is not None and not resolved.problems and not row.missing
        return resolved.ids if usable and resolved else None


def wants_draft(row: ProductRow) -> bool:
    """Whether a row asks for a draft at all."""
    return row.offer_id is None and row.action in {Action.AUTO, Action.CREATE}


def wants_offer(row: ProductRow, jobs: Collection[Job]) -> bool:
    """Whether Allegro must be asked about a row: for a draft, or for the offer to be changed."""
    if row.offer_id is not None:
        return Job.UPDATES in jobs
    return wants_draft(row) or Job.UPDATES in jobs


def best_offer(offers: Sequence[FoundOffer], preferred: str | None = None) -> FoundOffer:
    """The offer a row is about when several carry its external id."""

    def rank(offer: FoundOffer) -> tuple[bool, int]:
        known = offer.status in _PREFERENCE
        return offer.offer_id != preferred, _PREFERENCE.index(offer.status) if known else len(_PREFERENCE)

    return min(offers, key=rank)


def _untold(entry: Entry) -> bool:
    """Whether the workbook does not know yet that the draft was made."""
    return entry.state is State.DONE and not entry.reported


def _same(row: ProductRow, entry: Entry) -> bool:
    """Whether the row still asks for the draft that was taken back."""
    product = (entry.details or {}).get("product")
    return (row.price, row.stock) == (entry.price, entry.stock) and product in {None, row.product_id or row.gtin}


def _once(planned: Planned, row: ProductRow, taken: dict[str, int]) -> Planned:
    """A second row about the same offer is refused: which of them should win?"""
    offer_id = planned.offer_id if isinstance(planned, ChangeStep | Outcome) else None
    if offer_id is None or (isinstance(planned, Outcome) and planned.code == "offer_missing"):
        return planned
    first = taken.setdefault(offer_id, row.row)
    if first == row.row:
        return planned
    key = "offer_id" if row.offer_id else "external_id"
    problem = Problem("duplicate_row", row.at(key) or row.cell, offer_id, {"first_row": first})
    return Outcome.of_problems(row.row, row.account, [problem], row.external_id)


def answer(row: ProductRow, code: str, **facts: object) -> Outcome:
    """An Outcome for `row` that carries what the row is about."""
    return Outcome(
        row=row.row,
        account=row.account,
        code=code,
        facts=facts,
        cell=row.cell,
        value=row.name,
        external_id=row.external_id or None,
        action=row.action,
        offer_id=row.offer_id,
    )


def planned(step: Step) -> Outcome:
    """What a dry run says of a draft."""
    codes = {StepKind.CREATE: "planned_create", StepKind.FOLLOW: "draft_pending", StepKind.LOOK_UP: "in_doubt"}
    offer_id = step.entry.offer_id if step.entry else None
    outcome = answer(step.row, codes[step.kind], offer_id=offer_id)
    return replace(outcome, new_price=step.row.price, new_stock=step.row.stock)


def blame(row: ProductRow, code: str, *, busy: bool = False, by: str = "") -> Outcome:
    """The answer of a row that suffers from its account's trouble; `busy`: another run is at work on it, `by` whom."""
    return answer(row, code, account=row.account, busy=busy, by=by)


def draft_outcome(row: ProductRow, entry: Entry) -> Outcome:
    """The answer of a row whose draft the journal knows to exist."""
    outcome = answer(row, entry.code or "draft_created", offer_id=entry.offer_id)
    errors = tuple((message, code) for message, code in (entry.details or {}).get("errors", ()))
    return replace(
        outcome,
        offer_id=entry.offer_id,
        new_price=entry.price,
        new_stock=entry.stock,
        errors=errors,
        trace_id=entry.trace_id,
        entry=entry.id,
    )


def found_outcome(row: ProductRow, offers: Sequence[FoundOffer], preferred: str | None = None) -> Outcome:
    """The answer of a row whose external id Allegro has offers for already."""
    best = best_offer(offers, preferred)
    offer_ids = [best.offer_id, *(o.offer_id for o in offers if o.offer_id != best.offer_id)]
    outcome = answer(row, "draft_found", external_id=row.external_id, offer_ids=offer_ids)
    return replace(outcome, offer_id=best.offer_id)
