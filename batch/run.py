"""One run under way: what the user asked for, what was read and opened for it, and what came of each account."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from batch import report
from batch.accounts.token_place import told_apart
from batch.connect import Connector, open_ledger
from batch.deliver import AnswersAsTheyCome, place_of, tables_to_write
from batch.errors import BatchError, SettingsError, UsageError, WorkbookError
from batch.journal import Journal
from batch.messages import Catalogue
from batch.model import Account, Job, Outcome
from batch.seller_lock import SellerLocks
from batch.settings import Settings
from batch.validate.accounts import read_accounts
from batch.validate.options import Options, read_options
from batch.workbook.desk import Desk, open_desk
from batch.workbook.live import LiveWorkbook
from batch.workbook.lock import hold_workbook
from batch.workbook.read import WorkbookData
from batch.world import World

LAST = "last"  # as the name of a run to be undone


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

    def by(self, job: str) -> str:
        """What a job is called to those who find it at work: its name and the PC's."""
        return f"{job} ({self.settings.station.name})"


@dataclass(frozen=True, slots=True)
class Run:
    """One run under way: the request, and what was read and opened for it.

    `place` is the workbook's name in the journal. `unwritable` is why the workbook cannot be written now, when the
    user goes on anyway; `undoes` the run taken back.
    """

    name: str
    started: datetime
    request: Request
    jobs: frozenset[Job]
    place: str
    world: World
    journal: Journal
    sellers: SellerLocks
    desk: Desk
    book: WorkbookData
    options: Options
    accounts: Mapping[str, Account]
    connector: Connector
    unwritable: WorkbookError | None = None
    undoes: str | None = None

    @property
    def about_offers(self) -> bool:
        """Whether the rows of `Products` are worked on, and not only settled."""
        return bool(self.jobs & {Job.DRAFTS, Job.UPDATES})

    @property
    def wait_seconds(self) -> float:
        """How long to wait for Allegro once all is sent."""
        if self.request.wait_seconds is not None:
            return self.request.wait_seconds
        return self.options.wait_seconds if self.options.wait_for_updates else 0.0


@dataclass(frozen=True, slots=True)
class AccountResult:
    """What came of one account, and what stopped it, if anything did."""

    outcomes: list[Outcome] = field(default_factory=list)
    stopped: BatchError | None = None


@contextmanager
def begin(request: Request, world: World, *, undoes: str | None = None) -> Iterator[Run]:
    """Open and read all that a run needs; nothing has been sent when this gives the run away.

    `undoes` names a run to be taken back, or is `last`. Raises WorkbookError, SettingsError, UsageError or
    JournalError.
    """
    started = world.clock.now()
    jobs = frozenset() if undoes else request.jobs or frozenset(Job)
    place = place_of(request.workbook)
    name = report.run_name(started, world.new_id(), dry_run=request.dry_run, undo=undoes is not None)
    with (
        hold_workbook(request.workbook, name=request.by(name), needed=not request.anyway),
        open_desk(request.workbook, world.clock) as desk,
        open_journal(request.settings, world) as journal,
        SellerLocks(journal) as sellers,
        open_ledger(request.settings, world) as ledger,
    ):
        tables = tables_to_write(request.workbook, journal, orders=Job.ORDERS in jobs)
        unwritable = _why_unwritable(request, desk, tables)
        book = desk.read(tables)
        taken_back = _run_to_undo(journal, undoes, place) if undoes else None
        if isinstance(desk, LiveWorkbook) and not request.dry_run and not unwritable:
            reporter = report.Reporter(name, request.words, book.tables["Products"], {})
            world = replace(world, progress=AnswersAsTheyCome(desk, book, reporter, world))
        this = Run(
            name=name,
            started=started,
            request=request,
            jobs=jobs,
            place=place,
            world=world,
            journal=journal,
            sellers=sellers,
            desk=desk,
            book=book,
            options=read_options(book.tables["Settings"]),
            accounts=accounts_of(book, request),
            connector=Connector(
                request.settings, request.workbook, request.words.language, world, ledger, journal.assure
            ),
            unwritable=unwritable,
            undoes=taken_back,
        )
        if not request.dry_run:
            journal.begin_run(name, place, taken_back)
        yield this


def accounts_of(book: WorkbookData, request: Request) -> dict[str, Account]:
    """The accounts of the workbook. Raises UsageError when one is asked for that is not among them, SettingsError."""
    accounts = read_accounts(book.tables["Accounts"], list(request.settings.environments))
    accounts = told_apart(accounts, request.workbook.absolute().parent)
    in_database = [account.name for account in accounts.values() if account.active and account.token_row]
    if in_database and request.settings.read_shared_journal() is None:
        raise SettingsError("tokens_need_database", account=in_database[0])
    unknown = sorted(request.accounts - accounts.keys())
    if unknown:
        raise UsageError("account_not_there", unknown=unknown, accounts=list(accounts))
    return accounts


def in_scope(accounts: Mapping[str, Account], request: Request) -> dict[str, Account]:
    """The accounts that were asked for."""
    return {name: a for name, a in accounts.items() if not request.accounts or name in request.accounts}


def active(accounts: Mapping[str, Account], request: Request) -> list[Account]:
    """The accounts that were asked for and are not switched off."""
    return [account for account in in_scope(accounts, request).values() if account.active]


@contextmanager
def open_journal(settings: Settings, world: World, asked_from: str | None = None) -> Iterator[Journal]:
    """The journal of these settings, closed afterwards. Raises JournalError or SettingsError.

    `asked_from` names the station for which this one works.
    """
    url, clock = settings.read_journal(), world.clock.now
    journal = (
        Journal(url, clock, settings.station.name, asked_from) if url else Journal.in_folder(world.data_folder, clock)
    )
    try:
        yield journal
    finally:
        journal.close()


def _why_unwritable(request: Request, desk: Desk, tables: Collection[str]) -> WorkbookError | None:
    """What stands in the way of writing the workbook; raised unless the user wants to go on anyway."""
    try:
        desk.check_writable([table for table in ("Results", "Orders") if table in tables])
    except WorkbookError as error:
        if not request.anyway:
            raise
        return error
    return None


def _run_to_undo(journal: Journal, name: str, workbook: str) -> str:
    """The run that is meant by `name`; `last` is the last one that changed something. Raises UsageError."""
    found = journal.last_run(workbook) if name == LAST else name
    if found is None or not journal.find_run(found):
        raise UsageError("run_unknown", run=name)
    return found
