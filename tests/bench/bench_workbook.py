"""How fast the workbook is read and written, against references measured in the same run.

Run it with `python -m tests.bench.bench_workbook [ROWS]`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import python_calamine

from batch.workbook.engines import Openpyxl
from batch.workbook.package import open_package
from batch.workbook.patch import BodyRow, SetBody, SetCells, write_workbook
from batch.workbook.places import find_places, open_book
from batch.workbook.read import read_workbook
from tests.helpers.books import make_book

READ, WRITE_ALL, WRITE_SOME = "read_workbook", "write all rows", "write 1 % of the rows"
READ_AND_WRITE = "both, against openpyxl's load, answers and save"


def measure(path: Path, rows: int) -> Iterator[tuple[str, float, float]]:
    """What was done to a workbook at `path`, processor seconds (the best of three), and those of its reference."""
    make_book(path, {"Products": [_product(n) for n in range(rows)]})
    bare = _best(lambda: python_calamine.load_workbook(path).get_sheet_by_name("Produkty").to_python())
    yield "read: python-calamine alone", bare, bare
    read = _best(lambda: read_workbook(path))
    yield READ, read, bare
    yield "read_workbook with openpyxl", _best(lambda: read_workbook(path, engine=Openpyxl), 1), bare
    answers = {n: _answer(n) for n in range(2, rows + 2)}
    some = {n: answer for n, answer in answers.items() if n % 100 == 0}
    full = path.with_name("full.xlsx")
    shutil.copy(path, full)
    write_workbook(full, [SetCells("Products", answers)])
    copied = _best(lambda: _copy(full))
    yield "write: plain unzip and zip of the result", copied, copied
    written = _written(path, [SetCells("Products", answers)])
    yield WRITE_ALL, written, copied
    yield WRITE_SOME, _written(path, [SetCells("Products", some)]), copied
    yield "write what is there already", _best(lambda: write_workbook(full, [SetCells("Products", answers)])), copied
    body = [BodyRow(None, {"run": "r", "row": n, "offer_id": f"{n}", "message": f"m {n}"}) for n in range(rows)]
    yield "write a new body", _written(path, [SetBody("Results", body)]), copied
    loaded_and_saved = _best(lambda: openpyxl.load_workbook(path).save(path.with_name("o.xlsx")), 1)
    yield "openpyxl load and save", loaded_and_saved, copied
    yield "both, against openpyxl's load and save", read + written, loaded_and_saved
    answered = _best(lambda: _answered_by_openpyxl(path, answers), 1)
    yield READ_AND_WRITE, read + written, answered


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for what, seconds, reference in measure(Path(folder) / "b.xlsx", rows):
            sys.stdout.write(f"{what:45} {seconds:7.2f} s {seconds / reference:6.2f} x\n")


def _product(n: int) -> dict[str, object]:
    return {"account": "e-sklep1", "ean": f"590{n:010d}", "price": n / 100, "stock": n % 50, "external_id": f"SKU-{n}",
            "profile": "podstawowy", "product_id": f"{n:032x}", "action": "utwórz"}  # fmt: skip


def _answer(n: int) -> dict[str, object]:
    return {"offer_id": f"1{n:010d}", "status": "✔ szkic", "message": f"Szkic oferty {n} czeka w Allegro.",
            "updated_at": datetime(2026, 1, 5, 12, 0, tzinfo=UTC)}  # fmt: skip


def _written(path: Path, changes: list[SetCells | SetBody]) -> float:
    times = []
    for _ in range(3):
        fresh = path.with_name("w.xlsx")
        shutil.copy(path, fresh)
        times.append(_best(lambda fresh=fresh: write_workbook(fresh, changes), 1))
    return min(times)


def _answered_by_openpyxl(path: Path, answers: dict[int, dict[str, object]]) -> None:
    """The same work as reading and writing all rows."""
    book = openpyxl.load_workbook(path)
    sheet = book["Produkty"]
    columns = find_places(open_book(open_package(path)), ["Products"])["Products"].own()
    for at, values in answers.items():
        for key, value in values.items():
            sheet.cell(at, columns[key]).value = value.replace(tzinfo=None) if isinstance(value, datetime) else value
    book.save(path.with_name("o.xlsx"))


def _copy(path: Path) -> None:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(path.with_name("c.xlsx"), "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))


def _best(call: Callable[[], object], times: int = 3) -> float:
    measured = []
    for _ in range(times):
        start = time.process_time()
        call()
        measured.append(time.process_time() - start)
    return min(measured)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
