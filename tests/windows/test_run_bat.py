"""run.bat on Windows, under Wine: what a user does with it, and what is then on the screen.

What Wine cannot show: a path with a per cent sign (its cmd loses it before run.bat sees anything), a batch file that
lies on a share (its cmd does not start one), the command line of Explorer (its cmd does not tell it).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch.workbook.template import write_template
from tests.windows.conftest import ROOT, Windows, run_bat
from tests.windows.windows_python import LAUNCHER, OLD, PREFIX, PYTHON, STORE, WHOLE, run_windows, windows_path

HARD_FOLDER = "Zażółć & gęślą (jaźń) !ważne! ^ 1"
SETTINGS = """\
language: pl
environments:
  sandbox: {client_id: x, client_secret: x, app_name: x, info_url: "https://example.com"}
journal: sqlite:///journal.sqlite
"""
ANSWERED = "Odpowiedzi są w skoroszycie: "
PAUSE = "Press any key"

whole = pytest.mark.skipif(WHOLE not in os.environ, reason="python -m tests.windows runs it")


def put_workbook(folder: Path, name: str, *, products: Sequence[Mapping[str, object]] = ()) -> Path:
    """A workbook whose only account is not active, so that nothing is asked of Allegro, and settings beside it."""
    accounts = [{"account": "sklep", "environment": "sandbox", "active": "nie"}]
    write_template(folder / name, "pl", rows={"Accounts": accounts, "Products": products})
    (folder / "batch.yaml").write_text(SETTINGS, encoding="utf-8")
    return folder / name


@dataclass(frozen=True)
class Start:
    """One way to start run.bat beside the workbooks `beside`, what is typed, and what comes of it."""

    name: str
    arguments: tuple[str, ...] = ()
    beside: tuple[str, ...] = ("Oferty.xlsm",)
    typed: str = ""
    code: int = 0
    says: tuple[str, ...] = (ANSWERED,)
    also: bool = False  # what it adds is shown without Wine too: the whole suite runs it


STARTS = [
    Start("double click, one workbook", also=True),
    Start("relative path in the caller's folder", ("check", "Oferty.xlsm"), also=True),
    Start("dropped workbook", ("{here}\\Ceny & stany (1) !.xlsx",), ("Ceny & stany (1) !.xlsx", "Inny.xlsx")),
    Start("several workbooks, the second", (), ("A.xlsx", "B ż.xlsx"), "9\n2\n",
          says=("Który skoroszyt?", "1  A.xlsx", "2  B ż.xlsx", ANSWERED, "\\B ż.xlsx"), also=True),
    Start("several workbooks, none chosen", (), ("A.xlsx", "B.xlsx"), "\n", 2, ("Nic nie wybrano",), also=True),
    Start("neither command nor workbook", ("cennik.csv",), code=2, says=("cennik.csv", "prices"), also=True),
    Start("another command of the program", ("init", "Nowy.xlsx"), says=("Nowy.xlsx",), also=True),
]  # fmt: skip


@pytest.mark.parametrize(
    "start", [pytest.param(start, id=start.name, marks=whole if start.also else ()) for start in STARTS]
)
def test_starts(windows: Windows, tmp_path: Path, start: Start) -> None:
    """In a folder with spaces, &, parentheses, !, ^ and Polish letters; the window stays."""
    here = windows.install(tmp_path / HARD_FOLDER)
    for name in start.beside:
        put_workbook(here, name)
    arguments = [argument.format(here=windows_path(here)) for argument in start.arguments]
    done = run_bat(here, *arguments, text=start.typed)
    shown = done.stdout + done.stderr
    assert done.returncode == start.code, shown
    assert [text for text in (*start.says, PAUSE) if text not in shown] == [], shown


def test_a_double_click_without_a_workbook_makes_one(windows: Windows, tmp_path: Path) -> None:
    """And says where it is; the next double click runs it."""
    here = windows.install(tmp_path / HARD_FOLDER)
    first = run_bat(here)
    assert first.returncode == 0, first.stderr
    assert "powstał nowy: " in first.stdout
    assert {path.name for path in here.glob("*.xlsm")} == {"Oferty.xlsm"}
    assert (here / "batch.yaml").exists()


def test_the_command_line_of_a_button(windows: Windows, tmp_path: Path) -> None:
    """Byte for byte as the macro builds it, with cmd's quotes; the exit code of a bad row comes through."""
    here = windows.install(tmp_path / HARD_FOLDER)
    put_workbook(here, "Oferty.xlsm", products=[{"account": "nieznany", "ean": "5901234123457"}])
    folder = windows_path(here)
    line = f'cmd.exe /s /c ""{folder}\\run.bat" check "{folder}\\Oferty.xlsm""'
    code = "import os, subprocess, sys; sys.exit(subprocess.call(os.environ['LINE']))"
    python = windows_path(PYTHON / "python.exe")
    done = run_windows(python, "-c", code, LINE=line, WINEPATH=windows_path(PYTHON), CI="1")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Produkty!A2" in done.stderr


@pytest.mark.parametrize(
    ("path", "says"),
    [
        pytest.param(None, "nie ma Pythona", id="no Python"),
        pytest.param(STORE, "nie ma Pythona", id="only the Store's alias"),
        pytest.param(OLD, "za stary", id="Python 3.8"),
    ],
)
def test_without_a_python_it_says_where_to_get_one(
    windows: Windows, tmp_path: Path, path: Path | None, says: str
) -> None:
    """The window stays, in both languages, and nothing is made."""
    here = windows.install(tmp_path / HARD_FOLDER, ready=False)
    done = run_bat(here, path=path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stdout
    assert done.stdout.count("https://www.python.org/downloads/") == 2
    assert PAUSE in done.stdout
    assert not (here / ".venv").exists()


def test_run_bat_alone_says_that_the_program_is_missing(windows: Windows, tmp_path: Path) -> None:
    """Somebody copied it beside a workbook, without the rest."""
    (tmp_path / "x y").mkdir()
    shutil.copy(ROOT / "run.bat", tmp_path / "x y")
    done = run_bat(tmp_path / "x y")
    assert done.returncode == 2
    assert "Skopiuj caly jego folder" in done.stdout


def test_py_is_enough(windows: Windows, tmp_path: Path) -> None:
    """Python installed without being put on PATH; the Store's alias is there as well."""
    here = windows.install(tmp_path / HARD_FOLDER, ready=False)
    both = f"{windows_path(LAUNCHER)};{windows_path(STORE)}"
    (here / "pyproject.toml").unlink()
    (here / "pyproject.toml").write_text("[project]\n")  # so that Python ends where the setting up begins
    done = run_bat(here, path=None, WINEPATH=both)
    assert "dependencies" in done.stderr
    assert "nie ma Pythona" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        pytest.param(("--no-pause",), {}, id="argument"),
        pytest.param((), {"CI": "1"}, id="CI"),
    ],
)
def test_the_window_stays_for_people_only(
    windows: Windows, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    """A script is not kept waiting."""
    here = windows.install(tmp_path / "x", ready=False)
    done = run_bat(here, *arguments, path=None, **environment)
    assert done.returncode == 2, done.stdout + done.stderr
    assert PAUSE not in done.stdout


@whole
def test_a_program_on_a_share_keeps_its_environment_on_the_pc(windows: Windows, tmp_path: Path) -> None:
    """PCs that share the program do not share an environment. (What run.bat does after its pushd.)"""
    share = windows.install(tmp_path / HARD_FOLDER, ready=False)
    put_workbook(share, "Oferty.xlsx")
    local = tmp_path / "local" / "allegro-batch" / "venv"
    local.parent.mkdir(parents=True)
    local.symlink_to(windows.environment)
    unc = PREFIX / "dosdevices" / "unc" / "server" / tmp_path.parent.name
    unc.parent.mkdir(parents=True, exist_ok=True)
    unc.symlink_to(tmp_path)
    try:
        called = f"\\\\server\\{unc.name}\\{share.name}\\"
        code = (
            "import os, subprocess, sys; os.environ['LOCALAPPDATA'] = os.environ['PLACE'];"
            "sys.exit(subprocess.call([sys.executable, '-m', 'batch.launcher']))"
        )
        done = run_windows(
            windows_path(PYTHON / "python.exe"), "-c", code, folder=share, RUN_BAT_FOLDER=called, PYTHONUTF8="1",
            PLACE=windows_path(tmp_path / "local"),
        )  # fmt: skip
    finally:
        unc.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{called}Oferty.xlsx" in done.stderr
    assert not (share / ".venv").exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@whole
def test_the_first_start_sets_up_and_a_broken_one_is_mended(windows: Windows, tmp_path: Path) -> None:
    """With the packages from PyPI; a second start does not do it again, a half-made environment is made anew."""
    here = windows.install(tmp_path / HARD_FOLDER, ready=False)
    put_workbook(here, "Oferty.xlsx")
    first = run_bat(here)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Przygotowuję program" in first.stdout
    assert "  lxml\n" in first.stdout
    assert ANSWERED in first.stderr
    assert "Przygotowuję" not in run_bat(here).stdout

    (here / ".venv" / "ready.txt").unlink()  # as after a window that was closed meanwhile
    shutil.rmtree(here / ".venv" / "Lib" / "site-packages" / "typer")
    mended = run_bat(here)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert ANSWERED in mended.stderr


def test_run_bat_is_plain_for_every_windows() -> None:
    """cmd needs CRLF, and reads a batch file in the code page of the moment."""
    content = (ROOT / "run.bat").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    content.decode("ascii")
