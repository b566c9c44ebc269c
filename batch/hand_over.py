"""A run handed over to workers, and its answers collected: the two ends of it that the asker sees.

    queue_run   read -> check -> the cells, and a job for each account, into the database of the journal
    collect     answers of the parts that are done -> workbook, summary, run report

Between them, `work_on_part` carries out the parts. Their answers are owed to the workbook like those of any run whose
workbook was open, so the next ordinary run writes them too; `collect` also says what came of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batch.account_jobs import state_cells
from batch.connect import Connector
from batch.deliver import Answers, as_debt, deliver, place_of, tables_to_write
from batch.errors import JournalError
from batch.fetch_orders import AccountOrders
from batch.job_queue import Job as Part
from batch.job_queue import defer
from batch.journal import Journal
from batch.keep_report import keep_report
from batch.model import Job, ProductRow
from batch.pipeline import check, may_end_too_many, reporter, tell_orders
from batch.queued_run import CHECKED, PartDone, QueuedRun, dump, kept_tables, load_part, load_run
from batch.report import Reporter, Summary
from batch.run import Request, Run, accounts_of, active, begin, in_scope, open_journal
from batch.settings import Settings
from batch.validate.accounts import read_accounts
from batch.validate.options import read_options
from batch.workbook.desk import open_desk
from batch.workbook.lock import hold_workbook
from batch.world import World


@dataclass(frozen=True, slots=True)
class Collected:
    """What is known of the runs handed over: a summary for each that has news, and what workers still have to do.

    `under_way`: run -> account -> rows. `forgot` is why answers that stand in the workbook by now will be written
    again, in their places.
    """

    summaries: list[Summary] = field(default_factory=list)
    under_way: dict[str, dict[str, int]] = field(default_factory=dict)
    forgot: JournalError | None = None


def check_server(settings: Settings) -> None:
    """Workers must be able to share the journal. Raises JournalError `queue_needs_server`, or SettingsError."""
    if settings.read_shared_journal() is None:
        raise JournalError("queue_needs_server")


def queue_run(request: Request, world: World) -> Summary:
    """Hand a run over to workers; what is known of it by now.

    Raises as `pipeline.run`, and JournalError `queue_needs_server`.
    """
    check_server(request.settings)
    with begin(request, world) as this:
        checked = check(this)
        parts = _parts(this, checked.rows)
        named = {account for part in parts for account in part}
        scope = in_scope(this.accounts, request)
        now = world.clock.now()
        known = PartDone(
            time=now,
            outcomes=checked.answers if this.about_offers else [],
            states={account: "ok" for account in scope if account not in named},
        )
        queued = QueuedRun(
            name=this.name,
            workbook=this.place,
            station=request.settings.station.name,
            language=request.words.language,
            started=this.started,
            jobs=this.jobs,
            wait_seconds=request.wait_seconds,
            force=request.force,
            parts=[{}, *parts],
            tables=kept_tables(this.book.tables),
        )
        jobs = [
            Part(this.name, number, queued.station, _lock(this, part)) for number, part in enumerate(parts, CHECKED + 1)
        ]
        results = reporter(this, []).results(known.outcomes, now)
        silent = bool(parts) and not results
        debt = as_debt(results, [])
        this.journal.queue_run(
            this.name,
            this.place,
            len(queued.parts),
            dump(queued),
            this.journal.part_answered(this.name, CHECKED, this.place, dump(known), debt, collected=silent),
            lambda connection: defer(jobs, connection),
        )
        words = request.words
        return Summary(
            run=this.name,
            started=this.started,
            finished=now,
            workbook=str(request.workbook),
            outcomes=known.outcomes,
            states=dict.fromkeys(scope, "ok"),
            results=results,
            notes=[
                words.say("queued", accounts=len(named), rows=len(checked.rows)),
                words.say("queued_collect", workbook=str(request.workbook)),
            ],
            delivered=False,
        )


def _parts(this: Run, rows: Sequence[ProductRow]) -> list[dict[str, int]]:
    """What workers do at one time: account -> rows. An account each, unless the limit of ended offers may be met."""
    counted = Counter(row.account for row in rows)
    if Job.ORDERS in this.jobs:
        counted.update({account.name: 0 for account in active(this.accounts, this.request)})
    if counted and may_end_too_many(this, rows):
        return [dict(counted)]
    return [{account: count} for account, count in counted.items()]


def _lock(this: Run, part: Mapping[str, int]) -> str:
    """No two workers on one account; the journal's lock of its seller is what guards it."""
    if len(part) > 1:
        return f"run {this.name}"
    return next(f"account {this.accounts[account].environment} {account}" for account in part)


# --- the answers


def collect(request: Request, world: World) -> Collected:
    """Write what is owed to the workbook, and say what came of the runs handed over that have news.

    Raises WorkbookError while the workbook cannot be written (nothing is lost), SettingsError or JournalError.
    """
    check_server(request.settings)
    place = place_of(request.workbook)
    with (
        hold_workbook(request.workbook),
        open_desk(request.workbook, world.clock) as desk,
        open_journal(request.settings, world) as journal,
    ):
        done = journal.queued_runs(place)
        news = {name: parts for name, parts in done.items() if False in parts}
        queued = {name: load_run(journal.queued_run(name) or "") for name in done}
        if news or journal.owed(place):
            tables = tables_to_write(request.workbook, journal, orders=False)
            desk.check_writable([table for table in ("Results", "Orders") if table in tables])
            book = desk.read(tables)
            connector = Connector(request.settings, request.workbook, request.words.language, world)
            accounts = accounts_of(book, request)
            answers = Answers(
                run="",
                results=[],
                accounts={name: state_cells(connector, account, request.words) for name, account in accounts.items()},
                keep_runs=read_options(book.tables["Settings"]).keep_runs,
                orders=[],
                time=world.clock.now(),
                words=request.words,
            )
            if forgot := deliver(desk, book, answers, journal):
                return Collected(forgot=forgot)
        under_way = {name: _under_way(run, done[name]) for name, run in queued.items()}
        summaries = []
        for name, parts in news.items():
            summaries.append(_summary(queued[name], journal, request, world))
            collected = [number for number, had in enumerate(parts) if had is False]
            journal.mark_collected(name, collected, whole=None not in parts)
        return Collected(summaries, {name: waiting for name, waiting in under_way.items() if waiting})


def is_whole(journal: Journal, place: str) -> bool | None:
    """Whether workers are done with all runs of a workbook; None when there is none to be collected."""
    done = journal.queued_runs(place)
    return all(None not in parts for parts in done.values()) if done else None


def _under_way(run: QueuedRun, done: Sequence[bool | None]) -> dict[str, int]:
    waiting = [part for part, had in zip(run.parts, done, strict=True) if had is None]
    return {account: rows for part in waiting for account, rows in part.items()}


def _summary(run: QueuedRun, journal: Journal, request: Request, world: World) -> Summary:
    """What came of the parts of a run that are done, those collected earlier among them; its report is written."""
    parts = [load_part(text) for text in journal.queued_answers(run.name).values()]
    products = run.table_data()["Products"]
    outcomes = [outcome for part in parts for outcome in part.outcomes]
    urls = _offer_urls(run, request, world)
    reporting = Reporter(run.name, request.words, products, urls)
    orders = [
        AccountOrders("", exported=done.exported, marked=done.marked, unreadable=done.unreadable)
        for part in parts
        for done in part.orders or ()
    ]
    told = any(part.orders is not None for part in parts)
    figures, notes = tell_orders(orders, run.name, request, world) if told else (None, [])
    results = [row for part in parts for row in reporting.results(part.outcomes, part.time)]
    summary = Summary(
        run=run.name,
        started=run.started,
        finished=max(part.time for part in parts),
        workbook=str(request.workbook),
        outcomes=outcomes,
        states={account: state for part in parts for account, state in part.states.items()},
        results=sorted(results, key=lambda result: result["row"] or 0),
        notes=[*notes, *(note for part in parts for note in part.notes)],
        orders=figures,
    )
    return keep_report(summary, products, request.words, world.data_folder / "runs")


def _offer_urls(run: QueuedRun, request: Request, world: World) -> dict[str, str]:
    connector = Connector(request.settings, request.workbook, request.words.language, world)
    accounts = read_accounts(run.table_data()["Accounts"], list(request.settings.environments))
    return {name: connector.offer_url(account) for name, account in accounts.items()}
