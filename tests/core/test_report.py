"""Answers find their rows, and what people read is complete."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from batch import report
from batch.messages import catalogue
from batch.model import CellRef, Outcome, Problem
from batch.workbook import schema
from batch.workbook.read import TableData

WORDS = catalogue("pl")


def products(*rows: tuple[int, str, str, str]) -> TableData:
    """A table of (row number, account, ean, external id)."""
    keys = [column.key for column in schema.PRODUCTS.columns]
    columns = {key: "ABCDEFGHIJKL"[i] for i, key in enumerate(keys)}
    filled = []
    for number, account, ean, external_id in rows:
        cells: list[Any] = [None] * len(keys)
        cells[keys.index("account")], cells[keys.index("ean")] = account, ean
        cells[keys.index("external_id")] = external_id or None
        filled.append((number, tuple(cells)))
    return TableData("Products", "Produkty", columns, filled)


def result(row: int, account: str, ean: str, external_id: str) -> report.ResultRow:
    return {"row": row, "account": account, "ean": ean, "external_id": external_id, "code": "draft_created"}


def test_answers_stay_in_their_rows_when_nothing_moved() -> None:
    """The number is enough when the row there is still the same."""
    table = products((2, "a", "1", ""), (3, "a", "2", "X"))
    placed = report.place([result(2, "a", "1", "1"), result(3, "a", "2", "X")], table)
    assert {number: r["ean"] for number, r in placed.items()} == {2: "1", 3: "2"}


def test_answers_follow_their_rows_when_the_sheet_was_sorted() -> None:
    """Account and external id, not the number."""
    table = products((2, "a", "2", "X"), (3, "a", "9", ""), (4, "a", "1", ""))
    placed = report.place([result(2, "a", "1", "1"), result(3, "a", "2", "X")], table)
    assert {number: r["ean"] for number, r in placed.items()} == {4: "1", 2: "2"}


def test_an_answer_without_its_row_is_not_put_elsewhere() -> None:
    """The user deleted the row; nobody else gets its answer."""
    assert report.place([result(2, "a", "1", "1")], products((2, "a", "7", ""), (3, "b", "1", ""))) == {}


def test_two_equal_rows_get_one_answer_each() -> None:
    """The first and its duplicate."""
    table = products((5, "a", "1", ""), (6, "a", "1", ""))
    placed = report.place([result(2, "a", "1", "1"), result(3, "a", "1", "")], table)
    assert sorted(placed) == [5, 6]


def test_one_product_offered_twice_keeps_its_answers_apart() -> None:
    """Two rows of one EAN with different external ids change places: each answer follows its own."""
    table = products((2, "a", "1", "B"), (3, "a", "1", ""))
    placed = report.place([result(2, "a", "1", "1"), result(3, "a", "1", "B")], table)
    assert {number: r["external_id"] for number, r in placed.items()} == {2: "B", 3: "1"}


def test_rows_without_ean_are_known_by_their_product() -> None:
    """The product id is the external id of such a row."""
    table = products((2, "a", "", ""), (3, "a", "", ""))
    at = list(table.columns).index("product_id")
    table.rows[:] = [(n, (*cells[:at], f"P{5 - n}", *cells[at + 1 :])) for n, cells in table.rows]  # P3, P2
    placed = report.place([result(2, "a", "", "P2"), result(3, "a", "", "P3")], table)
    assert {number: r["external_id"] for number, r in placed.items()} == {2: "P3", 3: "P2"}


def test_an_ean_written_in_another_way_is_the_same() -> None:
    """As text, as a number that lost its zeros, with spaces."""
    table = products((9, "a", "5901234123457", ""))
    assert list(report.place([result(2, "a", "590 1234 123457", "5901234123457")], table)) == [9]


def test_an_external_id_typed_meanwhile_does_not_lose_the_answer() -> None:
    """Without its offer id the row would get a second draft."""
    table = products((2, "a", "5901234123457", "NEW"))
    assert list(report.place([result(2, "a", "5901234123457", "5901234123457")], table)) == [2]


def test_a_row_that_names_nothing_is_known_by_its_number() -> None:
    """The answer says that the EAN is missing; nobody else's row may get it."""
    table = products((2, "a", "", ""), (3, "a", "", ""))
    assert list(report.place([result(3, "a", "", ""), result(4, "a", "", "")], table)) == [3]


def test_message_names_every_problem_with_its_cell_and_value() -> None:
    """All mistakes of a row at once."""
    problems = [
        Problem("price_invalid", CellRef("Produkty", "C", 7), "1.234", {"reason": "ambiguous"}),
        Problem("stock_missing", CellRef("Produkty", "D", 7)),
    ]
    text = report.message(Outcome.of_problems(7, "a", problems), WORDS)
    first, second = text.split("\n")
    assert first.startswith("Produkty!C7 „1.234”: ")
    assert second.startswith("Produkty!D7: ")


def test_message_ends_with_allegros_own_words_and_the_trace_id() -> None:
    """What support asks for."""
    outcome = Outcome(7, "a", "rejected", {"reason": "allegro"}, CellRef("P", "B", 7), "590", errors=(("Nie", "C1"),),
                      trace_id="abc")  # fmt: skip
    assert report.message(outcome, WORDS).split("\n")[-2:] == ["Allegro: „Nie” (C1)", "trace-id: abc"]


def test_kept_rows_are_those_of_the_newest_runs() -> None:
    """Oldest runs go first; a dry run's rows go when a new plan comes; of a run that goes on, other accounts' stay."""
    columns = {column.key: "A" for column in schema.RESULTS.columns}
    runs = ["r1", "r1", "plan-1", "r2", "r3"]
    at, blank = list(columns).index("account"), [None] * len(columns)
    table = TableData("Results", "Wyniki", columns, [(n + 2, (run, *blank[1:])) for n, run in enumerate(runs)])
    for row, account in zip(table.rows, ["a", "b", "", "a", "a"], strict=True):
        table.rows[row[0] - 2] = (row[0], (*row[1][:at], account, *row[1][at + 1 :]))
    assert report.kept_result_rows(table, keep=2, drop_plans=False) == [5, 6]
    assert report.kept_result_rows(table, keep=19, drop_plans=True) == [2, 3, 5, 6]
    assert report.kept_result_rows(table, keep=0, drop_plans=False) == []
    assert report.kept_result_rows(table, keep=2, without={("r2", "a")}, drop_plans=False) == [6]
    assert report.kept_result_rows(table, keep=3, without={("r2", "a")}, drop_plans=False) == [2, 3, 4, 6]
    assert report.kept_result_rows(table, keep=1, without={("r1", "a")}, drop_plans=False) == [3]


def test_runs_are_kept_by_their_time_whatever_the_order_and_a_dry_run_takes_no_place() -> None:
    """A table sorted newest first loses its oldest run, not its newest; a plan pushes out no real run."""
    columns = {column.key: "A" for column in schema.RESULTS.columns}
    runs = ["plan-20260106-100000-a", "20260105-100000-e", "undo-20260104-100000-d", "20260103-100000-c"]
    table = TableData(
        "Results", "Wyniki", columns, [(n + 2, (run, *[None] * (len(columns) - 1))) for n, run in enumerate(runs)]
    )
    assert report.kept_result_rows(table, keep=3, without={("new", "")}, drop_plans=False) == [2, 3, 4]
    assert report.kept_result_rows(table, keep=3, without={("plan-new", "")}, drop_plans=True) == [3, 4, 5]
    assert report.kept_result_rows(table, keep=1, drop_plans=False) == [2, 3]


def test_answers_survive_the_journal() -> None:
    """JSON and back: amounts stay Decimal, times stay aware."""
    time = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
    answers = [{"run": "r", "time": time, "row": 7, "new_price": Decimal("12.30"), "message": "ż\n=1", "link": None}]
    assert report.from_json(report.to_json(answers)) == answers


def test_exit_codes() -> None:
    """3 wins over 4; pending, warnings and skipped rows are no failures."""

    def code(*codes: str, states: tuple[str, ...] = ("ok",)) -> int:
        return report.exit_code([Outcome(1, "a", c) for c in codes], states)

    assert code("draft_created", "draft_pending", "draft_incomplete", "skipped") == 0
    assert code("draft_created", "ean_invalid") == 4
    assert code("in_doubt") == 4
    assert code("not_sent", states=("server_trouble",)) == 4
    assert code("ean_invalid", states=("ok", "login_needed")) == 3
    assert code(states=("forbidden",)) == 3
