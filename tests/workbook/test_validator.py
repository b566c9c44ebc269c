"""New workbooks are what Excel expects: Microsoft's own validator has nothing to say about them."""

from __future__ import annotations

import zipfile

import pytest

from batch.workbook.template import write_template
from tests.helpers.ooxml_validator import complaints
from tests.workbook.rows import sample_rows


@pytest.mark.parametrize("language", ["pl", "en"])
@pytest.mark.parametrize("suffix", [".xlsx", ".xlsm"])
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_a_new_workbook_is_valid(tmp_path, language, suffix, filled):
    """Empty or filled, with macros or without, in each language."""
    path = tmp_path / f"book{suffix}"
    write_template(path, language, rows=sample_rows() if filled else None)
    assert complaints(path) == []


def test_the_validator_sees_a_broken_workbook(tmp_path):
    """The check itself can fail: a workbook with a wrong element is complained about."""
    path, broken = tmp_path / "book.xlsx", tmp_path / "broken.xlsx"
    write_template(path, "en")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "xl/worksheets/sheet2.xml":
                content = content.replace(b"<sheetData>", b"<sheetDater/><sheetData>")
            target.writestr(name, content)
    assert complaints(broken)
