"""START HERE. Each job of the tool as one short function that calls the stages in order.

    run                 read -> validate -> every account: look up, resolve, plan, execute; fetch its orders
                        -> report -> deliver
    fetch_dictionaries  read -> ask every account for its price lists and policies -> write
    show_tokens         read -> how every account's tokens stand -> write

Decisions are data until `execute`, so a dry run stops one step earlier and that is all the difference.
One account's trouble stays with that account.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batch import report
from batch.accounts.tokens import TokenState
from batch.allegro.dictionaries import SOURCES, read_dictionary
from batch.allegro.offers import Offers
from batch.allegro.survey import survey
from batch.connect import Connection, Connector
from batch.deliver import Answers, deliver, deliver_plan, owe, place_of, tables_to_write
from batch.errors import (
    AccountError,
    ApiError,
    AttemptTaken,
    BatchError,
    JournalError,
    SettingsError,
    UsageError,
    WorkbookError,
)
from batch.execute import DraftExecutor, cause
from batch.export import held_orders
from batch.fetch_orders import AccountOrders, fetch_orders
from batch.journal import Journal
from batch.messages import Catalogue
from batch.model import Account, DictionaryEntry, Job, Outcome, ProductRow, State
from batch.order_files import write_order_files
from batch.parallel import each
from batch.plan import Step, blame, plan_drafts, planned, wants_draft
from batch.resolve import kinds_needed, resolve
from batch.seller_lock import SellerLocks
from batch.settings import Settings
from batch.sum_orders import OrderFigures, sentences, sum_orders
from batch.validate.accounts import read_accounts
from batch.validate.defaults import read_defaults
from batch.validate.options import Options, read_options
from batch.validate.products import CheckedProducts, check_products
from batch.workbook import schema
from batch.workbook.lock import hold_workbook
from batch.workbook.patch import BodyRow, SetBody, SetCells, check_writable, write_workbook
from batch.workbook.read import WorkbookData, read_workbook
from batch.world import World

log = logging.getLogger(__name__)

ACCOUNTS_AT_ONCE = 8
ADVISED_WAIT = 120  # seconds; Allegro's updates often need that long


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for. `accounts` and `jobs` empty: all of them."""

    workbook: Path
    settings: Settings
    words: Catalogue
    jobs: frozenset[Job] = frozenset()
    accounts: frozenset[str] = frozenset()
    dry_run: bool = False
    wait_seconds: float | None = None
    force: bool = False
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One run under way: the request, and what was read and opened for it."""

    name: str
    request: Request
    world: World
    journal: Journal
    sellers: SellerLocks
    book: WorkbookData
    options: Options
    accounts: Mapping[str, Account]
    connector: Connector


@dataclass(frozen=True, slots=True)
class AccountResult:
    """What came of one account, and what stopped it, if anything did."""

    outcomes: list[Outcome] = field(default_factory=list)
    stopped: BatchError | None = None


# --- run


def run(request: Request, world: World) -> report.Summary:
    """Make the drafts the workbook asks for; every row gets its answer, in the workbook or in the journal.

    Raises WorkbookError, SettingsError, UsageError or JournalError while nothing has been sent yet.
    """
    started = world.clock.now()
    name = report.run_name(started, world.new_id(), dry_run=request.dry_run)
    with (
        hold_workbook(request.workbook, needed=not request.anyway),
        _open_journal(request.settings, world) as journal,
        SellerLocks(journal.file) as sellers,
    ):
        jobs = request.jobs or frozenset(Job)
        tables = tables_to_write(request.workbook, journal, orders=Job.ORDERS in jobs)
        unwritable = _why_unwritable(request, tables)
        book = read_workbook(request.workbook, tables=tables)
        options = read_options(book.tables["Settings"])
        accounts = _read_accounts(request, book)
        defaults = read_defaults(book.tables["Defaults"])
        checked = CheckedProducts()
        if jobs != {Job.ORDERS}:
            checked = check_products(book.tables["Products"], accounts, defaults, request.accounts)

        connector = Connector(request.settings, request.workbook, request.words.language, world)
        this = Run(name, request, world, journal, sellers, book, options, accounts, connector)
        by_account = _every_account(this, checked.rows)
        orders = _every_accounts_orders(this, by_account) if Job.ORDERS in jobs else None

        outcomes = [*checked.answers, *(outcome for result in by_account.values() for outcome in result.outcomes)]
        answers = _answers(this, by_account, outcomes, orders or {})
        failure = _deliver(this, answers, outcomes, unwritable)
        figures, order_notes = _close_orders(this, orders)
        return report.Summary(
            run=name,
            started=started,
            finished=world.clock.now(),
            workbook=str(request.workbook),
            outcomes=outcomes,
            states={account: _state(by_account.get(account)) for account in _in_scope(accounts, request)},
            results=answers.results,
            notes=[*order_notes, *_notes(this, by_account, unwritable or failure)],
            failed_late=failure is not None,
            delivered=not (unwritable or failure),
            orders=figures,
        )


def _every_account(this: Run, rows: Sequence[ProductRow]) -> dict[str, AccountResult]:
    """Work on several accounts at once; one that stops does not hold up the others."""
    by_account: dict[str, list[ProductRow]] = {}
    for row in rows:
        by_account.setdefault(row.account, []).append(row)
    results: dict[str, AccountResult] = {}

    def work(account: str) -> None:
        results[account] = _make_drafts(this, this.accounts[account], by_account[account])

    each(by_account, work, threads=ACCOUNTS_AT_ONCE)
    return {account: results[account] for account in by_account}


def _make_drafts(this: Run, account: Account, rows: Sequence[ProductRow]) -> AccountResult:
    """All of one account: look up, resolve, plan, execute."""
    progress = this.world.progress
    progress.begin(account.name, len(rows))
    wanted = [row for row in rows if wants_draft(row)]
    others = [row for row in rows if not wants_draft(row)]
    if not wanted:
        return AccountResult(_plan_without_asking(this, others))
    try:
        connection = this.connector.connect(account)
        if not this.request.dry_run:
            this.sellers.hold(connection.seller)
        plan = _plan(this, account, connection, rows)
    except (AccountError, ApiError, AttemptTaken, JournalError, SettingsError) as error:
        busy = isinstance(error, AttemptTaken)
        blamed = [blame(row, cause(error), busy=busy) for row in wanted]
        return AccountResult(_plan_without_asking(this, others) + blamed, error)
    known = [item for item in plan if isinstance(item, Outcome)]
    steps = [item for item in plan if isinstance(item, Step)]
    for outcome in known:
        progress.advance(outcome)
    if this.request.dry_run:
        return AccountResult(known + [planned(step) for step in steps])
    executor = DraftExecutor(
        offers=Offers(connection.session),
        journal=this.journal,
        seller=connection.seller,
        run=this.name,
        wait_seconds=_wait_seconds(this),
        clock=this.world.clock,
        ease=connection.session.ease,
        advance=progress.advance,
    )
    execution = executor.execute(steps)
    return AccountResult(known + execution.outcomes, execution.stopped)


def _plan(this: Run, account: Account, connection: Connection, rows: Sequence[ProductRow]) -> list[Step | Outcome]:
    """What to do with each row, after asking the journal and Allegro. Raises as ApiSession.get."""
    wanted = [row for row in rows if wants_draft(row)]
    sets = {row.defaults.row: row.defaults for row in wanted}
    known = this.journal.latest(connection.seller, [row.external_id for row in rows])
    made = {x: entry.offer_id for x, entry in known.items() if entry.state is State.DONE and entry.offer_id}
    kinds = set().union(*map(kinds_needed, sets.values()))
    surveyed = survey(connection.session, [row.external_id for row in wanted], made, kinds)
    resolved = {
        row: resolve(defaults, account.name, surveyed.dictionaries.__getitem__, functools.partial(_kind, this))
        for row, defaults in sets.items()
    }
    return plan_drafts(rows, known=known, found=surveyed.offers, defaults=resolved, now=this.world.clock.now())


def _plan_without_asking(this: Run, rows: Sequence[ProductRow]) -> list[Outcome]:
    """The answers of rows that want nothing from Allegro."""
    plan = plan_drafts(rows, known={}, found={}, defaults={}, now=this.world.clock.now())
    return [item for item in plan if isinstance(item, Outcome)]


# --- orders


def _every_accounts_orders(this: Run, by_account: dict[str, AccountResult]) -> dict[str, AccountOrders]:
    """The orders of every active account, those aside that a person must log in first; trouble goes to `by_account`."""
    held = held_orders(this.book.tables["Orders"])
    stopped = {name for name, result in by_account.items() if isinstance(result.stopped, AccountError)}
    accounts = [account for account in _active(this.accounts, this.request) if account.name not in stopped]
    found: dict[str, AccountOrders] = {}

    def work(account: Account) -> None:
        try:
            connection = this.connector.connect(account)
            found[account.name] = fetch_orders(
                connection,
                account.name,
                place_of(this.book.path),
                this.journal,
                this.options,
                held,
                now=this.world.clock.now(),
                language=this.request.words.language,
            )
        except (AccountError, ApiError, JournalError, SettingsError) as error:
            found[account.name] = AccountOrders(account.name, stopped=error)

    each(accounts, work, threads=ACCOUNTS_AT_ONCE)
    for account in accounts:
        earlier = by_account.get(account.name, AccountResult())
        stop = earlier.stopped or found[account.name].stopped
        by_account[account.name] = AccountResult(earlier.outcomes, stop)
    return {account.name: found[account.name] for account in accounts}


def _close_orders(this: Run, orders: Mapping[str, AccountOrders] | None) -> tuple[OrderFigures | None, list[str]]:
    """The orders are in the workbook or owed to it: remember how far they were read, write their files, say so."""
    if orders is None:
        return None, []
    exported = [one for fetched in orders.values() for one in fetched.exported]
    figures = sum_orders(
        exported,
        marked=sum(fetched.marked for fetched in orders.values()),
        unreadable=[order_id for fetched in orders.values() for order_id in fetched.unreadable],
    )
    words, dry_run = this.request.words, this.request.dry_run
    notes = sentences(figures, words, dry_run=dry_run)
    if dry_run:
        return figures, notes
    if exported:
        folder = this.world.data_folder / "orders" / this.name
        templates = this.book.path.absolute().parent / "templates" / "orders"
        notes += write_order_files(exported, folder, templates, words, this.world.clock.now())
    place = place_of(this.book.path)
    for fetched in orders.values():
        this.journal.orders_delivered(place, fetched.seller, fetched.revisions, fetched.read_until)
    return figures, notes


# --- what a run leaves behind


def _answers(
    this: Run,
    by_account: Mapping[str, AccountResult],
    outcomes: Sequence[Outcome],
    orders: Mapping[str, AccountOrders],
) -> Answers:
    accounts = [this.accounts[account] for account in by_account]
    urls = {account.name: this.connector.offer_url(account) for account in accounts}
    reporter = report.Reporter(this.name, this.request.words, this.book.tables["Products"], urls)
    now = this.world.clock.now()
    return Answers(
        run=this.name,
        results=reporter.results(outcomes, now),
        accounts={account.name: _token_cells(this.connector, account, this.request.words) for account in accounts},
        keep_runs=this.options.keep_runs,
        orders=[update for fetched in orders.values() for update in fetched.updates],
        time=now,
        words=this.request.words,
    )


def _deliver(
    this: Run, answers: Answers, outcomes: Sequence[Outcome], unwritable: WorkbookError | None
) -> WorkbookError | None:
    """Write the answers, or keep them in the journal. Returns what was in the way, if it came unforeseen."""
    failure = None
    if unwritable is None:
        try:
            if this.request.dry_run:
                deliver_plan(this.book, answers)
            else:
                deliver(this.book, answers, this.journal)
        except WorkbookError as error:
            failure = error
    if this.request.dry_run:
        return failure
    if unwritable or failure:
        owe(this.book, answers, this.journal)
    this.journal.mark_reported([outcome.entry for outcome in outcomes if outcome.entry is not None])
    return failure


def _notes(this: Run, by_account: Mapping[str, AccountResult], unwritten: WorkbookError | None) -> list[str]:
    words, notes = this.request.words, []
    if this.request.wait_seconds is None and 0 < _wait_seconds(this) < ADVISED_WAIT:
        notes.append(words.say("wait_is_short", seconds=_wait_seconds(this), advised=ADVISED_WAIT))
    for account, result in by_account.items():
        if result.stopped:
            facts = {"account": account, **result.stopped.facts}
            notes.append(f"{account}: {words.explain(result.stopped.code, **facts)}")
    if unwritten:
        notes.append(str(words.explain(unwritten.code, **unwritten.facts)))
        if not this.request.dry_run:
            notes.append(words.say("answers_wait"))
    return notes


def _state(result: AccountResult | None) -> str:
    return cause(result.stopped) if result and result.stopped else "ok"


def _wait_seconds(this: Run) -> float:
    if this.request.wait_seconds is not None:
        return this.request.wait_seconds
    return this.options.wait_seconds if this.options.wait_for_updates else 0.0


def _kind(this: Run, kind: str) -> str:
    return schema.word(schema.DICTIONARY_KINDS, kind, this.request.words.language)


# --- the other jobs


def fetch_dictionaries(request: Request, world: World) -> dict[str, BatchError | int]:
    """Read every active account's dictionaries into the table `Dictionaries`.

    Gives the number of entries by account, or what stopped it (its earlier entries stay). Raises WorkbookError,
    SettingsError or UsageError.
    """
    with hold_workbook(request.workbook):
        check_writable(request.workbook, growing=("Dictionaries",))
        book = read_workbook(request.workbook, tables=("Accounts", "Dictionaries"))
        accounts = _read_accounts(request, book)
        connector = Connector(request.settings, request.workbook, request.words.language, world)
        entries: dict[str, list[DictionaryEntry]] = {}
        results: dict[str, BatchError | int] = {}
        for account in _active(accounts, request):
            try:
                session = connector.connect(account).session
                entries[account.name] = [entry for kind in SOURCES for entry in read_dictionary(session, kind)]
                results[account.name] = len(entries[account.name])
            except (AccountError, ApiError) as error:
                results[account.name] = error
        body = report.dictionary_rows(book.tables["Dictionaries"], list(accounts), entries, request.words)
        rows = [BodyRow(source, values) for source, values in body]
        write_workbook(book.path, [SetBody("Dictionaries", rows)], expect=book.stamp)
        return results


def show_tokens(request: Request, world: World, *, refresh: bool) -> dict[str, TokenState | BatchError]:
    """How the tokens of every active account stand, also written beside the accounts; `refresh` renews them first.

    Raises WorkbookError, SettingsError or UsageError.
    """
    with hold_workbook(request.workbook):
        book = read_workbook(request.workbook, tables=("Accounts",))
        accounts = _read_accounts(request, book)
        connector = Connector(request.settings, request.workbook, request.words.language, world)
        states: dict[str, TokenState | BatchError] = {}
        cells = {}
        for account in _active(accounts, request):
            try:
                if refresh:
                    connector.tokens(account).renew_now()
                states[account.name] = connector.token_state(account)
            except (AccountError, ApiError) as error:
                states[account.name] = error
            cells[account.row] = token_cells(states[account.name], request.words)
        try:
            write_workbook(book.path, [SetCells("Accounts", cells)], expect=book.stamp)
        except WorkbookError as error:  # what the console says is the answer; the sheet has it after the next run
            log.info("the states of the tokens are not in the workbook: %s", error)
        return states


# --- shared


@contextmanager
def _open_journal(settings: Settings, world: World) -> Iterator[Journal]:
    url = settings.journal.get_secret_value() if settings.journal else None
    journal = Journal(url, world.clock.now) if url else Journal.in_folder(world.data_folder, world.clock.now)
    try:
        yield journal
    finally:
        journal.close()


def _why_unwritable(request: Request, tables: Collection[str]) -> WorkbookError | None:
    """What stands in the way of writing the workbook; raised unless the user wants to go on anyway."""
    try:
        check_writable(request.workbook, growing=[table for table in ("Results", "Orders") if table in tables])
    except WorkbookError as error:
        if not request.anyway:
            raise
        return error
    return None


def _read_accounts(request: Request, book: WorkbookData) -> dict[str, Account]:
    """The accounts of the workbook. Raises UsageError when one is asked for that is not among them."""
    accounts = read_accounts(book.tables["Accounts"], list(request.settings.environments))
    unknown = sorted(request.accounts - accounts.keys())
    if unknown:
        raise UsageError("account_not_there", unknown=unknown, accounts=list(accounts))
    return accounts


def _in_scope(accounts: Mapping[str, Account], request: Request) -> dict[str, Account]:
    return {name: a for name, a in accounts.items() if not request.accounts or name in request.accounts}


def _active(accounts: Mapping[str, Account], request: Request) -> list[Account]:
    return [account for account in _in_scope(accounts, request).values() if account.active]


def _token_cells(connector: Connector, account: Account, words: Catalogue) -> dict[str, Any]:
    try:
        return token_cells(connector.token_state(account), words)
    except (AccountError, SettingsError) as error:
        return token_cells(error, words)


def token_cells(state: TokenState | BatchError, words: Catalogue) -> dict[str, Any]:
    """The output cells of `Accounts`."""
    if isinstance(state, BatchError):
        return {"token_state": str(words.explain(state.code, **state.facts))}
    cells: dict[str, Any] = {"token_state": words.say(state.code, **state.facts)}
    if state.login:
        cells |= {"login": state.login, "valid_until": state.valid_until}
    return cells
