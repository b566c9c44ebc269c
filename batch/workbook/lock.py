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
def hold_workbook(path: Path, *, needed: bool = True, by: str = "workbook") -> Iterator[None]:
    """Keep other runs off `path`. Raises WorkbookError `workbook_busy` when one is at work there.

    With `by="schedule"` other schedules are kept off, not runs; the error is then `schedule_busy`. A workbook that is
    not there needs no lock; one in a folder that cannot be written is an error (`workbook_lock_failed`) unless the
    lock is not `needed`.
    """
    if not path.is_file():
        yield
        return
    real = path.resolve()  # two names of one file are one workbook
    # No fallback to a lock that is a mere file: that one would outlive a killed process.
    name = f".{real.name}.lock" if by == "workbook" else f".{real.name}.{by}.lock"
    lock = FileLock(real.with_name(name), timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise WorkbookError(f"{by}_busy", path=str(path)) from None
    except OSError as error:
        if not needed:
            yield
            return
        raise WorkbookError("workbook_lock_failed", path=str(path), reason=str(error)) from error
    try:
        yield
    finally:
        lock.release()
