"""A process of its own, and what the system says it has used."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Used:
    """What a finished process has used: seconds by the clock and of the processor, and most memory at a time."""

    exit_code: int
    seconds: float
    cpu_seconds: float
    megabytes: float


def python(arguments: Sequence[str], errors: Path, environment: Mapping[str, str] | None = None) -> Used:
    """Run our Python with `arguments` to its end; what it says goes to the file `errors`."""
    begun = time.monotonic()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        os.environ if environment is None else environment,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, str(errors), flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)],
    )
    _, status, usage = os.wait4(pid, 0)  # of this process alone; RUSAGE_CHILDREN knows the largest of all so far
    return Used(
        os.waitstatus_to_exitcode(status),
        time.monotonic() - begun,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
    )
