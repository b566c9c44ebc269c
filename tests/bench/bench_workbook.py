"""How fast the workbook is read and written, against references measured in the same run.

Run it with `python -m tests.bench.bench_workbook [ROWS]`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import python_calamine

from batch.workbook.engines import Openpyxl
from batch.workbook.patch import BodyRow, SetBody, SetCells, write_workbook
from batch.workbook.read import read_workbook
from tests.helpers.books import make_book


def main(rows: int) -> None:
    """Print one line a measurement: the best of three, in seconds, and as a multiple of its reference."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.xlsx"
        make_book(path, {"Products": [_product(n) for n in range(rows)]})
        bare = _best(lambda: python_calamine.load_workbook(path).get_sheet_by_name("Produkty").to_python())
        _report("read: python-calamine alone", bare, bare)
        _report("read_workbook", _best(lambda: read_workbook(path)), bare)
        _report("read_workbook with openpyxl", _best(lambda: read_workbook(path, engine=Openpyxl), 1), bare)
        answers = {n: _answer(n) for n in range(2, rows + 2)}
        some = {n: answer for n, answer in answers.items() if n % 100 == 0}
        full = Path(folder) / "full.xlsx"
        shutil.copy(path, full)
        write_workbook(full, [SetCells("Products", answers)])
        copied = _best(lambda: _copy(full))
        _report("write: plain unzip and zip of the result", copied, copied)
        _report("write all rows", _written(path, [SetCells("Products", answers)]), copied)
        _report("write 1 % of the rows", _written(path, [SetCells("Products", some)]), copied)
        _report(
            "write what is there already", _best(lambda: write_workbook(full, [SetCells("Products", answers)])), copied
        )
        body = [BodyRow(None, {"run": "r", "row": n, "offer_id": f"{n}", "message": f"m {n}"}) for n in range(rows)]
        _report("write a new body", _written(path, [SetBody("Results", body)]), copied)
        _report(
            "openpyxl load and save",
            _best(lambda: openpyxl.load_workbook(path).save(Path(folder) / "o.xlsx"), 1),
            copied,
        )


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


def _copy(path: Path) -> None:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(path.with_name("c.xlsx"), "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))


def _best(call: Callable[[], object], times: int = 3) -> float:
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        measured.append(time.perf_counter() - start)
    return min(measured)


def _report(what: str, seconds: float, reference: float) -> None:
    sys.stdout.write(f"{what:45} {seconds:7.2f} s {seconds / reference:6.1f} x\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
