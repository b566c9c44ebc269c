"""Small facts that processes share, each changed by one of them at a time: what is left of Allegro's limits.

They lie in the database of the journal, so that those who share the one share the other; beside an SQLite journal in
a file of their own, which does without the journal's flushes to disk and its queue of writers. Nothing is lost with
them but a little speed. So whatever is wrong with the database, a process goes on with what it knows, for itself.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from batch.clock import Clock
from batch.database.database import address_of, engine_of
from batch.errors import JournalError

FILE = "budgets.sqlite"
PATIENCE = 2.0  # seconds for one change, while others are faster, make the table, or hold the file
BUSY_MILLISECONDS = 100
PAUSE = 0.02  # seconds between two attempts at most
ALONE = 30.0  # seconds that a process goes on for itself before it tries the database again

T = TypeVar("T")
Kept = Mapping[str, Any]
Decide = Callable[[Kept, float], tuple[Kept, T]]
"""(what is kept, now) -> (what is to be kept, result); now is seconds since 1970."""

log = logging.getLogger(__name__)

_metadata = sa.MetaData()
_budgets = sa.Table(
    "budgets",
    _metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),  # grows with each change
    sa.Column("kept", sa.Text, nullable=False),  # JSON; a new shape of it takes a new name of the table
)
_update = (
    _budgets.update()
    .where(_budgets.c.key == sa.bindparam("of_key"), _budgets.c.version == sa.bindparam("read"))
    .values(version=sa.bindparam("read") + 1, kept=sa.bindparam("new"))
)


class Ledger:
    """Facts by key, in the database at `url` or, without one, in this process alone. For many threads."""

    def __init__(self, clock: Clock, url: sa.URL | None = None) -> None:
        self._clock = clock
        self._known: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self._shared = _Shared(url) if url is not None else None
        self._alone_until = 0.0

    @classmethod
    def of_journal(cls, clock: Clock, journal: str | None, folder: Path) -> Self:
        """The ledger of those who share `journal`, an URL, or the SQLite file in `folder`."""
        try:
            url = address_of(journal or sa.URL.create("sqlite", database=str(folder / "journal.sqlite")))
        except JournalError:  # the journal itself says so
            return cls(clock)
        if url.get_backend_name() != "sqlite":
            return cls(clock, url)
        if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
            return cls(clock)
        return cls(clock, sa.URL.create("sqlite", database=str(Path(url.database).with_name(FILE))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shared is not None:
            self._shared.close()

    def change(self, key: str, decide: Decide[T]) -> T:
        """Let `decide` change what is kept under `key`; its result.

        It is told the time of the database where that has a clock. It may be called more than once, and only the
        last call counts. Nothing is raised for a database in trouble.
        """
        if self._shared is not None and self._clock.monotonic() >= self._alone_until:
            try:
                kept, result = self._shared.change(key, decide, self._now)
            except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
                reason, _, _ = str(getattr(error, "orig", None) or error).partition("\n")
                log.warning("budgets are not shared for %.0f s: %s", ALONE, reason)
                self._alone_until = self._clock.monotonic() + ALONE
            else:
                with self._lock:
                    self._known[key] = kept
                return result
        with self._lock:
            self._known[key], result = decide(self._known.get(key, {}), self._now())
            return result

    def _now(self) -> float:
        return self._clock.now().timestamp()


class _Shared:
    """The database. Raises SQLAlchemyError, ImportError or OSError."""

    def __init__(self, url: sa.URL) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: sa.Connection | None = None
        on_server = url.get_backend_name() == "postgresql"  # the clocks of its users may differ
        time_there = sa.extract("epoch", sa.func.clock_timestamp()) if on_server else sa.null()
        columns = (_budgets.c.version, _budgets.c.kept, time_there.label("now"))
        self._query = sa.select(*columns).where(_budgets.c.key == sa.bindparam("of_key"))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection.engine.dispose()
            self._connection = None

    def change(self, key: str, decide: Decide[T], now: Callable[[], float]) -> tuple[Kept, T]:
        """Read, decide, and write unless somebody else has written since; then anew."""
        with self._lock:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    done = self._try(key, decide, now)
                    if done is None and time.monotonic() > until:
                        raise sa.exc.TimeoutError("others are always faster")
                except sa.exc.DatabaseError:
                    self.close()
                    if time.monotonic() > until:
                        raise
                    done = None
                if done is not None:
                    return done
                time.sleep(random.random() * PAUSE)  # noqa: S311  (so that the same two do not meet again)

    def _try(self, key: str, decide: Decide[T], now: Callable[[], float]) -> tuple[Kept, T] | None:
        """One attempt; None when somebody else was faster."""
        if self._connection is None:
            self._connection = _connect(self._url)
        row = self._connection.execute(self._query, {"of_key": key}).first()
        if row is None:
            self._connection.execute(_budgets.insert().values(key=key, version=0, kept="{}"))
            return None
        before = _understood(row.kept)
        kept, result = decide(before, now() if row.now is None else float(row.now))
        if kept != before:
            new = {"of_key": key, "read": row.version, "new": json.dumps(kept)}
            if self._connection.execute(_update, new).rowcount == 0:
                return None
        return kept, result


def _understood(text: str) -> Kept:
    try:
        kept = json.loads(text)
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def _connect(url: sa.URL) -> sa.Connection:
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url)
        sa.event.listen(engine, "connect", _quick_sqlite)
    else:
        engine = engine_of(url)
    engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        _metadata.create_all(engine)
        return engine.connect()
    except BaseException:
        engine.dispose()
        raise


def _quick_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")  # a change need not survive a power cut, the file must
    cursor.close()
