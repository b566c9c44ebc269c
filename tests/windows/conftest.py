"""A Windows PC under Wine: its Python, the program with a ready environment, and folders to start run.bat in."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from batch.environment import STAMP, read_requirements
from tests.windows import windows_python
from tests.windows.windows_python import CACHE, DIGITS, NotPossible, run_windows, windows_path

ROOT = Path(__file__).parents[2]
PARTS = ("run.bat", "pyproject.toml", "batch", "templates")


@dataclass(frozen=True)
class Windows:
    """What tests need of the PC. `environment` is a `.venv` that run.bat itself has made."""

    environment: Path

    def install(self, folder: Path, *, ready: bool = True) -> Path:
        """Put the program into a new folder; `ready`: as after its first start."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            (folder / part).unlink(missing_ok=True)  # of another checkout, which may be gone
            (folder / part).symlink_to(ROOT / part)
        if ready:
            (folder / ".venv").symlink_to(self.environment)
        return folder


def run_bat(
    folder: Path, *arguments: str, path: Path | None = windows_python.PYTHON, text: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Start the run.bat of a folder as a user does, with `path` on PATH and `text` typed."""
    if path is not None:
        environment["WINEPATH"] = windows_path(path)
    return run_windows(windows_path(folder / "run.bat"), *arguments, text=text, folder=folder, **environment)


@pytest.fixture(scope="session")
def windows() -> Windows:
    """The PC; tests are skipped with the reason where it cannot be had."""
    try:
        windows_python.build()
    except NotPossible as error:
        pytest.skip(str(error))
    installed = CACHE / f"installed{DIGITS}"
    pc = Windows(installed / ".venv")
    with FileLock(CACHE / "installed.lock"):
        stamp = installed / ".venv" / STAMP
        if not stamp.exists() or stamp.read_text("utf-8").splitlines() != read_requirements(ROOT):
            pc.install(installed, ready=False)
            done = run_bat(installed, "--help", CI="1")  # makes or renews the environment
            assert done.returncode == 0, done.stdout + done.stderr
    return pc
