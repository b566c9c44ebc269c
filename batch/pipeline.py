"""START HERE. Each job of the tool as one short function that calls the stages in order.

    run                 read -> validate -> every account (account_run): settle, look, plan, act -> report -> deliver
    undo                the same, planned from what the journal says of an earlier run
    fetch_dictionaries  read -> ask every account for its price lists and policies -> write
    show_tokens         read -> how every account's tokens stand -> write
    link_account        log in at Allegro -> whose login is it -> token file -> write

Decisions are data until `execute`, so a dry run stops one step earlier and that is all the difference.
One account's trouble stays with that account.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from batch import report
from batch.account_run import Looked, act, look
from batch.accounts.endpoint import TokenEndpoint
from batch.accounts.link import Login, check_place
from batch.accounts.renewal import write_new
from batch.accounts.tokens import TokenState, TokenStore
from batch.allegro.dictionaries import SOURCES, read_dictionary
from batch.allegro.profile import read_profile
from batch.connect import Connector
from batch.deliver import TABLES, Answers, AnswersAsTheyCome, account_cells, deliver, deliver_plan, owe, place_of
from batch.errors import AccountError, ApiError, BatchError, LoginNeeded, SettingsError, UsageError, WorkbookError
from batch.execute import cause
from batch.journal import Journal
from batch.keep_report import keep_report
from batch.messages import Catalogue
from batch.model import Account, DictionaryEntry, Job, Outcome, ProductRow
from batch.parallel import each
from batch.plan_changes import may_end, refuse_ends
from batch.run import AccountResult, Request, Run
from batch.seller_lock import SellerLocks
from batch.settings import Environment, Settings
from batch.undo import rows_of, undo_account
from batch.validate.accounts import read_accounts
from batch.validate.defaults import read_defaults
from batch.validate.options import read_options
from batch.validate.products import check_products
from batch.workbook.desk import Desk, open_desk
from batch.workbook.lock import hold_workbook
from batch.workbook.patch import BodyRow, SetBody, SetCells
from batch.workbook.read import WorkbookData
from batch.world import World

__all__ = ["Request", "fetch_dictionaries", "link_account", "run", "show_tokens", "token_stores", "undo"]

log = logging.getLogger(__name__)

ACCOUNTS_AT_ONCE = 8
LAST = "last"
ADVISED_WAIT = 120  # seconds; Allegro's updates often need that long


# --- run


def run(request: Request, world: World) -> report.Summary:
    """Make the drafts and changes the workbook asks for; every row gets its answer, in the workbook or in the journal.

    Raises WorkbookError, SettingsError, UsageError or JournalError while nothing has been sent yet.
    """
    with _begin(request, world) as this:
        accounts = this.accounts
        defaults = read_defaults(this.book.tables["Defaults"])
        checked = check_products(this.book.tables["Products"], accounts, defaults, request.accounts)
        about_offers = bool(this.jobs & {Job.DRAFTS, Job.UPDATES})
        by_account = _every_account(this, checked.rows)
        return _finish(this, by_account, checked.answers if about_offers else [])


def undo(request: Request, run: str, world: World) -> report.Summary:
    """Take back what `run` (or the `last` one) did: delete its drafts, write back what Allegro held before.

    Only where Allegro still holds what that run left. Raises like `run`, and UsageError for an unknown run.
    """
    with _begin(request, world, undoes=run) as this:
        entries, changes = this.journal.done_in(this.undoes or run)
        rows = rows_of(this.book.tables["Products"], request.accounts)
        by_account: dict[str, AccountResult] = {}

        def take_back(account: Account) -> None:
            by_account[account.name] = undo_account(this, account, rows, entries, changes)

        each(_active(this.accounts, request), take_back, threads=ACCOUNTS_AT_ONCE)
        return _finish(this, by_account, [])


@contextmanager
def _begin(request: Request, world: World, undoes: str | None = None) -> Iterator[Run]:
    """Open and read all that a run needs; nothing has been sent when this gives the run away."""
    started = world.clock.now()
    with (
        hold_workbook(request.workbook, needed=not request.anyway),
        open_desk(request.workbook, world.clock) as desk,
        _open_journal(request.settings, world) as journal,
        SellerLocks(journal.file) as sellers,
    ):
        unwritable = _why_unwritable(request, desk)
        book = desk.read(TABLES)
        place = place_of(book)
        taken_back = _run_to_undo(journal, undoes, place) if undoes else None
        name = report.run_name(started, world.new_id(), dry_run=request.dry_run, undo=undoes is not None)
        if desk.live and not request.dry_run and not unwritable:
            reporter = report.Reporter(name, request.words, book.tables["Products"], {})
            world = replace(world, progress=AnswersAsTheyCome(desk, book, reporter, world))
        this = Run(
            name=name,
            started=started,
            request=request,
            world=world,
            journal=journal,
            sellers=sellers,
            desk=desk,
            book=book,
            options=read_options(book.tables["Settings"]),
            accounts=_read_accounts(request, book),
            connector=Connector(request.settings, request.workbook, request.words.language, world),
            unwritable=unwritable,
            undoes=taken_back,
        )
        if not request.dry_run:
            journal.begin_run(name, place, taken_back)
        yield this


def _run_to_undo(journal: Journal, name: str, workbook: str) -> str:
    """The run that is meant by `name`; `last` is the last one that changed something. Raises UsageError."""
    found = journal.last_run(workbook) if name == LAST else name
    if found is None or not journal.find_run(found):
        raise UsageError("run_unknown", run=name)
    return found


def _every_account(this: Run, rows: Sequence[ProductRow]) -> dict[str, AccountResult]:
    """Work on several accounts at once; one that stops does not hold up the others.

    Only when the rows might end more offers than a run may, all accounts are looked at before any is acted on,
    because the limit is that of the whole run.
    """
    by_account: dict[str, list[ProductRow]] = {}
    for row in rows:
        by_account.setdefault(row.account, []).append(row)
    limit = None if this.request.force else this.options.max_ended_offers
    looked: dict[str, Looked] = {}
    results: dict[str, AccountResult] = {}

    def look_at(account: str) -> None:
        looked[account] = look(this, this.accounts[account], by_account[account])

    def act_on(account: str) -> None:
        results[account] = act(this, looked[account], refused)

    def do_all(account: str) -> None:
        look_at(account)
        alone = refuse_ends({account: looked[account].changes}, limit)
        results[account] = act(this, looked[account], alone)

    if limit is not None and sum(may_end(row) for row in rows) > limit:
        each(by_account, look_at, threads=ACCOUNTS_AT_ONCE)
        refused = refuse_ends({account: looked[account].changes for account in by_account}, limit)
        each(by_account, act_on, threads=ACCOUNTS_AT_ONCE)
    else:
        each(by_account, do_all, threads=ACCOUNTS_AT_ONCE)
    return {account: results[account] for account in by_account}


def _finish(this: Run, by_account: Mapping[str, AccountResult], others: Sequence[Outcome]) -> report.Summary:
    """Every answer to its row, and the whole as a summary. `others` were answered without an account's part."""
    outcomes = [*others, *(outcome for result in by_account.values() for outcome in result.outcomes)]
    answers = _answers(this, by_account, outcomes)
    failure = _deliver(this, answers, outcomes)
    unwritten = this.unwritable or failure
    summary = report.Summary(
        run=this.name,
        started=this.started,
        finished=this.world.clock.now(),
        workbook=str(this.request.workbook),
        outcomes=outcomes,
        states={account: _state(by_account.get(account)) for account in _in_scope(this.accounts, this.request)},
        results=answers.results,
        notes=_notes(this, by_account, unwritten),
        failed_late=failure is not None,
        delivered=not unwritten,
    )
    return keep_report(summary, this.book.tables["Products"], this.request.words, this.world.data_folder / "runs")


# --- what a run leaves behind


def _answers(this: Run, by_account: Mapping[str, AccountResult], outcomes: Sequence[Outcome]) -> Answers:
    accounts = [this.accounts[account] for account in by_account]
    urls = {account.name: this.connector.offer_url(account) for account in accounts}
    reporter = report.Reporter(this.name, this.request.words, this.book.tables["Products"], urls)
    return Answers(
        run=this.name,
        results=reporter.results(outcomes, this.world.clock.now()),
        accounts={account.name: _token_cells(this.connector, account, this.request.words) for account in accounts},
        keep_runs=this.options.keep_runs,
    )


def _deliver(this: Run, answers: Answers, outcomes: Sequence[Outcome]) -> WorkbookError | None:
    """Write the answers, or keep them in the journal. Returns what was in the way, if it came unforeseen."""
    failure = None
    if this.unwritable is None:
        try:
            if this.request.dry_run:
                deliver_plan(this.desk, this.book, answers)
            else:
                deliver(this.desk, this.book, answers, this.journal)
        except WorkbookError as error:
            failure = error
    if this.request.dry_run:
        return failure
    if this.unwritable or failure:
        owe(this.book, answers, this.journal)
    this.journal.mark_reported(
        [outcome.entry for outcome in outcomes if outcome.entry is not None],
        [change for outcome in outcomes for change in outcome.changes],
    )
    return failure


def _notes(this: Run, by_account: Mapping[str, AccountResult], unwritten: WorkbookError | None) -> list[str]:
    words, notes = this.request.words, []
    if this.undoes:
        notes.append(words.say("undoes_run", run=this.undoes))
    if this.request.wait_seconds is None and 0 < this.wait_seconds < ADVISED_WAIT:
        notes.append(words.say("wait_is_short", seconds=this.wait_seconds, advised=ADVISED_WAIT))
    for account, result in by_account.items():
        if result.stopped:
            facts = {"account": account, **result.stopped.facts}
            notes.append(f"{account}: {words.explain(result.stopped.code, **facts)}")
    if unwritten:
        notes.append(str(words.explain(unwritten.code, **unwritten.facts)))
        if not this.request.dry_run:
            notes.append(words.say("answers_wait"))
    elif this.desk.live:
        notes.append(words.say("answers_unsaved"))
    return notes


def _state(result: AccountResult | None) -> str:
    return cause(result.stopped) if result and result.stopped else "ok"


# --- the other jobs


def fetch_dictionaries(request: Request, world: World) -> dict[str, BatchError | int]:
    """Read every active account's dictionaries into the table `Dictionaries`.

    Gives the number of entries by account, or what stopped it (its earlier entries stay). Raises WorkbookError,
    SettingsError or UsageError.
    """
    with hold_workbook(request.workbook), open_desk(request.workbook, world.clock) as desk:
        desk.check_writable(growing=("Dictionaries",))
        book = desk.read(("Accounts", "Dictionaries"))
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

        def changes(now: WorkbookData) -> list[SetCells | SetBody]:
            body = report.dictionary_rows(now.tables["Dictionaries"], list(accounts), entries, request.words)
            return [SetBody("Dictionaries", [BodyRow(source, values) for source, values in body])]

        desk.update(book, changes)
        return results


def show_tokens(request: Request, world: World, *, refresh: bool) -> dict[str, TokenState | BatchError]:
    """How the tokens of every active account stand, also written beside the accounts; `refresh` renews them first.

    Raises WorkbookError, SettingsError or UsageError.
    """
    with hold_workbook(request.workbook), open_desk(request.workbook, world.clock) as desk:
        book = desk.read(("Accounts",))
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
            cells[account.name] = token_cells(states[account.name], request.words)
        try:
            desk.update(book, lambda now: [SetCells("Accounts", account_cells(now, cells))])
        except WorkbookError as error:  # what the console says is the answer; the sheet has it after the next run
            log.info("the states of the tokens are not in the workbook: %s", error)
        return states


def token_stores(request: Request, world: World) -> dict[str, TokenStore]:
    """The tokens of every active account that this station keeps fresh; nothing is asked or changed yet.

    An account whose tokens cannot be kept as it is set up is left out: its run says why. Raises WorkbookError,
    SettingsError or UsageError.
    """
    accounts = _read_accounts(request, _read_table(request, world, "Accounts"))
    connector = Connector(request.settings, request.workbook, request.words.language, world)
    stores: dict[str, TokenStore] = {}
    for account in _active(accounts, request) if request.settings.station.refresh_tokens else ():
        with suppress(AccountError, SettingsError):
            stores[account.name] = connector.tokens(account)
    return stores


@dataclass(frozen=True, slots=True)
class Linked:
    """An account that was linked, and what is to be said about it.

    `before` is the login that the workbook named, if it was another one. `unwritten` is why the workbook does not
    have the account's columns, `unrenewable` why the tokens cannot be renewed later.
    """

    login: str
    path: Path
    valid_until: datetime
    before: str | None = None
    unwritten: BatchError | None = None
    unrenewable: SettingsError | None = None


def link_account(
    request: Request,
    world: World,
    account_name: str,
    log_in: Callable[[TokenEndpoint, Environment], AbstractContextManager[Login]],
    may_replace: Callable[[LoginNeeded, str], bool],
) -> Linked:
    """Log in as `account_name`, and keep the tokens in its token file.

    `log_in` is the way to do so; `may_replace` is asked, with what is wrong and the new login, before the tokens of
    another login or environment are replaced. Raises UsageError, SettingsError, WorkbookError, AccountError or
    ApiError, and the token file is then as it was.
    """
    book = _read_table(request, world, "Accounts")
    account = _read_accounts(replace(request, accounts=frozenset({account_name})), book)[account_name]
    connector = Connector(request.settings, request.workbook, request.words.language, world)
    environment = request.settings.environment(account.environment)
    if not request.settings.station.refresh_tokens:
        raise SettingsError("link_switched_off")
    connector.tokens(account)  # whether the settings can work at all
    path = connector.token_path(account)
    check_place(path)
    with log_in(connector.endpoint(account), environment) as login:
        profile = read_profile(connector.session_with(account, login.grant.access_token))
        keep = functools.partial(
            write_new,
            path,
            login.grant,
            environment=account.environment,
            login=profile.login,
            user_id=profile.user_id,
            spool=connector.spool,
            publish_to=request.settings.account(account.name).publish,
        )
        try:
            token = keep()
        except LoginNeeded as foreign:
            login.show("link_page_console")
            if not may_replace(foreign, profile.login):
                raise UsageError("link_not_replaced", login=profile.login, **foreign.facts) from None
            token = keep(replace_foreign=True)
        until = f"{token.expires_at.astimezone():%Y-%m-%d %H:%M}"
        facts = {"account": account.name, "login": profile.login, "environment": account.environment, "until": until}
        login.show("link_page_done", **facts)
    state = TokenState("tokens_ok", token.login, token.expires_at)
    other = account.login is not None and account.login.casefold() != profile.login.casefold()
    return Linked(
        login=profile.login,
        path=path,
        valid_until=token.expires_at,
        before=account.login if other else None,
        unwritten=_write_account(request, world, account.name, token_cells(state, request.words)),
        unrenewable=_secret_trouble(environment),
    )


def _write_account(request: Request, world: World, account: str, cells: dict[str, Any]) -> BatchError | None:
    """Fill an account's output columns; what is in the way, if anything."""
    try:
        with hold_workbook(request.workbook), open_desk(request.workbook, world.clock) as desk:
            book = desk.read(("Accounts",))
            desk.update(book, lambda now: [SetCells("Accounts", account_cells(now, {account: cells}))])
    except BatchError as error:
        log.info("the account's columns are not in the workbook: %s", error)
        return error
    return None


def _secret_trouble(environment: Environment) -> SettingsError | None:
    try:
        environment.read_secret()
    except SettingsError as error:
        return error
    return None


# --- shared


def _read_table(request: Request, world: World, table: str) -> WorkbookData:
    """One table of the workbook, which is not held for longer."""
    with open_desk(request.workbook, world.clock) as desk:
        return desk.read((table,))


@contextmanager
def _open_journal(settings: Settings, world: World) -> Iterator[Journal]:
    url = settings.journal.get_secret_value() if settings.journal else None
    journal = Journal(url, world.clock.now) if url else Journal.in_folder(world.data_folder, world.clock.now)
    try:
        yield journal
    finally:
        journal.close()


def _why_unwritable(request: Request, desk: Desk) -> WorkbookError | None:
    """What stands in the way of writing the workbook; raised unless the user wants to go on anyway."""
    try:
        desk.check_writable(growing=("Results",))
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
