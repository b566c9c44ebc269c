"""The system's schedulers: what is registered is exactly the command, whatever its paths hold; nothing else is lost.

`crontab`, `systemctl` and `schtasks` themselves are stand-ins on the PATH that write down what they are asked; the
shell that reads a line of a crontab is the real one. What Windows makes of the XML cannot be tried here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from batch.errors import UsageError
from batch.system_scheduler import Cron, Run, Systemd, Task, TaskScheduler, Write, system_scheduler, take, task_name

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stand-ins for the programs are shell scripts")

NASTY = [
    "/home/anna/Moje oferty/Oferty.xlsx",
    "/srv/Żółć & Syn (nowy)/100% $HOME `x` 'y' \"z\"; #1.xlsx",
    "/srv/koniec\\",
]


def task(*words: str, minutes: float = 15, name: str = "allegro-batch-x-1") -> Task:
    return Task(name, words or ("python", "-m", "batch"), timedelta(minutes=minutes))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put a shell script in the place of a program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HERE", str(tmp_path))

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


CRONTAB = """
if [ "$1" = -l ]; then cat "$HERE/table" 2>/dev/null || { echo "no crontab for anna" >&2; exit 1; }
else cat > "$HERE/table"; fi"""


@pytest.mark.parametrize("path", NASTY)
def test_a_line_of_a_crontab_runs_exactly_the_command(path: str) -> None:
    """Cron turns \\% into % and gives the rest to the shell, which sees the words as they were."""
    argv = [sys.executable, "-c", "import json, sys; sys.stderr.write(json.dumps(sys.argv[1:]))", path, "--once"]
    [step] = Cron().install(task(*argv))
    assert isinstance(step, Run)
    line = step.text.splitlines()[-1].split(" ", 5)[5]
    command = line.replace(r"\%", "%").replace(">/dev/null 2>&1", "")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == [path, "--once"]
    assert "%" not in line.replace(r"\%", "")


@pytest.mark.parametrize("path", NASTY)
def test_a_systemd_unit_holds_exactly_the_command(path: str, tmp_path: Path) -> None:
    """Read back by systemd's own rules: quotes, backslashes, %% and $$."""
    service = Systemd(tmp_path).install(task("/usr/bin/python", path))[0]
    assert isinstance(service, Write)
    [line] = [line for line in service.content.decode().splitlines() if line.startswith("ExecStart=")]
    for special in "%$":  # each alone would stand for something else
        assert special not in line.replace(2 * special, "")
    words = line.removeprefix('ExecStart="').removesuffix('"').split('" "')
    plain = [w.replace("$$", "$").replace("%%", "%").replace('\\"', '"').replace("\\\\", "\\") for w in words]
    assert plain == ["/usr/bin/python", path]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("path", NASTY)
def test_systemd_accepts_the_units(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own checker."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    steps = [step for step in Systemd(tmp_path).install(task("/bin/true", path)) if isinstance(step, Write)]
    take(steps)
    files = [str(step.path) for step in steps]
    done = subprocess.run(["systemd-analyze", "--user", "verify", *files], capture_output=True, text=True, check=False)
    assert str(tmp_path) not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        (r"C:\Oferty\Oferty.xlsx", r"-m batch schedule C:\Oferty\Oferty.xlsx --once"),
        (r"C:\Żółć & Syn (nowy)\a.xlsx", '-m batch schedule "C:\\Żółć & Syn (nowy)\\a.xlsx" --once'),
        ("\\\\serwer\\udział 1\\", '-m batch schedule "\\\\serwer\\udział 1\\\\" --once'),
    ],
)
def test_a_task_of_windows_holds_exactly_the_command(path: str, arguments: str, tmp_path: Path) -> None:
    """In XML, which is UTF-16 as schtasks wants it; it repeats, and goes on after a battery or a missed turn."""
    program = r"C:\Program Files\Python\pythonw.exe"
    steps = TaskScheduler(tmp_path).install(task(program, "-m", "batch", "schedule", path, "--once"))
    assert isinstance(steps[0], Write)
    text = steps[0].content.decode("utf-16")
    assert text.startswith('<?xml version="1.0" encoding="UTF-16"?>')
    root = etree.fromstring(steps[0].content)
    found = {str(node.tag).rpartition("}")[2]: node.text for node in root.iter() if not len(node)}
    assert found["Command"] == program
    assert found["Arguments"] == arguments
    assert found["Interval"] == "PT15M"
    assert found["MultipleInstancesPolicy"] == "IgnoreNew"
    assert found["StopIfGoingOnBatteries"] == found["DisallowStartIfOnBatteries"] == "false"


def test_windows_is_asked_with_schtasks_and_the_file_is_gone_afterwards(
    tmp_path: Path, stand_in: Callable[[str, str], None]
) -> None:
    stand_in("schtasks", 'printf "%s\\n" "$*" >> "$HERE/calls"; [ "$1" != /Create ] || cp "$5" "$HERE/seen"')
    scheduler = TaskScheduler(tmp_path)
    take(scheduler.install(task()))
    take(scheduler.remove("allegro-batch-x-1"))
    assert scheduler.installed("allegro-batch-x-1") == ""
    file = tmp_path / "allegro-batch-x-1.xml"
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"/Create /TN allegro-batch-x-1 /XML {file} /F",
        "/Delete /TN allegro-batch-x-1 /F",
        "/Query /TN allegro-batch-x-1 /FO LIST",
    ]
    assert "<Task" in (tmp_path / "seen").read_text("utf-16")
    assert not file.exists()


@pytest.mark.parametrize(
    ("minutes", "times"),
    [
        (1, "*/1 * * * *"),
        (15, "*/15 * * * *"),
        (60, "0 */1 * * *"),
        (120, "0 */2 * * *"),
        (1440, "0 0 * * *"),
        (25, None),
        (90, None),
        (420, None),
        (0.5, None),
    ],
)
def test_cron_knows_some_intervals_only(minutes: float, times: str | None) -> None:
    """Those that divide an hour or a day; others are refused rather than rounded."""
    if times is None:
        with pytest.raises(UsageError, match="every_not_"):
            Cron().install(task(minutes=minutes))
    else:
        [step] = Cron().install(task(minutes=minutes))
        assert isinstance(step, Run)
        assert step.text.startswith(f"{times} python")


def test_the_other_lines_of_a_crontab_stay(tmp_path: Path, stand_in: Callable[[str, str], None]) -> None:
    """Installed, changed, removed: one line of ours at most."""
    stand_in("crontab", CRONTAB)
    table = tmp_path / "table"
    table.write_text("# moje\n0 5 * * * kopia 100\\%\n")
    cron = Cron()
    assert cron.installed("allegro-batch-x-1") is None
    for minutes in (15, 30):
        take(cron.install(task(minutes=minutes)))
        lines = table.read_text().splitlines()
        assert lines[:2] == ["# moje", "0 5 * * * kopia 100\\%"]
        assert len(lines) == 3
        assert lines[2].startswith(f"*/{minutes} ")
        assert cron.installed("allegro-batch-x-1") == lines[2]
        assert cron.installed("allegro-batch-x-10") is None
    take(cron.remove("allegro-batch-x-1"))
    assert table.read_text() == "# moje\n0 5 * * * kopia 100\\%\n"


def test_a_crontab_that_was_never_made_is_made(tmp_path: Path, stand_in: Callable[[str, str], None]) -> None:
    stand_in("crontab", CRONTAB)
    take(Cron().install(task()))
    assert len((tmp_path / "table").read_text().splitlines()) == 1


def test_a_crontab_that_cannot_be_read_is_not_overwritten(stand_in: Callable[[str, str], None]) -> None:
    """Or every line of the user's would be lost."""
    stand_in("crontab", 'echo "you are not allowed to use this program" >&2; exit 1')
    with pytest.raises(UsageError, match="not allowed"):
        Cron().install(task())


def test_systemd_where_it_answers_and_cron_elsewhere(
    tmp_path: Path, stand_in: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units are written, the timer is enabled and started; removed without a trace."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    stand_in("systemctl", "exit 1")
    assert isinstance(system_scheduler(), Cron)
    stand_in("systemctl", 'echo "$*" >> "$HERE/calls"')
    scheduler = system_scheduler()
    assert isinstance(scheduler, Systemd)
    units = tmp_path / "config" / "systemd" / "user"
    take(scheduler.install(task()))
    assert sorted(path.name for path in units.iterdir()) == ["allegro-batch-x-1.service", "allegro-batch-x-1.timer"]
    assert "OnUnitActiveSec=15min" in (units / "allegro-batch-x-1.timer").read_text()
    take(scheduler.remove("allegro-batch-x-1"))
    assert list(units.iterdir()) == []
    calls = (tmp_path / "calls").read_text()
    for call in ("daemon-reload", "enable allegro-batch-x-1.timer", "disable --now allegro-batch-x-1.timer"):
        assert f"--user {call}\n" in calls


def test_a_refusal_of_the_system_is_told_in_its_own_words(stand_in: Callable[[str, str], None]) -> None:
    stand_in("schtasks", 'echo "Odmowa dostępu." >&2; exit 1')
    with pytest.raises(UsageError) as caught:
        take(TaskScheduler(Path("/")).remove("x"))
    assert caught.value.facts["reason"] == "Odmowa dostępu."
    with pytest.raises(UsageError, match="scheduler_failed"):
        Run(["no-such-program-anywhere"]).take()


def test_workbooks_of_one_name_have_tasks_of_their_own(tmp_path: Path) -> None:
    """The same workbook has the same task however it is named; the name is plain."""
    (tmp_path / "b").mkdir()
    one, other = tmp_path / "Żółte oferty.xlsx", tmp_path / "b" / "Żółte oferty.xlsx"
    assert task_name(one) != task_name(other)
    assert task_name(one) == task_name(tmp_path / "b" / ".." / "Żółte oferty.xlsx")
    assert task_name(one).isascii()
    assert task_name(one).replace("-", "").isalnum()
