"""Runs as their reports see them: a table of products and the summary of what came of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from batch.messages import catalogue
from batch.model import Outcome
from batch.report import Reporter, Summary
from batch.workbook import schema
from batch.workbook.read import TableData

STARTED = datetime(2026, 11, 24, 21, tzinfo=UTC)
RUN = "20261124-210000-abc"
OFFERS = "https://allegro.example/oferta/"


def products_of(rows: Sequence[dict[str, Any]], order: Sequence[str] = ()) -> TableData:
    """`Products` with `rows` by column key from row 2 on, the columns in `order` (else as in a new workbook)."""
    keys = [column.key for column in schema.PRODUCTS.columns]
    letters = {key: chr(ord("A") + (order or keys).index(key)) for key in keys}
    return TableData("Products", "Produkty", letters, [(n, tuple(map(row.get, keys))) for n, row in enumerate(rows, 2)])


def summary_of(
    outcomes: Sequence[Outcome], products: TableData, *, language: str = "pl", run: str = RUN, **more: Any
) -> Summary:
    """The summary of a run with these outcomes, which took 200 seconds."""
    accounts = sorted({outcome.account for outcome in outcomes})
    reporter = Reporter(run, catalogue(language), products, dict.fromkeys(accounts, OFFERS))
    given: dict[str, Any] = {
        "states": dict.fromkeys(accounts, "ok"),
        "results": reporter.results(outcomes, STARTED),
        **more,
    }
    return Summary(run, STARTED, STARTED + timedelta(seconds=200), r"C:\Moje & inne\Oferty.xlsm", outcomes, **given)
