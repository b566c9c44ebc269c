"""The real program, killed by SIGKILL at one chosen moment of a run.

A moment is `before:N` or `after:N` the N-th write to the journal (from 1), `replace:before` or `replace:after` the
moment the workbook is replaced, or `never`; a run that takes longer than its `seconds` is killed, too. To load the
program takes longer than to run it, so one process loads it and forks itself for every run:
`python -m tests.helpers.kill_at LAG TIMES`. LAG is how long the list of offers is given, in seconds (-1: as long as
users' is); TIMES is how much faster the clock of a run goes.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import batch.execute
import batch.execute_changes
import batch.pipeline
from batch.cli import main
from batch.journal import Journal
from tests.helpers.hurried import hurry
from tests.helpers.shop import Shop

NEVER = "never"
AS_IT_IS = -1.0
LONGEST = 120  # seconds, of one run


class Forks:
    """Starts the program again and again, each time in a process of its own. For `with`."""

    def __init__(self, *, lag: float = AS_IT_IS, times: float = 1) -> None:
        self._arguments = [str(lag), str(times)]

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.kill_at", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._folder.cleanup()

    def run(self, shop: Shop, command: str, *arguments: str, moment: str = NEVER, seconds: float = LONGEST) -> Ended:
        """A command on the shop's workbook, killed at `moment` if that comes, and after so many seconds."""
        assert self._process.stdin
        assert self._process.stdout
        outputs = [str(Path(self._folder.name) / name) for name in ("stdout", "stderr")]
        order = {
            "moment": moment,
            "arguments": [command, str(shop.workbook), *arguments],
            "environment": shop.environment(),
            "outputs": outputs,
            "seconds": seconds,
        }
        print(json.dumps(order), file=self._process.stdin, flush=True)
        returncode, writes = json.loads(self._process.stdout.readline())
        return Ended(returncode, writes, *(Path(output).read_text("utf-8") for output in outputs))


@functools.cache
def forks_of(times: float) -> Forks:
    """The forks that all tests of this process share."""
    forks = Forks(times=times).__enter__()
    atexit.register(forks.__exit__)
    return forks


@dataclass(frozen=True)
class Ended:
    """How a command ended: `returncode` is -9 when it was killed, `writes` are the journal writes begun."""

    returncode: int
    writes: int
    stdout: str
    stderr: str


class Killer:
    """Runs of one shop that may be killed."""

    def __init__(self, shop: Shop, forks: Forks) -> None:
        self._shop, self._forks = shop, forks

    def run(self, moment: str, *arguments: str) -> int:
        """A command, killed at `moment` if it comes; returns how many journal writes were begun."""
        ended = self._forks.run(self._shop, *arguments, moment=moment)
        killed = ended.returncode == -signal.SIGKILL
        assert ended.returncode in {0, 4} or (killed and moment != NEVER), (moment, ended)
        return ended.writes


# --- the process that forks


def serve(lag: float, times: float) -> None:
    """Carry out the orders on stdin; each is answered by how its process ended and its number of journal writes."""
    if lag != AS_IT_IS:
        batch.execute.INDEX_LAG = batch.execute_changes.STRAY = timedelta(seconds=lag)
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            run_until(order, times, writing)
        os.close(writing)
        writes = watch(child, reading, order["seconds"])
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(json.dumps([ended, writes]) + "\n")
        sys.stdout.flush()


def watch(child: int, reading: int, seconds: float) -> int:
    """Wait until a process ends, or kill it after so many seconds; the journal writes that it told of."""
    deadline, writes = time.monotonic() + seconds, 0
    while select.select([reading], [], [], max(deadline - time.monotonic(), 0))[0]:
        told = os.read(reading, 65536)
        if not told:
            break
        writes += len(told)
    else:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    return writes


def run_until(order: dict[str, Any], times: float, writing: int) -> None:
    """The forked process: the program until its moment."""
    for stream, path in enumerate([os.devnull, *order["outputs"]]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), stream)
    os.environ.update(order["environment"])
    moment = order["moment"]
    if times != 1:
        hurry(times)
    watch_journal(moment, writing)
    watch_workbook(moment)
    try:
        main(order["arguments"])
    except SystemExit as end:
        _flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:  # noqa: BLE001  (nothing may run on in a forked process)
        traceback.print_exc()
        _flush()
        os._exit(1)
    _flush()
    os._exit(0)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


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
