"""What the page of a run says, and which rows are handed back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batch import run_report
from batch.messages import catalogue
from batch.model import CellRef, Money, Outcome, Problem
from batch.run_report import RunReport, failed_rows, make_report
from batch.sum_orders import OrderFigures, sentences
from batch.workbook.read import NOT_CALCULATED
from tests.helpers.summaries import OFFERS, STARTED, products_of, summary_of

WORDS = catalogue("pl")


def outcome(row: int, code: str, account: str = "a", **more: object) -> Outcome:
    """The outcome of a row, with the facts its texts ask for."""
    facts = {"offer_ids": ["7"], "left": [], "busy": False, "reason": "allegro", "offer_id": "7"}
    return Outcome(row, account, code, facts, offer_id="7" if code.startswith("draft") else None, **more)  # type: ignore[arg-type]


def page(*outcomes: Outcome, **more: object) -> RunReport:
    """The report of a run over as many rows as are needed."""
    rows = max((o.row for o in outcomes), default=1)
    return make_report(summary_of(outcomes, products_of([{"account": "a"}] * rows), **more), WORDS)  # type: ignore[arg-type]


def test_shares_fill_the_bar_in_the_order_of_urgency() -> None:
    """Failures stand at the end, where the eye stops."""
    bar = page(
        *[outcome(n, "draft_created") for n in range(2, 8)], outcome(8, "rejected"), outcome(9, "draft_pending")
    ).whole
    assert [(s.status, s.count, s.start, s.width) for s in bar.shares] == [
        ("done", 6, 0, 75), ("pending", 1, 75, 12.5), ("failed", 1, 87.5, 12.5)]  # fmt: skip


def test_reasons_are_grouped_with_their_advice_and_rows() -> None:
    """Failures first, the most frequent first; the advice of one reason may differ by row."""
    bad = [Outcome.of_problems(n, "a", [Problem("price_missing", CellRef("P", "C", n))]) for n in (5, 3)]
    unknown = [
        Outcome(n, name, "account_unknown", {"accounts": [known]}) for n, name, known in ((6, "x", "a"), (7, "y", "b"))
    ]
    reasons = page(outcome(2, "draft_incomplete"), *bad, *unknown, outcome(8, "in_doubt")).reasons
    assert [(r.code, r.count, list(r.places)) for r in reasons] == [
        ("price_missing", 2, [3, 5]), ("account_unknown", 2, [6, 7]), ("in_doubt", 1, [8]), ("draft_incomplete", 1, [2])
    ]  # fmt: skip
    assert len(reasons[0].advice) == 1
    assert [text[-2:] for text in reasons[1].advice] == ["a.", "b."]


@pytest.mark.parametrize(
    ("outcomes", "more", "verdict"),
    [
        ([outcome(2, "draft_created")], {}, "report_verdict_done"),
        ([outcome(2, "draft_pending")], {}, "report_verdict_waiting"),
        ([], {}, "report_verdict_nothing"),
        ([outcome(2, "rejected")], {}, "report_verdict_trouble"),
        ([outcome(2, "draft_created")], {"failed_late": True}, "report_verdict_trouble"),
        ([outcome(2, "rejected")], {"states": {"a": "login_needed"}}, "report_verdict_login"),
        ([outcome(2, "planned_create")], {"run": "plan-1"}, "report_verdict_plan"),
        ([outcome(2, "rejected")], {"run": "plan-1"}, "report_verdict_plan_trouble"),
    ],
)
def test_the_verdict(outcomes: list[Outcome], more: dict[str, object], verdict: str) -> None:
    """One sentence at the top; a person who must log in matters most."""
    assert page(*outcomes, **more).verdict == verdict


def test_rows_with_nothing_to_say_are_counted_only() -> None:
    """As in the sheet Results."""
    shown = page(outcome(2, "offer_unchanged"), outcome(3, "draft_created"))
    assert (shown.total, shown.listed, [line.row for line in shown.lines]) == (2, 1, [3])


def test_of_too_many_rows_the_urgent_are_shown_and_some_of_every_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the sheet."""
    monkeypatch.setattr(run_report, "ROWS_SHOWN", 6)
    monkeypatch.setattr(run_report, "ROWS_OF_EVERY_CODE", 1)
    codes = [
        "draft_created",
        "draft_created",
        "rejected",
        "draft_pending",
        "rejected",
        "in_doubt",
        "rejected",
        "draft_found",
    ]
    shown = page(*[outcome(n, code) for n, code in enumerate(codes, 2)])
    assert shown.listed == 8
    assert [line.row for line in shown.lines] == [2, 4, 5, 6, 7, 9]


def test_a_line_shows_the_change_and_links_to_allegro() -> None:
    """Old and new where both are known, in the language's own figures."""
    changed = outcome(2, "draft_created", old_price=Money(Decimal("12.30"), "PLN"), new_price=Money(Decimal(13), "PLN"),
                      new_stock=5)  # fmt: skip
    (line,) = page(changed).lines
    assert line.change == "12,30 → 13,00\n5 szt."
    assert line.link == f"{OFFERS}7"


def test_a_link_that_is_no_web_address_is_none() -> None:
    """Addresses come from settings, and `javascript:` in one would run."""
    result = summary_of([outcome(2, "draft_created")], products_of([{"account": "a"}])).results[0]
    summary = summary_of(
        [outcome(2, "draft_created")], products_of([]), results=[{**result, "link": "javascript:alert(1)"}]
    )
    assert make_report(summary, WORDS).lines[0].link == ""


def test_orders_have_a_section_and_are_not_repeated_among_the_notes() -> None:
    """Totals by currency and rate; what is unusual below."""
    figures = OrderFigures(
        2, 1, 5, totals={"PLN": {Decimal(23): Decimal("12.50"), None: Decimal(7)}}, unreadable=["x-1"]
    )
    notes = [*sentences(figures, WORDS, dry_run=False), "another"]
    shown = page(orders=figures, notes=notes)
    assert shown.notes == ["another"]
    assert shown.orders is not None
    assert [(t.currency, t.vat_rate, t.value) for t in shown.orders.totals] == [
        ("PLN", "23%", "12,50"), ("PLN", "nieznany", "7,00")]  # fmt: skip
    assert "2 (nowe: 1)" in shown.orders.headline
    assert "x-1" in shown.orders.remarks[0]


def test_failed_rows_stand_in_the_users_own_columns_with_their_answers() -> None:
    """Whatever the order of the sheet; a good row is not handed back, nor one whose row is gone."""
    order = ["message", "ean", "account", "price", "stock", "external_id", "profile", "product_id", "action",
             "offer_id", "status", "updated_at"]  # fmt: skip
    rows = [{"account": "a", "ean": 5901234123457.0, "price": 12.3, "stock": NOT_CALCULATED, "profile": "=1+1"},
            {"account": "a"}]  # fmt: skip
    table = products_of(rows, order)
    summary = summary_of([outcome(2, "rejected"), outcome(3, "draft_created"), outcome(0, "in_doubt")], table)
    failed = failed_rows(summary.results, table)
    assert [column.key for column in failed.columns] == order
    (row,) = [dict(zip(order, values, strict=True)) for values in failed.rows]
    assert row["ean"] == "5901234123457"
    assert (row["price"], row["stock"], row["profile"]) == (12.3, None, "=1+1")
    assert row["status"].startswith("✖")
    assert "Allegro" in row["message"]
    assert row["updated_at"] == STARTED
