"""Answers into the workbook; where it cannot be written, into the journal until it can.

The workbook may have been saved by somebody else since it was read: then it is read again and every answer
finds its row by account and external id, not by number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch import report
from batch.errors import WorkbookError
from batch.journal import Journal
from batch.report import ResultRow
from batch.validate.cells import text_of
from batch.workbook.patch import BodyRow, SetBody, SetCells, write_workbook
from batch.workbook.read import Row, TableData, WorkbookData, read_workbook

TABLES = ("Accounts", "Defaults", "Products", "Settings", "Results")
READINGS = 5  # of a workbook that changes under our hands


@dataclass(frozen=True, slots=True)
class Answers:
    """All that a run has to say. `accounts`: output cells by account name."""

    run: str
    results: Sequence[ResultRow]
    accounts: Mapping[str, Mapping[str, Any]]
    keep_runs: int


def deliver_plan(book: WorkbookData, answers: Answers) -> None:
    """Write a dry run's rows to `Results`, in place of the previous dry run's; nothing else. Raises WorkbookError."""
    _write(book, lambda now: [_results_body(now, answers.results, answers.keep_runs, drop_plans=True)])


def deliver(book: WorkbookData, answers: Answers, journal: Journal) -> None:
    """Write the answers, and those still owed from earlier runs. Raises WorkbookError when that cannot be done."""
    owed = journal.owed(place_of(book))
    earlier = [report.from_json(results) for _, _, results in owed]
    _write(book, lambda now: _changes(now, answers, earlier))
    journal.settle_debt([owed_id for owed_id, _, _ in owed])


def owe(book: WorkbookData, answers: Answers, journal: Journal) -> None:
    """Keep the answers until the workbook can be written again."""
    journal.owe(place_of(book), answers.run, report.to_json(answers.results))


def _write(book: WorkbookData, changes: Callable[[WorkbookData], list[SetCells | SetBody]]) -> None:
    for attempt in range(READINGS):
        try:
            write_workbook(book.path, changes(book), expect=book.stamp)
        except WorkbookError as error:
            if error.code != "workbook_changed" or attempt == READINGS - 1:
                raise
            book = read_workbook(book.path, tables=TABLES)
        else:
            return


def place_of(book: WorkbookData) -> str:
    """The workbook's name in the journal: the same however it was named on the command line."""
    return str(book.path.resolve())


def _changes(book: WorkbookData, answers: Answers, earlier: Sequence[Sequence[ResultRow]]) -> list[SetCells | SetBody]:
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
    listed = [result for results in runs for result in results if report.is_listed(result)]
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


def _says_so_already(products: TableData, row: Row, result: ResultRow) -> bool:
    """A row that is skipped again and again keeps the time of its first skipping."""
    cells = report.product_cells(result)
    return result["code"] in report.QUIET and all(
        text_of(products.value(row, key)) == text_of(cells[key]) for key in ("status", "message")
    )
