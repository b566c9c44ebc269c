"""Run by the Windows Python: a workbook that another program holds. Prints one word a line, what came of each case.

python -m tests.windows.open_elsewhere FOLDER
"""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path
from typing import Any

from batch.errors import WorkbookError
from batch.workbook.guard import check_not_open
from batch.workbook.lock import hold_workbook
from batch.workbook.save import replace_file

READ_WRITE = 0xC0000000
READ_SHARED = 1
EXISTING = 3


def hold(path: Path) -> Any:
    """Open a file as Excel does: others may read it, not write it, not take its place. Gives what closes it."""
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]  # Windows only
    kernel.CreateFileW.restype = ctypes.c_void_p
    handle = kernel.CreateFileW(str(path), READ_WRITE, READ_SHARED, None, EXISTING, 0, None)
    return lambda: kernel.CloseHandle(ctypes.c_void_p(handle))


def said(case: Any) -> str:
    """The code by which `case` was refused, or `done`."""
    try:
        case()
    except WorkbookError as error:
        return error.code
    return "done"


def main(folder: Path) -> None:
    """Every case on a file of its own."""
    book = folder / "Oferty & inne.xlsx"
    book.write_bytes(b"old")
    release = hold(book)
    print("open:", said(lambda: check_not_open(book)))
    threading.Timer(1.0, release).start()
    print("held for a moment:", said(lambda: replace_file(book, [b"new"], still_ours=lambda: None)))
    print("content:", book.read_bytes().decode())
    print("closed:", said(lambda: check_not_open(book)))
    release = hold(book)
    print("held on:", said(lambda: replace_file(book, [b"newer"], still_ours=lambda: None)))
    release()
    print("content:", book.read_bytes().decode())
    with hold_workbook(book):
        print("second run:", said(lambda: hold_workbook(book).__enter__()))
    print("afterwards:", said(lambda: hold_workbook(book).__enter__()))
    print("left:", ", ".join(sorted(path.name for path in folder.iterdir())))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
