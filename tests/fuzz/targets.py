"""All targets by name: each takes a `Random` and an empty folder, and gives what became of the case.

An exception that leaves a target is a finding.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz.answers import answer, grant, job
from tests.fuzz.files import settings, token_file
from tests.fuzz.workbooks import workbook

TARGETS: dict[str, Callable[[Random, Path], str]] = {
    "workbook": workbook,
    "settings": settings,
    "token_file": token_file,
    "answer": answer,
    "grant": grant,
    "job": job,
}

logging.getLogger("batch").addHandler(logging.NullHandler())  # orders that cannot be understood are logged
logging.getLogger("batch").propagate = False
