"""A process of its own, and what the system says it has used."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# The memory of a process counts from that of the one which started it, so that has to be a small one.
_STARTER = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=sys.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a finished process has used: seconds by the clock and of the processor, and most memory at a time."""

    exit_code: int
    seconds: float
    cpu_seconds: float
    megabytes: float


def python(arguments: Sequence[str], said: Path, environment: Mapping[str, str] | None = None) -> Used:
    """Run our Python with `arguments` to its end; what it says goes to the file `said`."""
    begun = time.monotonic()
    with said.open("wb") as file:
        starter = [sys.executable, "-c", _STARTER, sys.executable, *arguments]
        done = subprocess.run(starter, env=environment, stdout=subprocess.PIPE, stderr=file, check=True)
    code, cpu_seconds, megabytes = json.loads(done.stdout)
    return Used(code, time.monotonic() - begun, cpu_seconds, megabytes)
