"""What is handed over to workers, and what they answer, arrives as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batch.export import ExportedOrder
from batch.model import Action, CellRef, Job, Money, Outcome, Problem
from batch.order import Order
from batch.queued_run import OrdersDone, PartDone, QueuedRun, dump, kept_tables, load_part, load_run
from batch.workbook.read import TableData
from batch.workbook.values import NOT_CALCULATED

NOW = datetime(2026, 11, 24, 13, 30, 5, tzinfo=UTC)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.floats(allow_nan=False),
    st.integers(-(2**53), 2**53),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.timedeltas(timedelta(0), timedelta(days=9999)).map(lambda t: timedelta(seconds=round(t.total_seconds()))),
    st.just(NOT_CALCULATED),
)


def kinds(rows: Any) -> list[list[type]]:
    return [[type(cell) for cell in cells] for _, cells in rows]


def queued(tables: dict[str, TableData]) -> QueuedRun:
    return QueuedRun(
        "20261124-133005-k3f", "C:\\Oferty.xlsx", "PC-1", "pl", NOW, frozenset({Job.DRAFTS}), None, False,
        [{}, {"e-sklep1": 7}], kept_tables(tables),
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(1, 10**6), st.tuples(CELLS, CELLS, CELLS)), max_size=20))
def test_cells_are_what_they_were(rows: list[tuple[int, tuple[Any, ...]]]) -> None:
    """Of the same value and of the same kind: a text that looks like a date stays a text."""
    table = TableData("Products", "Produkty", {"ean": "A", "price": "B", "stock": "D"}, rows)
    run = queued({"Products": table})
    back = load_run(dump(run))
    found = back.table_data()["Products"]
    assert found == table
    assert kinds(found.rows) == kinds(table.rows)
    assert (back.jobs, back.parts, back.started) == (run.jobs, run.parts, run.started)


def test_of_the_orders_a_worker_gets_their_names_only() -> None:
    """Buyers' addresses need not lie in the queue; results of earlier runs neither."""
    columns = dict(zip(["account", "buyer_name", "order_id", "line_id"], "ABCD", strict=True))
    orders = TableData("Orders", "Zamówienia", columns, [(2, ("a", "Jan Kowalski", "o1", "l1"))])
    run = queued({"Orders": orders, "Results": orders})
    assert "Kowalski" not in dump(run)
    found = load_run(dump(run)).table_data()
    assert list(found) == ["Orders"]
    assert found["Orders"].rows == [(2, ("a", "o1", "l1"))]
    assert found["Orders"].columns == {"account": "A", "order_id": "C", "line_id": "D"}


def test_answers_are_what_they_were() -> None:
    """Facts are for texts of every kind: amounts, times, lists."""
    cell = CellRef("Produkty", "C", 7)
    facts = {"limit": Decimal("0.99"), "since": NOW, "day": date(2026, 11, 24), "at": time(13, 30), "names": ["a", "b"]}
    outcome = Outcome(
        7, "e-sklep1", "price_too_low", facts, cell, "1,20", (Problem("price_too_low", cell, "1,20", facts),), "700",
        "sku", Action.UPDATE, Money(Decimal("10.50"), "PLN"), None, 3, 0, (("Nie", "C1"),), "trace", 5, (1, 2),
    )  # fmt: skip
    order = Order("o1", "r1", "READY_FOR_PROCESSING", Money(Decimal(20), "PLN"), (), updated_at=NOW)
    rows = [{"line_id": "delivery", "vat_rate": Decimal(23), "bought_at": NOW, "note": "=1+1", "quantity": Decimal(1)}]
    done = PartDone(
        NOW, [outcome], {"e-sklep1": "ok"}, ["e-sklep1: …"],
        [OrdersDone([ExportedOrder("e-sklep1", order, rows)], 2, ["o2"])],
    )  # fmt: skip
    assert load_part(dump(done)) == done
