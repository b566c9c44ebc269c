"""One run at a time on a workbook, also from several PCs: a lock of the operating system beside the file.

The system releases it when the process ends, however it ends, so the lock file may stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from batch.errors import WorkbookError

LONGEST_NAME = 100  # characters shown of it


@contextmanager
def hold_workbook(path: Path, *, name: str = "", needed: bool = True, by: str = "workbook") -> Iterator[None]:
    """Keep other runs off `path`. Raises WorkbookError `workbook_busy` when one is at work there (holder: its `name`).

    With `by="schedule"` other schedules are kept off, not runs; the error is then `schedule_busy`. A workbook that is
    not there needs no lock; one in a folder that cannot be written is an error (`workbook_lock_failed`) unless the
    lock is not `needed`.
    """
    if not path.is_file():
        yield
        return
    real = path.resolve()  # two names of one file are one workbook
    # No fallback to a lock that is a mere file: that one would outlive a killed process.
    file = f".{real.name}.lock" if by == "workbook" else f".{real.name}.{by}.lock"
    lock = FileLock(real.with_name(file), timeout=0, fallback_to_soft=False)
    named = real.with_name(f"{file}.by")  # a locked file cannot be read on Windows
    try:
        lock.acquire()
    except Timeout:
        raise WorkbookError(f"{by}_busy", path=str(path), holder=_holder(named)) from None
    except OSError as error:
        if not needed:
            yield
            return
        raise WorkbookError("workbook_lock_failed", path=str(path), reason=str(error)) from error
    try:
        if name:
            with suppress(OSError):
                named.write_text(name, encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            named.unlink(missing_ok=True)
        lock.release()


def _holder(named: Path) -> str:
    """What the run at work calls itself; "" where that cannot be told. Anybody may have written the file."""
    with suppress(OSError):
        return "".join(c for c in named.read_text("utf-8", "replace")[:LONGEST_NAME] if c.isprintable()).strip()
    return ""
