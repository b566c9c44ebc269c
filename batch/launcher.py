"""From a double click to a command: what `run.bat` starts once it has found a Python.

    run.bat                               the workbook beside it (a new one where there is none)
    run.bat WORKBOOK                      the same as `run WORKBOOK`: a file dropped onto run.bat
    run.bat ACTION [WORKBOOK] [ACCOUNT]   what a button does; options may follow
    run.bat COMMAND …                     any other command of `python -m batch`

It enters the program's own environment first, so only the standard library is imported at the top.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from batch.environment import NotReady, environment_folder, ready_python

if TYPE_CHECKING:
    from batch.messages import Catalogue

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "check": ("check",),
    "run": ("run",),
    "prices": ("run", "--only", "updates"),
    "orders": ("run", "--only", "orders"),
    "tokens": ("tokens", "--refresh"),
    "dictionaries": ("dictionaries",),
    "link": ("link",),
}
"""The words behind the workbook's buttons -> the command and its options."""

SUFFIXES = (".xlsx", ".xlsm")
NEW_WORKBOOK = {"pl": "Oferty", "en": "Offers"}
NO_PAUSE = "--no-pause"  # run.bat's own
EXPLORER = re.compile(r'/c\s+""(?P<folder>[^"]*)run\.bat"(?P<dropped>.*)"\s*$', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line of run.bat asks for; `workbooks` empty: look beside run.bat."""

    action: str
    workbooks: tuple[str, ...] = ()
    account: str | None = None
    options: tuple[str, ...] = ()


def main() -> None:
    """Enter the environment, then do what was asked. Exits as the command does; 2 when nothing could be done."""
    program = Path(os.environ.get("RUN_BAT_FOLDER") or Path(__file__).parents[1])
    try:
        python = ready_python(program, lambda text: print(text, flush=True))
    except NotReady as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if not Path(sys.prefix).samefile(environment_folder(program)):
        sys.exit(subprocess.call([python, "-m", "batch.launcher", *sys.argv[1:]]))
    os.chdir(os.environ.get("RUN_BAT_CALLED_IN") or ".")
    arguments = dropped(os.environ.get("RUN_BAT_LINE", ""), str(program)) or sys.argv[1:]
    launch([argument for argument in arguments if argument != NO_PAUSE], program)


def launch(arguments: Sequence[str], program: Path) -> None:
    """Carry out the arguments of run.bat, which stands in the folder `program`. Exits as `batch.cli.main`."""
    from batch import cli
    from batch.errors import BatchError, UsageError
    from batch.messages import entries

    words = _words(program)
    asked = understand(arguments)
    try:
        if asked is None:
            word = arguments[0]
            if not word.startswith("-") and f"command_{word}" not in entries():
                raise UsageError("launcher_no_workbook", word=word, actions=list(ACTIONS))
            cli.main(list(arguments))
            return
        workbook = _workbook(asked, program, words)
        if workbook is None:
            sys.exit(_make_workbook(program, words))
        command, *options = ACTIONS[asked.action]
        account = asked.account
        if asked.action == "link":
            positional = [account or _which_account(workbook, words)]
        else:
            positional = []
            options += ["--account", account] if account else []
    except BatchError as error:
        print(words.explain(error.code, **error.facts), file=sys.stderr)
        sys.exit(2)
    os.chdir(program)  # where batch.yaml is looked for when there is none beside the workbook
    cli.main([command, str(workbook), *positional, *options, *asked.options])


def understand(arguments: Sequence[str]) -> Asked | None:
    """What the arguments of run.bat mean; None for a command of the program itself."""
    if not arguments:
        return Asked("run")
    first, *rest = arguments
    if _is_workbook(first):
        workbooks = [argument for argument in arguments if _is_workbook(argument)]
        return Asked("run", tuple(workbooks), options=tuple(a for a in rest if not _is_workbook(a)))
    if first not in ACTIONS:
        return None
    workbook = rest.pop(0) if rest and not rest[0].startswith("-") else None
    account = rest.pop(0) if rest and not rest[0].startswith("-") else None
    return Asked(first, (workbook,) if workbook else (), account, tuple(rest))


def dropped(line: str, program: str) -> list[str]:
    """The paths in a command line by which Windows' Explorer starts the run.bat of `program`, [] when it is another.

    Explorer quotes a dropped path only where it has spaces, and cmd then cuts it at its `&` before run.bat sees it;
    in cmd's own command line it is whole.
    """
    found = EXPLORER.search(line)
    if not found or PureWindowsPath(found["folder"]) != PureWindowsPath(program):
        return []
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', found["dropped"])]


def choose(question: str, answers: Sequence[str], prompt: str) -> int | None:
    """Show numbered answers and ask for one: its index, or None for a blank answer or nobody to ask."""
    print(question)
    for number, answer in enumerate(answers, 1):
        print(f"  {number}  {answer}")
    while True:
        try:
            typed = input(prompt).strip()
        except EOFError:
            return None
        if not typed:
            return None
        if typed.isdecimal() and 1 <= int(typed) <= len(answers):
            return int(typed) - 1


def _is_workbook(argument: str) -> bool:
    return PureWindowsPath(argument).suffix.lower() in SUFFIXES


def _workbook(asked: Asked, program: Path, words: Catalogue) -> Path | None:
    """The workbook that is meant; None when there is none yet. Raises UsageError."""
    if asked.workbooks:
        named = [Path(name).absolute() for name in asked.workbooks]
        return _one_of(named, words)
    found = find_workbooks(program)
    return _one_of(found, words) if found else None


def find_workbooks(folder: Path) -> list[Path]:
    """The workbooks of this tool in a folder; one that cannot be read counts, so that a run says what is wrong."""
    from batch.errors import WorkbookError
    from batch.workbook.package import open_package
    from batch.workbook.places import find_places, open_book

    def is_ours(path: Path) -> bool:
        try:
            find_places(open_book(open_package(path)), ("Accounts", "Products"))
        except WorkbookError as error:
            return error.code not in {"table_missing", "workbook_format"}
        return True

    files = sorted(p for p in folder.iterdir() if _is_workbook(p.name) and not p.name.startswith(("~$", ".")))
    return [path for path in files if is_ours(path)]


def _one_of(workbooks: Sequence[Path], words: Catalogue) -> Path:
    if len(workbooks) == 1:
        return workbooks[0]
    names = [path.name for path in workbooks]
    return workbooks[_chosen(words.say("launcher_which_workbook"), names, words)]


def _which_account(workbook: Path, words: Catalogue) -> str:
    """The account to link: the only active one, else the one the user chooses. Raises UsageError, WorkbookError."""
    from batch.errors import UsageError
    from batch.validate.cells import text_of
    from batch.workbook import schema
    from batch.workbook.read import read_workbook

    table = read_workbook(workbook, tables=("Accounts",)).tables["Accounts"]
    names = [
        text_of(table.value(row, "account"))
        for row in table.rows
        if schema.choose(schema.YES_NO, text_of(table.value(row, "active"))) != "no"
    ]
    names = [name for name in names if name]
    if not names:
        raise UsageError("launcher_no_account")
    if len(names) == 1:
        return names[0]
    return names[_chosen(words.say("launcher_which_account"), names, words)]


def _chosen(question: str, answers: Sequence[str], words: Catalogue) -> int:
    from batch.errors import UsageError

    at = choose(question, answers, words.say("launcher_number", last=len(answers)))
    if at is None:
        raise UsageError("launcher_nothing_chosen")
    return at


def _make_workbook(program: Path, words: Catalogue) -> int:
    """Make the first workbook and open it. Returns the exit code."""
    from batch.setup import create_workbook

    name = NEW_WORKBOOK[words.language]
    path = next(p for n in range(1, 1000) if not (p := program / f"{name}{f'-{n}' if n > 1 else ''}.xlsm").exists())
    create_workbook(path, None, words.language)
    print(words.say("launcher_made", path=path))
    try:
        os.startfile(path, cwd=path.anchor)  # type: ignore[attr-defined]  # Windows only
    except (AttributeError, OSError):  # another system, or no program for workbooks
        print(words.say("launcher_open_it"))
    return 0


def _words(program: Path) -> Catalogue:
    """The texts in the language of the settings beside run.bat, Polish while there are none."""
    from batch.errors import SettingsError
    from batch.messages import LANGUAGES, catalogue
    from batch.settings import FILE_NAME
    from batch.settings_file import read_yaml

    try:
        settings = read_yaml(program / FILE_NAME)
    except SettingsError:  # the command itself says what is wrong with them
        settings = None
    language = settings.get("language") if isinstance(settings, dict) else None
    return catalogue(language if language in LANGUAGES else "pl")


if __name__ == "__main__":
    main()
