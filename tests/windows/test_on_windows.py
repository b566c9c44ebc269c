"""What our Python does differently on Windows, executed there (under Wine)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.windows.conftest import ROOT, Windows, run_bat
from tests.windows.windows_python import WHOLE, run_windows, windows_path

EXPECTED = """\
open: workbook_open
held for a moment: done
content: new
closed: done
held on: workbook_not_saved
content: new
second run: workbook_busy
afterwards: done
left: Oferty & inne.xlsx
"""


def test_a_workbook_that_another_program_holds(windows: Windows, tmp_path: Path) -> None:
    """Seen before anything is sent; a virus scanner's moment is waited out; nothing is left beside it."""
    python = windows_path(windows.environment / "Scripts" / "python.exe")
    done = run_windows(python, "-m", "tests.windows.open_elsewhere", windows_path(tmp_path), folder=ROOT)
    assert done.stdout == EXPECTED, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(WHOLE not in os.environ, reason="python -m tests.windows runs it")
def test_the_whole_job(windows: Windows, tmp_path: Path) -> None:
    """The demonstration: tokens under their lock, SQLite, sockets, a workbook replaced."""
    here = windows.install(tmp_path / "Mój sklep & co")
    done = run_bat(here, "demo", "pokaz", "--rows", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Szkic utworzony: 21" in done.stderr
    assert (here / "pokaz" / "demo.xlsx").exists()
