"""Whatever happens in the middle of writing, the workbook is the old one or the new one, whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.errors import WorkbookError
from batch.workbook.patch import SetCells, write_workbook
from batch.workbook.read import read_workbook
from batch.workbook.save import replace_file
from tests.helpers.books import make_book

ROOT = Path(__file__).parents[2]
WRITE = """
import itertools, pathlib, resource, sys
from batch.errors import WorkbookError
from batch.workbook.patch import SetCells, write_workbook
path, limit = pathlib.Path(sys.argv[1]), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print("ready", flush=True)
for n in itertools.count():
    try:
        write_workbook(path, [SetCells("Products", {row: {"status": f"{n}"} for row in range(2, 202)})])
    except WorkbookError as error:
        sys.exit(error.code)
"""


def book(folder: Path) -> Path:
    return make_book(folder / "b.xlsx", {"Products": [{"ean": f"{n}", "message": "m" * 50} for n in range(200)]})


def writer(path: Path, limit: int = 0) -> subprocess.Popen[str]:
    """A process that writes the workbook over and over."""
    command = [sys.executable, "-c", WRITE, str(path), str(limit)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_killed_while_writing(tmp_path: Path) -> None:
    """Killed at any moment: every status is of the same turn, never half a file."""
    chance = random.Random(1)
    path, seen = book(tmp_path), set()
    for _ in range(8):
        with writer(path) as process:
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
        table = read_workbook(path).tables["Products"]
        assert len(table.rows) == 200
        [status] = {table.value(row, "status") for row in table.rows}
        seen.add(status)
    assert seen != {None}, "nothing was ever written"


def test_no_room_on_the_disk(tmp_path: Path) -> None:
    """The system refuses to write on: the file is as it was, nothing else is left."""
    path = book(tmp_path)
    before = path.read_bytes()
    with writer(path, limit=3000) as process:
        _, said = process.communicate(timeout=30)
    assert said.strip() == "workbook_not_saved"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["b.xlsx"]


def broken() -> Iterator[bytes]:
    yield b"half"
    msg = "gone"
    raise ConnectionError(msg)


def test_a_fault_while_packing(tmp_path: Path) -> None:
    path = book(tmp_path)
    before = path.read_bytes()
    with pytest.raises(WorkbookError) as caught:
        replace_file(path, broken(), still_ours=lambda: None)
    assert (caught.value.code, caught.value.facts["reason"]) == ("workbook_not_saved", "gone")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["b.xlsx"]


def test_saved_by_somebody_meanwhile(tmp_path: Path) -> None:
    """What is asked just before the replacement can still stop it."""
    path = book(tmp_path)
    before = path.read_bytes()

    def changed() -> None:
        code = "workbook_changed"
        raise WorkbookError(code, path=str(path))

    with pytest.raises(WorkbookError, match="workbook_changed"):
        replace_file(path, [b"new"], still_ours=changed)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["b.xlsx"]


def test_opened_while_it_is_written(tmp_path: Path) -> None:
    """Excel opens the workbook between our reading and our replacing it: it keeps what it opened."""
    path = book(tmp_path)
    with writer(path) as process:
        time.sleep(0.1)
        (tmp_path / "~$b.xlsx").write_bytes(b"\3Ewa")
        _, said = process.communicate(timeout=30)
    assert said.strip() == "workbook_open"
    before = path.read_bytes()
    with pytest.raises(WorkbookError, match="workbook_open"):
        write_workbook(path, [SetCells("Products", {2: {"status": "x"}})])
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.xlsx", "~$b.xlsx"]
