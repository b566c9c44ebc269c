"""One run under way: what the user asked for, what was read and opened for it, and what came of each account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from batch.connect import Connector
from batch.errors import BatchError, WorkbookError
from batch.journal import Journal
from batch.messages import Catalogue
from batch.model import Account, Job, Outcome
from batch.seller_lock import SellerLocks
from batch.settings import Settings
from batch.validate.options import Options
from batch.workbook.desk import Desk
from batch.workbook.read import WorkbookData
from batch.world import World


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
    """One run under way: the request, and what was read and opened for it.

    `unwritable` is why the workbook cannot be written now, when the user goes on anyway; `undoes` the run taken back.
    """

    name: str
    started: datetime
    request: Request
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
    def jobs(self) -> frozenset[Job]:
        """The jobs of this run."""
        return self.request.jobs or frozenset(Job)

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
