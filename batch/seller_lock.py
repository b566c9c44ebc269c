"""One run at a time decides and sends for a seller: locks beside the journal, of the operating system or the database.

A run takes an intent that it finds in the journal for one that a dead run left behind, and sends the draft again
when Allegro does not show it in time. A living run may hold an intent for longer, while it waits out a limit; the
lock keeps the two apart, until the answers are delivered. It ends with its process, and on a server with the
connection that the journal is written on. Runs with different journals do not know of each other.
"""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from typing import Protocol, Self

from filelock import FileLock, Timeout

from batch.errors import AttemptTaken, JournalError

PATIENCE = 60  # seconds; most runs are over by then
LOOK_EVERY = 0.5


class SharedJournal(Protocol):
    """What this needs of a journal (`journal.Journal`)."""

    @property
    def file(self) -> Path | None: ...
    @property
    def on_server(self) -> bool: ...
    def try_hold(self, seller: str) -> str | None: ...


class SellerLocks:
    """The sellers that this run holds until it leaves the `with` block, or on a server closes the journal. For threads.

    `journal` is what the runs share; `patience` how many seconds another run is waited for.
    """

    def __init__(self, journal: SharedJournal, patience: float | None = None) -> None:
        self._journal = journal
        self._patience = PATIENCE if patience is None else patience
        self._held: dict[str, FileLock | None] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._mutex = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for lock in self._held.values():
            if lock is not None:
                lock.release()

    def hold(self, seller: str) -> None:
        """Keep other runs off `seller`; two accounts of the workbook may be linked to the same one.

        Raises AttemptTaken `not_sent` (busy, and by: the other station, where it is known) when another run does not
        finish in time, JournalError.
        """
        with self._mutex:
            turn = self._turns.setdefault(seller, threading.Lock())
        with turn:
            if seller in self._held:
                return
            lock = None
            if self._journal.file is not None:
                lock = _locked(self._journal.file, seller, self._patience)
            elif self._journal.on_server:
                _wait_for(self._journal, seller, self._patience)
            self._held[seller] = lock


def _locked(journal: Path, seller: str, patience: float) -> FileLock:
    name = hashlib.sha256(seller.encode()).hexdigest()[:16]
    # No fallback to a lock that is a mere file: that one would outlive a killed process. Another thread releases it.
    lock = FileLock(f"{journal}.{name}.lock", timeout=patience, fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise AttemptTaken("not_sent", busy=True) from None
    except OSError as error:
        raise JournalError("journal_unusable", reason=error.strerror or str(error)) from error
    return lock


def _wait_for(journal: SharedJournal, seller: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while (holder := journal.try_hold(seller)) is not None:
        if time.monotonic() >= deadline:
            raise AttemptTaken("not_sent", busy=True, by=holder)
        time.sleep(LOOK_EVERY)
