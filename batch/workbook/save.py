"""A file replaced in one step: the old one or the new one, never half of either, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from batch.errors import WorkbookError

_WINDOWS_PATIENCE = 3.0  # seconds; virus scanners and search indexers hold a new file for a moment


def replace_file(path: Path, pieces: Iterable[bytes | memoryview], *, still_ours: Callable[[], None]) -> None:
    """Write `pieces` beside `path`, call `still_ours` (which may raise), then take the place of `path`.

    Permission bits are kept. Raises WorkbookError `workbook_not_saved`: the file is as it was, no other is left.
    """
    path = path.resolve()  # a link stays a link
    temporary = None
    try:
        before = path.stat()
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as out:
            out.writelines(pieces)
            out.flush()
            os.fsync(out.fileno())
        _copy_rights(before, temporary)
        still_ours()
        _replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise WorkbookError("workbook_not_saved", path=str(path), reason=error.strerror or str(error)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _copy_rights(before: os.stat_result, temporary: Path) -> None:
    temporary.chmod(stat.S_IMODE(before.st_mode))
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):  # only the superuser may give a file away
            os.chown(temporary, before.st_uid, before.st_gid)


def _replace(temporary: Path, path: Path) -> None:
    deadline = time.monotonic() + (_WINDOWS_PATIENCE if os.name == "nt" else 0)
    while True:
        try:
            temporary.replace(path)
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    with contextlib.suppress(OSError):  # some network file systems cannot either
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
