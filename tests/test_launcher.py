"""What run.bat's arguments, drops and questions come to: the command line of the program."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import xlsxwriter

import batch
from batch import cli, launcher
from batch.workbook.template import write_template

EXPLORER = r"C:\WINDOWS\system32\cmd.exe /c "
Launch = Callable[..., list[str]]


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Start with arguments and typed lines beside the workbooks of `tmp_path`; gives what `batch.cli` gets."""
    monkeypatch.chdir(tmp_path)

    def start(*arguments: str, typed: Sequence[str] = ()) -> list[str]:
        lines: Iterator[str] = iter(typed)

        def ask(prompt: str = "") -> str:
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        got: list[str] = []
        monkeypatch.setattr("builtins.input", ask)
        monkeypatch.setattr(cli, "main", got.extend)
        launcher.launch(arguments, tmp_path)
        return [argument.removeprefix(f"{tmp_path}/") for argument in got]

    return start


def put(path: Path, *accounts: str, inactive: Sequence[str] = ()) -> None:
    """A workbook of ours with these accounts."""
    rows = [{"account": name, "environment": "sandbox", "active": "nie" if name in inactive else None}
            for name in (*accounts, *inactive)]  # fmt: skip
    write_template(path, "pl", rows={"Accounts": rows})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["run", "Oferty.xlsx"]),
        (["Oferty.xlsx"], ["run", "Oferty.xlsx"]),
        (["check"], ["check", "Oferty.xlsx"]),
        (["check", "Oferty.xlsx"], ["check", "Oferty.xlsx"]),
        (["run", "Oferty.xlsx", "--force"], ["run", "Oferty.xlsx", "--force"]),
        (["prices", "Oferty.xlsx"], ["run", "Oferty.xlsx", "--only", "updates"]),
        (["orders", "Oferty.xlsx", "sklep 1"],
         ["run", "Oferty.xlsx", "--only", "orders", "--account", "sklep 1"]),
        (["tokens", "Oferty.xlsx"], ["tokens", "Oferty.xlsx", "--refresh"]),
        (["dictionaries", "Oferty.xlsx"], ["dictionaries", "Oferty.xlsx"]),
        (["link", "Oferty.xlsx", "sklep 2"], ["link", "Oferty.xlsx", "sklep 2"]),
        (["link", "Oferty.xlsx", "--device"], ["link", "Oferty.xlsx", "sklep 1", "--device"]),
        (["demo", "folder"], ["demo", "folder"]),
        (["--help"], ["--help"]),
    ],
)  # fmt: skip
def test_arguments_become_a_command(launch: Launch, tmp_path: Path, arguments: list[str], expected: list[str]) -> None:
    """The workbook beside run.bat stands in for one that is not named; other commands pass as they are."""
    put(tmp_path / "Oferty.xlsx", "sklep 1")
    assert launch(*arguments) == expected


def test_the_buttons_actions_are_known() -> None:
    """A button that run.bat does not understand would be a dead one."""
    source = (Path(batch.__file__).parent / "workbook" / "macros" / "AllegroBatch.bas").read_text("ascii")
    assert set(re.findall(r'StartRunner "(\w+)"', source)) == set(launcher.ACTIONS)


def test_linking_asks_which_account_of_the_active_ones(launch: Launch, tmp_path: Path) -> None:
    """Inactive accounts are not offered; the answer is a number."""
    put(tmp_path / "Oferty.xlsx", "a", "b", inactive=["c"])
    assert launch("link", "Oferty.xlsx", typed=["3", "2"]) == ["link", "Oferty.xlsx", "b"]


def test_linking_without_accounts_says_where_to_enter_one(
    launch: Launch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is opened."""
    put(tmp_path / "Oferty.xlsx")
    with pytest.raises(SystemExit, match="2"):
        launch("link")
    assert "arkuszu Konta" in capsys.readouterr().err


def test_only_workbooks_of_the_tool_are_offered(launch: Launch, tmp_path: Path) -> None:
    """A price list that lies there too is left alone, and so is the file by which Excel marks an open workbook."""
    with xlsxwriter.Workbook(str(tmp_path / "cennik.xlsx")) as book:
        book.add_worksheet()
    put(tmp_path / "~$Oferty.xlsx", "a")
    put(tmp_path / "Oferty.xlsx", "a")
    assert launch() == ["run", "Oferty.xlsx"]


def test_a_damaged_workbook_is_not_passed_over(launch: Launch, tmp_path: Path) -> None:
    """Its user is told what is wrong with it, instead of finding a new one beside it."""
    (tmp_path / "Oferty.xlsx").write_bytes(b"PK\x03\x04 rubbish")
    assert launch() == ["run", "Oferty.xlsx"]


@pytest.mark.parametrize(("typed", "code"), [([""], 2), ([], 2), (["0", "x", ""], 2)])
def test_no_choice_does_nothing(launch: Launch, tmp_path: Path, typed: list[str], code: int) -> None:
    """Enter, or nobody there to answer."""
    put(tmp_path / "A.xlsx")
    put(tmp_path / "B.xlsx")
    with pytest.raises(SystemExit, match=str(code)):
        launch(typed=typed)


def test_several_dropped_workbooks_are_asked_about(launch: Launch, tmp_path: Path) -> None:
    """One run works on one workbook."""
    assert launch("A.xlsx", "B.xlsx", typed=["2"]) == ["run", "B.xlsx"]


@pytest.mark.parametrize(("settings", "name"), [(None, "Oferty.xlsm"), ("language: en", "Offers.xlsm")])
def test_a_first_workbook_never_takes_the_place_of_a_file(
    launch: Launch, tmp_path: Path, settings: str | None, name: str
) -> None:
    """Something else of that name keeps it; the language is that of the settings."""
    with xlsxwriter.Workbook(str(tmp_path / name)) as book:
        book.add_worksheet()
    before = (tmp_path / name).read_bytes()
    if settings:
        (tmp_path / "batch.yaml").write_text(settings, encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        launch()
    assert (tmp_path / name).read_bytes() == before
    assert (tmp_path / name.replace(".", "-2.")).exists()


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        (EXPLORER + r'""C:\a b & c\run.bat" "', []),
        (EXPLORER + r'""C:\a b & c\run.bat" C:\x\Ceny&stany.xlsx"', [r"C:\x\Ceny&stany.xlsx"]),
        (EXPLORER + r'""c:\A b & c\RUN.BAT" "C:\x y\Ceny & (1).xlsx" C:\ą\^!.xlsm"',
         [r"C:\x y\Ceny & (1).xlsx", r"C:\ą\^!.xlsm"]),
        (r'cmd.exe /s /c ""C:\a b & c\run.bat" check "C:\a b\x.xlsm""', ["check", r"C:\a b\x.xlsm"]),
        (EXPLORER + r'""C:\other\run.bat" C:\x\Ceny.xlsx"', []),
        (r'"C:\WINDOWS\system32\cmd.exe"', []),
        ("!CMDCMDLINE!", []),
        ("", []),
    ],
)  # fmt: skip
def test_dropped_paths_are_taken_whole(line: str, paths: list[str]) -> None:
    """cmd cuts an unquoted path at its &; the command line of Explorer has all of it."""
    assert launcher.dropped(line, "C:\\a b & c\\") == paths
