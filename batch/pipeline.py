"""START HERE. Each job of the tool as one short function that calls the stages in order.

    run                 read -> validate -> every account (account_run): settle, look, plan, act; fetch its orders
                        -> report -> deliver
    undo                the same, planned from what the journal says of an earlier run
    fetch_dictionaries  read -> ask every account for its price lists and policies -> write    (account_jobs)
    show_tokens         read -> how every account's tokens stand -> write                      (account_jobs)
    link_account        log in at Allegro -> whose login is it -> token file -> write          (account_jobs)

Decisions are data until `execute`, so a dry run stops one step earlier and that is all the difference.
One account's trouble stays with that account.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from batch import report
from batch.account_jobs import fetch_dictionaries, link_account, show_tokens, state_cells, token_cells, token_stores
from batch.account_run import STOPS, Looked, act, look
from batch.deliver import Answers, deliver, deliver_plan, owe
from batch.errors import AccountError, JournalError, WorkbookError
from batch.execute import cause
from batch.export import held_orders
from batch.fetch_orders import AccountOrders, fetch_orders
from batch.keep_report import keep_report
from batch.messages import Catalogue
from batch.model import Account, Job, Outcome, ProductRow
from batch.order_files import write_order_files
from batch.parallel import each
from batch.plan_changes import may_end, refuse_ends
from batch.run import AccountResult, Request, Run, active, begin, in_scope
from batch.sum_orders import OrderFigures, sentences, sum_orders
from batch.undo import rows_of, undo_account
from batch.validate.defaults import read_defaults, unused_sets
from batch.validate.products import CheckedProducts, check_products
from batch.workbook.live import LiveWorkbook
from batch.world import World

__all__ = [
    "Request", "fetch_dictionaries", "link_account", "run", "show_tokens", "token_cells", "token_stores", "undo",
]  # fmt: skip

ACCOUNTS_AT_ONCE = 8
PUT_BACK = frozenset({"offer_updated", "offer_published", "offer_ended"})
ADVISED_WAIT = 120  # seconds; Allegro's updates often need that long


def run(request: Request, world: World) -> report.Summary:
    """Drafts, changes and orders, as the workbook asks for; every row gets its answer, in the workbook or the journal.

    Raises WorkbookError, SettingsError, UsageError or JournalError while nothing has been sent yet.
    """
    with begin(request, world) as this:
        checked = check(this)
        by_account, orders = work_on(this, checked.rows)
        return _finish(this, by_account, checked.answers if this.about_offers else [], orders)


def undo(request: Request, run: str, world: World) -> report.Summary:
    """Take back what `run` (or the `last` one) did: delete its drafts, write back what Allegro held before.

    Only where Allegro still holds what that run left. Raises like `run`, and UsageError for an unknown run.
    """
    with begin(request, world, undoes=run) as this:
        rows = rows_of(this.book.tables["Products"], request.accounts)
        by_account: dict[str, AccountResult] = {}

        def take_back(account: Account) -> None:
            by_account[account.name] = undo_account(this, account, this.undoes or run, rows)

        each(active(this.accounts, request), take_back, threads=ACCOUNTS_AT_ONCE)
        return _finish(this, by_account, [], None)


# --- all accounts


def check(this: Run) -> CheckedProducts:
    """The rows of the accounts asked for that can be worked on, and the answers of the others."""
    defaults = read_defaults(this.book.tables["Defaults"])
    return check_products(this.book.tables["Products"], this.accounts, defaults, this.request.accounts)


def work_on(this: Run, rows: Sequence[ProductRow]) -> tuple[dict[str, AccountResult], dict[str, AccountOrders] | None]:
    """The rows, account by account, then the accounts' orders; None where these are not asked for."""
    by_account = _every_account(this, rows)
    return by_account, _every_accounts_orders(this, by_account) if Job.ORDERS in this.jobs else None


def may_end_too_many(this: Run, rows: Sequence[ProductRow]) -> bool:
    """Whether the limit of the whole run may be met, whatever Allegro holds."""
    limit = _ends_limit(this)
    return limit is not None and sum(may_end(row) for row in rows) > limit


def _ends_limit(this: Run) -> int | None:
    return None if this.request.force else this.options.max_ended_offers


def _every_account(this: Run, rows: Sequence[ProductRow]) -> dict[str, AccountResult]:
    """Work on several accounts at once; one that stops does not hold up the others.

    Only when the rows might end more offers than a run may, all accounts are looked at before any is acted on,
    because the limit is that of the whole run.
    """
    by_account: dict[str, list[ProductRow]] = {}
    for row in rows:
        by_account.setdefault(row.account, []).append(row)
    limit = _ends_limit(this)
    looked: dict[str, Looked] = {}
    results: dict[str, AccountResult] = {}

    def look_at(account: str) -> None:
        looked[account] = look(this, this.accounts[account], by_account[account])

    def act_on(account: str) -> None:
        results[account] = act(this, looked[account], refused)

    def do_all(account: str) -> None:
        look_at(account)
        alone = refuse_ends({account: looked[account].plan}, limit)
        results[account] = act(this, looked[account], alone)

    if may_end_too_many(this, rows):
        each(by_account, look_at, threads=ACCOUNTS_AT_ONCE)
        refused = refuse_ends({account: looked[account].plan for account in by_account}, limit)
        each(by_account, act_on, threads=ACCOUNTS_AT_ONCE)
    else:
        each(by_account, do_all, threads=ACCOUNTS_AT_ONCE)
    return {account: results[account] for account in by_account}


def _every_accounts_orders(this: Run, by_account: dict[str, AccountResult]) -> dict[str, AccountOrders]:
    """The orders of every active account, those aside that a person must log in first; trouble goes to `by_account`."""
    table = this.book.tables["Orders"]
    held = held_orders(table)
    stopped = {name for name, result in by_account.items() if isinstance(result.stopped, AccountError)}
    accounts = [account for account in active(this.accounts, this.request) if account.name not in stopped]
    found: dict[str, AccountOrders] = {}

    def work(account: Account) -> None:
        try:
            connection = this.connector.connect(account)
            found[account.name] = fetch_orders(
                connection,
                account.name,
                this.place,
                this.journal,
                this.options,
                held,
                now=this.world.clock.now(),
                language=table.language,
            )
        except STOPS as error:
            found[account.name] = AccountOrders(account.name, stopped=error)

    each(accounts, work, threads=ACCOUNTS_AT_ONCE)
    for account in accounts:
        earlier = by_account.get(account.name, AccountResult())
        stop = earlier.stopped or found[account.name].stopped
        by_account[account.name] = AccountResult(earlier.outcomes, stop)
    return {account.name: found[account.name] for account in accounts}


def _close_orders(this: Run, orders: Mapping[str, AccountOrders] | None) -> tuple[OrderFigures | None, list[str]]:
    """The orders are in the workbook or owed to it: write their files, say so."""
    if orders is None:
        return None, []
    return tell_orders(orders.values(), this.name, this.request, this.world)


def tell_orders(
    orders: Collection[AccountOrders], run: str, request: Request, world: World
) -> tuple[OrderFigures, list[str]]:
    """The figures of a run's orders and the sentences about them; their files are written, unless it is a dry run."""
    exported = [one for fetched in orders for one in fetched.exported]
    figures = sum_orders(
        exported,
        marked=sum(fetched.marked for fetched in orders),
        unreadable=[order_id for fetched in orders for order_id in fetched.unreadable],
    )
    notes = sentences(figures, request.words, dry_run=request.dry_run)
    if exported and not request.dry_run:
        templates = request.workbook.absolute().parent / "templates" / "orders"
        folder = world.data_folder / "orders" / run
        notes += write_order_files(exported, folder, templates, request.words, world.clock.now())
    return figures, notes


# --- what a run leaves behind


def _finish(
    this: Run,
    by_account: Mapping[str, AccountResult],
    others: Sequence[Outcome],
    orders: Mapping[str, AccountOrders] | None,
) -> report.Summary:
    """Every answer to its row, orders to their table, and the whole as a summary.

    `others` were answered without an account's part.
    """
    outcomes = [*others, *outcomes_of(by_account)]
    answers = _answers(this, by_account, outcomes, orders or {})
    failure, forgot = _deliver(this, answers)
    figures, order_notes = _close_orders(this, orders)
    if not this.request.dry_run:
        forgot = forgot or remember(this, outcomes, orders)
    unwritten = this.unwritable or failure
    summary = report.Summary(
        run=this.name,
        started=this.started,
        finished=this.world.clock.now(),
        workbook=str(this.request.workbook),
        outcomes=outcomes,
        states={account: state_of(by_account.get(account)) for account in in_scope(this.accounts, this.request)},
        results=answers.results,
        notes=[*order_notes, *_notes(this, by_account, unwritten, forgot)],
        failed_late=failure is not None or forgot is not None,
        delivered=not unwritten,
        orders=figures,
    )
    return keep_report(summary, this.book.tables["Products"], this.request.words, this.world.data_folder / "runs")


def _answers(
    this: Run,
    by_account: Mapping[str, AccountResult],
    outcomes: Sequence[Outcome],
    orders: Mapping[str, AccountOrders],
) -> Answers:
    accounts = [this.accounts[account] for account in by_account]
    now = this.world.clock.now()
    return Answers(
        run=this.name,
        results=reporter(this, by_account).results(outcomes, now),
        accounts={account.name: state_cells(this.connector, account, this.request.words) for account in accounts},
        keep_runs=this.options.keep_runs,
        orders=[update for fetched in orders.values() for update in fetched.updates],
        time=now,
        words=this.request.words,
    )


def reporter(this: Run, accounts: Iterable[str]) -> report.Reporter:
    """What turns the outcomes of these accounts' rows into cells."""
    urls = {account: this.connector.offer_url(this.accounts[account]) for account in accounts}
    return report.Reporter(this.name, this.request.words, this.book.tables["Products"], urls)


def _deliver(this: Run, answers: Answers) -> tuple[WorkbookError | JournalError | None, JournalError | None]:
    """Write the answers, or keep them in the journal. Returns what came in the way of the one, and of the other."""
    failure: WorkbookError | JournalError | None = None
    forgot: JournalError | None = None
    if this.unwritable is None:
        try:
            if this.request.dry_run:
                deliver_plan(this.desk, this.book, answers)
            else:
                forgot = deliver(this.desk, this.book, answers, this.journal)
        except (WorkbookError, JournalError) as error:
            failure = error
    if (this.unwritable or failure) and not this.request.dry_run:
        try:
            owe(this.book, answers, this.journal)
        except JournalError as error:
            forgot = error
    return failure, forgot


def remember(this: Run, outcomes: Sequence[Outcome], orders: Mapping[str, AccountOrders] | None) -> JournalError | None:
    """Note what was told, and how far the orders were read. What cannot be noted, the next run tells again."""
    try:
        this.journal.mark_reported(
            [outcome.entry for outcome in outcomes if outcome.entry is not None],
            [change for outcome in outcomes for change in outcome.changes],
        )
        for fetched in (orders or {}).values():
            this.journal.orders_delivered(this.place, fetched.seller, fetched.revisions, fetched.read_until)
    except JournalError as error:
        return error
    return None


def _notes(
    this: Run,
    by_account: Mapping[str, AccountResult],
    unwritten: WorkbookError | JournalError | None,
    forgot: JournalError | None,
) -> list[str]:
    words, notes = this.request.words, []
    if this.undoes:
        notes.append(words.say("undoes_run", run=this.undoes))
        resting = [a.name for a in in_scope(this.accounts, this.request).values() if not a.active]
        if resting:
            notes.append(words.say("undo_leaves_accounts", accounts=resting))
        if any(outcome.code in PUT_BACK for outcome in outcomes_of(by_account)):
            notes.append(words.say("undo_leaves_the_sheet"))
    if this.request.wait_seconds is None and 0 < this.wait_seconds < ADVISED_WAIT:
        notes.append(words.say("wait_is_short", seconds=this.wait_seconds, advised=ADVISED_WAIT))
    products = this.book.tables["Products"]
    if products.left_out is not None:
        notes.append(words.say("row_left_out", cell=f"{products.sheet}!{products.left_out}"))
    if "Defaults" in this.book.tables:  # an undo needs none
        notes += [words.say(code, **facts) for code, facts in unused_sets(this.book.tables["Defaults"], this.accounts)]
    notes += stops(by_account, words)
    notes += [f"{name}: {words.say(state.code, **state.facts)}" for name, state in this.connector.unsaved().items()]
    if unwritten:
        notes.append(str(words.explain(unwritten.code, **unwritten.facts)))
        if not this.request.dry_run:
            notes.append(words.say("answers_not_kept" if forgot else "answers_wait"))
    elif isinstance(this.desk, LiveWorkbook):
        notes.append(words.say("answers_unsaved"))
    if forgot:
        notes.append(str(words.explain(forgot.code, **forgot.facts)))
    return notes


def stops(by_account: Mapping[str, AccountResult], words: Catalogue) -> list[str]:
    """Why accounts stopped, a sentence for each."""
    stopped = {account: result.stopped for account, result in by_account.items() if result.stopped}
    return [
        f"{account}: {words.explain(error.code, **{'account': account, **error.facts})}"
        for account, error in stopped.items()
    ]


def outcomes_of(by_account: Mapping[str, AccountResult]) -> list[Outcome]:
    """The answers of all rows."""
    return [outcome for result in by_account.values() for outcome in result.outcomes]


def state_of(result: AccountResult | None) -> str:
    """How an account came out: `ok`, or the code of what stopped it."""
    return cause(result.stopped) if result and result.stopped else "ok"
