"""Answers into the workbook; where it cannot be written, into the journal until it can.

The workbook may have been saved by somebody else since it was read: then it is read again and every answer
finds its row by account and external id, not by number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from batch import report
from batch.errors import WorkbookError
from batch.export import OrderUpdate, held_orders, place
from batch.journal import Journal
from batch.messages import Catalogue
from batch.report import ResultRow
from batch.validate.cells import text_of
from batch.workbook import schema
from batch.workbook.patch import BodyRow, Change, SetBody, SetCells, UpdateBody, write_workbook
from batch.workbook.read import Row, TableData, WorkbookData, read_workbook

TABLES = ("Accounts", "Defaults", "Products", "Settings", "Results")
READINGS = 5  # of a workbook that changes under our hands


@dataclass(frozen=True, slots=True)
class Answers:
    """All that a run has to say. `accounts`: output cells by account name; `time` goes beside changed orders."""

    run: str
    results: Sequence[ResultRow]
    accounts: Mapping[str, Mapping[str, Any]]
    keep_runs: int
    orders: Sequence[OrderUpdate]
    time: datetime
    words: Catalogue


def tables_to_write(path: Path, journal: Journal, *, orders: bool) -> tuple[str, ...]:
    """The tables a run reads and writes: that of the orders when they are wanted or still owed."""
    owed = any(answers["orders"] for _, _, answers in journal.owed(place_of(path)))
    return (*TABLES, "Orders") if orders or owed else TABLES


def deliver_plan(book: WorkbookData, answers: Answers) -> None:
    """Write a dry run's rows to `Results`, in place of the previous dry run's; nothing else. Raises WorkbookError."""
    _write(book, lambda now: [_results_body(now, answers.results, answers.keep_runs, drop_plans=True)])


def deliver(book: WorkbookData, answers: Answers, journal: Journal) -> None:
    """Write the answers, and those still owed from earlier runs. Raises WorkbookError when that cannot be done."""
    owed = journal.owed(place_of(book.path))
    earlier = [report.from_json(debt["results"]) for _, _, debt in owed]
    orders = [*(order for _, _, debt in owed for order in map(_order_from_json, debt["orders"])), *answers.orders]
    _write(book, lambda now: [*_changes(now, answers, earlier), *_order_changes(now, orders, answers)])
    journal.settle_debt([owed_id for owed_id, _, _ in owed])


def owe(book: WorkbookData, answers: Answers, journal: Journal) -> None:
    """Keep the answers until the workbook can be written again."""
    orders = [_order_to_json(update) for update in answers.orders]
    journal.owe(place_of(book.path), answers.run, {"results": report.to_json(answers.results), "orders": orders})


def _write(book: WorkbookData, changes: Callable[[WorkbookData], Sequence[Change]]) -> None:
    for attempt in range(READINGS):
        try:
            write_workbook(book.path, changes(book), expect=book.stamp)
        except WorkbookError as error:
            if error.code != "workbook_changed" or attempt == READINGS - 1:
                raise
            book = read_workbook(book.path, tables=book.tables)
        else:
            return


def place_of(workbook: Path) -> str:
    """The workbook's name in the journal: the same however it was named on the command line."""
    return str(workbook.resolve())


def _changes(book: WorkbookData, answers: Answers, earlier: Sequence[Sequence[ResultRow]]) -> list[Change]:
    products = book.tables["Products"]
    runs = [*earlier, answers.results]
    placed: dict[int, ResultRow] = {}
    for results in runs:
        for number, result in report.place(results, products).items():
            if result["code"] not in report.QUIET or number not in placed:  # "unchanged" does not hide what was owed
                placed[number] = result
    by_number = {row[0]: row for row in products.rows}
    cells = {
        number: report.product_cells(result)
        for number, result in placed.items()
        if not _says_so_already(products, by_number[number], result)
    }
    listed = [result for results in runs for result in results if result["code"] not in report.QUIET]
    accounts = book.tables["Accounts"]
    account_cells = {
        row[0]: answers.accounts[name]
        for row in accounts.rows
        if (name := text_of(accounts.value(row, "account"))) in answers.accounts
    }
    return [
        SetCells("Products", cells),
        _results_body(book, listed, answers.keep_runs, drop_plans=False),
        SetCells("Accounts", account_cells),
    ]


def _results_body(book: WorkbookData, listed: Sequence[ResultRow], keep_runs: int, *, drop_plans: bool) -> SetBody:
    new_runs = len({result["run"] for result in listed})
    kept = report.kept_result_rows(book.tables["Results"], keep=max(keep_runs - new_runs, 0), drop_plans=drop_plans)
    return SetBody(
        "Results", [*(BodyRow(number, {}) for number in kept), *(BodyRow(None, result) for result in listed)]
    )


def _order_changes(book: WorkbookData, orders: Sequence[OrderUpdate], answers: Answers) -> list[Change]:
    if not orders:
        return []
    removed = schema.word(schema.ORDER_STATUSES, "LINE_REMOVED", answers.words.language)
    placed = place(orders, held_orders(book.tables["Orders"]), removed)
    if not placed.changes and not placed.new:
        return []
    return [UpdateBody("Orders", placed.changes, placed.new, {"updated_at": answers.time})]


def _order_to_json(update: OrderUpdate) -> dict[str, Any]:
    rows, status = report.to_json(update.rows), report.to_json([update.status])[0]
    return {"account": update.account, "order_id": update.order_id, "rows": rows, "status": status,
            "returns": update.returns}  # fmt: skip


def _order_from_json(data: Mapping[str, Any]) -> OrderUpdate:
    rows, status = (report.from_json(part, schema.ORDERS) for part in (data["rows"], [data["status"]]))
    return OrderUpdate(data["account"], data["order_id"], rows, status[0], returns=data["returns"])


def _says_so_already(products: TableData, row: Row, result: ResultRow) -> bool:
    """A row that is skipped again and again keeps the time of its first skipping."""
    return result["code"] in report.QUIET and all(
        text_of(products.value(row, key)) == text_of(result[key]) for key in ("status", "message")
    )
