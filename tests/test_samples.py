"""The samples give the results that stand beside them; `python -m tests.test_samples` writes them anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from batch.messages import catalogue as texts
from batch.simulator import Simulator
from batch.workbook.template import write_template
from tests.helpers.shop import Shop

SAMPLES = Path(__file__).parent.parent / "samples"
WORKBOOK, EXPECTED = "Oferty.xlsx", "Oferty.expected.json"


def results_of(folder: Path, workbook: Path) -> list[dict[str, Any]]:
    """What a run makes of a sample workbook; texts that hold new numbers are left out."""
    with Simulator() as simulator:
        shop = Shop(folder, simulator)
        shutil.copy(workbook, shop.workbook)
        shop.drafts()
        rows = shop.table("Results")
    kept = ("row", "account", "ean", "external_id", "status", "code")
    return [
        {key: row[key] for key in kept} | {"message": row["message"].split("\n")[0] if row["status"][0] == "✖" else ""}
        for row in rows
    ]


def test_sample_gives_what_stands_beside_it(tmp_path: Path) -> None:
    """Every row of the sample workbook gets the expected code and words."""
    expected = json.loads((SAMPLES / "drafts" / EXPECTED).read_text("utf-8"))
    assert results_of(tmp_path, SAMPLES / "drafts" / WORKBOOK) == expected


def write_samples() -> None:
    """The sample workbook is the demo's; its expected results come from the program itself and are read by a person."""
    import tempfile  # noqa: PLC0415

    from batch.demo import tables  # noqa: PLC0415

    folder = SAMPLES / "drafts"
    (folder / WORKBOOK).unlink(missing_ok=True)
    write_template(folder / WORKBOOK, texts("pl").language, rows=tables(3, "pl"))
    with tempfile.TemporaryDirectory() as desk:
        results = results_of(Path(desk), folder / WORKBOOK)
    text = json.dumps(results, ensure_ascii=False, indent=1)
    (folder / EXPECTED).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_samples()
