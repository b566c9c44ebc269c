"""Fuzzing led by coverage (atheris), of the code that takes raw bytes: each parser in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

PARSERS = ("token", "settings", "sheet", "package", "answer")


def run_all(seconds: float) -> int:
    """Run every parser for so long; 1 when one of them let an exception through. Prints executions and findings."""
    if importlib.util.find_spec("atheris") is None:
        print("skipped: atheris is not installed (pip install atheris)")
        return 0
    found = 0
    for name in PARSERS:
        with TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tests.fuzz.by_coverage", name, folder, f"-max_total_time={int(seconds)}",
                       "-rss_limit_mb=2048", "-timeout=30", "-max_len=6000", f"-artifact_prefix={folder}/"]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        executions = re.findall(r"Done (\d+) runs|^#(\d+)", done.stderr, re.MULTILINE)
        last = "".join(executions[-1]) if executions else "no"
        print(f"{name}: {last} executions, {'no finding' if not done.returncode else 'A FINDING'}")
        if done.returncode:
            print(done.stdout[-3000:], done.stderr[-3000:])
            found = 1
    return found


def parsers(folder: Path) -> dict[str, Callable[[bytes], object]]:
    """Each parser by name: bytes in; errors that are meant are swallowed."""
    from batch.allegro.session import _json  # noqa: PLC0415  (below the fuzzer's instrumentation)
    from batch.workbook.plain import plain  # noqa: PLC0415
    from batch.workbook.sheet import NotPlainError, SheetXml  # noqa: PLC0415
    from tests.fuzz.answers import check_sound  # noqa: PLC0415
    from tests.fuzz.files import check_settings, check_token_file  # noqa: PLC0415
    from tests.fuzz.workbooks import check  # noqa: PLC0415

    def sheet(data: bytes) -> None:
        """What was rewritten into the plain shape can be cut, and opens again with every cell in its row."""
        try:
            xml = SheetXml(plain(b'<worksheet><sheetData><row r="1">' + data + b"</row></sheetData></worksheet>"))
            for at, start, end in xml.rows():
                row = xml.row(xml.data[start:end])
                assert row.at == at
                for raw in row.cells.values():
                    xml.cell(raw)
        except NotPlainError:
            pass

    def answer(data: bytes) -> None:
        with contextlib.suppress(ValueError, RecursionError):
            check_sound(_texts(_json(data)))

    return {
        "token": lambda data: check_token_file(data, folder),
        "settings": lambda data: check_settings(data, folder),
        "sheet": sheet,
        "package": lambda data: check(b"PK" + data, folder),
        "answer": answer,
    }


def _texts(value: object) -> list[str]:
    """Every text inside."""
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in _texts(part)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def _fuzz(name: str, folder: str, options: list[str]) -> None:
    import atheris  # noqa: PLC0415  (a tool that need not be there)

    with atheris.instrument_imports(include=["batch", "yaml"]):
        parse = parsers(Path(folder))[name]

    def one(data: bytes) -> None:
        parse(data)

    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    _fuzz(sys.argv[1], sys.argv[2], sys.argv[3:])
