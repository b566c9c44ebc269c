"""The whole fuzzing: `python -m tests.fuzz [TARGET …] [--seconds 60] [--seed 1] [--one] [--atheris]`.

Every target is given cases by ascending seeds, in a process of its own that may take no more than so much memory, and
each case no more than so much time. Prints a table and every finding with the seed that shows it again
(`--seed N --one`); ends with 1 when there is one. `--atheris` lets a fuzzer that measures coverage look for inputs of
the parsers instead, where it is installed.
"""

from __future__ import annotations

import argparse
import collections
import resource
import signal
import sys
import time
import traceback
from multiprocessing import Process, Queue
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz import by_coverage
from tests.fuzz.targets import TARGETS

MEMORY = 3 * 2**30  # bytes of address space, of which libraries map a lot
CASE_SECONDS = 60
SHOWN = 20  # findings


class TooSlow(BaseException):
    """A case takes longer than it may."""


def work(name: str, seed: int, seconds: float, cases: int | None, results: Queue[Any]) -> None:
    """Run one target; puts its executions, outcomes and findings."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def too_slow(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, too_slow)
    outcomes: collections.Counter[str] = collections.Counter()
    findings: dict[str, str] = {}
    end, first = time.monotonic() + seconds, seed
    while time.monotonic() < end and (cases is None or seed - first < cases):
        with TemporaryDirectory() as folder:
            signal.alarm(CASE_SECONDS)
            try:
                outcomes[TARGETS[name](Random(seed), Path(folder))] += 1
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  (whatever it is, it is a finding)
                lines = traceback.format_exception(error)
                findings.setdefault(f"{type(error).__name__} {lines[-2][:200]}", f"seed {seed}\n{''.join(lines[-6:])}")
                outcomes["FINDING"] += 1
            finally:
                signal.alarm(0)
        seed += 1
    results.put((seed - first, outcomes, findings))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", action="store_true", help="only the case of this seed")
    parser.add_argument("--atheris", action="store_true")
    asked = parser.parse_args()
    if asked.atheris:
        return by_coverage.run_all(asked.seconds)
    found = 0
    for target in asked.targets or TARGETS:
        results: Queue[Any] = Queue()
        child = Process(target=work, args=(target, asked.seed, asked.seconds, 1 if asked.one else None, results))
        child.start()
        while child.is_alive() and results.empty():
            time.sleep(0.2)
        if results.empty():
            print(f"{target}: the process died (exit {child.exitcode})")
            found += 1
            continue
        executions, outcomes, findings = results.get()
        child.join()
        print(f"{target}: {executions} executions, {len(findings)} findings; {dict(outcomes.most_common())}")
        for text in list(findings.values())[:SHOWN]:
            print(text)
        found += len(findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
