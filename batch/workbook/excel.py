"""Excel as a program that is running: finding a workbook open in it, disturbing its user little, waiting for it.

Excel is never started and no file is opened in it. Whoever types into a cell or has a dialog open makes Excel refuse
every call; that is waited for, here and not in xlwings, which would try again for ever at full speed.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from batch.clock import Clock
from batch.errors import BatchError, WorkbookError
from batch.workbook.guard import check_not_open

if TYPE_CHECKING:
    import xlwings

log = logging.getLogger(__name__)

_T = TypeVar("_T")

PATIENCE = 60.0  # seconds to wait for a user who edits a cell
PATIENCE_ONCE_BEGUN = 600.0  # a table half moved, an Excel without its screen: worse than a program that lingers
PAUSE = 0.5  # seconds between two tries

AS_WE_WRITE = {"screen_updating": False, "enable_events": False, "calculation": "manual"}

# RPC_E_CALL_REJECTED, RPC_E_SERVERCALL_RETRYLATER, VBA_E_IGNORE: Excel is busy with its user.
_BUSY = {0x80010001 - 2**32, 0x8001010A - 2**32, 0x800AC472 - 2**32}


def find_open(path: Path) -> xlwings.Book | None:
    """The workbook `path` where it is open for writing in an Excel of this user; None when it is not.

    Raises WorkbookError `excel_busy` when it is open and an Excel could not be asked, its user being busy.
    """
    if os.name != "nt" and "xlwings" not in sys.modules:
        return None  # there is no COM here; loading xlwings takes a sixth of a second
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
    except Exception as error:  # (pywin32 and xlwings each have their own)
        code = "excel_busy" if is_busy(error) else "excel_failed"
        raise WorkbookError(code, path=str(path), reason=str(error) or repr(error)) from error


def is_busy(error: Exception) -> bool:
    """Whether Excel refused a call because its user keeps it busy, by the numbers of pywin32's `com_error`.

    While Excel is busy, pywin32 cannot look up names either and says that a property does not exist.
    """
    if isinstance(error, WorkbookError):
        return error.code == "excel_busy"
    if type(error).__name__ == "ExcelBusyError" or "can not be set" in str(error):
        return True
    details = error.args[2] if len(error.args) > 2 else None
    inner = details[5] if isinstance(details, tuple) and len(details) > 5 else None
    return not _BUSY.isdisjoint({getattr(error, "hresult", None), inner})


@dataclass(frozen=True, slots=True)
class Patience:
    """Calls again while Excel is busy, for at most so many seconds or until `given_up`."""

    clock: Clock
    seconds: float
    given_up: Callable[[], bool] = bool

    def __call__(self, call: Callable[[], _T]) -> _T:
        """What `call` returns; raises what it raised last."""
        until = self.clock.monotonic() + self.seconds
        while True:
            try:
                return call()
            except Exception as error:
                if not is_busy(error) or self.given_up() or self.clock.monotonic() >= until:
                    raise
            self.clock.sleep(PAUSE)


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
            put_back(app, name, value, Patience(clock, PATIENCE_ONCE_BEGUN))


def put_back(app: xlwings.App, name: str, value: Any, patience: Patience) -> None:
    """Give a setting of Excel's its value again; it is logged where that cannot be done."""
    try:
        patience(lambda: setattr(app, name, value))
    except Exception as error:  # noqa: BLE001  (as in excel_errors; the other settings still have to be put back)
        log.warning("Excel's %s could not be put back to %s: %s", name, value, error)
