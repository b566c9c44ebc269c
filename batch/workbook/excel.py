"""Excel as a program that is running: finding a workbook open in it, disturbing its user little, waiting for it.

Excel is never started and no file is opened in it. Whoever types into a cell or has a dialog open makes Excel refuse
every call; that is waited for, here and not in xlwings, which would try again for ever at full speed.
"""

from __future__ import annotations

import atexit
import logging
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch.clock import Clock
from batch.errors import BatchError, WorkbookError
from batch.workbook.guard import check_not_open

if TYPE_CHECKING:
    import xlwings

log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds to wait for a user who edits a cell
PATIENCE_TO_PUT_BACK = 600.0  # an Excel left without its screen would be worse than a program that lingers
PAUSE = 0.5  # seconds between two tries

AS_WE_WRITE = {"screen_updating": False, "enable_events": False, "calculation": "manual"}

# RPC_E_CALL_REJECTED, RPC_E_SERVERCALL_RETRYLATER, VBA_E_IGNORE: Excel is busy with its user.
_BUSY = {0x80010001 - 2**32, 0x8001010A - 2**32, 0x800AC472 - 2**32}


def find_open(path: Path) -> xlwings.Book | None:
    """The workbook `path` where it is open for writing in an Excel of this user; None when it is not.

    Raises WorkbookError `excel_busy` when it is open and an Excel could not be asked, its user being busy.
    """
    if platform.system() not in ("Windows", "Darwin") and "xlwings" not in sys.modules:
        return None  # there is no Excel here; loading xlwings takes a sixth of a second
    import xlwings  # noqa: PLC0415  (as above)

    _tame()
    active: Any = xlwings.engines.active
    if active is None:
        return None
    busy: WorkbookError | None = None
    for app in active.apps:
        try:
            with excel_errors(path):
                book: xlwings.Book | None = next((book for book in app.books if _is_writable(book, path)), None)
        except WorkbookError as error:  # (one that hangs or is closing does not hide another)
            log.info("an Excel cannot be asked: %s", error)
            busy = error if error.code == "excel_busy" else busy
        else:
            if book is not None:
                return book
    if busy is not None:
        try:
            check_not_open(path)
        except WorkbookError:
            raise busy from None
    return None


def _is_writable(book: xlwings.Book, path: Path) -> bool:
    """Whether it is this workbook, by whatever name, and not one opened to read only: answers there could be lost."""
    try:
        same = Path(book.fullname).samefile(path)
    except Exception as error:  # (it was never saved, or lies in a cloud that xlwings cannot place on this disk)
        if is_busy(error):
            raise
        return False
    return same and not book.api.ReadOnly


def _tame() -> None:
    """Two habits of xlwings on Windows that cannot stay.

    It retries a busy Excel without a pause and without an end, and when Python ends it kills every Excel that shows no
    workbook to this process, which may be another program's or another user's with unsaved work.
    """
    windows: Any = sys.modules.get("xlwings._xlwindows")
    if windows is not None:
        windows.N_COM_ATTEMPTS = 1
        atexit.unregister(windows.cleanup)


@contextmanager
def excel_errors(path: Path) -> Iterator[None]:
    """What goes wrong between us and Excel becomes a WorkbookError: `excel_busy` or `excel_failed`."""
    try:
        yield
    except BatchError:
        raise
    except Exception as error:  # (pywin32, appscript and xlwings each have their own)
        code = "excel_busy" if is_busy(error) else "excel_failed"
        raise WorkbookError(code, path=str(path), reason=str(error) or repr(error)) from error


def is_busy(error: Exception) -> bool:
    """Whether Excel refused a call because its user keeps it busy, by the numbers of pywin32's `com_error`.

    While Excel is busy, pywin32 cannot look up names either and says that a property does not exist.
    """
    if type(error).__name__ == "ExcelBusyError" or "can not be set" in str(error):
        return True
    details = error.args[2] if len(error.args) > 2 else None
    inner = details[5] if isinstance(details, tuple) and len(details) > 5 else None
    return not _BUSY.isdisjoint({getattr(error, "hresult", None), inner})


@contextmanager
def undisturbed(app: xlwings.App, clock: Clock) -> Iterator[None]:
    """Without redrawing, events and calculation; afterwards Excel is as it was, whatever happened."""
    before: dict[str, Any] = {}
    try:
        for name, value in AS_WE_WRITE.items():
            found = getattr(app, name)
            if found != value:
                before[name] = found
                setattr(app, name, value)
        yield
    finally:
        for name, value in reversed(before.items()):
            put_back(app, name, value, clock, PATIENCE_TO_PUT_BACK)


def put_back(app: xlwings.App, name: str, value: Any, clock: Clock, patience: float) -> None:
    """Give a setting of Excel's its value again, while Excel is busy for at most `patience` seconds."""
    until = clock.monotonic() + patience
    while True:
        try:
            setattr(app, name, value)
        except Exception as error:  # noqa: BLE001  (as in excel_errors; the other settings still have to be put back)
            if not is_busy(error) or clock.monotonic() >= until:
                log.warning("Excel's %s could not be put back to %s: %s", name, value, error)
                return
            clock.sleep(PAUSE)
        else:
            return
