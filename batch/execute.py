"""Steps -> Outcomes: the only loop that acts. I/O only through its arguments.

The *submit pass* sends new drafts, each intent on disk before its call. The *settle pass* follows what Allegro
works on, and clears up what is in doubt: it looks the external id up, and only when the list of offers has
had time to show the offer and does not, the draft is sent again. So a lost answer never makes a second offer.

Trouble that is not a row's fault (login, 403, 429, 5xx, no network) stops the account; its other rows are
`not_sent`, never blamed.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from batch.allegro import retry
from batch.clock import Clock
from batch.errors import (
    AccountError,
    ApiError,
    AttemptTaken,
    BatchError,
    Forbidden,
    JournalError,
    SettingsError,
    TokenTrouble,
    TooMany,
    error_words,
)
from batch.model import Accepted, Entry, FoundOffer, Made, Money, Outcome, ProductRow, Refused, State
from batch.parallel import each
from batch.plan import Step, StepKind, answer, best_offer, blame, draft_outcome

INDEX_LAG = timedelta(seconds=60)
"""How long after a lost answer the list of offers may still not show the offer (#2914, #4474: it lags)."""
WORKERS = 24  # threads; how many requests really run at once is decided in allegro/pace.py
IDS_A_LOOK_UP = 100  # OpenAPI: external.id, maxItems
ATTEMPTS = 3  # of one draft in one run, each after a look-up that found nothing
TROUBLES_IN_A_ROW = 8  # lost answers with no good one between them, until the account stops
SOON, RARELY = 2.0, 30.0  # seconds between two polls of an operation that names no Retry-After: from, growing to

log = logging.getLogger(__name__)


class DraftOffers(Protocol):
    """What this needs of Allegro (`allegro.offers.Offers`)."""

    def find(self, external_ids: Sequence[str]) -> dict[str, list[FoundOffer]]: ...
    def create(self, row: ProductRow, ids: Mapping[str, str]) -> Made | Accepted | Refused: ...
    def get(self, offer_id: str, *, patience: float) -> Made | None: ...
    def follow(self, accepted: Accepted, *, patience: float) -> Made | Accepted | Refused | None: ...


class Attempts(Protocol):
    """What this needs of the journal (`journal.Journal`)."""

    def intend(
        self,
        *,
        seller: str,
        external_id: str,
        after: Entry | None,
        run: str,
        price: Money | None,
        stock: int | None,
        product: str | None,
    ) -> Entry: ...
    def save(self, entry: Entry) -> None: ...


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of an account's steps. `stopped` is why the account stopped, if it did."""

    outcomes: list[Outcome]
    stopped: BatchError | None


@dataclass(slots=True)
class _Unsettled:
    """A draft Allegro works on, or one in doubt; to be asked about at `due`. Times are of the monotonic clock.

    `ripe`: from then on an offer that the list does not show does not exist (only of drafts in doubt).
    `vanished`: it was accepted, but Allegro knows neither the operation nor the offer any more.
    """

    step: Step
    entry: Entry
    due: float
    ripe: float = 0.0
    asked: int = 0
    vanished: bool = False


class DraftExecutor:
    """Makes one account's drafts.

    `wait_seconds`: how long to wait for Allegro once all are sent. `ease(seconds)` slows the account down while
    Allegro is in trouble. `advance` is told of every outcome, from any thread.
    """

    def __init__(
        self,
        *,
        offers: DraftOffers,
        journal: Attempts,
        seller: str,
        run: str,
        wait_seconds: float,
        clock: Clock,
        ease: Callable[[float], None],
        advance: Callable[[Outcome], None],
    ) -> None:
        self._offers, self._journal, self._seller, self._run = offers, journal, seller, run
        self._wait_seconds, self._clock, self._ease, self._advance = wait_seconds, clock, ease, advance
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._pending: list[_Unsettled] = []
        self._doubtful: list[_Unsettled] = []
        self._attempts: Counter[int] = Counter()  # by row
        self._troubles = 0
        self._stopped: BatchError | None = None

    def execute(self, steps: Sequence[Step]) -> Execution:
        """Submit, then settle. Every step gets exactly one Outcome; nothing is raised on purpose."""
        for step in steps:
            if step.kind is StepKind.FOLLOW:
                self._pending.append(_Unsettled(step, _entry(step), due=self._clock.monotonic()))
            elif step.kind is StepKind.LOOK_UP:
                # The time of the intent tells nothing: a dead run may have waited for a limit before it sent, and then
                # died at once. Only from now on is it certain that it sends no more.
                self._doubt(step, _entry(step))
        each((step for step in steps if step.kind is StepKind.CREATE), self._submit, threads=WORKERS)
        self._settle()
        return Execution(self._outcomes, self._stopped)

    # --- submit pass

    def _submit(self, step: Step) -> None:
        if self._stopped is not None:
            self._answer(blame(step.row, "not_sent"))
            return
        try:
            entry = self._intend(step)
        except AttemptTaken:
            self._answer(blame(step.row, "not_sent", busy=True))
            return
        except JournalError as error:  # without the intent on disk nothing may be sent
            self._stop(error)
            self._answer(blame(step.row, "not_sent"))
            return
        self._attempts[step.row.row] += 1
        try:
            result = self._offers.create(step.row, step.ids or {})
        except (AccountError, ApiError, JournalError) as error:
            if isinstance(error, ApiError) and error.lost:
                self._lose(step, entry, error)
            else:
                self._withdraw(step, entry, error)
        else:
            self._troubles = 0
            self._take(step, entry, result)

    def _intend(self, step: Step) -> Entry:
        return self._journal.intend(
            seller=self._seller,
            external_id=step.row.external_id,
            after=step.entry,
            run=self._run,
            price=step.row.price,
            stock=step.row.stock,
            product=step.row.product_id or step.row.gtin,
        )

    def _take(self, step: Step, entry: Entry, result: Made | Accepted | Refused) -> None:
        if isinstance(result, Made):
            self._finish(step, entry, result)
            return
        if isinstance(result, Refused):
            self._refuse(step, entry, result)
            return
        accepted = replace(
            entry,
            state=State.ACCEPTED,
            offer_id=result.offer_id,
            operation=result.operation,
            trace_id=result.trace_id,
            updated_at=self._clock.now(),
        )
        self._save(accepted)
        wait = SOON if result.retry_after is None else min(result.retry_after, retry.LONGEST_WAIT)
        self._pending.append(_Unsettled(step, accepted, due=self._clock.monotonic() + wait))

    def _finish(self, step: Step, entry: Entry, made: Made) -> None:
        done = replace(
            entry,
            state=State.DONE,
            code="draft_incomplete" if made.errors else "draft_created",
            offer_id=made.offer_id,
            details={**(entry.details or {}), "errors": [list(pair) for pair in made.errors]},
            trace_id=made.trace_id,
        )
        self._save(done)
        self._answer(draft_outcome(step.row, done))

    def _refuse(self, step: Step, entry: Entry, refused: Refused) -> None:
        self._save(replace(entry, state=State.FAILED, code=refused.code, trace_id=refused.trace_id))
        outcome = answer(step.row, refused.code, **refused.facts)
        self._answer(replace(outcome, errors=refused.errors, trace_id=refused.trace_id))

    def _withdraw(self, step: Step, entry: Entry, error: BatchError) -> None:
        """Certainly nothing arrived: the account stops, and the next run can send the row."""
        self._save(replace(entry, state=State.WITHDRAWN))
        self._stop(error)
        self._answer(blamed(step.row, error))

    def _lose(self, step: Step, entry: Entry, error: ApiError) -> None:
        """Perhaps it was processed: to be looked up, after a pause for Allegro to recover."""
        with self._lock:
            self._troubles += 1
            troubles = self._troubles
        if troubles >= TROUBLES_IN_A_ROW:
            self._stop(error)
        else:  # those under way when the account stops need not wait for each other's pauses
            self._ease(retry.seconds_to_wait(troubles, retry_after=error.retry_after, jitter=0))
        self._doubt(step, entry, wait=1.0)

    # --- settle pass

    def _settle(self) -> None:
        """Ask about what is due until all is settled; at the latest when the waiting time is over."""
        until = self._clock.monotonic() + self._wait_seconds
        while self._pending or self._doubtful:
            now = self._clock.monotonic()
            each(_take_due(self._pending, now, until), lambda item: self._poll(item, until), threads=WORKERS)
            doubtful = _take_due(self._doubtful, now)
            for start in range(0, len(doubtful), IDS_A_LOOK_UP):
                self._look_up(doubtful[start : start + IDS_A_LOOK_UP])
            due = [min(item.due, until) for item in self._pending] + [item.due for item in self._doubtful]
            if due:
                self._clock.sleep(max(min(due) - self._clock.monotonic(), 0.0))

    def _poll(self, item: _Unsettled, until: float) -> None:
        now = self._clock.monotonic()
        accepted = Accepted(item.entry.offer_id, item.entry.operation, trace_id=item.entry.trace_id)
        try:
            result = self._offers.follow(accepted, patience=max(until - now, 0.0))
        except (AccountError, ApiError) as error:  # still pending, whatever the matter is
            log.info("row %s: %s", item.step.row.row, error)
            if isinstance(error, AccountError):
                self._stop(error)
                until = now
            result = accepted
        if result is None:
            age = self._clock.now() - item.entry.updated_at
            self._doubt(item.step, item.entry, age=age, vanished=True)
        elif not isinstance(result, Accepted):
            self._take(item.step, item.entry, result)
        elif now >= until:
            # The number is told, but not put into its column: Allegro may still give the offer up.
            outcome = answer(item.step.row, "draft_pending", offer_id=item.entry.offer_id)
            self._answer(replace(outcome, trace_id=item.entry.trace_id))
        else:
            item.asked += 1
            growing = min(SOON * 1.5**item.asked, RARELY)
            wait = growing if result.retry_after is None else min(max(result.retry_after, 1.0), retry.LONGEST_WAIT)
            item.due = now + wait
            self._pending.append(item)

    def _doubt(
        self, step: Step, entry: Entry, *, age: timedelta = timedelta(), wait: float = 0.0, vanished: bool = False
    ) -> None:
        """To be looked up after `wait` seconds. It has not been sent, or heard of, for `age`."""
        now = self._clock.monotonic()
        lag_left = INDEX_LAG - max(age, timedelta())  # the journal's time may lie ahead: clocks are set back
        ripe = now + lag_left.total_seconds()
        self._doubtful.append(_Unsettled(step, entry, due=now + wait, ripe=ripe, vanished=vanished))

    def _look_up(self, items: list[_Unsettled]) -> None:
        begun = self._clock.monotonic()
        try:
            found = self._offers.find([item.step.row.external_id for item in items])
        except (ApiError, AccountError) as error:
            self._stop(error)
            for item in items:
                self._answer(answer(item.step.row, "in_doubt"))
            return
        missing = []
        for item in items:
            offers = found.get(item.step.row.external_id)
            if offers:
                self._recognise(item, best_offer(offers))
            elif begun >= item.ripe:
                missing.append(item)
            else:
                item.asked += 1
                item.due = min(begun + SOON * 1.5**item.asked, max(item.ripe, begun + 0.1))
                self._doubtful.append(item)
        each(missing, self._send_again, threads=WORKERS)

    def _recognise(self, item: _Unsettled, offer: FoundOffer) -> None:
        """The draft in doubt does exist; what it lacks, only the offer itself tells."""
        made = None
        try:
            made = self._offers.get(offer.offer_id, patience=retry.PATIENCE)
        except (ApiError, AccountError) as error:
            log.info("row %s: offer %s: %s", item.step.row.row, offer.offer_id, error)
        self._finish(item.step, item.entry, made or Made(offer.offer_id, offer.status))

    def _send_again(self, item: _Unsettled) -> None:
        """The list has had its time and shows nothing: the draft does not exist."""
        if item.vanished:
            refused = Refused("rejected", {"reason": "vanished"}, trace_id=item.entry.trace_id)
            self._refuse(item.step, item.entry, refused)
            return
        if item.step.ids is None:
            self._answer(answer(item.step.row, "in_doubt"))
            return
        withdrawn = replace(item.entry, state=State.WITHDRAWN)
        self._save(withdrawn)
        if self._stopped is not None or self._attempts[item.step.row.row] >= ATTEMPTS:
            self._answer(
                blamed(item.step.row, self._stopped) if self._stopped else blame(item.step.row, "server_trouble")
            )
            return
        self._submit(replace(item.step, kind=StepKind.CREATE, entry=withdrawn))

    # --- both

    def _save(self, entry: Entry) -> None:
        """Note the outcome. Without a journal nothing more is sent; the next run looks this one up."""
        try:
            self._journal.save(entry)
        except JournalError as error:
            self._stop(error)

    def _stop(self, error: BatchError) -> None:
        with self._lock:
            self._stopped = self._stopped or error

    def _answer(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)
        self._advance(outcome)


def cause(error: BatchError) -> str:
    """The row code for trouble that is not the row's fault."""
    if isinstance(error, AccountError | SettingsError) and error.code != "tokens_locked":
        return "forbidden" if isinstance(error, Forbidden) else "login_needed"
    if not isinstance(error, AccountError | ApiError):
        return "not_sent"
    at_fault = error.__cause__ if isinstance(error, TokenTrouble) else error
    return "rate_limited" if isinstance(at_fault, TooMany) else "server_trouble"


def blamed(row: ProductRow, error: BatchError, *, code: str | None = None) -> Outcome:
    """The answer of a row that suffers from `error`, with Allegro's own words and trace id where there are any.

    What a person must see to is told in the words of the error: `why` is its code, among its facts.
    """
    at_fault = error.__cause__ if isinstance(error, TokenTrouble) and error.__cause__ else error
    facts = at_fault.facts if isinstance(at_fault, BatchError) else {}
    errors = at_fault.errors if isinstance(at_fault, ApiError) else facts.get("errors")
    busy, by = isinstance(error, AttemptTaken), facts.get("by", "")
    outcome = blame(row, code or cause(error), busy=busy, by=by)
    if outcome.code == "login_needed":
        outcome = replace(outcome, facts={**outcome.facts, **facts, "why": error.code})
    return replace(outcome, errors=error_words(errors or []), trace_id=facts.get("trace_id"))


def _take_due(items: list[_Unsettled], now: float, latest: float = math.inf) -> list[_Unsettled]:
    """Remove and return what is due; at `latest` everything is."""
    due = [item for item in items if min(item.due, latest) <= now]
    items[:] = [item for item in items if min(item.due, latest) > now]
    return due


def _entry(step: Step) -> Entry:
    assert step.entry is not None
    return step.entry
