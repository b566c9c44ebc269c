"""LibreOffice in tests, where it and its Python bridge are installed: what it sees in a workbook, or running."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SESSION = Path(__file__).with_name("uno_session.py")


def seen_by_libreoffice(workbook: Path, *macros: str, **environment: str) -> dict[str, Any]:
    """What `uno_session.py` tells about `workbook` after calling `macros`; the test is skipped without LibreOffice."""
    command = [python_with_bridge(), SESSION, "look", workbook, *macros]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=180, env={**os.environ, **environment}
    )
    told: dict[str, Any] = json.loads(answer.stdout)
    return told


class RunningLibreOffice:
    """One connection to a LibreOffice that stays open, through `uno_server.py`; `pipe` joins one that runs already."""

    def __init__(self, pipe: str = "") -> None:
        self._lock = threading.Lock()
        command = [python_with_bridge(), SESSION.with_name("uno_server.py"), *([pipe] if pipe else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pipe: str = self._answer()

    def ask(self, do: str, **arguments: Any) -> Any:
        """One of the server's functions, by name."""
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End the connection, and the LibreOffice that was started for it."""
        self._process.communicate(timeout=60)


def print_workbook(workbook: Path, pdf: Path, *ranges: str) -> None:
    """Print ranges of `workbook`, as `uno_session.py` takes them, to `pdf`."""
    subprocess.run([python_with_bridge(), SESSION, "print", workbook, pdf, *ranges], check=True, timeout=180)


def python_with_bridge() -> str:
    """A Python that can talk to LibreOffice; the test is skipped where there is none."""
    python = next(filter(_has_bridge, (sys.executable, "/usr/bin/python3")), None)
    if python is None or shutil.which("soffice") is None:
        pytest.skip("LibreOffice with its Python bridge (libreoffice-calc, python3-uno) is not installed")
    return python


@cache
def _has_bridge(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", "import uno"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
