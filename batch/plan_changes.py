"""What a row wants against what Allegro holds -> the changes to send, and how they travel together. Pure.

Blank cells change nothing. Only differences are sent, each the cheapest way: one value for many offers as a classic
command, values of their own as the bulk command, stock 0 and offers that ended by PATCH (commands take no stock 0).
Price and stock of one offer are two changes, since the bulk command wants them apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_UP, Decimal
from typing import Any

from batch.model import Action, Change, FoundOffer, Outcome, ProductRow, State, Way

OFFERS_A_COMMAND = 1000  # OpenAPI: offerCriteria.offers
CHANGES_A_BULK = 25  # OpenAPI: modifications, maxItems
LIVE = frozenset({"ACTIVE", "ACTIVATING"})
"""Offers that buyers see, or will in a moment; to take their stock to 0 ends them (OpenAPI)."""
FEW = 10  # offers; to empty most of so small a number is a usual day
OPEN = frozenset({State.SENDING, State.ACCEPTED})


@dataclass(frozen=True, slots=True)
class Catches:
    """The safety catches. Percent and offers; None: lifted."""

    max_price_change: Decimal | None = None
    max_ended_offers: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeStep:
    """What to do about one offer: send `changes`, and once they are applied, `then`.

    `held` is what Allegro holds now. `pending` are changes of earlier runs that Allegro still works on: nothing new is
    sent until they have ended, lest an older one be applied last. `earlier` are settled changes whose answer is given
    with this one's, `undoes` those that this step takes back.
    """

    row: ProductRow
    offer_id: str
    held: FoundOffer | None
    changes: tuple[Change, ...] = ()
    then: Change | None = None
    pending: tuple[Change, ...] = ()
    entry: int | None = None  # a draft of an earlier run whose answer is given with this one's
    earlier: tuple[int, ...] = ()
    undoes: tuple[int, ...] = ()
    left: tuple[str, ...] = ()  # what an undo leaves alone, because it was changed since: price, stock
    withholds: bool = False  # an undo that sends nothing while something is under way

    @property
    def ends(self) -> bool:
        """Whether buyers will no longer see the offer."""
        return any(ends(change) for change in self.all_changes)

    @property
    def empties(self) -> bool:
        """Whether an offer with stock is left without."""
        return any(change.new_stock == 0 for change in self.changes)

    @property
    def all_changes(self) -> tuple[Change, ...]:
        """All that is to be sent, in order."""
        return self.changes if self.then is None else (*self.changes, self.then)


def ends(change: Change) -> bool:
    """Whether a change takes an offer from the buyers' sight."""
    return change.way is Way.END or (change.new_stock == 0 and change.old_status in LIVE)


def plan_change(
    row: ProductRow,
    held: FoundOffer,
    *,
    seller: str,
    run: str,
    pending: Sequence[Change] = (),
    catches: Catches,
) -> ChangeStep | Outcome | None:
    """What `row` wants changed about its offer: a step, the refusal of a safety catch, or None when nothing.

    `pending` changes count as applied: what the row wants beyond them is sent when they have ended.
    """
    held = as_if(held, pending)
    blank = Change(
        0, seller, run, held.offer_id, held.external_id, Way.PATCH, State.SENDING, old_status=held.status,
        marketplace=held.marketplace,
    )  # fmt: skip
    follows = ChangeStep(row, held.offer_id, held, pending=tuple(pending))
    if row.action is Action.END:
        step = replace(follows, then=replace(blank, way=Way.END)) if held.status in LIVE else follows
    else:
        changes = _differences(row, held, blank)
        refusal = _too_far(row, held, changes, catches.max_price_change)
        if refusal is not None:
            return refusal
        publish = row.action is Action.PUBLISH and held.status not in LIVE
        step = replace(follows, changes=tuple(changes), then=replace(blank, way=Way.PUBLISH) if publish else None)
    return step if step.all_changes or pending else None


def as_if(held: FoundOffer, pending: Iterable[Change]) -> FoundOffer:
    """What Allegro will hold once `pending` changes, oldest first, are applied."""
    for change in pending:
        status = {Way.PUBLISH: "ACTIVE", Way.END: "ENDED"}.get(change.way, "ENDED" if ends(change) else held.status)
        stock = held.stock if change.new_stock is None else change.new_stock
        held = replace(held, price=change.new_price or held.price, stock=stock, status=status)
    return held


def shows(changes: Iterable[Change], offer: FoundOffer) -> bool:
    """Whether an offer is as it must be when nothing has happened since these `changes`, oldest first."""
    return as_if(offer, [change for change in changes if change.state is State.DONE]) == offer


def by_offer(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """The changes of each offer, by its id."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.offer_id, []).append(change)
    return found


def _differences(row: ProductRow, held: FoundOffer, blank: Change) -> list[Change]:
    changes = []
    if row.price is not None and row.price != held.price:
        changes.append(replace(blank, way=Way.PRICE, old_price=held.price, new_price=row.price))
    if row.stock is not None and row.stock != held.stock:
        changes.append(replace(blank, way=Way.STOCK, old_stock=held.stock, new_stock=row.stock))
    return by_patch_where_needed(changes)


def by_patch_where_needed(changes: list[Change]) -> list[Change]:
    """Commands take no stock 0 (OpenAPI) and are for offers that are active or drafts; all else goes by PATCH."""
    if all(change.new_stock != 0 and change.old_status in {*LIVE, "INACTIVE"} for change in changes):
        return changes
    return [replace(change, way=Way.PATCH) for change in changes]


def _too_far(row: ProductRow, held: FoundOffer, changes: Sequence[Change], limit: Decimal | None) -> Outcome | None:
    """The refusal of a price that jumps further than the limit, or into another currency."""
    new = next((change.new_price for change in changes if change.new_price), None)
    old = held.price
    if new is None or old is None or limit is None or not old.amount:
        return None
    percent = abs(new.amount - old.amount) * 100 / old.amount
    if percent <= limit and new.currency == old.currency:
        return None
    shown = percent.quantize(Decimal("0.1"), ROUND_UP)  # never shown as the limit itself
    facts = {
        "sells": sells(held),
        "old": f"{old.amount:.2f} {old.currency}",
        "new": f"{new.amount:.2f} {new.currency}",
        "limit": limit,
        "percent": shown if new.currency == old.currency else None,
    }
    outcome = Outcome(row.row, row.account, "price_change_refused", facts, cell=row.at("price"), value=new.amount)
    return replace(outcome, **about(row, held.offer_id), old_price=old, new_price=new)


def about(row: ProductRow, offer_id: str | None) -> dict[str, Any]:
    """The fields of an Outcome that say which offer it is about."""
    return {"external_id": row.external_id or None, "action": row.action, "offer_id": offer_id}


# --- safety catches over many rows


def may_end(row: ProductRow) -> bool:
    """Whether a row could end its offer, whatever Allegro holds."""
    return row.stock == 0 or row.action is Action.END


def refuse_ends(plans: Mapping[str, Sequence[object]], limit: int | None) -> dict[int, Outcome]:
    """The refusals, by sheet row, of a run that would take too much from the buyers' sight. `plans`: by account.

    All ending rows of the run when they are more than `limit`; those that empty an account's offers when these are
    most of its rows with an offer that buyers see, and more than a few. The other rows go on.
    """
    if limit is None:
        return {}
    steps = {account: [step for step in plan if isinstance(step, ChangeStep)] for account, plan in plans.items()}
    ending = [step for of_account in steps.values() for step in of_account if step.ends]
    refused = {step.row.row: _end_refused(step, len(ending), limit) for step in ending if len(ending) > limit}
    for account, of_account in steps.items():
        emptied = [step for step in of_account if step.empties and step.held and sells(step.held)]
        selling = sum(step.held is not None and sells(step.held) for step in of_account)
        selling += sum(isinstance(item, Outcome) and bool(item.facts.get("sells")) for item in plans[account])
        if len(emptied) >= FEW and len(emptied) * 2 > selling:
            for step in emptied:
                refused.setdefault(step.row.row, _end_refused(step, len(emptied), limit, account=account, of=selling))
    return refused


def sells(held: FoundOffer) -> bool:
    """Whether buyers see an offer, and there is something to buy."""
    return held.status in LIVE and bool(held.stock)


def _end_refused(step: ChangeStep, count: int, limit: int, **facts: object) -> Outcome:
    row = step.row
    outcome = Outcome(row.row, row.account, "end_refused", {"count": count, "limit": limit, "of": None, **facts})
    emptied = any(change.new_stock == 0 for change in step.changes)
    outcome = replace(outcome, cell=row.at("stock" if emptied else "action"), value=0 if emptied else row.action)
    return replace(outcome, **about(row, step.offer_id))


# --- how changes travel


def calls(changes: Iterable[Change]) -> list[tuple[Change, ...]]:
    """Changes that go out together, in the fewest calls; all of one call have one way.

    A classic command carries one value to many offers; a bulk command 25 changes of their own. What is not enough
    for a command of its own shares the bulk ones, where that saves calls.
    """
    together: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        together.setdefault(_companions(change), []).append(change)
    alone = {id(change) for group in together.values() if _bulky(group) for change in group}
    pool = [change for group in together.values() for change in group if id(change) in alone]
    few = sum(_bulky(group) for group in together.values())
    sent: list[tuple[Change, ...]] = []
    if math.ceil(len(pool) / CHANGES_A_BULK) < few:
        pool.sort(key=lambda change: change.offer_id)  # price and stock of one offer side by side
        sent += _slices([replace(change, way=Way.BULK) for change in pool], CHANGES_A_BULK)
        together = {key: group for key, group in together.items() if not _bulky(group)}
    for group in together.values():
        sent += _slices(group, OFFERS_A_COMMAND)
    return sent


def _companions(change: Change) -> tuple[object, ...]:
    match change.way:
        case Way.PRICE | Way.STOCK:
            return change.way, change.new_price, change.new_stock
        case Way.PUBLISH | Way.END:
            return (change.way,)
        case _:
            return change.way, change.offer_id


def _bulky(group: Sequence[Change]) -> bool:
    """Whether a group may as well go by the bulk command."""
    return group[0].way in {Way.PRICE, Way.STOCK} and len(group) < CHANGES_A_BULK


def _slices(changes: Sequence[Change], size: int) -> list[tuple[Change, ...]]:
    return [tuple(changes[start : start + size]) for start in range(0, len(changes), size)]


# --- what came of changes


def change_outcome(
    row: ProductRow, changes: Sequence[Change], left: Sequence[str] = (), waits: str | None = None
) -> Outcome:
    """The answer of a row from where its changes stand; one that failed outweighs those still pending.

    `left` is what an undo does not write back. `waits`: what has not been sent, because Allegro still works on the
    offer: a `change`, or an `undo`.
    """
    failed = next((change for change in changes if change.state is State.FAILED), None)
    pending = any(change.state in OPEN for change in changes)
    told = failed or changes[-1]
    code = "update_pending" if pending else done_code(changes)
    outcome = Outcome(
        row=row.row,
        account=row.account,
        code=failed.code or "rejected" if failed else code,
        facts={"reason": "allegro", "left": tuple(left), "account": row.account, "busy": False, "waits": waits},
        cell=row.cell,
        value=row.name or told.offer_id,
    )
    return replace(
        outcome,
        **about(row, told.offer_id),
        old_price=_first(changes, "old_price"),
        new_price=_first(changes, "new_price"),
        old_stock=_first(changes, "old_stock"),
        new_stock=_first(changes, "new_stock"),
        errors=told.errors,
        trace_id=told.trace_id,
        changes=tuple(change.id for change in changes if change.state not in OPEN),
    )


def done_code(changes: Sequence[Change]) -> str:
    """The code of a row whose changes have all come about."""
    if any(change.way is Way.DELETE for change in changes):
        return "undone"
    if any(ends(change) for change in changes):
        return "offer_ended"
    return "offer_published" if any(change.way is Way.PUBLISH for change in changes) else "offer_updated"


def planned_change(step: ChangeStep) -> Outcome:
    """What a dry run says of a step."""
    if step.pending:
        return change_outcome(step.row, step.all_changes or step.pending)
    code = done_code(step.all_changes)
    codes = {"offer_updated": "planned_update", "offer_published": "planned_publish"}
    outcome = change_outcome(step.row, step.all_changes)
    return replace(outcome, code=codes.get(code, "planned_end"), facts={"deletes": code == "undone"}, changes=())


def _first(changes: Sequence[Change], field: str) -> Any:
    return next((value for change in changes if (value := getattr(change, field)) is not None), None)
