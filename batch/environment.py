"""The Python environment that `run.bat` works in: made once, renewed with the program, made anew when broken.

Only the standard library is imported, because nothing else is there yet. For the same reason this module's part of
the catalogue is JSON, which is YAML too, and is said in both languages: nobody has been asked for theirs yet.

A finished environment holds a stamp with the requirements it was made for. Without the stamp somebody interrupted
its making, so it is made anew. The code itself is never installed: it runs from the folder of `run.bat`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

STAMP = "ready.txt"
LOG = "setup.log"
APP = "allegro-batch"
_TEXTS = Path(__file__).parent / "messages" / "environment.yaml"
_DRIVE_REMOTE = 4  # of GetDriveTypeW


class NotReady(Exception):
    """The environment could not be made; the text is for people."""


def ready_python(program: Path, say: Callable[[str], object]) -> Path:
    """The Python of the environment for the program in the folder `program`, made or renewed first where needed.

    Raises NotReady.
    """
    requirements = read_requirements(program)
    folder = environment_folder(program)
    python = python_of(folder)
    if _is_ready(folder, requirements):
        return python
    log = folder.with_name(f"{folder.name}-{LOG}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_name(f"{folder.name}.lock"), say):
            if not _is_ready(folder, requirements):  # else another window was faster
                with log.open("w", encoding="utf-8", errors="replace") as file:
                    _make(folder, requirements, file, say)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotReady(_both("environment_failed", reason=reason, log=str(log))) from error
    return python


def read_requirements(program: Path) -> list[str]:
    """What `pyproject.toml` says the program needs."""
    project = tomllib.loads((program / "pyproject.toml").read_text("utf-8"))["project"]
    return sorted(project["dependencies"])


def environment_folder(program: Path) -> Path:
    """`.venv` beside the program; in the user's local data where that is on the network or cannot be written.

    An environment holds the paths of one PC's Python, so PCs that share the program do not share it.
    """
    beside = program / ".venv"
    usable = not _is_remote(program) and ((beside / STAMP).exists() or _can_write(program))
    return beside if usable else local_data() / APP / "venv"


def local_data() -> Path:
    """Where this user keeps programs' data on this PC."""
    given = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_DATA_HOME")
    return Path(given) if given else Path.home() / ("AppData/Local" if os.name == "nt" else ".local/share")


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _is_ready(folder: Path, requirements: Sequence[str]) -> bool:
    at_work = Path(sys.prefix) == folder  # then it runs, and need not be tried
    return _stamp(folder) == list(requirements) and (at_work or _runs(python_of(folder)))


def _stamp(folder: Path) -> list[str] | None:
    try:
        return (folder / STAMP).read_text("utf-8").splitlines()
    except OSError:
        return None


def _runs(python: Path) -> bool:
    """Whether an interpreter works: the Python that an environment was made with may be gone since."""
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make(folder: Path, requirements: Sequence[str], log: IO[str], say: Callable[[str], object]) -> None:
    """Make the environment anew, or renew a finished one."""
    python = python_of(folder)
    if _stamp(folder) is not None and _runs(python):
        say(_both("environment_renewing"))
        (folder / STAMP).unlink()
    else:
        say(_both("environment_making"))
        say(_both("environment_place", folder=str(folder)))
        if folder.exists():
            shutil.rmtree(folder)
        _follow([sys.executable, "-m", "venv", str(folder)], log, lambda _line: None)

    def tell(line: str) -> None:
        if line.startswith("Collecting "):
            say("  " + re.split(r"[^\w.-]", line.split()[1])[0])
        elif line.startswith("Installing collected packages"):
            say(_both("environment_installing"))

    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    _follow([*pip, *requirements], log, tell)
    (folder / STAMP).write_text("\n".join(requirements), "utf-8")
    say(_both("environment_ready"))


def _follow(command: Sequence[str], log: IO[str], tell: Callable[[str], None]) -> None:
    """Run a command, its output into the log and line by line to `tell`. Raises SubprocessError when it fails."""
    last = ""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            tell(line)
            last = line.strip() or last
    if process.returncode:
        raise subprocess.SubprocessError(last or f"exit code {process.returncode}")


@contextmanager
def _alone(lock: Path, say: Callable[[str], object]) -> Iterator[None]:
    """One window at a time, by a lock of the operating system, which ends with its process."""
    with lock.open("a+b") as file:
        waited = False
        while not _try_lock(file):
            if not waited:
                say(_both("environment_waiting"))
                waited = True
            time.sleep(0.5)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _can_write(folder: Path) -> bool:
    """By trying it: Windows' access rights are not in the mode bits."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_remote(folder: Path) -> bool:
    """Whether a folder is on another computer: a UNC path, or a drive letter that stands for one."""
    if sys.platform == "win32":
        import ctypes

        drive = folder.absolute().drive
        return drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\") == _DRIVE_REMOTE
    return False


def _both(key: str, **facts: str) -> str:
    """A text of the catalogue in both languages, one a line."""
    lines = list(json.loads(_TEXTS.read_text("utf-8"))[key].values())
    for name, value in facts.items():
        lines = [line.replace("{{ " + name + " }}", value) for line in lines]
    return "\n".join(lines)
