"""A real process that opens an account's tokens when told to, and may be killed at any step of it.

Each line on stdin is a job as JSON: `url`, `folder`, `database` and `name` of the station, `kill_at` (number of the
step at which the process kills itself with SIGKILL; 0: never), `fork` (do it in a child, so that this process can do
the next job). Each answer is a line of JSON: `token`, `steps`, or `error`, or the child's end as `signal`. A step is
whatever Python reports to audit hooks about the folder, each connection, and each statement for a database.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from batch.errors import BatchError
from tests.helpers.accounts import Station
from tests.helpers.token_endpoint import AllegroTokens

STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "tempfile.mkstemp", "socket.connect"}


class Process:
    """Such a process, as a test holds it."""

    def __init__(self) -> None:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.renew_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
            text=True,
        )

    def start(self, pc: Station, name: str, *, kill_at: int = 0, fork: bool = False) -> None:
        """Give it a job of a station like `pc`; do not wait."""
        station = {"url": pc.allegro.url, "folder": str(pc.folder), "database": pc.database, "name": name}
        job = {**station, "kill_at": kill_at, "fork": fork}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What became of the job; a child also says its `pid` first, as an answer of its own."""
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
    for line in sys.stdin:
        job = json.loads(line)
        if not job["fork"]:
            say(work(job))
            continue
        if job["database"]:
            importlib.import_module("psycopg")  # once, and not in each child
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            try:
                say(work(job))
            except KeyboardInterrupt:
                os._exit(130)
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        say({"exit": os.waitstatus_to_exitcode(status)})


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Open the tokens once; the token or the error's code, and how many steps it took."""
    steps = 0

    def count(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == job["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STEPS and (event == "socket.connect" or job["folder"] in str(arguments[0])):
            count()

    if job["fork"]:
        say({"pid": os.getpid()})
        sys.addaudithook(look)
        for asked in ("before_cursor_execute", "commit", "rollback"):
            sa.event.listen(sa.Engine, asked, count)
    allegro = AllegroTokens()
    allegro.url = job["url"]
    try:
        token = Station(allegro, Path(job["folder"]), job["name"], database=job["database"]).store().current()
    except BatchError as error:
        return {"error": error.code, "steps": steps}
    return {"token": token.access_token, "steps": steps}


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201  (stdout is the answer)


if __name__ == "__main__":
    main()
