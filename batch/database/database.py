"""Opens the journal's database, new or old, and brings its tables up to date.

A new database gets its tables at once. One of an older version goes through Alembic's migrations, which are loaded
only then: a seller's daily start does not pay for them.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from batch.database.tables import metadata, version
from batch.errors import JournalError

HEAD = "0003"
"""The version of `tables`: the newest file of `migrations/versions`."""

BEFORE_ALEMBIC = "1"  # what the table `meta` said
WAL_ATTEMPTS = 20
PREPARING = 7_205_759_403_792_793  # an advisory lock's number, arbitrary but the same for every station
PATIENCE = {
    "connect_timeout": 10,  # seconds, as the next three
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
"""A server that has gone away is noticed within a minute."""
SERVER_OPTIONS = "-c synchronous_commit=on -c statement_timeout=60s -c idle_in_transaction_session_timeout=0"
"""An intent must survive a power cut of the server. Renewing tokens waits for Allegro inside a transaction."""


def open_database(url: str | sa.URL, station: str = "", poolclass: type[sa.Pool] | None = None) -> sa.Engine:
    """The database at `url`, its tables as this version wants them. `station` is how it knows this computer.

    Raises JournalError: journal_url_invalid, journal_extra_missing (driver), journal_version (found, known),
    journal_unusable (reason). None of them holds the password.
    """
    address = address_of(url)
    try:
        engine = engine_of(address, station, poolclass)
    except ImportError as error:
        raise JournalError("journal_extra_missing", driver=address.drivername, reason=str(error)) from error
    try:
        with engine.connect() as connection:
            prepare(connection)
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise JournalError("journal_unusable", reason=reason(error)) from error
    except JournalError:
        engine.dispose()
        raise
    return engine


def driver_arguments(url: str | sa.URL, station: str) -> dict[str, Any]:
    """How psycopg connects to a database on a server. Raises JournalError journal_url_invalid."""
    address = address_of(url)
    engine = engine_of(address, station)
    return {**engine.dialect.create_connect_args(engine.url)[1], **_connect_args(address, station)}


def on_server(engine: sa.Engine) -> bool:
    """Whether several stations can share it."""
    return engine.dialect.name == "postgresql"


def reason(error: Exception) -> str:
    """The database's own words for what is wrong, without what it was asked to store."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def prepare(connection: sa.Connection) -> None:
    """Make or renew the tables, unless they are as they should be. Of several runs, one does so; the others wait."""
    if found_version(connection) == HEAD:
        connection.rollback()
        return
    connection.rollback()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver itself begins none for tables that are made
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PREPARING)))
    there = set(sa.inspect(connection).get_table_names())
    found = found_version(connection)
    if not there & metadata.tables.keys():
        metadata.create_all(connection)
        connection.execute(version.insert().values(version_num=HEAD))
    elif found != HEAD:
        if found is None and "meta" in there:
            _check_before_alembic(connection)
        migrate(connection, HEAD)
    connection.commit()


def found_version(connection: sa.Connection) -> str | None:
    """The version of the tables there; None for a new database, or one from before versions were Alembic's."""
    if not sa.inspect(connection).has_table(version.name):
        return None
    found: str | None = connection.execute(sa.select(version.c.version_num)).scalar()
    return found


def migrate(connection: sa.Connection, target: str) -> None:
    """Bring the tables to version `target`, in the transaction under way. Raises JournalError journal_version."""
    from alembic import command, config, util  # noqa: PLC0415  (a quarter of a second, needed once a version)

    setup = config.Config()
    setup.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    setup.attributes["connection"] = connection
    try:
        command.upgrade(setup, target)
    except util.CommandError:  # a version that this program does not have
        found = found_version(connection)
        raise JournalError("journal_version", found=found, known=HEAD) from None


def _check_before_alembic(connection: sa.Connection) -> None:
    found = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'schema'").scalar()
    if found not in {None, BEFORE_ALEMBIC}:
        raise JournalError("journal_version", found=found, known=HEAD)


def address_of(url: str | sa.URL) -> sa.URL:
    """The address as SQLAlchemy wants it, with our driver. Raises JournalError journal_url_invalid."""
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # its text repeats the URL, and so the password
        address = None
    if address is not None and address.get_backend_name() == "sqlite":
        return address
    if address is not None and address.get_backend_name() == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    raise JournalError("journal_url_invalid")


def engine_of(address: sa.URL, station: str = "", poolclass: type[sa.Pool] | None = None) -> sa.Engine:
    """Opens connections to what `address_of` gives, with our patience and care. Raises ImportError."""
    if address.get_backend_name() == "sqlite":
        engine = sa.create_engine(address, hide_parameters=True)
        sa.event.listen(engine, "connect", _safe_sqlite)
        return engine
    return sa.create_engine(
        address.difference_update_query(["options"]),
        hide_parameters=True,  # tokens are among them
        poolclass=poolclass,
        pool_pre_ping=True,
        connect_args=_connect_args(address, station),
    )


def _connect_args(address: sa.URL, station: str) -> dict[str, Any]:
    defaults: dict[str, Any] = {**PATIENCE, "application_name": f"allegro-batch {station}".strip()}
    ours = {key: value for key, value in defaults.items() if key not in address.query}
    return ours | {"options": f"{SERVER_OPTIONS} {address.query.get('options', '')}".strip()}


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
