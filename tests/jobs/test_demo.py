"""`demo` and `init`, as a person meets them first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import openpyxl

from batch.validate.cells import text_of
from batch.workbook.read import read_workbook
from tests.helpers.ooxml_validator import complaints


def program(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parent.parent.parent)
    home = {"XDG_DATA_HOME": str(folder / "data"), "XDG_STATE_HOME": str(folder / "state"), "PYTHONPATH": root}
    return subprocess.run(
        [sys.executable, "-m", "batch", *arguments],
        cwd=folder,
        env={**os.environ, **home},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def codes(workbook: Path) -> set[str]:
    table = read_workbook(workbook, tables=["Results"]).tables["Results"]
    return {text_of(table.value(row, "code")) for row in table.rows}


def test_demo_ends_with_drafts_and_failures_of_each_kind(tmp_path: Path) -> None:
    """Exit 0, in the language asked for, in a folder of its own; nothing is overwritten by the next one."""
    done = program(tmp_path, "demo", "--rows", "3")
    assert done.returncode == 0, done.stderr
    first = tmp_path / "demo" / "demo.xlsx"
    assert {"draft_created", "draft_incomplete", "ean_mangled", "price_invalid", "stock_invalid", "account_unknown",
            "profile_unknown", "default_missing", "default_unknown", "duplicate_row", "product_not_found",
            "product_ambiguous", "parameters_missing", "limit_reached", "rejected"} <= codes(first)  # fmt: skip
    assert str(Path("demo") / "demo.xlsx") in done.stderr
    assert len(read_workbook(first, tables=["Orders"]).tables["Orders"].rows) == 7
    before = first.read_bytes()
    again = program(tmp_path, "demo", "--rows", "1", "--lang", "en")
    assert "Draft created" in again.stderr
    assert (tmp_path / "demo-2" / "demo.xlsx").exists()
    assert first.read_bytes() == before


def test_microsofts_validator_has_nothing_to_say_about_the_demos_workbook(tmp_path: Path) -> None:
    """Written to twice: dictionaries and answers."""
    program(tmp_path, "demo", "--rows", "3")
    assert complaints(tmp_path / "demo" / "demo.xlsx") == []


def test_init_makes_a_workbook_and_settings_and_overwrites_neither(tmp_path: Path) -> None:
    """The second time it is exit 2 with one sentence, and the files are as they were."""
    assert program(tmp_path, "init", "Oferty.xlsm").returncode == 0
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert set(files) == {"Oferty.xlsm", "batch.yaml"}
    again = program(tmp_path, "init", "Oferty.xlsm")
    assert again.returncode == 2
    assert "Traceback" not in again.stderr
    assert program(tmp_path, "init", "Inny.xlsx", "--lang", "en").returncode == 0
    assert {"Accounts", "Products"} < set(openpyxl.load_workbook(tmp_path / "Inny.xlsx").sheetnames)
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_a_demo_that_finds_no_place_is_exit_2(tmp_path: Path) -> None:
    """With a sentence, not as a bug."""
    (tmp_path / "file").touch()
    done = program(tmp_path, "demo", "file/demo")
    assert (done.returncode, "Nie da się utworzyć folderu" in done.stderr) == (2, True)


def test_a_new_workbook_is_in_the_language_of_the_settings(tmp_path: Path) -> None:
    """Those beside it, unless another is asked for; broken ones do not stand in the way."""
    program(tmp_path, "init", "Oferty.xlsx")
    settings = (tmp_path / "batch.yaml").read_text("utf-8")
    assert "language: pl" in settings
    for text, sheet in ((settings.replace("language: pl", "language: en"), "Products"), ("language: [", "Produkty")):
        (tmp_path / "batch.yaml").write_text(text, "utf-8")
        assert program(tmp_path, "init", f"{sheet}.xlsx").returncode == 0
        assert sheet in openpyxl.load_workbook(tmp_path / f"{sheet}.xlsx").sheetnames


def test_a_fresh_workbook_can_be_run(tmp_path: Path) -> None:
    """Nothing is filled in yet: nothing to do, exit 0."""
    program(tmp_path, "init", "Oferty.xlsm")
    done = program(tmp_path, "run", "Oferty.xlsm")
    assert done.returncode == 0, done.stderr
