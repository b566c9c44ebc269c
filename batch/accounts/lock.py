"""The lock of a token file: the operating system's own (flock, LockFileEx), so it ends with the process that holds it.

It works between stations too, over SMB. In folders that a cloud program synchronises it holds nobody off.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from batch.accounts.synchronised import synchronised_by
from batch.accounts.token_file import reason
from batch.errors import AccountError

LOCK_TIMEOUT = 180
"""Seconds. Whoever holds the lock needs a second, or about a minute while Allegro's answer does not come."""


def real_path(path: Path) -> Path:
    """The file itself where `path` is a link: replacing the link would cut it."""
    with contextlib.suppress(OSError):  # a name that is too long
        return Path(os.path.realpath(path)) if path.is_symlink() else path
    return path


def check_lockable(path: Path) -> None:
    """Raise AccountError token_folder_synchronised (path, program) where the lock of `path` would hold nobody off."""
    program = synchronised_by(path.parent)
    if program:
        raise AccountError("token_folder_synchronised", path=str(path.parent), program=program)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the token file `path`: `path` with `.lock` behind it.

    Raises AccountError token_folder_missing, tokens_locked (path), token_lock_failed (path, reason).
    """
    if not path.parent.is_dir():
        raise AccountError("token_folder_missing", path=str(path.parent))
    # No fallback to a lock that is a mere file: that one would outlive a killed process.
    lock = FileLock(f"{path}.lock", timeout=LOCK_TIMEOUT, fallback_to_soft=False)
    problem: AccountError | None = None
    try:
        lock.acquire()
    except Timeout:
        problem = AccountError("tokens_locked", path=str(path))
    except OSError as error:
        problem = AccountError("token_lock_failed", path=f"{path}.lock", reason=reason(error))
    if problem:
        raise problem
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the share went away, and the lock with it
            lock.release()
