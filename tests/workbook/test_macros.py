"""The macros: what goes into vbaProject.bin comes out again, and every button finds its macro."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch import launcher
from batch.workbook.macros import build
from batch.workbook.macros.build import vba_project
from batch.workbook.macros.compound_file import compound_file
from batch.workbook.macros.compression import compress
from batch.workbook.start_sheet import DAILY, STEPS
from batch.workbook.template import write_template
from tests.helpers.vba import decompress, streams

SOURCE = Path(build.__file__).with_name("AllegroBatch.bas").read_text("ascii")


@given(st.binary(max_size=3000))
def test_compression_gives_back_any_data(data):
    """Whatever is compressed decompresses to itself."""
    assert decompress(compress(data)) == data


@given(st.lists(st.sampled_from([b"a", b"ab", b"Sub ", b"End Sub\r\n", bytes(50)]), max_size=3000).map(b"".join))
def test_compression_gives_back_repeating_text(data):
    """Text with repeats, over several chunks, decompresses to itself and shrinks."""
    packed = compress(data)
    assert decompress(packed) == data
    assert len(data) < 100 or len(packed) < len(data)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4095, 4096, 4097, 8192, 20000])
def test_compression_at_the_edges_of_chunks(size):
    """Chunks of 4096 bytes meet without a byte lost or doubled."""
    data = b"".join(b"%d;" % number for number in range(size))[:size]
    assert decompress(compress(data)) == data


def test_what_does_not_compress_is_stored_raw():
    """A full chunk without repeats is kept as it is: header and 4096 bytes."""
    data = b"".join(bytes([high, low]) for high in range(16) for low in range(128))
    assert len(data) == 4096
    packed = compress(data)
    assert packed[1:3] == b"\xff\x3f"
    assert decompress(packed) == data


@given(
    st.dictionaries(
        st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789", min_size=1, max_size=20),
        st.binary(max_size=200).flatmap(lambda part: st.integers(0, 60).map(lambda times: part * times)),
        min_size=1,
        max_size=15,
    )
)
def test_compound_file_gives_back_every_stream(folder):
    """Streams of any size, small ones and those with sectors of their own, are found under their names."""
    file = compound_file({"FOLDER": folder, "TOP": b"top"})
    assert len(file) % 512 == 0
    assert streams(file) == {f"FOLDER/{name}": content for name, content in folder.items()} | {"TOP": b"top"}


def test_compound_file_with_large_streams():
    """A file of more sectors than one FAT sector describes is whole, also at 4096 bytes, where streams change place."""
    tree = {"BIG": bytes(range(256)) * 1000, "SMALL": b"s" * 4095, "EDGE": b"e" * 4096, "NONE": b""}
    assert streams(compound_file(tree)) == tree


def test_the_module_in_the_workbook_is_the_source_of_the_repository(tmp_path):
    """What Excel compiles is AllegroBatch.bas, with the line ends of Windows."""
    path = tmp_path / "book.xlsm"
    write_template(path, "pl")
    with zipfile.ZipFile(path) as package:
        found = streams(package.read("xl/vbaProject.bin"))
    module = decompress(found["VBA/AllegroBatch"])
    assert module.decode("ascii") == SOURCE.replace("\n", "\r\n")
    assert SOURCE.startswith('Attribute VB_Name = "AllegroBatch"\n')


def test_every_sheet_has_its_document_module(tmp_path):
    """Excel repairs a workbook whose sheets and document modules do not match: each code name is there once."""
    path = tmp_path / "book.xlsm"
    write_template(path, "en")
    with zipfile.ZipFile(path) as package:
        sheets = [name for name in package.namelist() if name.startswith("xl/worksheets/sheet")]
        code_names = {re.search(r'<sheetPr codeName="(\w+)"', package.read(name).decode())[1] for name in sheets}
        book = re.search(r'codeName="(\w+)"', package.read("xl/workbook.xml").decode())[1]
        project = streams(package.read("xl/vbaProject.bin"))["PROJECT"].decode("ascii")
    assert set(re.findall(r"^Document=(\w+)/", project, re.MULTILINE)) == code_names | {book}
    assert re.findall(r"^Module=(\w+)", project, re.MULTILINE) == ["AllegroBatch"]


def test_the_project_is_neither_locked_nor_hidden():
    """Anybody may read the macros: protection, password and visibility decrypt to none, none and visible."""
    project = streams(vba_project(1))["PROJECT"].decode("ascii")
    project_id = re.search(r'^ID="(.*?)"', project)[1]
    values = {
        key: _decrypt(bytes.fromhex(text), project_id)
        for key, text in re.findall(r'^(CMG|DPB|GC)="(\w+)"', project, re.M)
    }
    assert values == {"CMG": bytes(4), "DPB": bytes(1), "GC": b"\xff"}


def _decrypt(data: bytes, project_id: str) -> bytes:
    """[MS-OVBA] 2.4.3.3."""
    seed, key = data[0], sum(project_id.encode()) & 0xFF
    assert data[1] ^ seed == 2
    assert data[2] ^ seed == key
    plain, before, before_that, last = bytearray(), data[2], data[1], key
    for byte in data[3:]:
        last = byte ^ (before_that + last & 0xFF)
        before_that, before = before, byte
        plain.append(last)
    plain = plain[(seed & 6) // 2 :]
    assert int.from_bytes(plain[:4], "little") == len(plain) - 4
    return bytes(plain[4:])


@pytest.mark.parametrize("language", ["pl", "en"])
def test_every_button_finds_its_macro(tmp_path, language):
    """Start has a button for each action of run.bat, Accounts one more; each calls the Sub that starts its action."""
    path = tmp_path / "book.xlsm"
    write_template(path, language)
    with zipfile.ZipFile(path) as package:
        start, accounts = (package.read(f"xl/drawings/vmlDrawing{number}.vml").decode() for number in (1, 2))
    called = re.compile(r"<x:FmlaMacro>\[0\]!AllegroBatch\.(\w+)</x:FmlaMacro>")
    actions = dict(re.findall(r'^Public Sub (\w+)\(\)\n *StartRunner "(\w+)"', SOURCE, re.MULTILINE))
    assert {button.macro: button.action for button in (*STEPS, *DAILY)} == actions
    assert set(actions.values()) == set(launcher.ACTIONS)
    assert called.findall(start) == list(map(attrgetter("macro"), (*STEPS, *DAILY)))
    assert called.findall(accounts) == ["LinkAccount"]


@pytest.mark.parametrize("language", ["pl", "en"])
def test_every_text_of_the_macros_has_its_cell(tmp_path, language):
    """Each name the module asks for is defined in the workbook; otherwise a click ends in VBA's debugger."""
    path = tmp_path / "book.xlsm"
    write_template(path, language)
    with zipfile.ZipFile(path) as package:
        workbook = package.read("xl/workbook.xml").decode()
    wanted = set(re.findall(r'"(macro_\w+)"', SOURCE))
    assert len(wanted) == 5
    assert wanted == set(re.findall(r'<definedName name="(macro_\w+)">Start!\$Z\$\d+</definedName>', workbook))


def test_olevba_finds_what_the_source_says_and_nothing_else(tmp_path):
    """The reader that virus scanners use sees our source; nothing starts by itself, nothing is started but run.bat."""
    path = tmp_path / "book.xlsm"
    write_template(path, "pl")
    command = [sys.executable, "-m", "oletools.olevba", "--json", path]  # a process: its import warns
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert {message["level"] for message in told if message["type"] == "msg"} <= {"WARNING"}
    (seen,) = (each for each in told if "macros" in each)
    code = {macro["vba_filename"]: macro["code"] for macro in seen["macros"]}
    assert code.pop("AllegroBatch.bas").strip() == SOURCE.partition("\n")[2].strip()
    assert set("".join(code.values())) <= {"\n"}  # the modules of the sheets are empty
    findings = {(finding["type"], finding["keyword"]) for finding in seen["analysis"]}
    assert findings == {
        ("IOC", "cmd.exe"),
        ("IOC", "run.bat"),
        ("Suspicious", "Shell"),
        ("Suspicious", "vbNormalFocus"),
        ("Suspicious", "run"),  # the action
        ("Suspicious", "Hex Strings"),  # the class of the sheets, in every workbook with macros
        ("Suspicious", "Base64 Strings"),  # "dictionaries"
    }
