"""The real program, killed by SIGKILL at one chosen moment of a run.

A moment is `before:N` or `after:N` the N-th write to the journal (from 1), `replace:before` or `replace:after` the
moment the workbook is replaced, or `never`. To load the program takes longer than to run it, so one process loads it
and forks itself for every run: `python -m tests.helpers.kill_at LAG TIMES`. LAG is how long the list of offers is
given, in seconds; TIMES is how much faster the clock of a run goes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any, Self

import batch.execute
import batch.pipeline
import batch.plan
from batch.cli import main
from batch.journal import Journal
from tests.helpers.hurried import hurry
from tests.helpers.shop import Shop

NEVER = "never"


class Killer:
    """Runs of the program on a shop's workbook, each in a process of its own that may be killed."""

    def __init__(self, shop: Shop, *, lag: float = 1, times: float = 1) -> None:
        self._shop, self._arguments = shop, [str(lag), str(times)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.kill_at", *self._arguments],
            env=self._shop.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, moment: str, command: str, *arguments: str) -> int:
        """A command, killed at `moment` if it comes; returns how many journal writes were begun."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"moment": moment, "arguments": [command, str(self._shop.workbook), *arguments]}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        ended, writes = json.loads(self._process.stdout.readline())
        assert ended in {0, 4} or (ended == -signal.SIGKILL and moment != NEVER), (moment, ended)
        return int(writes)


# --- the process that forks


def serve(lag: float, times: float) -> None:
    """Carry out the orders on stdin; each is answered by how its process ended and its number of journal writes."""
    batch.plan.INDEX_LAG = batch.execute.INDEX_LAG = timedelta(seconds=lag)
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            run_until(order["moment"], order["arguments"], times, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as counted:
            writes = len(counted.read())
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(json.dumps([ended, writes]) + "\n")
        sys.stdout.flush()


def run_until(moment: str, arguments: list[str], times: float, writing: int) -> None:
    """The forked process: the program until `moment`."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    hurry(times)
    watch_journal(moment, writing)
    watch_workbook(moment)
    try:
        main(arguments)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:  # noqa: BLE001  (nothing may run on in a forked process)
        os._exit(1)
    os._exit(0)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watch_journal(moment: str, writing: int) -> None:
    write = Journal._write
    count = 0

    def counted(self: Journal, *statements: Any) -> Any:
        nonlocal count
        count += 1
        number = count
        os.write(writing, b".")
        if moment == f"before:{number}":
            die()
        result = write(self, *statements)
        if moment == f"after:{number}":
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
    serve(float(sys.argv[1]), float(sys.argv[2]))
