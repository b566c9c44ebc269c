"""Rows + the journal + what Allegro holds -> what to do with each row. Pure; nothing is sent from here.

A row gets a Step (something to send or to follow) or an Outcome (its answer is known already).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from batch.model import Action, Entry, FoundOffer, Outcome, ProductRow, State
from batch.resolve import ResolvedDefaults

INDEX_LAG = timedelta(seconds=60)
"""How long after a lost answer the list of offers may still not show the offer (#2914, #4474: it lags)."""

# Which of several offers with one external id a row is about: the one buyers see, then the newest state.
_PREFERENCE = ("ACTIVE", "ACTIVATING", "INACTIVE", "ENDED")


class StepKind(StrEnum):
    """What a step does."""

    CREATE = "create"  # send a new draft
    FOLLOW = "follow"  # Allegro accepted it in an earlier run
    LOOK_UP = "look_up"  # sent, but the answer never came


@dataclass(frozen=True, slots=True)
class Step:
    """One planned call.

    `ids` are the row's defaults, None when they cannot be used (then nothing is sent). `entry` is the newest
    attempt in the journal, if there was any.
    """

    kind: StepKind
    row: ProductRow
    ids: Mapping[str, str] | None
    entry: Entry | None = None


def plan_drafts(
    rows: Iterable[ProductRow],
    *,
    known: Mapping[str, Entry],
    found: Mapping[str, Sequence[FoundOffer]],
    defaults: Mapping[int | None, ResolvedDefaults],
    now: datetime,
) -> list[Step | Outcome]:
    """What a run that makes drafts does with each row, in sheet order.

    `known`: the journal's newest attempt by external id. `found`: what Allegro holds by external id, offers the
    journal knows included. `defaults`: the resolved defaults by their row on the sheet.
    """
    return [_plan_row(row, known.get(row.external_id), found, defaults, now) for row in rows]


def wants_draft(row: ProductRow) -> bool:
    """Whether a row asks for a draft at all."""
    return row.offer_id is None and row.action in {Action.AUTO, Action.CREATE}


def best_offer(offers: Sequence[FoundOffer], preferred: str | None = None) -> FoundOffer:
    """The offer a row is about when several carry its external id."""

    def rank(offer: FoundOffer) -> tuple[bool, int]:
        known = offer.status in _PREFERENCE
        return offer.offer_id != preferred, _PREFERENCE.index(offer.status) if known else len(_PREFERENCE)

    return min(offers, key=rank)


def _plan_row(
    row: ProductRow,
    entry: Entry | None,
    found: Mapping[str, Sequence[FoundOffer]],
    defaults: Mapping[int | None, ResolvedDefaults],
    now: datetime,
) -> Step | Outcome:
    unreported = entry is not None and entry.state is State.DONE and not entry.reported
    if row.offer_id is not None:
        if entry is not None and unreported and entry.offer_id == row.offer_id:
            return draft_outcome(row, entry)
        return answer(row, "skipped", reason="has_offer", offer_id=row.offer_id)
    if not wants_draft(row):
        return answer(row, "skipped", reason="job")
    offers = found.get(row.external_id, ())
    if entry is not None and entry.state is State.ACCEPTED:
        return Step(StepKind.FOLLOW, row, {}, entry)
    resolved = defaults[row.defaults.row]
    if entry is not None and entry.state is State.SENDING and (offers or now - entry.updated_at < INDEX_LAG):
        return Step(StepKind.LOOK_UP, row, None if resolved.problems else resolved.ids, entry)
    if entry is not None and unreported and any(o.offer_id == entry.offer_id for o in offers):
        return draft_outcome(row, entry)
    if offers:
        return found_outcome(row, offers, entry.offer_id if entry else None)
    if resolved.problems:
        problems = [problem if problem.cell else replace(problem, cell=row.cell) for problem in resolved.problems]
        return Outcome.of_problems(row.row, row.account, problems, row.external_id)
    return Step(StepKind.CREATE, row, resolved.ids, entry)


def answer(row: ProductRow, code: str, **facts: object) -> Outcome:
    """An Outcome for `row` that carries what the row is about."""
    return Outcome(
        row=row.row,
        account=row.account,
        code=code,
        facts=facts,
        cell=row.cell,
        value=row.product_id or row.gtin,
        external_id=row.external_id,
        action=row.action,
        offer_id=row.offer_id,
    )


def planned(step: Step) -> Outcome:
    """What a dry run says of a step."""
    codes = {StepKind.CREATE: "planned_create", StepKind.FOLLOW: "draft_pending", StepKind.LOOK_UP: "in_doubt"}
    offer_id = step.entry.offer_id if step.entry else None
    outcome = answer(step.row, codes[step.kind], offer_id=offer_id)
    return replace(outcome, new_price=step.row.price, new_stock=step.row.stock)


def blame(row: ProductRow, code: str, *, busy: bool = False) -> Outcome:
    """The answer of a row that suffers from its account's trouble; `busy`: another run is at work on it."""
    return answer(row, code, account=row.account, busy=busy)


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
