"""Answers into the workbook; where it cannot be written, into the journal until it can.

The workbook may have been changed by somebody else since it was read: then it is read again and every answer
finds its row by account and external id, not by number.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from batch import report
from batch.errors import JournalError
from batch.export import OrderUpdate, held_orders, place
from batch.journal import Journal
from batch.messages import Catalogue
from batch.model import Outcome
from batch.report import Reporter, ResultRow
from batch.validate.cells import text_of
from batch.workbook import schema
from batch.workbook.desk import Desk
from batch.workbook.live import LiveWorkbook
from batch.workbook.patch import BodyRow, CellOut, SetBody, SetCells, TableChange, UpdateBody
from batch.workbook.read import Row, TableData, WorkbookData
from batch.world import World

TABLES = ("Accounts", "Defaults", "Products", "Settings", "Results")


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


def deliver_plan(desk: Desk, book: WorkbookData, answers: Answers) -> None:
    """Write a dry run's rows to `Results`, in place of the previous dry run's; nothing else. Raises WorkbookError."""
    listed = [result for result in answers.results if report.is_listed(result)]
    desk.update(book, lambda now: [_results_body(now, listed, answers.keep_runs, drop_plans=True)])


def deliver(desk: Desk, book: WorkbookData, answers: Answers, journal: Journal) -> JournalError | None:
    """Write the answers, and those still owed from earlier runs. Raises WorkbookError when that cannot be done.

    Returned is what was wrong with the journal: it may still owe what is in the workbook now, and to write it again
    does no harm; or what it owes waits, since this run's own answers need no journal.
    """
    failure = None
    try:
        owed = journal.owed(place_of(book.path))
    except JournalError as error:
        owed, failure = [], error
    earlier = [report.from_json(debt["results"]) for _, _, debt in owed]
    orders = [*(order for _, _, debt in owed for order in map(_order_from_json, debt["orders"])), *answers.orders]
    desk.update(book, lambda now: [*_changes(now, answers, earlier), *_order_changes(now, orders, answers)])
    try:
        journal.settle_debt([owed_id for owed_id, _, _ in owed])
    except JournalError as error:
        failure = error
    return failure


def owe(book: WorkbookData, answers: Answers, journal: Journal) -> None:
    """Keep the answers until the workbook can be written again."""
    journal.owe(place_of(book.path), answers.run, as_debt(answers.results, answers.orders))


def as_debt(results: Sequence[ResultRow], orders: Sequence[OrderUpdate]) -> dict[str, Any]:
    """Answers as JSON data, as the journal keeps what is owed."""
    return {"results": report.to_json(results), "orders": [_order_to_json(update) for update in orders]}


class AnswersAsTheyCome:
    """Progress that also fills in `Products` while the run goes on, for a user who has the workbook open.

    What cannot be written now is no loss: `deliver` writes all answers at the end.
    """

    def __init__(self, desk: LiveWorkbook, book: WorkbookData, reporter: Reporter, world: World) -> None:
        self._desk, self._reporter, self._world = desk, reporter, world
        self._products = replace(book, tables={"Products": book.tables["Products"]})
        self._lock = threading.Lock()
        self._waiting: list[Outcome] = []
        self._written = self._total = 0

    def begin(self, account: str, total: int) -> None:
        """An account has `total` rows to be answered."""
        with self._lock:
            self._total += total
        self._world.progress.begin(account, total)

    def advance(self, outcome: Outcome) -> None:
        """One row has its answer."""
        self._world.progress.advance(outcome)
        with self._lock:
            self._waiting.append(outcome)
        self._desk.soon(self._write)

    def _write(self) -> str:
        with self._lock:
            outcomes = list(self._waiting)
        results = self._reporter.results(outcomes, self._world.clock.now())
        self._desk.update(
            self._products, lambda now: [SetCells("Products", _product_cells(now, [results]))], wait=False
        )
        with self._lock:
            del self._waiting[: len(outcomes)]
            self._written += len(outcomes)
            return self._reporter.words.say("answers_so_far", done=self._written, total=self._total)


def place_of(workbook: Path) -> str:
    """The workbook's name in the journal: the same however it was named on the command line."""
    return str(workbook.resolve())


def _changes(book: WorkbookData, answers: Answers, earlier: Sequence[Sequence[ResultRow]]) -> list[TableChange]:
    runs = [*earlier, answers.results]
    listed = [result for results in runs for result in results if report.is_listed(result)]
    return [
        SetCells("Products", _product_cells(book, runs)),
        _results_body(book, listed, answers.keep_runs, drop_plans=False),
        SetCells("Accounts", account_cells(book, answers.accounts)),
    ]


def _product_cells(book: WorkbookData, runs: Sequence[Sequence[ResultRow]]) -> dict[int, dict[str, CellOut]]:
    """The answers of `runs`, oldest first, by the row they belong to now."""
    products = book.tables["Products"]
    placed: dict[int, ResultRow] = {}
    for results in runs:
        for number, result in report.place(results, products).items():
            if result["code"] not in report.QUIET or number not in placed:  # "unchanged" does not hide what was owed
                placed[number] = result
    by_number = {row[0]: row for row in products.rows}
    return {
        number: report.product_cells(result)
        for number, result in placed.items()
        if not _says_so_already(products, by_number[number], result)
    }


def account_cells(book: WorkbookData, cells: Mapping[str, Mapping[str, CellOut]]) -> dict[int, Mapping[str, CellOut]]:
    """Output cells by account name -> by the row of `Accounts` they belong to now."""
    accounts = book.tables["Accounts"]
    return {row[0]: cells[name] for row in accounts.rows if (name := text_of(accounts.value(row, "account"))) in cells}


def _results_body(book: WorkbookData, listed: Sequence[ResultRow], keep_runs: int, *, drop_plans: bool) -> SetBody:
    # What stands of them already, broken off half written, goes; of a run that workers share, other accounts' may stay.
    new = {(result["run"], result["account"]) for result in listed}
    kept = report.kept_result_rows(book.tables["Results"], keep=keep_runs, without=new, drop_plans=drop_plans)
    return SetBody(
        "Results", [*(BodyRow(number, {}) for number in kept), *(BodyRow(None, result) for result in listed)]
    )


def _order_changes(book: WorkbookData, orders: Sequence[OrderUpdate], answers: Answers) -> list[TableChange]:
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
        text_of(products.value(row, key)) == text_of(value)
        for key, value in report.product_cells(result).items()
        if key != "updated_at"
    )
