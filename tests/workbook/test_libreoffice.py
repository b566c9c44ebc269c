"""Another spreadsheet program opens a new workbook: its formulas, names, buttons and macros work there."""

from __future__ import annotations

import os
import sys
import time

import pytest

from batch.workbook.start_sheet import BUTTONS
from batch.workbook.template import write_template
from tests.helpers.libreoffice import seen_by_libreoffice
from tests.workbook.rows import SECOND_RUN, sample_rows

MACROS = [f"AllegroBatch.{button.macro}" for button in BUTTONS]
SHIM = """#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
"""


@pytest.mark.parametrize("language", ["pl", "en"])
def test_figures_names_and_buttons_work(tmp_path, language):
    """Recalculated from nothing, the figures are those that were stored; the lists of the dropdowns are found."""
    path = tmp_path / "book.xlsm"
    write_template(path, language, rows=sample_rows())
    seen = seen_by_libreoffice(path)
    assert seen["errors"] == []
    figures = {name[0]: (run, products) for _, name, run, products, _ in seen["start"] if name[:2].endswith(" ")}
    assert [name for _, name, *_ in seen["start"] if name == SECOND_RUN]
    assert {sign: count for sign, count in figures.items() if count != ("0", "0")} == {
        "✔": ("0", "1"),
        "✖": ("2", "2"),
        "❓": ("1", "0"),
    }
    # The kinds in the sample are Polish words: an English workbook finds them too.
    assert {name: count for name, count in seen["names"].items() if name.startswith("list_") and count} == {
        "list_accounts": 2,
        "list_shipping_rates": 1,
        "list_return_policy": 1,
    }
    assert [script.partition("VBAProject.")[2].partition("?")[0] for script in seen["buttons"]] == MACROS


def test_an_empty_workbook_has_no_errors(tmp_path):
    """Before anything is filled in, no cell of the start sheet shows an error."""
    path = tmp_path / "book.xlsx"
    write_template(path, "pl")
    assert seen_by_libreoffice(path)["errors"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for cmd.exe is a shell script")
def test_macros_start_the_runner_beside_the_workbook(tmp_path):
    """Each macro compiles and starts run.bat with its action and the workbook, in a folder with an awkward name."""
    folder = tmp_path / "Mój sklep & (spółka)"
    folder.mkdir()
    (folder / "run.bat").touch()
    write_template(folder / "książka.xlsm", "pl", rows=sample_rows())
    shims, calls = tmp_path / "shims", tmp_path / "calls"
    shims.mkdir()
    (shims / "cmd.exe").write_text(SHIM)
    (shims / "cmd.exe").chmod(0o755)
    search = f"{shims}{os.pathsep}{os.environ['PATH']}"
    seen = seen_by_libreoffice(folder / "książka.xlsm", *MACROS, PATH=search, CALLS=str(calls))
    assert seen["called"] == dict.fromkeys(MACROS, 4711)
    # Without a person to answer it, the question for the account comes back blank and nothing is linked.
    actions = {"dictionaries", "check", "run", "update", "orders", "tokens"}
    deadline = time.monotonic() + 30
    while len(lines := calls.read_text().splitlines() if calls.exists() else []) < len(actions):
        assert time.monotonic() < deadline, lines
        time.sleep(0.05)
    assert {line.split('run.bat"')[1].split()[0] for line in lines} == actions
    for line in lines:
        assert line.startswith("/s /c ")
        assert f"{folder}/run.bat" in line
        assert f"{folder}/książka.xlsm" in line


def test_a_macro_ends_well_when_the_runner_is_missing(tmp_path):
    """Without run.bat beside the workbook there is a message, not an error inside the macro."""
    write_template(tmp_path / "book.xlsm", "pl")
    seen = seen_by_libreoffice(tmp_path / "book.xlsm", "AllegroBatch.RunAll")
    assert seen["called"] == {"AllegroBatch.RunAll": 4711}
