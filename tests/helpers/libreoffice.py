"""A workbook as LibreOffice sees it, where LibreOffice and its Python bridge are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
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


def print_workbook(workbook: Path, pdf: Path, *ranges: str) -> None:
    """Print ranges of `workbook`, as `uno_session.py` takes them, to `pdf`."""
    subprocess.run([python_with_bridge(), SESSION, "print", workbook, pdf, *ranges], check=True, timeout=180)


def python_with_bridge() -> str:
    """A Python that can talk to LibreOffice; the test is skipped where there is none."""
    python = next(filter(_has_bridge, (sys.executable, "/usr/bin/python3")), None)
    if python is None or shutil.which("soffice") is None:
        pytest.skip("LibreOffice with its Python bridge (libreoffice-calc, python3-uno) is not installed")
    return python


def _has_bridge(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", "import uno"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
