"""The journal: what was about to be sent, and what came of it. The truth of which the workbook is a view.

An *entry* is one attempt at one draft: `sending -> accepted(operation) -> done(offer id) | failed(code)`, or
`withdrawn` when it is certain that nothing arrived at Allegro. The intent is on disk before the call, because
POST is not idempotent: an entry still `sending` at the next start means "may exist, look it up". Recording
outcomes alone loses that knowledge with the process.

Attempts at one (seller, external id) are numbered, and the number is unique: two runs that both found
nothing at Allegro cannot both write the same intent, so only one of them sends.

A *change* is one thing sent about an offer that exists: `sending -> accepted -> done | failed`, or `withdrawn`. It
holds what Allegro held before, which is what `undo` writes back. Its command id is ours and on disk before the call,
so that a command whose answer was lost is asked about, or sent again, under the same id.

SQLite by default; only SQLAlchemy Core is used, so that another database needs no other code.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from batch.errors import AttemptTaken, JournalError
from batch.model import Change, Entry, Money, State, Way

SCHEMA_VERSION = "1"
PREPARATIONS = 10  # more than there are tables: each failure means that another run has made one
WAL_ATTEMPTS = 20
BLOCK = 500  # bound parameters a statement; SQLite's oldest limit is 999

_metadata = sa.MetaData()
_meta = sa.Table("meta", _metadata, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text))
_entries = sa.Table(
    "entries",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("seller", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("price", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("stock", sa.Integer),
    sa.Column("offer_id", sa.Text),
    sa.Column("operation", sa.Text),
    sa.Column("code", sa.Text),
    sa.Column("details", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Text, nullable=False),
    sa.Column("reported", sa.Boolean, nullable=False, default=False),
    sa.UniqueConstraint("seller", "external_id", "attempt", name="one_attempt"),
)
_intend = _entries.insert()
_save = _entries.update().where(_entries.c.id == sa.bindparam("of_id"))
_changes = sa.Table(
    "changes",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("seller", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("offer_id", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text),
    sa.Column("way", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("command", sa.Text),
    sa.Column("old_price", sa.Text),
    sa.Column("old_currency", sa.Text),
    sa.Column("new_price", sa.Text),
    sa.Column("new_currency", sa.Text),
    sa.Column("old_stock", sa.Integer),
    sa.Column("new_stock", sa.Integer),
    sa.Column("old_status", sa.Text),
    sa.Column("operation", sa.Text),
    sa.Column("code", sa.Text),
    sa.Column("errors", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Column("updated_at", sa.Text, nullable=False),
    sa.Column("reported", sa.Boolean, nullable=False, default=False),
    sa.Index("changes_of_run", "run"),
    sa.Index("changes_unsettled", "seller", "reported", "state"),
)
_runs = sa.Table(
    "runs",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("workbook", sa.Text, nullable=False),
    sa.Column("undoes", sa.Text),
    sa.Column("started", sa.Text, nullable=False),
)
_owed = sa.Table(
    "owed",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("workbook", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("answers", sa.Text, nullable=False),
)
_order_marks = sa.Table(
    "order_marks",
    _metadata,
    sa.Column("workbook", sa.Text, primary_key=True),
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("read_until", sa.Text, nullable=False),
)
_delivered_orders = sa.Table(
    "delivered_orders",
    _metadata,
    sa.Column("workbook", sa.Text, primary_key=True),
    sa.Column("seller", sa.Text, primary_key=True),
    sa.Column("order_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Text, nullable=False),
)


class Journal:
    """One journal database. Safe to use from several threads; `clock` gives aware UTC."""

    def __init__(self, url: str | sa.URL, clock: Callable[[], datetime]) -> None:
        """Open the journal, creating it if it is new. Raises JournalError."""
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._engine = sa.create_engine(url)
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _safe_sqlite)
            self._connection = self._engine.connect()
            self._prepare()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise JournalError("journal_unusable", reason=_reason(error)) from error

    @classmethod
    def in_folder(cls, folder: Path, clock: Callable[[], datetime]) -> Journal:
        """The default: one SQLite file in the user's own data folder (never on a share, WAL does not work there)."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError("journal_unusable", reason=str(error)) from error
        return cls(sa.URL.create("sqlite", database=str(folder / "journal.sqlite")), clock)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite journal; None for a database elsewhere."""
        name = self._engine.url.database
        return Path(name) if name and name != ":memory:" and self._engine.dialect.name == "sqlite" else None

    def close(self) -> None:
        """Release the database."""
        self._connection.close()
        self._engine.dispose()

    # --- attempts

    def latest(self, seller: str, external_ids: Iterable[str]) -> dict[str, Entry]:
        """The newest attempt for each of `external_ids` that has any."""
        found: dict[str, Entry] = {}
        wanted = list(external_ids)
        for start in range(0, len(wanted), BLOCK):
            block = wanted[start : start + BLOCK]
            query = (
                sa.select(_entries)
                .where(_entries.c.seller == seller, _entries.c.external_id.in_(block))
                .order_by(_entries.c.attempt)
            )
            for row in self._all(query):
                found[row.external_id] = _entry(row)
        return found

    def intend(
        self,
        *,
        seller: str,
        external_id: str,
        after: Entry | None,
        run: str,
        price: Money | None,
        stock: int | None,
        product: str | None = None,
    ) -> Entry:
        """Write the intent to create a draft, on disk when this returns.

        `after` is the newest attempt the decision was based on. Raises AttemptTaken when there is a newer one.
        """
        now = self._clock()
        details = {"product": product}
        entry = Entry(
            id=0,
            seller=seller,
            external_id=external_id,
            attempt=after.attempt + 1 if after else 1,
            run=run,
            state=State.SENDING,
            created_at=now,
            updated_at=now,
            price=price,
            stock=stock,
            details=details,
        )
        values = {
            "seller": seller,
            "external_id": external_id,
            "attempt": entry.attempt,
            "details": json.dumps(details),
            "run": run,
            "state": entry.state,
            "price": str(price.amount) if price else None,
            "currency": price.currency if price else None,
            "stock": stock,
            "created_at": now.isoformat(),
            "updated_at": now.isoformat(),
            "reported": False,
        }
        try:
            result = self._write((_intend, values))
        except sa.exc.IntegrityError as error:
            raise AttemptTaken("not_sent", external_id=external_id) from error
        return replace(entry, id=int(result.inserted_primary_key[0]))

    def save(self, entry: Entry) -> None:
        """Write how far an attempt has come (state, offer id, operation, code, details, trace id)."""
        values = {
            "state": entry.state,
            "offer_id": entry.offer_id,
            "operation": entry.operation,
            "code": entry.code,
            "details": json.dumps(entry.details) if entry.details is not None else None,
            "trace_id": entry.trace_id,
            "updated_at": self._clock().isoformat(),
        }
        self._write((_save, {"of_id": entry.id, **values}))

    def mark_reported(self, entry_ids: Sequence[int], change_ids: Sequence[int] = ()) -> None:
        """The answers of these entries and changes are in the workbook (or owed to it)."""
        for table, ids in ((_entries, entry_ids), (_changes, change_ids)):
            for start in range(0, len(ids), BLOCK):
                self._write(table.update().where(table.c.id.in_(ids[start : start + BLOCK])).values(reported=True))

    # --- changes of offers

    def intend_changes(self, changes: Sequence[Change]) -> list[Change]:
        """Write the intents of one call, all or none, on disk when this returns; they come back with their ids.

        The drafts that are to be deleted are `undone` from here on, so that no later run makes them again; when
        a deletion fails, `save_changes` takes that back.
        """
        now = self._clock()
        insert = _changes.insert().returning(_changes.c.id, sort_by_parameter_order=True)
        rows = [_change_values(change, now) for change in changes]
        ids = self._write((insert, rows), *_drafts(changes, State.DONE, State.UNDONE)).scalars().all()
        return [replace(change, id=id_, updated_at=now) for id_, change in zip(ids, changes, strict=True)]

    def save_changes(self, changes: Sequence[Change]) -> None:
        """Write how far changes have come (state, operation, code, errors, trace id), all or none."""
        update = (
            _changes.update()
            .where(_changes.c.id == sa.bindparam("of_id"))
            .values({key: sa.bindparam(key) for key in (*_OUTCOME, "updated_at")})
        )
        now = self._clock()
        rows = [
            {key: values[key] for key in (*_OUTCOME, "updated_at")} | {"of_id": change.id}
            for change in changes
            for values in (_change_values(change, now),)
        ]
        lost = [change for change in changes if change.state in {State.FAILED, State.WITHDRAWN}]
        if rows:
            self._write((update, rows), *_drafts(lost, State.UNDONE, State.DONE))

    def unsettled_changes(self, seller: str) -> list[Change]:
        """What is still open at Allegro, and what ended without its answer in the workbook yet; oldest first."""
        states = [State.SENDING, State.ACCEPTED, State.DONE]
        query = sa.select(_changes).where(
            _changes.c.seller == seller, _changes.c.reported.is_(sa.false()), _changes.c.state.in_(states)
        )
        return [_change(row) for row in self._all(query.order_by(_changes.c.id))]

    # --- runs, and what they did

    def begin_run(self, run: str, workbook: str, undoes: str | None = None) -> None:
        """Note that a run on `workbook` begins; `undoes` names the run that it takes back."""
        values = {"name": run, "workbook": workbook, "undoes": undoes, "started": self._clock().isoformat()}
        self._write(_runs.insert().values(values))

    def find_run(self, name: str) -> bool:
        """Whether there was a run of that name."""
        return bool(self._all(sa.select(_runs.c.name).where(_runs.c.name == name)))

    def last_run(self, workbook: str) -> str | None:
        """The last run on `workbook` that changed something at Allegro and was no undoing; None without one."""
        done = [State.DONE, State.UNDONE]
        changing = sa.union(*(sa.select(t.c.run).where(t.c.state.in_(done)) for t in (_entries, _changes)))
        query = (
            sa.select(_runs.c.name)
            .where(_runs.c.workbook == workbook, _runs.c.undoes.is_(None), _runs.c.name.in_(changing))
            .order_by(_runs.c.started.desc(), _runs.c.name.desc())
            .limit(1)
        )
        return next((str(row.name) for row in self._all(query)), None)

    def done_in(self, run: str, seller: str) -> tuple[list[Entry], list[Change]]:
        """A seller's drafts and changes of a run that came about, whether or not they were taken back since."""

        def done(table: sa.Table) -> Sequence[Any]:
            states = table.c.state.in_([State.DONE, State.UNDONE])
            query = sa.select(table).where(table.c.run == run, table.c.seller == seller, states)
            return self._all(query.order_by(table.c.id))

        return [_entry(row) for row in done(_entries)], [_change(row) for row in done(_changes)]

    def mark_undone(self, change_ids: Sequence[int]) -> None:
        """These changes were taken back."""
        self._write(_changes.update().where(_changes.c.id.in_(change_ids)).values(state=State.UNDONE))

    # --- answers that could not be written into the workbook yet

    def owe(self, workbook: str, run: str, answers: object) -> None:
        """Keep the answers of a run (JSON data) until the workbook can be written."""
        self._write(_owed.insert().values(workbook=workbook, run=run, answers=json.dumps(answers)))

    def owed(self, workbook: str) -> list[tuple[int, str, Any]]:
        """What is owed to a workbook, oldest first: (id, run, answers)."""
        query = sa.select(_owed).where(_owed.c.workbook == workbook).order_by(_owed.c.id)
        return [(row.id, row.run, json.loads(row.answers)) for row in self._all(query)]

    def settle_debt(self, owed_ids: Sequence[int]) -> None:
        """These answers are in the workbook now."""
        if owed_ids:
            self._write(_owed.delete().where(_owed.c.id.in_(owed_ids)))

    # --- orders: how far they were read, and which revisions a workbook has got

    def orders_mark(self, workbook: str, seller: str) -> datetime | None:
        """Up to which change the seller's orders are in the workbook, or owed to it; None before the first run."""
        marks = _order_marks.c
        found = self._all(sa.select(marks.read_until).where(marks.workbook == workbook, marks.seller == seller))
        return datetime.fromisoformat(found[0].read_until) if found else None

    def delivered_orders(self, workbook: str, seller: str, order_ids: Sequence[str]) -> dict[str, str]:
        """The revision of each of these orders that the workbook has got, or is owed."""
        orders, found = _delivered_orders.c, {}
        for start in range(0, len(order_ids), BLOCK):
            block = order_ids[start : start + BLOCK]
            query = sa.select(orders.order_id, orders.revision).where(
                orders.workbook == workbook, orders.seller == seller, orders.order_id.in_(block)
            )
            found.update({row.order_id: row.revision for row in self._all(query)})
        return found

    def orders_delivered(
        self, workbook: str, seller: str, revisions: Mapping[str, str], read_until: datetime | None
    ) -> None:
        """These revisions (by order id) are in the workbook, or owed to it; `read_until` moves the mark."""
        ids = list(revisions)
        statements: list[Any] = []
        for start in range(0, len(ids), BLOCK):
            block = ids[start : start + BLOCK]
            orders = _delivered_orders.c
            statements += [
                _delivered_orders.delete().where(
                    orders.workbook == workbook, orders.seller == seller, orders.order_id.in_(block)
                ),
                (
                    _delivered_orders.insert(),
                    [{"workbook": workbook, "seller": seller, "order_id": i, "revision": revisions[i]} for i in block],
                ),
            ]
        if read_until is not None:
            marks = _order_marks.c
            mark = {"workbook": workbook, "seller": seller, "read_until": read_until.isoformat()}
            statements += [
                _order_marks.delete().where(marks.workbook == workbook, marks.seller == seller),
                (_order_marks.insert(), [mark]),
            ]
        if statements:
            self._write(*statements)

    # --- plumbing

    def _prepare(self) -> None:
        """Tables and version. Of several runs that start on a new journal at once, all but one find it half made."""
        for attempts_left in reversed(range(PREPARATIONS)):
            try:
                _metadata.create_all(self._connection)
                self._check_version()
            except sa.exc.DatabaseError:
                self._connection.rollback()
                if not attempts_left:
                    raise
            else:
                return

    def _check_version(self) -> None:
        version = self._connection.execute(sa.select(_meta.c.value).where(_meta.c.key == "schema")).scalar()
        if version is None:
            self._connection.execute(_meta.insert().values(key="schema", value=SCHEMA_VERSION))
        elif version != SCHEMA_VERSION:
            raise JournalError("journal_version", found=version, known=SCHEMA_VERSION)
        self._connection.commit()

    def _write(self, *statements: Any) -> Any:
        """Carry out statements, or (statement, rows) pairs, as one transaction; the result of the first."""
        with self._lock:
            try:
                results = [self._connection.execute(*(s if isinstance(s, tuple) else (s,))) for s in statements]
                frozen = results[0].freeze()() if results[0].returns_rows else results[0]
                self._connection.commit()
            except sa.exc.IntegrityError:
                self._connection.rollback()
                raise
            except sa.exc.SQLAlchemyError as error:
                self._connection.rollback()
                raise JournalError("journal_unusable", reason=_reason(error)) from error
            return frozen

    def _all(self, query: Any) -> Sequence[Any]:
        with self._lock:
            try:
                rows = self._connection.execute(query).all()
                self._connection.commit()
            except sa.exc.SQLAlchemyError as error:
                raise JournalError("journal_unusable", reason=_reason(error)) from error
            return rows


def _safe_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=30000")
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # an intent must survive a power cut, not only a crash
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """A new file's change to WAL fails at once while another run is at it, whatever the timeout."""
    for attempts_left in reversed(range(WAL_ATTEMPTS)):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if not attempts_left:
                raise
            time.sleep(0.1)
        else:
            return


def _entry(row: Any) -> Entry:
    return Entry(
        id=row.id,
        seller=row.seller,
        external_id=row.external_id,
        attempt=row.attempt,
        run=row.run,
        state=State(row.state),
        created_at=datetime.fromisoformat(row.created_at),
        updated_at=datetime.fromisoformat(row.updated_at),
        price=_money(row.price, row.currency),
        stock=row.stock,
        offer_id=row.offer_id,
        operation=row.operation,
        code=row.code,
        details=json.loads(row.details) if row.details else None,
        trace_id=row.trace_id,
        reported=bool(row.reported),
    )


_OUTCOME = ("state", "operation", "code", "errors", "trace_id")


def _change_values(change: Change, now: datetime) -> dict[str, Any]:
    old, new = change.old_price, change.new_price
    return {
        "seller": change.seller,
        "run": change.run,
        "offer_id": change.offer_id,
        "external_id": change.external_id,
        "way": change.way,
        "state": change.state,
        "command": change.command,
        "old_price": str(old.amount) if old else None,
        "old_currency": old.currency if old else None,
        "new_price": str(new.amount) if new else None,
        "new_currency": new.currency if new else None,
        "old_stock": change.old_stock,
        "new_stock": change.new_stock,
        "old_status": change.old_status,
        "operation": change.operation,
        "code": change.code,
        "errors": json.dumps(change.errors) if change.errors else None,
        "trace_id": change.trace_id,
        "updated_at": now.isoformat(),
        "reported": change.reported,
    }


def _change(row: Any) -> Change:
    return Change(
        id=row.id,
        seller=row.seller,
        run=row.run,
        offer_id=row.offer_id,
        external_id=row.external_id,
        way=Way(row.way),
        state=State(row.state),
        command=row.command,
        old_price=_money(row.old_price, row.old_currency),
        new_price=_money(row.new_price, row.new_currency),
        old_stock=row.old_stock,
        new_stock=row.new_stock,
        old_status=row.old_status,
        operation=row.operation,
        code=row.code,
        errors=tuple((text, code) for text, code in json.loads(row.errors or "[]")),
        trace_id=row.trace_id,
        updated_at=datetime.fromisoformat(row.updated_at),
        reported=bool(row.reported),
    )


def _drafts(changes: Iterable[Change], before: State, after: State) -> list[Any]:
    """The statements that mark the drafts behind deletions."""
    return [
        _entries.update()
        .where(_entries.c.seller == change.seller, _entries.c.offer_id == change.offer_id, _entries.c.state == before)
        .values(state=after)
        for change in changes
        if change.way is Way.DELETE
    ]


def _money(amount: str | None, currency: str | None) -> Money | None:
    return Money(Decimal(amount), currency or "") if amount else None


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
