"""A run as a page and as rows to paste: what `templates/report` shows and `results.xlsx` holds. Pure.

The page shows the rows that `Results` lists; of very many only the most urgent, because a browser with a table of
100,000 rows helps nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from batch import report
from batch.messages import Catalogue, entries
from batch.model import Outcome
from batch.report import ResultRow, Summary
from batch.sum_orders import OrderFigures, headline, money_words, rate_words, remarks, sentences
from batch.validate.cells import text_of
from batch.workbook import schema
from batch.workbook.read import NOT_CALCULATED, Row, TableData

ROWS_SHOWN = 2_000
ROWS_OF_EVERY_CODE = 25  # there are 45 codes
PLACES_SHOWN = 12  # rows named for each reason
ADVICE_SHOWN = 3  # different pieces of advice for each reason
ROWS_ASKED = 50  # for advice: it differs by a row's facts
BARS_SHOWN = 30  # accounts in the chart
URGENCY = ("failed", "doubt", "warning", "pending", "planned", "done", "skipped")
TROUBLE = frozenset({"failed", "doubt"})
WARSAW = ZoneInfo("Europe/Warsaw")


@dataclass(frozen=True, slots=True)
class Share:
    """How many rows have a status; `start` and `width` place it in a bar of 100."""

    status: str
    sign: str
    word: str
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the chart: an account, or all of them (name "")."""

    name: str
    total: int
    shares: Sequence[Share]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows need attention: a code, what to do, where they stand."""

    code: str
    status: str
    sign: str
    title: str
    count: int
    advice: Sequence[str]
    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table, as text; `link` is an address at Allegro or ""."""

    row: int | None
    account: str
    ean: str
    external_id: str
    status: str
    sign: str
    word: str
    code: str
    title: str
    message: str
    change: str
    offer_id: str
    link: str


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account: `state` is "ok" or the title of what stopped it."""

    name: str
    ok: bool
    state: str
    rows: int


@dataclass(frozen=True, slots=True)
class OrderTotal:
    """The value of the exported order lines in one currency at one VAT rate, as text."""

    currency: str
    vat_rate: str
    value: str


@dataclass(frozen=True, slots=True)
class OrderSection:
    """What the page says about exported orders."""

    headline: str
    totals: Sequence[OrderTotal]
    remarks: Sequence[str]


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything on the page of a run. `total` rows were dealt with, `listed` have something to say."""

    run: str
    verdict: str
    dry_run: bool
    workbook: str
    started: str
    duration: str
    total: int
    listed: int
    whole: Bar
    bars: Sequence[Bar]
    reasons: Sequence[Reason]
    counts: Sequence[tuple[str, str, str, int]]  # status, sign, title, number
    accounts: Sequence[AccountLine]
    notes: Sequence[str]
    lines: Sequence[Line]
    to_paste: int
    orders: OrderSection | None = None


@dataclass(frozen=True, slots=True)
class FailedRows:
    """The rows of `Products` that failed, in the order of the user's columns, their answers filled in."""

    columns: Sequence[schema.Column]
    rows: Sequence[Sequence[Any]]


def make_report(summary: Summary, words: Catalogue) -> RunReport:
    """The page of a run."""
    dry_run = report.is_plan(summary.run)
    about_orders = sentences(summary.orders, words, dry_run=dry_run) if summary.orders else []
    listed = [result for result in summary.results if report.is_listed(result)]
    statuses = Counter(report.status_of(outcome.code) for outcome in summary.outcomes)
    by_account: dict[str, Counter[str]] = {account: Counter() for account in summary.states}
    for outcome in summary.outcomes:
        by_account.setdefault(outcome.account, Counter())[report.status_of(outcome.code)] += 1
    bars = [_bar(account, counted, words) for account, counted in by_account.items() if counted]
    return RunReport(
        run=summary.run,
        verdict=_verdict(summary, statuses),
        dry_run=dry_run,
        workbook=summary.workbook,
        started=f"{summary.started.astimezone(WARSAW):%Y-%m-%d %H:%M:%S}",
        duration=_duration(summary.started, summary.finished),
        total=len(summary.outcomes),
        listed=len(listed),
        whole=_bar("", statuses, words),
        bars=bars[:BARS_SHOWN] if len(bars) > 1 else [],
        reasons=_reasons(summary.outcomes, words),
        counts=[
            (report.status_of(code), _sign(report.status_of(code)), words.title(code), number)
            for code, number in summary.counts.items()
        ],
        accounts=[
            AccountLine(name, state == "ok", words.title(state) if state != "ok" else "", by_account[name].total())
            for name, state in summary.states.items()
        ],
        notes=[note for note in summary.notes if note not in about_orders],
        lines=[_line(result, words) for result in _most_urgent(listed)],
        to_paste=sum(report.status_of(result["code"]) in TROUBLE and bool(result["row"]) for result in listed),
        orders=_orders(summary.orders, words, dry_run=dry_run) if summary.orders else None,
    )


def failed_rows(results: Iterable[ResultRow], products: TableData) -> FailedRows:
    """The rows to paste back into `Products` once they are corrected: its columns in the user's own order."""
    keys = sorted(products.columns, key=lambda key: (len(products.columns[key]), products.columns[key]))
    columns = [schema.PRODUCTS.column(key) for key in keys]
    rows = {row[0]: row for row in products.rows}
    failed = [r for r in results if report.status_of(r["code"]) in TROUBLE and r["row"] in rows]
    return FailedRows(columns, [_to_paste(columns, products, rows[result["row"]], result) for result in failed])


def _to_paste(columns: Sequence[schema.Column], products: TableData, row: Row, result: ResultRow) -> list[Any]:
    answers = report.product_cells(result)
    cells = []
    for column in columns:
        value = answers.get(column.key, products.value(row, column.key))
        if value is NOT_CALCULATED:
            value = None
        is_text = column.kind in {schema.Kind.TEXT, schema.Kind.LONG_TEXT}
        cells.append(text_of(value) if is_text else value)
    return cells


def _orders(figures: OrderFigures, words: Catalogue, *, dry_run: bool) -> OrderSection:
    totals = [
        OrderTotal(currency, rate_words(rate, words), money_words(value, words))
        for currency, rates in figures.totals.items()
        for rate, value in rates.items()
    ]
    return OrderSection(headline(figures, words, dry_run=dry_run), totals, remarks(figures, words))


def _verdict(summary: Summary, statuses: Mapping[str, int]) -> str:
    """The key of the sentence at the top."""
    if report.is_plan(summary.run):
        return "report_verdict_plan_trouble" if statuses.get("failed") else "report_verdict_plan"
    if summary.exit_code == 3:
        return "report_verdict_login"
    if summary.exit_code:
        return "report_verdict_trouble"
    if not summary.outcomes and summary.orders is None:
        return "report_verdict_nothing"
    return "report_verdict_waiting" if statuses.get("pending") else "report_verdict_done"


def _bar(name: str, counted: Mapping[str, int], words: Catalogue) -> Bar:
    total = sum(counted.values())
    shares, start = [], 0.0
    for status in reversed(URGENCY):
        if count := counted.get(status, 0):
            width = 100 * count / total
            shares.append(Share(status, _sign(status), words.say(f"status_{status}"), count, round(start, 3), width))
            start += width
    return Bar(name, total, shares)


def _reasons(outcomes: Iterable[Outcome], words: Catalogue) -> list[Reason]:
    by_code: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if report.status_of(outcome.code) in {*TROUBLE, "warning"}:
            by_code.setdefault(outcome.code, []).append(outcome)
    reasons = []
    for code, found in by_code.items():
        advice = Counter(filter(None, (report.advice(outcome, words) for outcome in found[:ROWS_ASKED])))
        status = report.status_of(code)
        places = sorted(outcome.row for outcome in found if outcome.row)[:PLACES_SHOWN]
        reasons.append(
            Reason(
                code=code,
                status=status,
                sign=_sign(status),
                title=words.title(code),
                count=len(found),
                advice=[text for text, _ in advice.most_common(ADVICE_SHOWN)],
                places=places,
            )
        )
    return sorted(reasons, key=lambda reason: (URGENCY.index(reason.status), -reason.count))


def _most_urgent(results: Sequence[ResultRow]) -> list[ResultRow]:
    """As many rows as the page shows, in the order of the sheet; some of every code, so that none is out of sight."""
    if len(results) <= ROWS_SHOWN:
        return list(results)
    seen: Counter[str] = Counter()
    ranks = []
    for at, result in enumerate(results):
        seen[result["code"]] += 1
        urgency = URGENCY.index(report.status_of(result["code"]))
        ranks.append((seen[result["code"]] > ROWS_OF_EVERY_CODE, urgency, at))
    return [results[at] for at in sorted(at for _, _, at in sorted(ranks)[:ROWS_SHOWN])]


def _line(result: ResultRow, words: Catalogue) -> Line:
    status = report.status_of(result["code"])
    link = result["link"] or ""
    return Line(
        row=result["row"],
        account=result["account"],
        ean=result["ean"],
        external_id=result["external_id"],
        status=status,
        sign=_sign(status),
        word=words.say(f"status_{status}"),
        code=result["code"],
        title=words.title(result["code"]),
        message=result["message"],
        change=_change(result, words),
        offer_id=result["offer_id"] or "",
        link=link if link.startswith(("https://", "http://")) else "",
    )


def _change(result: ResultRow, words: Catalogue) -> str:
    """The price and the stock, and what they were before where that is known: `12,30 → 13,00` and `5 → 7 szt.`"""
    price = _before_and_after(result["old_price"], result["new_price"], words)
    stock = _before_and_after(result["old_stock"], result["new_stock"], words)
    return "\n".join(part for part in (price, stock and words.say("report_pieces", number=stock)) if part)


def _before_and_after(old: Decimal | int | None, new: Decimal | int | None, words: Catalogue) -> str:
    return " → ".join(_number(value, words) for value in (old, new) if value is not None)


def _number(value: Decimal | int, words: Catalogue) -> str:
    text = f"{value:.2f}" if isinstance(value, Decimal) else str(value)
    return text.replace(".", ",") if words.language == "pl" else text


def _duration(started: datetime, finished: datetime) -> str:
    seconds = max(int((finished - started).total_seconds()), 0)
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _sign(status: str) -> str:
    return str(entries()[f"status_{status}"]["sign"])
