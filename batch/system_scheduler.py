"""The schedulers that systems bring along: Task Scheduler on Windows, systemd's timers, cron.

What is to be done to one of them is decided as a list of steps, which can be shown instead of taken. Each task is
one command that is over when its turn is; the system sees to it that it comes again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, TypeAlias
from xml.sax.saxutils import escape

from batch.errors import UsageError

PATIENCE = 30.0  # seconds; these programs answer at once or not at all


@dataclass(frozen=True, slots=True)
class Task:
    """`command` every `every`, which must be whole minutes; `name` is fit for the name of a file, a unit and a task."""

    name: str
    command: Sequence[str]
    every: timedelta

    @property
    def minutes(self) -> int:
        """Raises UsageError every_not_minutes (seconds)."""
        minutes, rest = divmod(int(self.every.total_seconds()), 60)
        if rest:
            raise UsageError("every_not_minutes", seconds=60 * minutes + rest)
        return minutes


@dataclass(frozen=True, slots=True)
class Write:
    """Put `content` into the file `path`."""

    path: Path
    content: bytes

    def take(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(self.content)

    def __str__(self) -> str:
        encoding = "utf-16" if self.content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
        return f"# {self.path}\n{self.content.decode(encoding).strip()}\n"


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the file `path`, if it is there."""

    path: Path

    def take(self) -> None:
        self.path.unlink(missing_ok=True)

    def __str__(self) -> str:
        return f"{'del' if os.name == 'nt' else 'rm -f'} {_shown([str(self.path)])}"


@dataclass(frozen=True, slots=True)
class Run:
    """Run a program of the system, with `text` on its stdin."""

    arguments: Sequence[str]
    text: str = field(default="", repr=False)

    def take(self) -> str:
        """What it said. Raises UsageError scheduler_failed (command, reason)."""
        try:
            done = subprocess.run(  # noqa: S603  (no shell; every argument is one word)
                self.arguments,
                input=self.text.encode(),
                capture_output=True,
                timeout=PATIENCE,
                check=False,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError("scheduler_failed", command=str(self.arguments[0]), reason=_reason(error)) from error
        if done.returncode:
            said = _text(done.stderr or done.stdout).strip() or str(done.returncode)
            raise UsageError("scheduler_failed", command=_shown(self.arguments), reason=said)
        return _text(done.stdout)

    def __str__(self) -> str:
        return _shown(self.arguments) + (f" <<'END'\n{self.text.rstrip()}\nEND" if self.text else "")


Step: TypeAlias = Write | Delete | Run


class Scheduler(ABC):
    """One of the system's schedulers; `kind` names what is worth knowing about it in the catalogue."""

    kind: ClassVar[str]

    @abstractmethod
    def install(self, task: Task) -> list[Step]:
        """How to make `task`, or change it. Raises UsageError every_not_possible (minutes)."""

    @abstractmethod
    def remove(self, name: str) -> list[Step]:
        """How to take the task `name` away."""

    @abstractmethod
    def status(self, name: str) -> Run:
        """How to ask for the task `name`; fails where there is none."""

    def installed(self, name: str) -> str | None:
        """What the system says of the task `name`; None when there is none."""
        try:
            return self.status(name).take().strip()
        except UsageError:
            return None


def system_scheduler() -> Scheduler:
    """The scheduler of this computer; cron where there is no better one."""
    if os.name == "nt":
        return TaskScheduler(Path(tempfile.gettempdir()))
    units = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    return Systemd(units) if _systemd_answers() else Cron()


def take(steps: Sequence[Step]) -> None:
    """Take the steps in order. Raises UsageError scheduler_failed (command, reason)."""
    for step in steps:
        try:
            step.take()
        except OSError as error:
            raise UsageError("scheduler_failed", command=str(step), reason=_reason(error)) from error


def task_name(workbook: Path) -> str:
    """One name for one workbook, told from others of the same file name by its folder."""
    real = os.path.normcase(os.path.realpath(workbook))
    stem = re.sub(r"[^A-Za-z0-9]+", "-", workbook.stem).strip("-")
    return f"allegro-batch-{stem}-{hashlib.sha256(real.encode(errors='surrogatepass')).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class TaskScheduler(Scheduler):
    """Windows. The task is given as XML, since a command line of schtasks is short and cannot say everything.

    It runs while its user is logged on, with that user's drives, also on battery power; a turn that is missed is
    made up for, and one that is not over yet is not doubled.
    """

    folder: Path
    kind: ClassVar[str] = "windows"

    def install(self, task: Task) -> list[Step]:
        file = self.folder / f"{task.name}.xml"
        program, *arguments = task.command
        xml = _TASK_XML.format(
            command=escape(program),
            arguments=escape(subprocess.list2cmdline(arguments)),
            minutes=task.minutes,
        )
        create = Run(["schtasks", "/Create", "/TN", task.name, "/XML", str(file), "/F"])
        return [Write(file, b"\xff\xfe" + xml.encode("utf-16-le")), create, Delete(file)]

    def remove(self, name: str) -> list[Step]:
        return [Run(["schtasks", "/Delete", "/TN", name, "/F"])]

    def status(self, name: str) -> Run:
        return Run(["schtasks", "/Query", "/TN", name, "/FO", "LIST"])


_TASK_XML = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers>
    <TimeTrigger>
      <Repetition>
        <Interval>PT{minutes}M</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
      <StartBoundary>2026-01-01T00:00:00</StartBoundary>
      <Enabled>true</Enabled>
    </TimeTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT12H</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""


@dataclass(frozen=True, slots=True)
class Systemd(Scheduler):
    """A timer of the user's own systemd; `folder` holds the units."""

    folder: Path
    kind: ClassVar[str] = "systemd"

    def install(self, task: Task) -> list[Step]:
        command = " ".join(map(_systemd_word, task.command))
        service = f"[Unit]\nDescription={task.name}\n\n[Service]\nType=oneshot\nExecStart={command}\n"
        timer = (
            f"[Unit]\nDescription={task.name}\n\n"
            f"[Timer]\nOnActiveSec=0\nOnUnitActiveSec={task.minutes}min\nAccuracySec=5s\n\n"
            "[Install]\nWantedBy=timers.target\n"
        )
        return [
            Write(self.folder / f"{task.name}.service", service.encode()),
            Write(self.folder / f"{task.name}.timer", timer.encode()),
            Run([*_SYSTEMCTL, "daemon-reload"]),
            Run([*_SYSTEMCTL, "enable", f"{task.name}.timer"]),
            Run([*_SYSTEMCTL, "restart", f"{task.name}.timer"]),
        ]

    def remove(self, name: str) -> list[Step]:
        return [
            Run([*_SYSTEMCTL, "disable", "--now", f"{name}.timer"]),
            Delete(self.folder / f"{name}.timer"),
            Delete(self.folder / f"{name}.service"),
            Run([*_SYSTEMCTL, "daemon-reload"]),
        ]

    def status(self, name: str) -> Run:
        return Run([*_SYSTEMCTL, "--no-pager", "status", f"{name}.timer"])


_SYSTEMCTL = ("systemctl", "--user")


def _systemd_answers() -> bool:
    try:
        Run([*_SYSTEMCTL, "show-environment"]).take()
    except UsageError:
        return False
    return True


def _systemd_word(word: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(plain, escaped)
    return f'"{word}"'


@dataclass(frozen=True, slots=True)
class Cron(Scheduler):
    """The user's crontab: our line is the one with the task's name behind it, the others stay as they are."""

    kind: ClassVar[str] = "cron"

    def install(self, task: Task) -> list[Step]:
        # In a crontab a % is a line break unless it is escaped, even between quotes.
        command = shlex.join(task.command).replace("%", r"\%")
        line = f"{_cron_times(task)} {command} >/dev/null 2>&1 {_mark(task.name)}"
        return [Run(["crontab", "-"], "\n".join([*self._others(task.name), line, ""]))]

    def remove(self, name: str) -> list[Step]:
        return [Run(["crontab", "-"], "\n".join([*self._others(name), ""]))]

    def status(self, name: str) -> Run:  # noqa: ARG002  (crontab shows all or nothing)
        return Run(["crontab", "-l"])

    def installed(self, name: str) -> str | None:
        ours = [line for line in self._lines() if line.endswith(_mark(name))]
        return ours[0] if ours else None

    def _others(self, name: str) -> list[str]:
        return [line for line in self._lines() if not line.endswith(_mark(name))]

    def _lines(self) -> list[str]:
        if shutil.which("crontab") is None:
            return []
        try:
            return self.status("").take().splitlines()
        except UsageError as error:
            if re.search("no crontab|can't open", error.facts["reason"]):  # so it says that the table is still blank
                return []
            raise  # or the lines of others would be lost


def _mark(name: str) -> str:
    return f"# {name}"


def _cron_times(task: Task) -> str:
    hours, minutes = divmod(task.minutes, 60)
    if not hours and 60 % minutes == 0:
        return f"*/{minutes} * * * *"
    if hours and not minutes and 24 % hours == 0:
        return "0 0 * * *" if hours == 24 else f"0 */{hours} * * *"
    raise UsageError("every_not_possible", minutes=task.minutes)


def _shown(words: Sequence[str]) -> str:
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _text(output: bytes) -> str:
    """Windows' programs speak the console's code page."""
    return output.decode("oem" if os.name == "nt" else "utf-8", "replace")
