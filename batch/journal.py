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

SQLite by default, PostgreSQL where several stations share it; only SQLAlchemy Core is used, so that both need the same
code. On a server the sellers at work are locked on the very connection that writes: when it breaks, the lock is gone
and so is the journal, and nothing more is sent.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import operator
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from batch.database.database import HEAD, on_server, open_database, reason
from batch.database.tables import changes as _changes
from batch.database.tables import delivered_orders as _delivered_orders
from batch.database.tables import entries as _entries
from batch.database.tables import order_marks as _order_marks
from batch.database.tables import owed as _owed
from batch.database.tables import queued_answers as _queued_answers
from batch.database.tables import queued_runs as _queued_runs
from batch.database.tables import runs as _runs
from batch.errors import AttemptTaken, JournalError
from batch.model import Change, Entry, Money, State, Way

_T = TypeVar("_T")
BLOCK = 500  # bound parameters a statement; SQLite's oldest limit is 999

_HOLDER = sa.text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()"
    " AND l.classid::bigint = :high AND l.objid::bigint = :low"
)
_begin = _entries.insert().returning(_entries.c.id)
_save = _entries.update().where(_entries.c.id == sa.bindparam("of_id"))


MOVED = (_runs, _entries, _changes, _owed, _order_marks, _delivered_orders)


@dataclass(frozen=True, slots=True)
class Server:
    """A database server: its place without user and password, its version, that of our tables, its clock (UTC)."""

    place: str
    version: str
    tables: str
    now: datetime


class Journal:
    """One journal database. Safe to use from several threads; `clock` gives aware UTC."""

    def __init__(
        self, url: str | sa.URL, clock: Callable[[], datetime], station: str = "", asked_from: str | None = None
    ) -> None:
        """Open the journal, creating it if it is new. Raises JournalError as `open_database` does.

        `station` is what a journal that several share knows this computer by; `asked_from` is the one whose
        workbooks are meant, when that is another.
        """
        self._clock = clock
        self._station = (station if asked_from is None else asked_from).replace(":", "_")  # it stands before a colon
        self._lock = threading.Lock()
        self._engine = open_database(url, station)
        try:
            self._connection = self._engine.connect()
        except sa.exc.SQLAlchemyError as error:
            raise JournalError("journal_unusable", reason=reason(error)) from error

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
        """Release the database, and the sellers held in it."""
        self._connection.close()
        self._engine.dispose()

    # --- sellers at work

    def try_hold(self, seller: str) -> str | None:
        """On a server: hold `seller` until this journal is closed, or this process or its connection is gone.

        None when that is done, otherwise who holds it, as that station calls itself ("" if it has let go meanwhile).
        """
        digest = hashlib.sha256(seller.encode()).digest()
        key = int.from_bytes(digest[:8], signed=True)
        if self._all(sa.select(sa.func.pg_try_advisory_lock(key)))[0][0]:
            return None
        names = self._all(_HOLDER.bindparams(high=key >> 32 & 0xFFFFFFFF, low=key & 0xFFFFFFFF))
        return names[0][0].removeprefix("allegro-batch").strip() if names else ""

    def assure(self) -> None:
        """Raises JournalError when the server may have let go of the sellers held here. A file's locks do not end."""
        if self.on_server:
            self._all(sa.select(sa.true()))

    @property
    def on_server(self) -> bool:
        """Whether other stations may be using it."""
        return on_server(self._engine)

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
            new_id = self._write((_begin, values)).scalar_one()
        except sa.exc.IntegrityError as error:
            raise AttemptTaken("not_sent", external_id=external_id) from error
        return replace(entry, id=new_id)

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

    def done_lately(self, seller: str, within: timedelta) -> list[Change]:
        """A seller's changes that came about within this time, in runs of the last day; oldest first."""
        since, day = self._clock() - within, timedelta(days=1)
        runs = sa.select(_runs.c.name).where(_runs.c.started >= (since - day).isoformat())  # few, whatever the history
        query = sa.select(_changes).where(
            _changes.c.run.in_(runs),
            _changes.c.seller == seller,
            _changes.c.state == State.DONE,
            _changes.c.updated_at >= since.isoformat(),
        )
        return [_change(row) for row in self._all(query.order_by(_changes.c.id))]

    # --- runs, and what they did

    def begin_run(self, run: str, workbook: str, undoes: str | None = None) -> None:
        """Note that a run on `workbook` begins; `undoes` names the run that it takes back."""
        values = {
            "name": run,
            "workbook": self._place(workbook),
            "undoes": undoes,
            "started": self._clock().isoformat(),
        }
        self._write(_runs.insert().values(values))

    def find_run(self, name: str) -> bool:
        """Whether there was a run of that name."""
        return bool(self._all(sa.select(_runs.c.name).where(_runs.c.name == name)))

    def last_run(self, workbook: str) -> str | None:
        """The last run on `workbook` that changed something at Allegro, or may have, and was no undoing."""
        states = [State.DONE, State.UNDONE, State.SENDING, State.ACCEPTED]
        changing = sa.union(*(sa.select(t.c.run).where(t.c.state.in_(states)) for t in (_entries, _changes)))
        query = (
            sa.select(_runs.c.name)
            .where(_runs.c.workbook == self._place(workbook), _runs.c.undoes.is_(None), _runs.c.name.in_(changing))
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

    def open_drafts(self, run: str, seller: str) -> list[Entry]:
        """A seller's drafts of a run of which it is not known yet what became of them, and that none followed since."""
        is_open = _entries.c.state.in_([State.SENDING, State.ACCEPTED])
        query = sa.select(_entries).where(_entries.c.run == run, _entries.c.seller == seller, is_open)
        found = [_entry(row) for row in self._all(query.order_by(_entries.c.id))]
        newest = self.latest(seller, [entry.external_id for entry in found])
        return [entry for entry in found if entry == newest.get(entry.external_id)]

    def mark_undone(self, change_ids: Sequence[int]) -> None:
        """These changes were taken back."""
        self._write(_changes.update().where(_changes.c.id.in_(change_ids)).values(state=State.UNDONE))

    # --- answers that could not be written into the workbook yet

    def owe(self, workbook: str, run: str, answers: object) -> None:
        """Keep the answers of a run (JSON data) until the workbook can be written."""
        self._write(_owed.insert().values(workbook=self._place(workbook), run=run, answers=json.dumps(answers)))

    def owed(self, workbook: str) -> list[tuple[int, str, Any]]:
        """What is owed to a workbook, oldest first: (id, run, answers)."""
        query = sa.select(_owed).where(_owed.c.workbook == self._place(workbook)).order_by(_owed.c.id)
        return [(row.id, row.run, json.loads(row.answers)) for row in self._all(query)]

    def settle_debt(self, owed_ids: Sequence[int]) -> None:
        """These answers are in the workbook now."""
        if owed_ids:
            self._write(_owed.delete().where(_owed.c.id.in_(owed_ids)))

    # --- orders: how far they were read, and which revisions a workbook has got

    def orders_mark(self, workbook: str, seller: str) -> datetime | None:
        """Up to which change the seller's orders are in the workbook, or owed to it; None before the first run."""
        marks = _order_marks.c
        place = self._place(workbook)
        found = self._all(sa.select(marks.read_until).where(marks.workbook == place, marks.seller == seller))
        return datetime.fromisoformat(found[0].read_until) if found else None

    def delivered_orders(self, workbook: str, seller: str, order_ids: Sequence[str]) -> dict[str, str]:
        """The revision of each of these orders that the workbook has got, or is owed."""
        orders, found, place = _delivered_orders.c, {}, self._place(workbook)
        for start in range(0, len(order_ids), BLOCK):
            block = order_ids[start : start + BLOCK]
            query = sa.select(orders.order_id, orders.revision).where(
                orders.workbook == place, orders.seller == seller, orders.order_id.in_(block)
            )
            found.update({row.order_id: row.revision for row in self._all(query)})
        return found

    def orders_delivered(
        self, workbook: str, seller: str, revisions: Mapping[str, str], read_until: datetime | None
    ) -> None:
        """These revisions (by order id) are in the workbook, or owed to it; `read_until` moves the mark."""
        ids, place = list(revisions), self._place(workbook)
        statements: list[Any] = []
        for start in range(0, len(ids), BLOCK):
            block = ids[start : start + BLOCK]
            orders = _delivered_orders.c
            statements += [
                _delivered_orders.delete().where(
                    orders.workbook == place, orders.seller == seller, orders.order_id.in_(block)
                ),
                (
                    _delivered_orders.insert(),
                    [{"workbook": place, "seller": seller, "order_id": i, "revision": revisions[i]} for i in block],
                ),
            ]
        if read_until is not None:
            marks = _order_marks.c
            mark = {"workbook": place, "seller": seller, "read_until": read_until.isoformat()}
            statements += [
                _order_marks.delete().where(marks.workbook == place, marks.seller == seller),
                (_order_marks.insert(), [mark]),
            ]
        if statements:
            self._write(*statements)

    # --- runs handed over to workers, on a server

    def queue_run(
        self, name: str, workbook: str, parts: int, run: str, known: Sequence[Any], defer: Callable[[Any], None]
    ) -> None:
        """Keep a run of so many parts (`run`, as JSON text) for workers, and what is `known` of it (`part_answered`).

        `defer` queues its jobs on the driver's connection it is given. All or nothing is done when this returns.
        """
        insert = _queued_runs.insert().values(name=name, workbook=self._place(workbook), parts=parts, run=run)
        self._write(insert, *known, lambda connection: defer(connection.connection.dbapi_connection))

    def on_driver(self, do: Callable[[Any], _T]) -> _T:
        """Carry out `do` on the driver's connection, as one transaction."""
        results: list[_T] = []
        self._write(sa.select(sa.true()), lambda connection: results.append(do(connection.connection.dbapi_connection)))
        return results[0]

    def queued_run(self, name: str) -> str | None:
        """A run that was handed over; None when it has been collected whole."""
        found = self._all(sa.select(_queued_runs.c.run).where(_queued_runs.c.name == name))
        return str(found[0].run) if found else None

    def queued_runs(self, workbook: str) -> dict[str, list[bool | None]]:
        """The runs of `workbook` not yet collected whole, oldest first.

        By part: None while it is to be done, then whether its answers have been collected.
        """
        runs, answers = _queued_runs.c, _queued_answers.c
        query = (
            sa.select(runs.name, runs.parts, answers.part, answers.collected)
            .select_from(_queued_runs.outerjoin(_queued_answers, runs.name == answers.run))
            .where(runs.workbook == self._place(workbook))
            .order_by(runs.name)
        )
        found: dict[str, list[bool | None]] = {}
        for row in self._all(query):
            parts = found.setdefault(row.name, [None] * row.parts)
            if row.part is not None:
                parts[row.part] = bool(row.collected)
        return found

    def part_answered(
        self, run: str, part: int, workbook: str, answers: str, owed: object, *, collected: bool = False
    ) -> list[Any]:
        """The statements that keep what came of a part (JSON text), and what the workbook is owed for it (JSON data).

        `collected`: there is nothing that the asker does not know.
        """
        debt = {"workbook": self._place(workbook), "run": run, "answers": json.dumps(owed)}
        kept = {"run": run, "part": part, "answers": answers, "collected": collected}
        return [_queued_answers.insert().values(kept), _owed.insert().values(debt)]

    def answer_part(self, statements: Sequence[Any]) -> bool:
        """Carry out `part_answered`; False when another worker was faster: then nothing is kept."""
        try:
            self._write(*statements)
        except sa.exc.IntegrityError:
            return False
        return True

    def is_answered(self, run: str, part: int) -> bool:
        """Whether that part of a run needs no more work."""
        answers = _queued_answers.c
        return bool(self._all(sa.select(answers.part).where(answers.run == run, answers.part == part)))

    def queued_answers(self, run: str) -> dict[int, str]:
        """What came of the parts of a run that are done, as JSON text."""
        answers = _queued_answers.c
        query = sa.select(answers.part, answers.answers).where(answers.run == run).order_by(answers.part)
        return {row.part: str(row.answers) for row in self._all(query)}

    def mark_collected(self, run: str, parts: Sequence[int], *, whole: bool) -> None:
        """The asker has the answers of these parts; when it has those of the `whole` run, that is forgotten."""
        of_run = _queued_answers.c.run == run
        if whole:
            self._write(_queued_runs.delete().where(_queued_runs.c.name == run), _queued_answers.delete().where(of_run))
        else:
            self._write(
                _queued_answers.update().where(of_run, _queued_answers.c.part.in_(parts)).values(collected=True)
            )

    def last_started(self, workbook: str) -> datetime | None:
        """When the last run on `workbook` began."""
        newest = sa.select(sa.func.max(_runs.c.started)).where(_runs.c.workbook == self._place(workbook))
        started = self._all(newest)[0][0]
        return datetime.fromisoformat(started) if started else None

    # --- moved to another database

    def sellers(self) -> list[str]:
        """All sellers it knows."""
        known = sa.union(*(sa.select(table.c.seller) for table in MOVED if "seller" in table.c))
        return sorted(row.seller for row in self._all(known))

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """All that is moved to another database, as of one moment: (table, values), older rows first.

        Ids stay behind, since the other database has its own; a workbook is told apart from its station (None: ours).
        """
        isolation = {"isolation_level": "REPEATABLE READ"} if self.on_server else {}
        with self._explained(), self._engine.connect().execution_options(**isolation) as connection:
            if not self.on_server:
                connection.exec_driver_sql("BEGIN")
            for table in MOVED:
                columns = [column for column in table.c if column.name != "id"]
                for row in connection.execute(sa.select(*columns).order_by(*table.primary_key)).mappings():
                    yield table.name, self._unplaced(dict(row))

    def take_in(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
        """Add what `rows` gave elsewhere, all or nothing; how many rows that were.

        Raises JournalError: journal_row_wrong (row, counted from 1); journal_import_known (names) when a seller or a
        run among them is here already, since what is known of one seller cannot be put together from two journals.
        """
        known = {*self.sellers(), *(row.name for row in self._all(sa.select(_runs.c.name)))}
        tables, count = {table.name: table for table in MOVED}, 0
        with self._explained(), self._engine.begin() as connection:
            for name, group in itertools.groupby(rows, key=operator.itemgetter(0)):
                while block := list(itertools.islice(group, BLOCK)):
                    for _, values in block:
                        count += 1
                        if name not in tables or not _fits(tables[name], values):
                            raise JournalError("journal_row_wrong", row=count)
                        if names := known & {values.get("seller"), values.get("name")}:
                            raise JournalError("journal_import_known", names=sorted(names))
                    connection.execute(tables[name].insert(), [self._placed(dict(values)) for _, values in block])
        return count

    def _unplaced(self, values: dict[str, Any]) -> dict[str, Any]:
        if "workbook" in values:
            station, colon, path = values["workbook"].partition(":")
            shared = not self.on_server or values["workbook"].startswith("\\\\") or not colon
            values |= {"station": None} if shared else {"workbook": path, "station": station}
            if values["station"] == self._station:
                values["station"] = None
        return values

    def _placed(self, values: dict[str, Any]) -> dict[str, Any]:
        if "workbook" in values:
            station, path = values.pop("station"), values["workbook"]
            values["workbook"] = self._place(path) if station is None else f"{station}:{path}"
        return values

    # --- server

    def server(self) -> Server:
        """What there is to say about the server it lies on."""
        version, now = self._all(sa.text("SELECT current_setting('server_version'), clock_timestamp()"))[0]
        url = self._engine.url
        return Server(f"{url.host or ''}/{url.database or ''}", version, HEAD, now)

    # --- plumbing

    def _place(self, workbook: str) -> str:
        """A path is another file on another station, unless it names the server it lies on."""
        return f"{self._station}:{workbook}" if self.on_server and not workbook.startswith("\\\\") else workbook

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise JournalError("journal_unusable", reason=reason(error)) from error

    def _check(self) -> None:
        if self._connection.invalidated:  # SQLAlchemy would connect anew, but what was locked is free by now
            raise JournalError("journal_lost")

    def _write(self, *statements: Any) -> Any:
        """Carry out statements, (statement, rows) pairs or functions of the connection as one transaction.

        The result of the first.
        """
        with self._lock:
            self._check()
            try:
                results = [self._carry_out(statement) for statement in statements]
                frozen = results[0].freeze()() if results[0].returns_rows else results[0]
                self._connection.commit()
            except Exception as error:
                self._connection.rollback()
                if isinstance(error, sa.exc.IntegrityError) or not self._is_of_database(error):
                    raise
                raise JournalError("journal_unusable", reason=reason(error)) from error
            except BaseException:
                self._connection.rollback()
                raise
            return frozen

    def _is_of_database(self, error: Exception) -> bool:
        """Also of its driver, which a function of the connection may have asked, perhaps through another library."""
        of_driver = self._engine.dialect.loaded_dbapi.Error
        return isinstance(error, (sa.exc.SQLAlchemyError, of_driver)) or isinstance(error.__cause__, of_driver)

    def _carry_out(self, statement: Any) -> Any:
        if callable(statement):
            return statement(self._connection)
        return self._connection.execute(*(statement if isinstance(statement, tuple) else (statement,)))

    def _all(self, query: Any) -> Sequence[Any]:
        with self._lock:
            self._check()
            try:
                rows = self._connection.execute(query).all()
                self._connection.commit()
            except sa.exc.SQLAlchemyError as error:
                self._connection.rollback()
                raise JournalError("journal_unusable", reason=reason(error)) from error
            return rows


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
    """The statements that mark the drafts behind deletions, and note what was deleted: its row asks for it still."""

    def values(change: Change) -> dict[str, Any]:
        price, stock = change.old_price, change.old_stock
        return {
            "state": after,
            **({"price": str(price.amount), "currency": price.currency} if price else {}),
            **({"stock": stock} if stock is not None else {}),
        }

    return [
        _entries.update()
        .where(_entries.c.seller == change.seller, _entries.c.offer_id == change.offer_id, _entries.c.state == before)
        .values(**values(change))
        for change in changes
        if change.way is Way.DELETE
    ]


def _money(amount: str | None, currency: str | None) -> Money | None:
    return Money(Decimal(amount), currency or "") if amount else None


def _fits(table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Whether `values` are a row of `table` as `Journal.rows` gives it."""
    columns = [column for column in table.c if column.name != "id"]
    of_workbooks = {"station"} if "workbook" in table.c else set()
    return (
        values.keys() == {column.name for column in columns} | of_workbooks
        and all(_holds(column, values[column.name]) for column in columns)
        and isinstance(values.get("station", ""), str | None)
    )


def _holds(column: sa.Column[Any], value: object) -> bool:
    match value:
        case None:
            return bool(column.nullable)
        case str():
            return isinstance(column.type, sa.Text) and not re.search("[\x00\ud800-\udfff]", value)
        case bool():
            return isinstance(column.type, sa.Boolean)
        case int():
            return isinstance(column.type, sa.Integer) and abs(value) < 2**63  # of which a BigInteger is one
    return False
