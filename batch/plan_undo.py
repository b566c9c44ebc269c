"""What an earlier run did, and what Allegro holds now -> the changes that take it back. Pure.

A draft is deleted while it is still one; a price or stock goes back where Allegro still holds what the run set, and is
told where it does not; an offer that was published is ended, one that was ended is published again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from batch.model import Change, Entry, FoundOffer, Outcome, ProductRow, State, Way
from batch.plan import answer
from batch.plan_changes import LIVE, OPEN, ChangeStep, by_offer, by_patch_where_needed, change_outcome, ends


def plan_undo(
    entries: Iterable[Entry],
    changes: Iterable[Change],
    unsettled: Iterable[Change],
    held: Mapping[str, FoundOffer],
    rows: Mapping[str, ProductRow],
    *,
    run: str,
) -> list[ChangeStep | Outcome]:
    """What takes back the drafts and changes of one seller. `held` and `rows` are by offer id.

    `unsettled` are the seller's changes that are open still, or whose end was not told yet.
    """
    plan: dict[str, ChangeStep | Outcome] = {}
    drafts = {entry.offer_id: entry for entry in entries if entry.offer_id}
    for offer_id, entry in drafts.items():
        plan[offer_id] = _delete(entry, held.get(offer_id), rows[offer_id], run)
    restored: list[Change] = []
    for change in changes:
        if change.way is Way.DELETE:  # a draft cannot be brought back; its row can be made again
            plan[change.offer_id] = replace(answer(rows[change.offer_id], "undone"), offer_id=change.offer_id)
        elif change.offer_id not in drafts:
            restored.append(change)
    for offer_id, done in by_offer(restored).items():
        plan[offer_id] = _restore(done, held.get(offer_id), rows[offer_id], run)
    taken_back = {change.id for change in restored}
    for offer_id, untold in by_offer(change for change in unsettled if change.offer_id in rows).items():
        planned = _after(untold, taken_back, plan.get(offer_id), rows[offer_id], held.get(offer_id))
        if planned is not None:
            plan[offer_id] = planned
    return list(plan.values())


def _after(
    untold: Sequence[Change],
    taken_back: Collection[int],
    planned: ChangeStep | Outcome | None,
    row: ProductRow,
    held: FoundOffer | None,
) -> ChangeStep | Outcome | None:
    """What is planned about an offer of which the workbook does not know all: while something is under way, nothing.

    Where an earlier undo did the work and was killed before it told, that is told.
    """
    pending = tuple(change for change in untold if change.state in OPEN)
    if pending:
        return ChangeStep(row, pending[0].offer_id, held, pending=pending, withholds=True)
    if isinstance(planned, ChangeStep):
        return replace(planned, earlier=tuple(change.id for change in untold))
    by_others = [change for change in untold if change.id not in taken_back]
    if not by_others or (planned is not None and planned.facts.get("reason") == "changed_since"):
        return planned
    return change_outcome(row, by_others)


def _delete(entry: Entry, held: FoundOffer | None, row: ProductRow, run: str) -> ChangeStep | Outcome:
    assert entry.offer_id is not None
    if entry.state is State.UNDONE:
        return answer(row, "undone", offer_id=entry.offer_id)
    if held is not None and held.status != "INACTIVE":
        return replace(answer(row, "skipped", reason="no_draft", offer_id=entry.offer_id), offer_id=entry.offer_id)
    deletion = Change(
        0, entry.seller, run, entry.offer_id, entry.external_id, Way.DELETE, State.SENDING,
        old_price=(held and held.price) or entry.price, old_stock=held.stock if held else entry.stock,
        old_status="INACTIVE",
    )  # fmt: skip
    return ChangeStep(row, entry.offer_id, held, (deletion,))


def _restore(done: Sequence[Change], held: FoundOffer | None, row: ProductRow, run: str) -> ChangeStep | Outcome:
    """Back to what the offer was before the first of these changes."""
    offer_id = done[0].offer_id
    if all(change.state is State.UNDONE for change in done):
        return replace(answer(row, "offer_unchanged"), offer_id=offer_id)
    if held is None:
        return replace(answer(row, "offer_missing"), offer_id=offer_id)
    before = _before(done)
    price, price_left = _value(before.old_price, before.new_price, held.price)
    stock, stock_left = _value(before.old_stock, before.new_stock, held.stock)
    blank = replace(
        before, id=0, run=run, state=State.SENDING, command=None, operation=None, errors=(), reported=False,
        old_status=held.status, marketplace=held.marketplace,
        old_price=None, new_price=None, old_stock=None, new_stock=None,
    )  # fmt: skip
    changes: list[Change] = []
    if price is not None:
        changes.append(replace(blank, way=Way.PRICE, old_price=held.price, new_price=price))
    if stock is not None:
        changes.append(replace(blank, way=Way.STOCK, old_stock=held.stock, new_stock=stock))
    changes = by_patch_where_needed(changes)
    then = None
    if any(map(ends, done)) and held.status not in LIVE and (stock or held.stock):
        then = replace(blank, way=Way.PUBLISH)
    elif any(change.way is Way.PUBLISH for change in done) and held.status in LIVE and stock != 0:  # which ends it too
        then = replace(blank, way=Way.END)
    left = [*(["price"] if price_left else []), *(["stock"] if stock_left else [])]
    if not changes and then is None:
        reason = "changed_since" if left else "as_before"
        return replace(answer(row, "skipped", reason=reason, offer_id=offer_id), offer_id=offer_id)
    undoes = tuple(change.id for change in done)
    return ChangeStep(row, offer_id, held, tuple(changes), then, undoes=undoes, left=tuple(left))


def _before(done: Sequence[Change]) -> Change:
    """All changes of one offer as one: the first old values, the last new ones."""
    merged = done[0]
    for change in done[1:]:
        merged = replace(
            merged,
            old_price=merged.old_price or change.old_price,
            new_price=change.new_price or merged.new_price,
            old_stock=merged.old_stock if merged.old_stock is not None else change.old_stock,
            new_stock=change.new_stock if change.new_stock is not None else merged.new_stock,
        )
    return merged


T = TypeVar("T")


def _value(old: T | None, new: T | None, held: T | None) -> tuple[T | None, bool]:
    """The value to write back, if any, and whether Allegro holds something else than the run set."""
    if old is None or new is None or held == old:
        return None, False
    return (old, False) if held == new else (None, True)
