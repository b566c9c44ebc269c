"""One run at a time on a workbook, also from several PCs: a lock of the operating system beside the file.

The system releases it when the process ends, however it ends, so the lock file may stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from batch.errors import WorkbookError


@contextmanager
def hold_workbook(path: Path) -> Iterator[None]:
    """Keep other runs off `path`. Raises WorkbookError `workbook_busy` when one is at work there."""
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise WorkbookError("workbook_busy", path=str(path)) from None
    except OSError as error:
        raise WorkbookError("workbook_lock_failed", path=str(path), reason=str(error)) from error
    try:
        yield
    finally:
        lock.release()
