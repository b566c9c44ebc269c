"""The real program, killed by SIGKILL at one chosen moment: `python -m tests.helpers.kill_at MOMENT LAG ARGUMENTS…`.

MOMENT is `before:N` or `after:N` the N-th write to the journal (from 1), `replace:before` or `replace:after` the
moment the workbook is replaced, or `never`. LAG is how long the list of offers is given, in seconds.
The number of journal writes is left in the file that the environment variable COUNT_FILE names.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import batch.execute
import batch.plan
from batch.cli import main
from batch.journal import Journal


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watch_journal(moment: str) -> None:
    write = Journal._write
    count = 0

    def counted(self: Journal, *statements: Any) -> Any:
        nonlocal count
        count += 1
        Path(os.environ["COUNT_FILE"]).write_text(str(count))
        if moment == f"before:{count}":
            die()
        result = write(self, *statements)
        if moment == f"after:{count}":
            die()
        return result

    Journal._write = counted  # type: ignore[method-assign]


def watch_workbook(moment: str) -> None:
    replace = os.replace

    def watched(source: Any, target: Any, **more: Any) -> None:
        ours = str(target).endswith(".xlsx")
        if ours and moment == "replace:before":
            die()
        replace(source, target, **more)
        if ours and moment == "replace:after":
            die()

    os.replace = watched


if __name__ == "__main__":
    moment, lag, *arguments = sys.argv[1:]
    batch.plan.INDEX_LAG = batch.execute.INDEX_LAG = timedelta(seconds=float(lag))
    watch_journal(moment)
    watch_workbook(moment)
    main(arguments)
