"""Where the pair of one account lies, and how it is locked: a file that stations share, or a row of their database.

`Renewal` is written against `TokenPlace`, so that both keep the same promises: lock, look again, refresh, replace.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from batch.accounts.lock import check_lockable, locked, real_path
from batch.accounts.token_file import (
    Token,
    check_name,
    check_replaceable,
    check_writable,
    read_token,
    reason,
    replace_file,
    token_bytes,
    token_path,
)
from batch.errors import AccountError, SettingsError
from batch.model import Account


class TokenPlace(Protocol):
    """`name` is for people, `key` for the spool.

    Each method may raise AccountError, and in a database TokenTrouble tokens_database (path, reason).
    """

    @property
    def name(self) -> str: ...
    @property
    def key(self) -> str: ...

    def check(self) -> None:
        """Raise AccountError when tokens could not be kept here: better now than after the login."""

    def check_lockable(self) -> None:
        """Raise AccountError where the lock would hold nobody off."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock; it ends with the process. Raises AccountError tokens_locked (path)."""

    def read(self) -> Token:
        """The pair there. Raises LoginNeeded token_missing (path), token_broken (path, field)."""

    def check_writable(self, token: Token) -> None:
        """Under the lock: raise OSError (or the above) when `token` could not be replaced."""

    def replace(self, token: Token) -> Token:
        """Under the lock: put `token` there, for good when this returns; the pair there now. Raises OSError."""


class TokenFile:
    """The token file `path` of the contract."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path = real_path(path)

    @property
    def key(self) -> str:
        """Not resolved: the share may be away."""
        return os.path.normcase(os.path.abspath(self.path))  # noqa: PTH100  (as said)

    def check(self) -> None:
        """Raises token_file_name, token_file_other, token_folder_missing, token_folder_synchronised, token_unreadable,
        token_unwritable."""
        path = self.path
        check_name(Path(self.name))
        try:
            if not path.parent.is_dir():
                raise AccountError("token_folder_missing", path=str(path.parent))
            self.check_lockable()
            if path.exists() and not path.is_file():
                raise AccountError("token_unreadable", path=str(path), reason=os.strerror(errno.EISDIR))
            check_replaceable(path)
            with tempfile.NamedTemporaryFile(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent):
                pass
        except OSError as error:
            raise AccountError("token_unwritable", path=str(path), reason=reason(error)) from None

    def check_lockable(self) -> None:
        check_lockable(self.path)

    def locked(self) -> AbstractContextManager[None]:
        return locked(self.path)

    def read(self) -> Token:
        return read_token(self.path)

    def check_writable(self, token: Token) -> None:
        check_writable(self.path, token)

    def replace(self, token: Token) -> Token:
        replace_file(self.path, token_bytes(token))
        return token


def told_apart(accounts: Mapping[str, Account], folder: Path) -> dict[str, Account]:
    """The accounts, each with another that has the same token file, while nothing tells that the file is its own.

    Its rows would be sent to the other seller. A linked login tells, for a foreign file is refused by it; so does
    the default name of the file. `folder` is that of the workbook.
    """

    def other(account: Account) -> str | None:
        default = _identity(replace(account, token_file=None), folder)
        if account.login or not account.token_file or _identity(account, folder) == default:
            return None
        others = (other for other in accounts.values() if other.active and other.name != account.name)
        return next((each.name for each in others if _identity(each, folder) == _identity(account, folder)), None)

    return {name: replace(account, token_file_of=other(account)) for name, account in accounts.items()}


def _identity(account: Account, folder: Path) -> str:
    """Where its tokens lie, the same however it is written."""
    if account.token_row:
        return f"db:{account.token_row}".casefold()
    path = token_path(account.name, (account.token_file or "").replace("\\", "/"), folder)
    return os.path.realpath(path).casefold()


def token_place(account: Account, folder: Path, database: str | None) -> TokenPlace:
    """Where the tokens of `account` lie. `folder` is that of the workbook, `database` the journal's server, if any.

    Raises SettingsError tokens_need_database (account).
    """
    if account.token_row is None:
        return TokenFile(token_path(account.name, account.token_file, folder))
    if database is None:
        raise SettingsError("tokens_need_database", account=account.name)
    from batch.accounts.token_row import TokenRow  # noqa: PLC0415  (PostgreSQL is slow to load, and few have it)

    return TokenRow(account.token_row, database)
