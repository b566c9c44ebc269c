"""Another spreadsheet program opens a new workbook: its formulas, names, buttons and macros work there."""

from __future__ import annotations

import os
import sys
import time
from datetime import date, timedelta

import pytest

from batch.workbook.start_sheet import DAILY, STEPS
from batch.workbook.template import write_template
from tests.helpers.libreoffice import seen_by_libreoffice
from tests.workbook.rows import SECOND_RUN, sample_rows

MACROS = {f"AllegroBatch.{button.macro}": button.action for button in (*STEPS, *DAILY)}
LINK = "AllegroBatch.LinkAccount"
SHIM = """#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
"""


@pytest.mark.parametrize("language", ["pl", "en"])
def test_figures_names_and_buttons_work(tmp_path, language):
    """Recalculated, Start counts the newest run, all products and each day; the names behind everything are found."""
    path = tmp_path / "book.xlsm"
    write_template(path, language, rows=sample_rows())
    seen = seen_by_libreoffice(path)
    assert seen["errors"] == []
    lines = {name: figures for _, name, *figures in seen["start"] if name}
    assert lines[SECOND_RUN][0] == "2026-07-06 12:00"
    assert {name[0]: figures[:2] for name, figures in lines.items() if name[0] in "✔⚠⌚✖–❓→"} == {
        "✔": ["0", "1"],
        "⚠": ["0", "0"],
        "⌚": ["0", "0"],
        "✖": ["2", "2"],
        "–": ["0", "0"],
        "❓": ["1", "0"],
        "→": ["0", "0"],
    }
    days = [(name, figures[:3]) for name, figures in lines.items() if name in day_names(language, date(2026, 7, 6))]
    assert [name for name, _ in days] == day_names(language, date(2026, 7, 6))
    assert {tuple(figures) for _, figures in days[:-1]} == {("0", "0", "0.00")}
    assert days[-1][1] == ["2", "1", "210.50"]
    # The kinds in the sample are Polish words: an English workbook finds them too.
    assert {name: count for name, count in seen["names"].items() if name.startswith("list_") and count} == {
        "list_accounts": 2,
        "list_shipping_rates": 3,
        "list_return_policy": 1,
    }
    called = [script.partition("VBAProject.")[2].partition("?")[0] for script in seen["buttons"]]
    assert called == [*MACROS, LINK]


def day_names(language: str, last: date) -> list[str]:
    """The two weeks that end with `last`, as Start shows them."""
    days = [last - timedelta(days=back) for back in range(13, -1, -1)]
    return [f"{day:%d.%m}" if language == "pl" else f"{day:%m-%d}" for day in days]


def test_dropdowns_offer_what_the_account_of_the_row_owns(tmp_path):
    """Each account its own price lists; a row for all accounts is offered everything; without entries, nothing."""
    path = tmp_path / "book.xlsx"
    defaults = [{"account": "e-sklep1"}, {"account": "e-sklep2"}, {"account": None}, {"account": "e-sklep3"}]
    write_template(path, "pl", rows=sample_rows() | {"Defaults": defaults})
    offered = seen_by_libreoffice(path)["lists"]
    assert [offered[f"C{row}"] for row in range(2, 6)] == [
        ["Paczkomaty", "Kurier"],
        ["Kurier 2"],
        ["Paczkomaty", "Kurier", "Kurier 2"],
        [],
    ]
    assert [offered[f"D{row}"] for row in range(2, 6)] == [["14 dni"], [], ["14 dni"], []]
    assert offered["F2"] == []
    assert offered["B2"] == ["e-sklep1", "e-sklep2"]


def test_an_empty_workbook_has_no_errors(tmp_path):
    """Before anything is filled in, no cell of the start sheet shows an error."""
    path = tmp_path / "book.xlsx"
    write_template(path, "pl")
    assert seen_by_libreoffice(path)["errors"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for cmd.exe is a shell script")
def test_macros_start_the_runner_beside_the_workbook(tmp_path):
    """Each macro compiles and starts run.bat with its action and the workbook, in a folder with an awkward name;

    linking an account passes the one in the selected row of Accounts.
    """
    folder = tmp_path / "Mój sklep & (spółka)"
    folder.mkdir()
    (folder / "run.bat").touch()
    write_template(folder / "książka.xlsm", "pl", rows=sample_rows())
    shims, calls = tmp_path / "shims", tmp_path / "calls"
    shims.mkdir()
    (shims / "cmd.exe").write_text(SHIM)
    (shims / "cmd.exe").chmod(0o755)
    search = f"{shims}{os.pathsep}{os.environ['PATH']}"
    workbook = folder / "książka.xlsm"
    on_start = [f"{macro}@1!C5" for macro in MACROS]
    on_accounts = [f"{LINK}@2!{cell}" for cell in ("C3", "A2", "D1", "B9")]  # a row, a row, the heading, below
    seen = seen_by_libreoffice(workbook, *on_start, *on_accounts, PATH=search, CALLS=str(calls))
    assert seen["called"] == dict.fromkeys([*on_start, *on_accounts], 4711)
    expected = [f"{folder}/run.bat {action} {workbook}" for action in MACROS.values()]
    expected += [f"{folder}/run.bat link {workbook}{account}" for account in (" e-sklep2", " e-sklep1", "", "")]
    deadline = time.monotonic() + 30
    while len(lines := calls.read_text().splitlines() if calls.exists() else []) < len(expected):
        assert time.monotonic() < deadline, lines
        time.sleep(0.05)
    # LibreOffice cuts a command line at its quotes; how it is really quoted, the next test asks.
    bare = [" ".join(line.replace('"', " ").split()) for line in lines]
    assert sorted(bare) == sorted(f"/s /c {line}" for line in expected)


def test_the_command_line_is_quoted_as_cmd_takes_it(tmp_path):
    """Every path and account in quotes of its own, and a pair around them all, which cmd takes away."""
    folder = tmp_path / "Mój sklep & (spółka)"
    folder.mkdir()
    write_template(folder / "książka.xlsm", "pl")
    line, with_account = 'AllegroBatch.CommandLine("check", "")', 'AllegroBatch.CommandLine("link", "e sklep & 1")'
    called = seen_by_libreoffice(folder / "książka.xlsm", line, with_account)["called"]
    paths = f'"{folder}/run.bat" {{}} "{folder}/książka.xlsm"'
    assert called[line] == f'cmd.exe /s /c "{paths.format("check")}"'
    assert called[with_account] == f'cmd.exe /s /c "{paths.format("link")} "e sklep & 1""'


def test_a_macro_ends_well_when_the_runner_is_missing(tmp_path):
    """Without run.bat beside the workbook there is a message, not an error inside the macro."""
    write_template(tmp_path / "book.xlsm", "pl")
    seen = seen_by_libreoffice(tmp_path / "book.xlsm", "AllegroBatch.RunAll")
    assert seen["called"] == {"AllegroBatch.RunAll": 4711}
