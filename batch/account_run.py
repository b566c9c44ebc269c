"""One account's offers in a run: what is pending is settled first, then look, plan, act.

`look` asks Allegro and decides; `act` sends. A dry run is a look without an act. Nothing here raises on purpose: what
stops an account is part of its result.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from batch.allegro.changes import OfferChanges
from batch.allegro.offers import Offers
from batch.allegro.survey import survey
from batch.connect import Connection
from batch.errors import AccountError, ApiError, AttemptTaken, BatchError, JournalError, SettingsError
from batch.execute import DraftExecutor, Execution, blamed
from batch.execute_changes import ChangeExecutor
from batch.model import Account, Change, Entry, Job, Outcome, ProductRow, State
from batch.parallel import each
from batch.plan import Known, Planned, Planner, Step, StepKind, planned, wants_draft, wants_offer
from batch.plan_changes import OPEN, Catches, ChangeStep, by_offer, planned_change, shows
from batch.resolve import kinds_needed, resolve
from batch.run import AccountResult, Run
from batch.workbook import schema

LIST_LAG = timedelta(minutes=5)
"""So long after a change the list of offers is not trusted where it shows something else."""

STOPS = (AccountError, ApiError, AttemptTaken, JournalError, SettingsError)
"""What ends an account's part of a run, and no more."""


@dataclass(frozen=True, slots=True)
class Looked:
    """An account after the look: its plan, or the answers of its rows and why it stopped."""

    plan: list[Planned] = field(default_factory=list)
    connection: Connection | None = None
    stopped: BatchError | None = None


def look(this: Run, account: Account, rows: Sequence[ProductRow]) -> Looked:
    """Settle what earlier runs left open, ask Allegro about the rows, and decide."""
    try:
        connection = this.connector.connect(account)
        if not this.request.dry_run:
            this.sellers.hold(connection.seller)
        unsettled = settle_pending(this, connection, wait_seconds=0)
        # Only now: a deletion that did not come about makes a draft one that exists again.
        entries = this.journal.latest(connection.seller, [row.external_id for row in rows if row.external_id])
        if not this.about_offers:
            rows = _open_rows(rows, entries, unsettled)
        looked = Looked(_plan(this, account, connection, rows, entries, unsettled), connection)
    except STOPS as error:
        looked = Looked(_without_allegro(this, account, rows, error), stopped=error)
    this.world.progress.begin(account.name, len(looked.plan))
    return looked


def act(this: Run, looked: Looked, refused: Mapping[int, Outcome]) -> AccountResult:
    """Carry out a plan, but for the rows that are `refused`."""
    plan = [refused.get(item.row.row, item) if isinstance(item, ChangeStep) else item for item in looked.plan]
    known = [item for item in plan if isinstance(item, Outcome)]
    for outcome in known:
        this.world.progress.advance(outcome)
    drafts = [item for item in plan if isinstance(item, Step)]
    changes = [item for item in plan if isinstance(item, ChangeStep)]
    if this.request.dry_run or looked.connection is None:
        would = [*map(planned, drafts), *map(planned_change, changes)]
        return AccountResult(known + would, looked.stopped)
    connection = looked.connection
    work = [
        lambda: _draft_executor(this, connection, this.world.progress.advance).execute(drafts),
        lambda: _change_executor(this, connection, this.wait_seconds).execute(changes),
    ]
    done: list[Execution] = []
    each(work, lambda execute: done.append(execute()), threads=len(work))  # so that they wait for Allegro at one time
    outcomes = [outcome for execution in done for outcome in execution.outcomes]
    return AccountResult(known + outcomes, next((e.stopped for e in done if e.stopped), None))


def _open_rows(
    rows: Sequence[ProductRow], entries: Mapping[str, Entry], unsettled: Sequence[Change]
) -> list[ProductRow]:
    """The rows for which a run that is not about offers has something to settle all the same."""
    untold = {x for x, e in entries.items() if e.state in OPEN or (e.state is State.DONE and not e.reported)}
    changed = {name for change in unsettled for name in (change.offer_id, change.external_id) if name}
    return [r for r in rows if r.external_id in untold or r.offer_id in changed or r.external_id in changed]


def settle_pending(this: Run, connection: Connection, *, wait_seconds: float) -> list[Change]:
    """See what became of the changes that earlier runs left open; returns what is open still or not told yet.

    Raises what stops the account.
    """
    unsettled = this.journal.unsettled_changes(connection.seller)
    pending = [change for change in unsettled if change.state in OPEN]
    if not pending or this.request.dry_run:
        return unsettled
    stopped = _change_executor(this, connection, wait_seconds).watch(pending)
    if stopped is not None:
        raise stopped
    return this.journal.unsettled_changes(connection.seller)


def settle_drafts(this: Run, connection: Connection, drafts: Sequence[tuple[ProductRow, Entry]]) -> list[Outcome]:
    """See what became of drafts that an earlier run left open, and send none; returned is what is still unknown."""
    steps = [
        Step(StepKind.FOLLOW if entry.state is State.ACCEPTED else StepKind.LOOK_UP, row, None, entry)
        for row, entry in drafts
    ]
    if this.request.dry_run:
        return [planned(step) for step in steps]
    done = _draft_executor(this, connection, lambda _: None).execute(steps)
    if done.stopped is not None:
        raise done.stopped
    return [outcome for outcome in done.outcomes if outcome.code in {"draft_pending", "in_doubt"}]


def _plan(
    this: Run,
    account: Account,
    connection: Connection,
    rows: Sequence[ProductRow],
    entries: Mapping[str, Entry],
    unsettled: Sequence[Change],
) -> list[Planned]:
    """What to do with each row, after asking Allegro. Raises as ApiSession.get."""
    made = {x: entry.offer_id for x, entry in entries.items() if entry.state is State.DONE and entry.offer_id}
    asked = [row for row in rows if wants_offer(row, this.jobs)]
    drafts = [row for row in asked if wants_draft(row)] if Job.DRAFTS in this.jobs else []
    sets = {row.defaults.row: row.defaults for row in drafts}
    lately = by_offer(this.journal.done_lately(connection.seller, LIST_LAG))
    surveyed = survey(
        connection.session,
        [row.external_id for row in asked if row.offer_id is None and row.external_id],
        made,
        set().union(*map(kinds_needed, sets.values())),
        [row.offer_id for row in asked if row.offer_id is not None],
        lambda offer: shows(lately.get(offer.offer_id, ()), offer),
    )
    resolved = {
        row: resolve(defaults, account.name, surveyed.dictionaries.__getitem__, functools.partial(_kind, this))
        for row, defaults in sets.items()
    }
    known = Known(entries, by_offer(unsettled), surveyed.offers, surveyed.held)
    lifted = this.request.force
    catches = Catches(None if lifted else this.options.max_price_change)
    planner = Planner(this.jobs, connection.seller, this.name, known, resolved, catches, this.world.clock.now())
    return planner.plan(rows)


def _without_allegro(this: Run, account: Account, rows: Sequence[ProductRow], error: BatchError) -> list[Planned]:
    """The answers of an account that cannot be worked on; rows that want nothing from Allegro are not blamed."""
    planner = Planner(this.jobs, account.name, this.name, Known(), {}, Catches(), this.world.clock.now())

    def answer_of(row: ProductRow) -> Planned:
        if not wants_offer(row, this.jobs):
            return planner.plan([row])[0]
        return blamed(row, error)

    return [answer_of(row) for row in rows if this.about_offers]


def _draft_executor(this: Run, connection: Connection, advance: Callable[[Outcome], None]) -> DraftExecutor:
    return DraftExecutor(
        offers=Offers(connection.session),
        journal=this.journal,
        seller=connection.seller,
        run=this.name,
        wait_seconds=this.wait_seconds,
        clock=this.world.clock,
        ease=connection.session.ease,
        advance=advance,
    )


def _change_executor(this: Run, connection: Connection, wait_seconds: float) -> ChangeExecutor:
    return ChangeExecutor(
        allegro=OfferChanges(connection.session),
        journal=this.journal,
        wait_seconds=wait_seconds,
        clock=this.world.clock,
        new_command=lambda: str(uuid.uuid4()),
        advance=this.world.progress.advance,
    )


def _kind(this: Run, kind: str) -> str:
    return schema.word(schema.DICTIONARY_KINDS, kind, this.request.words.language)
