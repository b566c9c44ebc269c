"""One run at a time decides and sends for a seller: locks of the operating system beside the journal.

A run takes an intent that it finds in the journal for one that a dead run left behind, and sends the draft again
when Allegro does not show it in time. A living run may hold an intent for longer, while it waits out a limit; the
lock keeps the two apart, until the answers are delivered. It ends with its process. Runs with different journals do
not know of each other.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from batch.errors import AttemptTaken, JournalError

PATIENCE = 60  # seconds; most runs are over by then


class SellerLocks:
    """The sellers that this run holds until it leaves the `with` block. For many threads.

    `journal`: the file that the runs share; with None, a database on a server, nobody is kept off.
    """

    def __init__(self, journal: Path | None) -> None:
        self._journal = journal
        self._held: dict[str, FileLock] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._mutex = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for lock in self._held.values():
            lock.release()

    def hold(self, seller: str) -> None:
        """Keep other runs off `seller`; two accounts of the workbook may be linked to the same one.

        Raises AttemptTaken `not_sent` (busy) when another run does not finish in time, JournalError.
        """
        with self._mutex:
            turn = self._turns.setdefault(seller, threading.Lock())
        with turn:
            if self._journal is not None and seller not in self._held:
                self._held[seller] = _locked(self._journal, seller)


def _locked(journal: Path, seller: str) -> FileLock:
    name = hashlib.sha256(seller.encode()).hexdigest()[:16]
    # No fallback to a lock that is a mere file: that one would outlive a killed process. Another thread releases it.
    lock = FileLock(f"{journal}.{name}.lock", timeout=PATIENCE, fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise AttemptTaken("not_sent", busy=True) from None
    except OSError as error:
        raise JournalError("journal_unusable", reason=error.strerror or str(error)) from error
    return lock
