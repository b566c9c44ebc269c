"""The pair of one account as a row of the journal's database, for stations that share one (`token_file: db:`).

A renewal is one transaction from the row's lock until the new pair is committed, so a killed station lets go at once.
The server may be gone when Allegro's answer comes; then the spool keeps the pair, as it does for a file on a share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from batch.accounts.lock import LOCK_TIMEOUT
from batch.accounts.token_file import Token, TokenFormatError, parse_token, token_bytes
from batch.database.database import open_database, reason
from batch.database.tables import tokens
from batch.errors import AccountError, JournalError, LoginNeeded, TokenTrouble

LOCK_NOT_AVAILABLE = "55P03"


class TokenRow:
    """The row `row` of the database at `url`. Not thread-safe: `TokenStore` is."""

    def __init__(self, row: str, url: str) -> None:
        self.name = self.key = f"db:{row}"  # not the server's name, by which the spool might miss a newer pair
        self._row = row
        self._mine = tokens.c.name == row
        self._url = url
        self._engine: sa.Engine | None = None
        self._locked: sa.Connection | None = None

    def check(self) -> None:
        """Raises what `locked` does."""
        with self.locked():
            pass

    def check_lockable(self) -> None:
        """A server's locks always hold."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._connected() as connection:
            self._lock(connection)
            self._locked = connection
            try:
                yield
            finally:
                self._locked = None
                with suppress(sa.exc.SQLAlchemyError):  # the server went away, and the lock with it
                    connection.rollback()

    def read(self) -> Token:
        if self._locked is not None:
            return self._read(self._locked)
        with self._connected() as connection:
            return self._read(connection)

    def check_writable(self, token: Token) -> None:  # noqa: ARG002  (any will do)
        with self._explained():
            self._under_lock().execute(tokens.update().where(self._mine).values(content=tokens.c.content))

    def replace(self, token: Token) -> Token:
        connection = self._under_lock()
        with self._explained():
            connection.execute(tokens.update().where(self._mine).values(content=token_bytes(token).decode()))
            connection.commit()
        with suppress(TokenTrouble, AccountError):  # what remains to be done about this pair is done in turn, too
            self._lock(connection)
            return self._read(connection)
        return token

    def _under_lock(self) -> sa.Connection:
        assert self._locked is not None
        return self._locked

    def _lock(self, connection: sa.Connection) -> None:
        """Lock the row, which need not be there yet, until the transaction ends."""
        try:
            connection.execute(sa.text(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"))
            connection.execute(insert(tokens).values(name=self._row).on_conflict_do_nothing())
            connection.execute(sa.select(tokens.c.name).where(self._mine).with_for_update())
        except sa.exc.SQLAlchemyError as error:
            if getattr(getattr(error, "orig", None), "sqlstate", None) == LOCK_NOT_AVAILABLE:
                raise AccountError("tokens_locked", path=self.name) from None
            raise self._trouble(error) from None

    def _read(self, connection: sa.Connection) -> Token:
        with self._explained():
            content = connection.execute(sa.select(tokens.c.content).where(self._mine)).scalar()
        if content is None:
            raise LoginNeeded("token_missing", path=self.name)
        try:
            return parse_token(content.encode())
        except TokenFormatError as error:
            broken = str(error)
        raise LoginNeeded("token_broken", path=self.name, field=broken)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self._explained():
            if self._engine is None:
                self._engine = open_database(self._url, poolclass=sa.NullPool)
            connection = self._engine.connect()
        with connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The database's trouble is not the login's: it may pass by itself, and nobody need log in again."""
        try:
            yield
        except JournalError as error:
            raise TokenTrouble(
                "tokens_database", path=self.name, reason=error.facts.get("reason", error.code)
            ) from None
        except sa.exc.SQLAlchemyError as error:
            raise self._trouble(error) from None

    def _trouble(self, error: Exception) -> TokenTrouble:
        return TokenTrouble("tokens_database", path=self.name, reason=reason(error))
