"""The samples give the results that stand beside them; `python -m tests.test_samples` writes them anew."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from batch.messages import catalogue as texts
from batch.simulator import Simulator
from batch.workbook.template import write_template
from tests.helpers.shop import Shop, fetch_orders

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


ORDERS = SAMPLES / "orders"
MODES: dict[str, dict[str, Any]] = {
    "Highest": {},
    "Lowest": {"delivery_vat_mode": "Lowest"},
    "Last": {"delivery_vat_mode": "Last"},
    "Fixed": {"delivery_vat_mode": "Fixed", "delivery_vat_rate": "8"},
    "Missing": {
        "missing_vat_rate": "5",
        "order_note": "kupującego",
        "shop_notes": "{buyer_login} ({item_id}): {message_to_seller} {pickup_point} {seller_note}",
    },
}
SHOWN = ("account", "order_id", "line_id", "line_type", "order_status", "name", "quantity", "unit_price", "line_total",
         "currency", "vat_rate", "order_total", "tax_id", "invoice_address", "note", "shop_notes")  # fmt: skip


def orders_of(folder: Path, mode: str) -> dict[str, Any]:
    """The rows and the sentences that a sample workbook gives with the sample orders."""
    with Simulator() as simulator:
        shop = Shop(folder, simulator, accounts=["e-sklep1"])
        shutil.copy(ORDERS / f"{mode}.xlsx", shop.workbook)
        forms = json.loads((ORDERS / "orders.json").read_text("utf-8"))
        simulator.world.sellers["e-sklep1"].orders.update({form["id"]: form for form in forms})
        summary = fetch_orders(shop)
        rows = [{key: row[key] for key in SHOWN if row[key]} for row in shop.table("Orders")]
    return {"rows": rows, "said": [note for note in summary.notes if str(folder) not in note]}


@pytest.mark.parametrize("mode", MODES)
def test_orders_give_what_stands_beside_them(tmp_path: Path, mode: str) -> None:
    """Every line, service and delivery of the sample orders, for each way to find the delivery's VAT."""
    expected = json.loads((ORDERS / f"{mode}.expected.json").read_text("utf-8"))
    assert orders_of(tmp_path, mode) == expected


def write_order_samples() -> None:
    """The workbooks and what they give; the orders themselves are written by hand and stay."""
    for mode, values in MODES.items():
        workbook = ORDERS / f"{mode}.xlsx"
        workbook.unlink(missing_ok=True)
        settings = {"orders_since": "2026-11-01", **values}
        accounts = [{"account": "e-sklep1", "environment": "simulator"}]
        rows = [{"key": key, "value": value} for key, value in settings.items()]
        write_template(workbook, "pl", rows={"Accounts": accounts, "Settings": rows})
        with tempfile.TemporaryDirectory() as desk:
            _write_json(ORDERS / f"{mode}.expected.json", orders_of(Path(desk), mode))


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_samples() -> None:
    """The demo's workbook, without the offers that only the demo has, and what a run gives; a person reads it."""
    from batch.demo import CHANGES, tables  # noqa: PLC0415

    folder = SAMPLES / "drafts"
    (folder / WORKBOOK).unlink(missing_ok=True)
    rows = tables(3, "pl")
    rows["Products"] = rows["Products"][: -len(CHANGES)]
    write_template(folder / WORKBOOK, texts("pl").language, rows=rows)
    with tempfile.TemporaryDirectory() as desk:
        results = results_of(Path(desk), folder / WORKBOOK)
    _write_json(folder / EXPECTED, results)


if __name__ == "__main__":
    write_samples()
    write_order_samples()
