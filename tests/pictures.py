"""Pictures of the workbook for README, made by the tool itself: `python -m tests.pictures [FOLDER]`.

A workbook with a made-up fortnight behind it goes through a real run against the simulator; LibreOffice prints its
sheets, and `pdftoppm` (poppler-utils) turns them into PNG files in FOLDER (default: samples/pictures). With fonts of
Calibri's widths and with the signs of the statuses (fonts-crosextra-carlito, fonts-symbola) they look as in Excel.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from batch import demo
from batch.messages import LANGUAGES
from batch.simulator import Simulator
from batch.workbook.template import write_template
from tests.helpers.libreoffice import print_workbook
from tests.helpers.shop import Shop

FOLDER = Path(__file__).parent.parent / "samples" / "pictures"
GOOD_ROWS = 6
RANGES = {"start": "1!A1:I44", "products": "4!#A1:L34"}
"""Picture -> sheet and cells, in the order of the sheets; `#` draws the grid."""

DOTS_PER_INCH = 72


def main(folder: Path = FOLDER) -> None:
    """Make every picture in every language."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        with tempfile.TemporaryDirectory() as work, Simulator() as simulator:
            shop = Shop(Path(work), simulator)
            shop.write_settings(language=language)
            demo.furnish(simulator)
            shop.workbook = shop.workbook.with_suffix(".xlsm")
            write_template(shop.workbook, language, rows=demo.tables(GOOD_ROWS, language) | fortnight())
            for arguments in (["dictionaries"], ["run", "--wait", "2"]):
                shop.run(*arguments)
            pdf = Path(work, "sheets.pdf")
            print_workbook(shop.workbook, pdf, *RANGES.values())
            for page, name in enumerate(RANGES, start=1):
                picture = folder / f"{name}.{language}"
                command = ["pdftoppm", "-png", "-singlefile", "-r", str(DOTS_PER_INCH), "-f", str(page)]
                subprocess.run([*command, pdf, picture], check=True)


def fortnight() -> dict[str, list[dict[str, Any]]]:
    """Rows of `Results` and `Orders` as two weeks of work leave them behind; the same in every picture."""
    chance = random.Random(7)
    now = datetime.now(UTC)
    results: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    for back in range(13, 0, -1):
        time = now - timedelta(days=back)
        drafts, changes = chance.randint(0, 25), chance.randint(2, 40)
        for code, count in (("draft_created", drafts), ("offer_updated", changes)):
            results += [{"run": f"{time:%Y%m%d}", "time": time, "code": code}] * count
        for _ in range(chance.randint(3, 25)):
            value = Decimal(chance.randint(1500, 25000)) / 100
            orders.append({"bought_at": time, "line_total": value, "currency": "PLN"})
    return {"Results": results, "Orders": orders}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
