"""A worker: carries out parts of runs that were handed over, and hands runs over itself, again and again.

A part is what `pipeline.run` does with an account: the same stages, on the cells that the asker read. What fails with
a bug, or kills its worker, is tried again a few times; then its rows are answered all the same, so that nobody waits
for ever.

Workers that are given workbooks replace `schedule`: every so often one of them queues a run of each, the answers are
written when all of them are there, and tokens are kept fresh in between.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from batch import pipeline
from batch.accounts.decide import MARGIN
from batch.connect import Connector, open_ledger
from batch.deliver import as_debt, place_of
from batch.errors import BatchError, JournalError, WorkbookError
from batch.fetch_orders import AccountOrders
from batch.hand_over import check_server, collect, is_whole, queue_run
from batch.job_queue import prepare, work_on_jobs
from batch.journal import Journal
from batch.ledger import Ledger
from batch.messages import catalogue
from batch.plan import blame
from batch.queued_run import OrdersDone, PartDone, QueuedRun, dump, load_run
from batch.report import Summary
from batch.run import AccountResult, Request, Run, accounts_of, open_journal
from batch.schedule import BUSY, FRESHEN_EVERY, SLICE, renew_due
from batch.seller_lock import SellerLocks
from batch.settings import Settings
from batch.validate.options import read_options
from batch.workbook.desk import ClosedWorkbook
from batch.workbook.lock import hold_workbook
from batch.workbook.read import WorkbookData
from batch.world import World

MOST_ATTEMPTS = 5
PATIENCE = 3600.0  # seconds that another run on a seller is waited for: nobody sits in front of a worker
ROUND_EVERY = 5.0  # seconds, whether there is something to do for a workbook

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Somebody who is told what a worker does. Called from any thread."""

    def begun(self, run: str, part: Mapping[str, int]) -> None:
        """A part of a run: account -> rows."""

    def done(self, run: str, part: PartDone) -> None:
        """What came of a part."""

    def told(self, summary: Summary) -> None:
        """A run was queued, or its answers collected."""

    def failed(self, error: Exception) -> None:
        """Something went wrong, and will be tried again."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker with its own settings and surroundings."""

    settings: Settings
    world: World
    listener: Listener

    def begin(self) -> None:
        """Make ready for work. Raises JournalError or SettingsError."""
        check_server(self.settings)
        with open_journal(self.settings, self.world) as journal:
            journal.on_driver(prepare)

    def work(self, concurrency: int, stopped: Callable[[], bool]) -> None:
        """Work on whatever there is, several parts at a time, until `stopped`."""
        url, station = self.settings.read_journal() or "", self.settings.station.name
        with open_ledger(self.settings, self.world) as ledger:
            work = functools.partial(self.work_on_part, ledger=ledger)
            work_on_jobs(url, station, work, concurrency=concurrency, stopped=stopped)

    def work_on_part(self, run: str, part: int, station: str, earlier: int, ledger: Ledger | None = None) -> None:
        """Carry out a part, unless that was done. Raises what went wrong when it is to be tried again.

        `station` is that of the asker, `earlier` the number of attempts before this one; `ledger` knows the budgets.
        """
        failure = BatchError("worker_failed", station=self.settings.station.name)
        if earlier < MOST_ATTEMPTS:
            try:
                self._work_on_part(run, part, station, ledger)
            except Exception as error:
                if isinstance(error, BatchError):
                    failure = error
                log.exception("part %s of %s failed", part, run)
                self.listener.failed(error)
                if earlier + 1 < MOST_ATTEMPTS:
                    raise
            else:
                return
        self._give_up(run, part, station, failure)

    def _work_on_part(self, run: str, part: int, station: str, ledger: Ledger | None) -> None:
        with open_journal(self.settings, self.world, station) as journal, SellerLocks(journal, PATIENCE) as sellers:
            queued = _open_part(journal, run, part)
            if queued is None:
                return
            self.listener.begun(run, queued.parts[part])
            this = self._resume(queued, part, journal, sellers, ledger)
            by_account, orders = pipeline.work_on(this, pipeline.check(this).rows)
            for result in by_account.values():
                if isinstance(result.stopped, JournalError):  # not even known to be kept
                    raise result.stopped
            self._answer(this, part, by_account, orders)

    def _give_up(self, run: str, part: int, station: str, error: BatchError) -> None:
        """Answer the rows of a part that nobody can carry out; what was sent all the same, the next run finds."""
        with open_journal(self.settings, self.world, station) as journal, SellerLocks(journal) as sellers:
            queued = _open_part(journal, run, part)
            if queued is None:
                return
            by_account = {account: AccountResult(stopped=error) for account in queued.parts[part]}
            this = self._resume(queued, part, journal, sellers)
            if this.about_offers:
                for row in pipeline.check(this).rows:
                    by_account[row.account].outcomes.append(blame(row, "not_sent"))
            self._answer(this, part, by_account, None)

    def _resume(
        self, queued: QueuedRun, part: int, journal: Journal, sellers: SellerLocks, ledger: Ledger | None = None
    ) -> Run:
        """The run as its asker began it, narrowed to the accounts of a part, with what is this worker's own."""
        request = Request(
            workbook=Path(queued.workbook),
            settings=self.settings,
            words=catalogue(queued.language),
            jobs=queued.jobs,
            accounts=frozenset(queued.parts[part]),
            wait_seconds=queued.wait_seconds,
            force=queued.force,
        )
        book = WorkbookData(request.workbook, queued.table_data())
        return Run(
            name=queued.name,
            started=queued.started,
            request=request,
            jobs=queued.jobs,
            place=queued.workbook,
            world=self.world,
            journal=journal,
            sellers=sellers,
            desk=ClosedWorkbook(request.workbook),
            book=book,
            options=read_options(book.tables["Settings"]),
            accounts=accounts_of(book, request),
            connector=Connector(self.settings, request.workbook, queued.language, self.world, ledger, journal.assure),
        )

    def _answer(
        self,
        this: Run,
        part: int,
        by_account: Mapping[str, AccountResult],
        orders: Mapping[str, AccountOrders] | None,
    ) -> None:
        """Keep the answers, for the workbook and for the asker."""
        outcomes = pipeline.outcomes_of(by_account)
        fetched = list((orders or {}).values())
        done = PartDone(
            time=self.world.clock.now(),
            outcomes=outcomes,
            states={account: pipeline.state_of(by_account.get(account)) for account in this.request.accounts},
            notes=pipeline.stops(by_account, this.request.words),
            orders=None if orders is None else [_orders_done(one) for one in fetched],
        )
        results = pipeline.reporter(this, by_account).results(outcomes, done.time)
        debt = as_debt(results, [update for one in fetched for update in one.updates])
        if this.journal.answer_part(this.journal.part_answered(this.name, part, this.place, dump(done), debt)):
            pipeline.remember(this, outcomes, orders)
            self.listener.done(this.name, done)


def _orders_done(fetched: AccountOrders) -> OrdersDone:
    return OrdersDone(list(fetched.exported), fetched.marked, list(fetched.unreadable))


def _open_part(journal: Journal, run: str, part: int) -> QueuedRun | None:
    """The run, if that part of it is still to be done."""
    text = journal.queued_run(run)
    return None if text is None or journal.is_answered(run, part) else load_run(text)


@dataclass
class Rounds:
    """Runs of workbooks that come again and again; settings and workbooks are read anew each time."""

    workbooks: Sequence[Path]
    every: timedelta
    make_request: Callable[[Path], Request]
    world: World
    listener: Listener
    _told: dict[Path, str] = field(default_factory=dict)
    _fresh_until: dict[Path, float] = field(default_factory=dict)

    def go(self, stopped: Callable[[], bool]) -> None:
        """Go round until `stopped`."""
        clock = self.world.clock
        while not stopped():
            for workbook in self.workbooks:
                self.look_at(workbook)
            until = clock.monotonic() + ROUND_EVERY
            while not stopped() and clock.monotonic() < until:
                clock.sleep(SLICE)

    def look_at(self, workbook: Path) -> None:
        """Collect what is there, queue what is due; trouble is told once, until it is over."""
        try:
            request = self.make_request(workbook)
            self._freshen(request)
            with hold_workbook(workbook, by="schedule"):  # of several workers one queues it
                self._take_turn(request)
        except Exception as error:
            if isinstance(error, WorkbookError) and error.code in BUSY:
                return
            if not isinstance(error, BatchError):
                log.exception("a round failed")
            if self._told.get(workbook) != str(error):
                self.listener.failed(error)
            self._told[workbook] = str(error)
        else:
            self._told.pop(workbook, None)

    def _take_turn(self, request: Request) -> None:
        place = place_of(request.workbook)
        with open_journal(request.settings, self.world) as journal:
            whole, last = is_whole(journal, place), journal.last_started(place)
        if whole:
            for summary in collect(request, self.world).summaries:
                self.listener.told(summary)
        if whole is not False and (last is None or self.world.clock.now() - last >= self.every):
            self.listener.told(queue_run(request, self.world))

    def _freshen(self, request: Request) -> None:
        now = self.world.clock.monotonic()
        if now >= self._fresh_until.get(request.workbook, now):
            renew_due(pipeline.token_stores(request, self.world), MARGIN)  # the run says what is wrong with an account
            self._fresh_until[request.workbook] = now + FRESHEN_EVERY
