"""A user's workbook after a whole run: our cells are answered, everything else is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.simulator import Simulator, catalogue
from tests.helpers.books import differing, grid, parts, sheet_part, table_part
from tests.helpers.rich_workbook import rich_workbook
from tests.helpers.shop import Shop

ROWS = {
    "Accounts": [{"account": "e-sklep1", "environment": "simulator"}],
    "Defaults": [{"account": "e-sklep1", "shipping_rates": "Kurier i automaty"}],
    "Products": [
        {"account": "e-sklep1", "ean": catalogue.gtin(n), "price": n + 1.5, "stock": n, "Moja marża": f"=E{n + 2}*2"}
        for n in range(5)
    ],
    "Results": [{"run": "r1", "message": f"m{n}", "Notatka": f"=E{n + 2}+1"} for n in range(4)],
}


@pytest.mark.filterwarnings("ignore:.*extension is not supported:UserWarning")  # openpyxl, which only looks
def test_after_a_run_only_our_sheets_differ(tmp_path: Path, simulator: Simulator) -> None:
    """Chart, pivot, pictures, comments, slicers, Power Query, x14 dropdowns, VBA: byte for byte; cached values kept."""
    shop = Shop(tmp_path, simulator)
    shop.workbook = rich_workbook(tmp_path / "Oferty.xlsm", ROWS)
    before = parts(shop.workbook)
    cached = {sheet: grid(shop.workbook, sheet) for sheet in ("Produkty", "Wyniki", "Raport & spółka")}
    assert shop.drafts()["counts"] == {"draft_created": 5}

    after = parts(shop.workbook)
    ours = {sheet_part(name) for name in ("Accounts", "Products", "Results")} | {table_part("Results")}
    assert differing(before, after) <= {*ours, "xl/workbook.xml"}
    assert list(before) == list(after)
    assert len(before) > 40

    assert grid(shop.workbook, "Raport & spółka") == cached["Raport & spółka"]
    products = grid(shop.workbook, "Produkty")
    status = {cell: value for cell, value in products.items() if cell not in cached["Produkty"]}
    assert {cell: value for cell, value in products.items() if cell in cached["Produkty"]} == cached["Produkty"]
    assert sum(value == "✔ gotowe" for value in status.values()) == 5
    results = grid(shop.workbook, "Wyniki")
    assert {cell: value for cell, value in results.items() if cell in cached["Wyniki"]} == cached["Wyniki"]
