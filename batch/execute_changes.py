"""Changes of offers -> Outcomes: sent in calls, then watched until applied. I/O only through its arguments.

An accepted command is not an applied one. Where many calls are open, one look at the list of offers settles most of
them for a fraction of the requests, in a long run also while others are still being sent; Allegro's own reports on the
commands are read for what the list does not confirm, and for the reasons of what failed.

All changes carry absolute values and every command an id of ours that was on disk before the call, so that nothing is
applied twice with another effect, whatever is killed or lost on the way. A call without an answer may still be on its
way to Allegro: until it would have come about, nothing newer is sent about its offers.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from batch.clock import Clock
from batch.errors import AccountError, ApiError, BatchError, JournalError
from batch.execute import WORKERS, Execution, blamed, cause
from batch.model import Change, FoundOffer, Outcome, Sent, State, TaskResult, Way
from batch.parallel import each
from batch.plan import LONGEST_RUN, blame
from batch.plan_changes import LIVE, OPEN, ChangeStep, calls, change_outcome

FIRST_LOOK, LONGER, RARELY = 1.0, 1.5, 15.0  # seconds until the first look; by what later pauses grow, and up to
LIST_SUFFICES = 4  # looks at the list before the reports of many single commands are read
REPORTS_A_PAGE = 10  # so many reports on calls weigh no more than a page of the list, of 1,000 offers
CALLS_A_PAGE = 20  # while calls are sent, the list is looked at once for so many of them a page: a twentieth more
STRAY = timedelta(seconds=60)
"""How long after a lost answer, or the end of a dead run, what was sent may still take effect."""
GOES_LIVE = timedelta(hours=1)
"""How long after its report of success an offer may take to be active; one that is not by then has been ended since."""
ATTEMPTS = 3  # at a change that fails for a passing reason
COMMANDS = frozenset({Way.PRICE, Way.STOCK, Way.BULK, Way.PUBLISH, Way.END})
GONE = frozenset({404, 405, 406, 415})  # answers of a resource that is not there; the bulk command is beta

log = logging.getLogger(__name__)


class ChangeCalls(Protocol):
    """What this needs of Allegro (`allegro.changes.ChangeCalls`). All changes of one call have one way."""

    def send(self, changes: Sequence[Change]) -> Sent: ...
    def report(self, changes: Sequence[Change]) -> Mapping[int, TaskResult] | None: ...
    def held(self, offer_ids: Collection[str]) -> Mapping[str, FoundOffer]: ...
    def looks_needed(self, offers: int) -> int: ...


class Intents(Protocol):
    """What this needs of the journal (`journal.Journal`)."""

    def intend_changes(self, changes: Sequence[Change]) -> list[Change]: ...
    def save_changes(self, changes: Sequence[Change]) -> None: ...
    def mark_undone(self, change_ids: Sequence[int]) -> None: ...


@dataclass(slots=True)
class _Work:
    """One step on its way; `step` is None for changes of an earlier run that are only watched.

    `ready` is to be sent now, `later` after the next look, `leaving` are changes taken to be sent that are not noted
    yet, `sent` is what the journal knows by id, less what was withdrawn. `trouble` is the code of what stopped it
    without being the row's fault.
    """

    step: ChangeStep | None
    ready: list[Change] = field(default_factory=list)
    then: Change | None = None
    later: list[Change] = field(default_factory=list)
    leaving: int = 0
    sent: dict[int, Change] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    trouble: str | None = None
    error: BatchError | None = None  # behind it, where Allegro said something
    answered: bool = False

    @property
    def open(self) -> list[Change]:
        return [change for change in list(self.sent.values()) if change.state in OPEN]

    @property
    def own(self) -> list[Change]:
        """What this step itself has sent, if anything; the rest was pending before it."""
        return [change for change in list(self.sent.values()) if change.id not in self.before]

    @property
    def before(self) -> set[int]:
        """The ids of what was pending before this step."""
        return {change.id for change in self.step.pending} if self.step else set()

    def take_ready(self) -> list[Change]:
        """What may be sent now: the first changes when nothing older is open, the last one when these are applied."""
        own = self.own
        if self.answered or self.trouble or len(self.open) > sum(change.state in OPEN for change in own):
            return []
        applied = all(change.state is State.DONE for change in own)
        if not self.ready and not self.later and self.then is not None and applied:
            self.ready, self.then = [self.then], None
        ready, self.ready = self.ready, []
        self.leaving = len(ready)
        return ready


class ChangeExecutor:
    """Carries out the changes of one account.

    `wait_seconds`: how long to wait for Allegro once all are sent. `new_command` gives a new UUID. `advance` is told
    of every outcome.
    """

    def __init__(
        self,
        *,
        allegro: ChangeCalls,
        journal: Intents,
        wait_seconds: float,
        clock: Clock,
        new_command: Callable[[], str],
        advance: Callable[[Outcome], None],
    ) -> None:
        self._allegro, self._journal = allegro, journal
        self._wait_seconds, self._clock = wait_seconds, clock
        self._new_command, self._advance = new_command, advance
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._outcomes: list[Outcome] = []
        self._stopped: BatchError | None = None
        self._begun = clock.monotonic()

    def execute(self, steps: Iterable[ChangeStep]) -> Execution:
        """Send, then watch. Every step gets exactly one Outcome; nothing is raised on purpose."""
        pending = [(step, {change.id: change for change in step.pending}) for step in steps]
        self._run([_Work(step, list(step.changes), step.then, sent=sent) for step, sent in pending])
        return Execution(self._outcomes, self._stopped)

    def watch(self, changes: Iterable[Change]) -> BatchError | None:
        """Watch changes of earlier runs; what comes of them is in the journal. Returns what stopped it, if anything."""
        self._run([_Work(None, sent={change.id: change}) for change in changes])
        return self._stopped

    def _run(self, works: Sequence[_Work]) -> None:
        self._send_ready(works)
        until = self._clock.monotonic() + self._wait_seconds
        pause, looks = FIRST_LOOK, 0
        while waiting := [work for work in works if not self._settled(work)]:
            now = self._clock.monotonic()
            if looks and any(self._is_stray(change) for work in waiting for change in work.open):
                until = max(until, self._begun + STRAY.total_seconds())
            if self._stopped is not None or (looks and now >= until):
                for work in waiting:
                    self._answer(work)
                return
            self._clock.sleep(max(min(pause, until - now), 0.0))
            pause, looks = min(pause * LONGER, RARELY), looks + 1
            self._look(waiting, looks)
            self._send_ready(waiting)

    def _settled(self, work: _Work) -> bool:
        """Whether nothing more is to come of a step; it has its answer then."""
        if work.leaving:
            return False
        if not work.answered and (work.trouble or not (work.open or work.ready or work.later or work.then)):
            self._answer(work)
        if not work.answered and work.then and any(c.state is State.FAILED for c in work.own):
            self._answer(work)
        return work.answered

    # --- sending

    def _send_ready(self, works: Sequence[_Work]) -> None:
        """Send what may be sent now, in as few calls as will do; a PATCH may make what follows it ready at once."""
        while ready := [(work, change) for work in works for change in work.take_ready()]:
            owners = {change.offer_id: work for work, change in ready}
            jobs = self._with_looks(calls(change for _, change in ready), owners)
            each(jobs, lambda job: job(), threads=WORKERS)

    def _with_looks(
        self, calls_to_send: Iterable[Sequence[Change]], owners: Mapping[str, _Work]
    ) -> Iterator[Callable[[], None]]:
        """The sending of each call, and of every so many a look at what has come of those before."""
        for number, call in enumerate(calls_to_send, 1):
            yield functools.partial(self._send_off, owners, call)
            if number % (CALLS_A_PAGE * self._allegro.looks_needed(len(owners))) == 0:
                yield functools.partial(self._look_meanwhile, list(owners.values()))

    def _send_off(self, owners: Mapping[str, _Work], call: Sequence[Change]) -> None:
        try:
            self._send(owners, call)
        finally:
            for change in call:
                with self._lock:
                    owners[change.offer_id].leaving -= 1

    def _look_meanwhile(self, works: Sequence[_Work]) -> None:
        """Answer, while others are still being sent, the steps whose changes the list of offers shows."""
        with self._looking:  # one at a time: a step has one answer
            if self._stopped is None:
                with self._as_far_as_can_be_seen():
                    self._look_at_list(works)
            for work in works:
                self._settled(work)

    def _send(self, owners: Mapping[str, _Work], call: Sequence[Change]) -> None:
        """One call, its intent on disk before it. A refused call is halved until only what is wrong is blamed."""
        command = self._new_command() if call[0].way in COMMANDS else None
        try:
            if self._stopped is not None:
                raise self._stopped
            written = self._journal.intend_changes([replace(change, command=command) for change in call])
        except BatchError as error:
            self._stop(error)
            for change in call:
                owners[change.offer_id].trouble = "not_sent"
            return
        try:
            sent = self._allegro.send(written)
        except (AccountError, ApiError, JournalError) as error:
            self._stop(error)
            state, code = (State.SENDING, cause(error)) if error.lost else (State.WITHDRAWN, None)
            self._note(owners, written, state, code=code)
            for change in call:
                owners[change.offer_id].trouble, owners[change.offer_id].error = cause(error), error
            return
        gone = written[0].way is Way.BULK and sent.status in GONE
        if sent.state is State.FAILED and (gone or len(written) > 1):
            self._note(owners, written, State.WITHDRAWN)
            parts = (
                [[replace(c, way=Way.PATCH)] for c in call]
                if gone
                else [call[: len(call) // 2], call[len(call) // 2 :]]
            )
            for part in parts:
                self._send(owners, part)
            return
        if sent.state is State.WITHDRAWN:
            for change in call:
                owners[change.offer_id].later.append(change)
        self._note(
            owners, written, sent.state, operation=sent.operation, code=sent.code, errors=sent.errors,
            trace_id=sent.trace_id,
        )  # fmt: skip

    # --- watching

    def _look(self, works: Sequence[_Work], looks: int) -> None:
        """See how the open changes stand: by the list of offers where that is cheaper, else by Allegro's reports."""
        for work in works:
            work.ready, work.later = [*work.ready, *work.later], []
        owners = {change.id: work for work in works for change in work.open}
        with self._as_far_as_can_be_seen():
            listed = self._look_at_list(works)
            groups = _by_call(change for work in works for change in work.open)
            to_be_read = [group for group in groups if not listed or _to_be_read(group, looks)]
            each(to_be_read, functools.partial(self._read, owners), threads=WORKERS)

    def _look_at_list(self, works: Sequence[_Work]) -> bool:
        """Note what the list of offers shows as applied; False, and no look, where reports cost less."""
        opened = [(change, work) for work in works for change in work.open]
        changes, owners = [change for change, _ in opened], {change.id: work for change, work in opened}
        if len(_by_call(changes)) <= REPORTS_A_PAGE * self._allegro.looks_needed(len(changes)):
            return False
        held = self._allegro.held({change.offer_id for change in changes})
        self._note(owners, [change for change in changes if applied(change, held)], State.DONE)
        return True

    @contextmanager
    def _as_far_as_can_be_seen(self) -> Iterator[None]:
        """What cannot be looked at is still open, whatever the matter is."""
        try:
            yield
        except (AccountError, ApiError) as error:
            log.info("the changes under way cannot be looked at: %s", error)
            if isinstance(error, AccountError):
                self._stop(error)

    def _read(self, owners: Mapping[int, _Work], group: Sequence[Change]) -> None:
        """Allegro's report on one call. What it does not know, the offers themselves tell."""
        results = self._allegro.report(group)
        if results is None:
            held = self._allegro.held({change.offer_id for change in group})
            done = [change for change in group if applied(change, held)]
            self._note(owners, done, State.DONE)
            waiting = [change for change in group if change not in done]
            self._repeat(
                owners, [change for change in waiting if not (self._is_stray(change) or self._is_young(change))]
            )
            return
        published = [c for c in group if c.way is Way.PUBLISH and (r := results.get(c.id)) and r.state is State.DONE]
        held = self._allegro.held({change.offer_id for change in published}) if published else {}
        for change in group:
            result = results.get(change.id)
            goes_live = change in published and not applied(change, held) and self._age(change) < GOES_LIVE
            if result is None or result.state is State.ACCEPTED or goes_live:
                if change.state is State.SENDING:
                    self._note(owners, [change], State.ACCEPTED)  # the call has arrived
                continue
            if result.state is State.FAILED and result.passing:
                self._repeat(owners, [change], result.errors)
            else:
                trace_id = result.trace_id or change.trace_id
                self._note(
                    owners, [change], result.state, code=result.code, errors=result.errors, trace_id=trace_id
                )  # fmt: skip

    def _is_stray(self, change: Change) -> bool:
        """Whether a call may still be on its way that Allegro does not know (yet).

        When a dead run sent it is not known: it may have waited for a limit first. So the time counts from when this
        run began, but for an answer that its own run has noted as lost.
        """
        if change.state is not State.SENDING:
            return False
        known_dead = timedelta(seconds=self._clock.monotonic() - self._begun)
        return known_dead < STRAY and self._age(change) < (STRAY if change.code else LONGEST_RUN)

    def _is_young(self, change: Change) -> bool:
        """Whether Allegro accepted a call so lately that it may not show it yet (by a clock that was not ahead)."""
        return change.state is State.ACCEPTED and timedelta() <= self._age(change) < STRAY

    def _age(self, change: Change) -> timedelta:
        return self._clock.now() - (change.updated_at or self._clock.now())

    def _repeat(
        self, owners: Mapping[int, _Work], changes: Sequence[Change], errors: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Send changes again that did not come about for a passing reason; those of earlier runs are planned anew."""
        for change in changes:
            work = owners[change.id]
            ours = work.step is not None and change.id not in work.before
            way = (Way.PRICE if change.new_price else Way.STOCK) if change.way is Way.BULK else change.way
            work.attempts[way] += 1
            if ours and work.attempts[way] >= ATTEMPTS:
                self._note(owners, [change], State.FAILED, code="server_trouble", errors=errors)
                continue
            self._note(owners, [change], State.WITHDRAWN)
            if ours:
                fresh = replace(change, id=0, way=way, state=State.SENDING, command=None, operation=None)
                work.later.append(fresh)

    # --- both

    def _note(
        self,
        owners: Mapping[Any, _Work],
        changes: Sequence[Change],
        state: State,
        *,
        code: str | None = None,
        **told: Any,
    ) -> None:
        """Note in the journal and in their works how changes stand. Without a journal nothing more is sent."""
        noted = [replace(change, state=state, code=code, **told) for change in changes]
        try:
            self._journal.save_changes(noted)
        except JournalError as error:
            self._stop(error)
        with self._lock:
            for change in noted:
                work = owners.get(change.id) or owners[change.offer_id]
                work.sent[change.id] = change
                if state is State.WITHDRAWN:
                    del work.sent[change.id]

    def _stop(self, error: BatchError) -> None:
        with self._lock:
            self._stopped = self._stopped or error

    def _answer(self, work: _Work) -> None:
        work.answered = True
        step = work.step
        if step is None:
            return
        own = [*work.own, *work.ready, *work.later]
        changes = own or list(work.sent.values())
        told = [change.id for change in work.sent.values() if change.state not in OPEN]
        if work.trouble or not changes:
            code = work.trouble or "server_trouble"
            outcome = blamed(step.row, work.error, code=code) if work.error else blame(step.row, code)
            outcome = replace(outcome, offer_id=step.offer_id)
        else:
            unsent = work.ready or work.later or work.then
            waits = "undo" if step.withholds else "change" if unsent and not any(c in own for c in work.open) else None
            outcome = change_outcome(step.row, changes, step.left, waits)
            outcome = replace(outcome, entry=step.entry, changes=(*step.earlier, *told))
        if step.undoes and all(change.state is State.DONE for change in changes) and not work.trouble:
            try:
                self._journal.mark_undone(step.undoes)
            except JournalError as error:
                self._stop(error)
        self._outcomes.append(outcome)
        self._advance(outcome)


def applied(change: Change, held: Mapping[str, FoundOffer]) -> bool:
    """Whether an offer is as a change wants it. `held`: what Allegro shows, by offer id."""
    offer = held.get(change.offer_id)
    if offer is None:
        return change.way is Way.DELETE
    match change.way:
        case Way.DELETE:
            return False
        case Way.PUBLISH:
            return offer.status == "ACTIVE"
        case Way.END:
            return offer.status not in LIVE
        case _:
            priced = change.new_price is None or offer.price == change.new_price
            return priced and (change.new_stock is None or offer.stock == change.new_stock)


def _to_be_read(group: Sequence[Change], looks: int) -> bool:
    """Whether Allegro's report on a call is due; that of one that may never have arrived is due at once."""
    return looks >= LIST_SUFFICES or any(change.state is State.SENDING for change in group)


def _by_call(changes: Iterable[Change]) -> list[list[Change]]:
    """Changes that went out together."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.command or f"alone {change.id}", []).append(change)
    return list(groups.values())
