"""START HERE. Each job of the tool as one short function that calls the stages in order.

    run                 read -> validate -> every account: look up, resolve, plan, execute -> report -> deliver
    fetch_dictionaries  read -> ask every account for its price lists and policies -> write
    show_tokens         read -> how every account's tokens stand -> write

Decisions are data until `execute`, so a dry run stops one step earlier and that is all the difference.
One account's trouble stays with that account.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from batch import report
from batch.accounts.tokens import TokenState
from batch.allegro.dictionaries import SOURCES, read_dictionary
from batch.allegro.offers import EXTERNAL_IDS_A_LOOK_UP, Offers
from batch.allegro.session import ApiSession
from batch.connect import Connection, Connector
from batch.deliver import TABLES, Answers, deliver, deliver_plan, owe
from batch.errors import AccountError, ApiError, BatchError, UsageError, WorkbookError
from batch.execute import WORKERS, DraftExecutor, cause
from batch.journal import Journal
from batch.messages import Catalogue
from batch.model import Account, DictionaryEntry, Entry, FoundOffer, Job, Outcome, ProductRow, State
from batch.parallel import each
from batch.plan import Step, blame, plan_drafts, planned, wants_draft
from batch.resolve import kinds_needed, resolve
from batch.settings import Settings
from batch.validate.accounts import read_accounts
from batch.validate.defaults import read_defaults
from batch.validate.options import Options, read_options
from batch.validate.products import check_products
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


@dataclass(slots=True)
class AccountResult:
    """What came of one account, and what stopped it, if anything did."""

    outcomes: list[Outcome] = field(default_factory=list)
    stopped: BatchError | None = None

    @property
    def state(self) -> str:
        """`ok`, or the row code of what stopped the account."""
        return cause(self.stopped) if self.stopped else "ok"


# --- run


def run(request: Request, world: World) -> report.Summary:
    """Make the drafts the workbook asks for; every row gets its answer, in the workbook or in the journal.

    Raises WorkbookError, SettingsError, UsageError or JournalError while nothing has been sent yet.
    """
    started = world.clock.now()
    name = report.run_name(started, world.new_id(), dry_run=request.dry_run)
    with hold_workbook(request.workbook), _journal(request.settings, world) as journal:
        unwritable = _why_unwritable(request)
        book = read_workbook(request.workbook, tables=TABLES)
        options = read_options(book.tables["Settings"])
        accounts = read_accounts(book.tables["Accounts"], list(request.settings.environments))
        defaults = read_defaults(book.tables["Defaults"])
        _check_names(request.accounts, accounts)
        checked = check_products(book.tables["Products"], accounts, defaults, request.accounts)

        connector = Connector(request.settings, request.workbook, request.words.language, world)
        work = functools.partial(_work, request, world, journal, connector, name, options)
        results = _each_account(checked.rows, accounts, work)

        outcomes = checked.answers + [outcome for result in results.values() for outcome in result.outcomes]
        answers = _answers(request, world, book, connector, accounts, results, outcomes, name, options)
        failure = _deliver(request, book, answers, journal, outcomes, unwritable)
        summary = _summary(request, world, started, name, options, list(accounts), results, outcomes, failure)
        return replace(summary, results=answers.results)


def _work(
    request: Request,
    world: World,
    journal: Journal,
    connector: Connector,
    name: str,
    options: Options,
    account: Account,
    rows: list[ProductRow],
) -> AccountResult:
    """All of one account: look up, resolve, plan, execute."""
    world.progress.begin(account.name, len(rows))
    try:
        plan, connection = _plan(request, world, journal, connector, account, rows)
    except (AccountError, ApiError) as error:
        return AccountResult([blame(row, cause(error)) for row in rows], error)
    steps = [step for step in plan if isinstance(step, Step)]
    known = [outcome for outcome in plan if isinstance(outcome, Outcome)]
    for outcome in known:
        world.progress.advance(outcome)
    if request.dry_run or connection is None:
        return AccountResult(known + [planned(step) for step in steps])
    executor = DraftExecutor(
        offers=Offers(connection.session),
        journal=journal,
        seller=connection.seller,
        run=name,
        wait_seconds=_wait_seconds(request, options),
        clock=world.clock,
        ease=connection.session.ease,
        advance=world.progress.advance,
    )
    execution = executor.execute(steps)
    return AccountResult(known + execution.outcomes, execution.stopped)


def _plan(
    request: Request, world: World, journal: Journal, connector: Connector, account: Account, rows: list[ProductRow]
) -> tuple[list[Step | Outcome], Connection | None]:
    """What to do with each row of an account; no connection is made for rows that want no draft."""
    wanted = [row for row in rows if wants_draft(row)]
    if not wanted:
        return plan_drafts(rows, known={}, found={}, defaults={}, now=world.clock.now()), None
    connection = connector.connect(account)
    known = journal.latest(connection.seller, [row.external_id for row in rows])
    found, dictionaries = _ask(connection.session, wanted, known)
    defaults = {
        row.defaults.row: resolve(
            row.defaults, account.name, dictionaries.__getitem__, functools.partial(_kind_word, request.words)
        )
        for row in {row.defaults.row: row for row in wanted}.values()
    }
    return plan_drafts(rows, known=known, found=found, defaults=defaults, now=world.clock.now()), connection


def _ask(
    session: ApiSession, rows: Sequence[ProductRow], known: Mapping[str, Entry]
) -> tuple[dict[str, list[FoundOffer]], dict[str, list[DictionaryEntry]]]:
    """What Allegro holds for these rows, by external id, and the dictionaries their defaults need, by kind.

    Offers that only the journal knows are asked for one by one: the list lags behind, and they may be deleted.
    """
    offers = Offers(session)
    found: dict[str, list[FoundOffer]] = {}
    dictionaries: dict[str, list[DictionaryEntry]] = {}

    def look_up(external_ids: list[str]) -> None:
        found.update(offers.find(external_ids))

    def fetch(kind: str) -> None:
        dictionaries[kind] = read_dictionary(session, kind)

    def confirm(entry: Entry) -> None:
        offer = offers.get(entry.offer_id) if entry.offer_id else None
        if offer is not None:
            found[entry.external_id] = [FoundOffer(offer.offer_id, entry.external_id, offer.status, None, None)]

    ids = [row.external_id for row in rows]
    kinds = set().union(*(kinds_needed(row.defaults) for row in {row.defaults.row: row for row in rows}.values()))
    blocks = [ids[start : start + EXTERNAL_IDS_A_LOOK_UP] for start in range(0, len(ids), EXTERNAL_IDS_A_LOOK_UP)]
    questions: list[Callable[[], None]] = [functools.partial(fetch, kind) for kind in kinds]
    questions += [functools.partial(look_up, block) for block in blocks]
    each(questions, lambda ask: ask(), threads=WORKERS)
    done = [e for i in ids if (e := known.get(i)) and e.state is State.DONE and i not in found]
    each(done, confirm, threads=WORKERS)
    return found, dictionaries


def _kind_word(words: Catalogue, kind: str) -> str:
    return next(choice.words[words.language] for choice in schema.DICTIONARY_KINDS if choice.code == kind)


def _wait_seconds(request: Request, options: Options) -> float:
    if request.wait_seconds is not None:
        return request.wait_seconds
    return options.wait_seconds if options.wait_for_updates else 0.0


def _each_account(rows: Sequence[ProductRow], accounts: Mapping[str, Account], work: Any) -> dict[str, AccountResult]:
    """Work on several accounts at once; each gets its own rows."""
    by_account: dict[str, list[ProductRow]] = {}
    for row in rows:
        by_account.setdefault(row.account, []).append(row)
    results: dict[str, AccountResult] = {}

    def one(name: str) -> None:
        results[name] = work(accounts[name], by_account[name])

    each(by_account, one, threads=ACCOUNTS_AT_ONCE)
    return {name: results[name] for name in by_account}


# --- what a run leaves behind


def _answers(
    request: Request,
    world: World,
    book: WorkbookData,
    connector: Connector,
    accounts: Mapping[str, Account],
    results: Mapping[str, AccountResult],
    outcomes: Sequence[Outcome],
    name: str,
    options: Options,
) -> Answers:
    products = book.tables["Products"]
    urls = {account: connector.offer_url(accounts[account]) for account in results}
    reporter = report.Reporter(name, request.words, products, urls)
    by_number = {row[0]: row for row in products.rows}
    now = world.clock.now()
    return Answers(
        run=name,
        results=[
            reporter.result(outcome, by_number[outcome.row], now) for outcome in sorted(outcomes, key=lambda o: o.row)
        ],
        accounts={
            account: token_cells(connector.token_state(accounts[account]), request.words)
            for account in results
            if results[account].outcomes
        },
        keep_runs=options.keep_runs,
    )


def _deliver(
    request: Request,
    book: WorkbookData,
    answers: Answers,
    journal: Journal,
    outcomes: Sequence[Outcome],
    unwritable: WorkbookError | None,
) -> WorkbookError | None:
    """Write the answers, or keep them in the journal. Returns what was in the way, if it came unasked."""
    failure = None
    if request.dry_run:
        if unwritable is None:
            deliver_plan(book, answers)
        return None
    if unwritable is None:
        try:
            deliver(book, answers, journal)
        except WorkbookError as error:
            failure = error
    if unwritable or failure:
        owe(book, answers, journal)
    journal.mark_reported([outcome.entry for outcome in outcomes if outcome.entry is not None])
    return failure


def _summary(
    request: Request,
    world: World,
    started: Any,
    name: str,
    options: Options,
    accounts: Sequence[str],
    results: Mapping[str, AccountResult],
    outcomes: Sequence[Outcome],
    failure: WorkbookError | None,
) -> report.Summary:
    notes = []
    if request.wait_seconds is None and options.wait_for_updates and options.wait_seconds < ADVISED_WAIT:
        notes.append(request.words.say("wait_is_short", seconds=options.wait_seconds, advised=ADVISED_WAIT))
    for account, result in results.items():
        if result.stopped:
            text = request.words.explain(result.stopped.code, **{"account": account, **result.stopped.facts})
            notes.append(f"{account}: {text}")
    if failure:
        notes += [str(request.words.explain(failure.code, **failure.facts)), request.words.say("answers_wait")]
    elif request.anyway and not request.dry_run:
        notes.append(request.words.say("answers_wait"))
    code = report.exit_code(outcomes, [result.state for result in results.values()])
    return report.Summary(
        run=name,
        started=started,
        finished=world.clock.now(),
        exit_code=4 if failure and code == 0 else code,
        counts=report.count(outcomes),
        accounts={
            account: report.AccountSummary(
                report.count(outcome for outcome in outcomes if outcome.account == account),
                results[account].state if account in results else "ok",
            )
            for account in accounts
            if not request.accounts or account in request.accounts
        },
        workbook=str(request.workbook),
        report=None,
        notes=tuple(notes),
    )


# --- the other jobs


def fetch_dictionaries(request: Request, world: World) -> dict[str, BatchError | int]:
    """Read every active account's dictionaries into the table `Dictionaries`.

    Gives the number of entries by account, or what stopped it (its earlier entries stay). Raises WorkbookError,
    SettingsError or UsageError.
    """
    with hold_workbook(request.workbook):
        check_writable(request.workbook, growing=("Dictionaries",))
        book = read_workbook(request.workbook, tables=("Accounts", "Dictionaries"))
        accounts = read_accounts(book.tables["Accounts"], list(request.settings.environments))
        _check_names(request.accounts, accounts)
        connector = Connector(request.settings, request.workbook, request.words.language, world)
        entries: dict[str, list[DictionaryEntry]] = {}
        results: dict[str, BatchError | int] = {}
        for account in _active(accounts, request.accounts):
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
        accounts = read_accounts(book.tables["Accounts"], list(request.settings.environments))
        _check_names(request.accounts, accounts)
        connector = Connector(request.settings, request.workbook, request.words.language, world)
        states: dict[str, TokenState | BatchError] = {}
        cells = {}
        for account in _active(accounts, request.accounts):
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
def _journal(settings: Settings, world: World) -> Iterator[Journal]:
    url = settings.journal.get_secret_value() if settings.journal else None
    journal = Journal(url, world.clock.now) if url else Journal.in_folder(world.data_folder, world.clock.now)
    try:
        yield journal
    finally:
        journal.close()


def _why_unwritable(request: Request) -> WorkbookError | None:
    """What stands in the way of writing the workbook; raised unless the user wants to go on anyway."""
    try:
        check_writable(request.workbook, growing=("Results",))
    except WorkbookError as error:
        if not request.anyway:
            raise
        return error
    return None


def _check_names(wanted: frozenset[str], accounts: Mapping[str, Account]) -> None:
    unknown = sorted(wanted - accounts.keys())
    if unknown:
        raise UsageError("account_not_there", unknown=unknown, accounts=list(accounts))


def _active(accounts: Mapping[str, Account], only: frozenset[str]) -> list[Account]:
    return [a for a in accounts.values() if a.active and (not only or a.name in only)]


def token_cells(state: TokenState | BatchError, words: Catalogue) -> dict[str, Any]:
    """The output cells of `Accounts`."""
    if isinstance(state, BatchError):
        return {"token_state": str(words.explain(state.code, **state.facts))}
    cells: dict[str, Any] = {"token_state": words.say(state.code, **state.facts)}
    if state.login:
        cells |= {"login": state.login, "valid_until": state.valid_until}
    return cells
