"""The exported orders as figures: how many, their value by currency and VAT rate, which do not add up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from batch.export import ExportedOrder, Vat
from batch.messages import Catalogue
from batch.workbook.values import MAX_TEXT

ORDERS_LISTED = 10


@dataclass(frozen=True, slots=True)
class OrderFigures:
    """What the run report says about orders.

    `totals`: currency -> VAT rate (percent, a word, None: unknown) -> gross value, in the order of the rates.
    `not_adding_up`, `blank_vat` and `cut` are the orders concerned; `cut`: a text was longer than a cell holds.
    """

    orders: int = 0
    new: int = 0
    lines: int = 0
    marked: int = 0
    totals: Mapping[str, Mapping[Vat, Decimal]] = field(default_factory=dict)
    not_adding_up: Sequence[ExportedOrder] = ()
    blank_vat: Sequence[ExportedOrder] = ()
    cut: Sequence[ExportedOrder] = ()
    unreadable: Sequence[str] = ()


def sum_orders(exported: Sequence[ExportedOrder], *, marked: int = 0, unreadable: Sequence[str] = ()) -> OrderFigures:
    """The figures of these orders."""
    totals: dict[str, dict[Vat, Decimal]] = {}
    for one in exported:
        for row in one.rows:
            rates = totals.setdefault(row["currency"], {})
            rates[row["vat_rate"]] = rates.get(row["vat_rate"], Decimal(0)) + row["line_total"]
    return OrderFigures(
        orders=len(exported),
        new=sum(one.is_new for one in exported),
        lines=sum(len(one.rows) for one in exported),
        marked=marked,
        totals={currency: dict(sorted(rates.items(), key=_rate_order)) for currency, rates in sorted(totals.items())},
        not_adding_up=[one for one in exported if one.difference is not None],
        blank_vat=[one for one in exported if one.blank_vat],
        cut=[one for one in exported if _is_cut(one)],
        unreadable=unreadable,
    )


def _rate_order(item: tuple[Vat, Decimal]) -> tuple[int, Decimal, str]:
    """Numbers from the highest, then words, then what is unknown."""
    rate = item[0]
    if isinstance(rate, Decimal):
        return 0, -rate, ""
    return (1, Decimal(0), rate) if rate is not None else (2, Decimal(0), "")


def _is_cut(one: ExportedOrder) -> bool:
    texts = (value for row in one.rows for value in row.values() if isinstance(value, str))
    return any(2 * len(text) > MAX_TEXT and _loses_its_end(text) for text in texts)


def _loses_its_end(text: str) -> bool:
    """Whether a cell cannot hold the text; line ends take one place, other characters keep theirs."""
    return len(text.replace("\r\n", "\n").encode("utf-16-le", "surrogatepass")) > 2 * MAX_TEXT


def sentences(figures: OrderFigures, words: Catalogue, *, dry_run: bool) -> list[str]:
    """What people read about the orders after a run."""
    said = [headline(figures, words, dry_run=dry_run)]
    for currency, rates in figures.totals.items():
        parts = [{"rate": rate_words(rate, words), "value": money_words(value, words)} for rate, value in rates.items()]
        total = money_words(sum(rates.values(), Decimal(0)), words)
        said.append(words.say("orders_total", currency=currency, total=total, rates=parts))
    return said + remarks(figures, words)


def headline(figures: OrderFigures, words: Catalogue, *, dry_run: bool) -> str:
    """How many orders and lines."""
    facts = {"orders": figures.orders, "new": figures.new, "lines": figures.lines, "marked": figures.marked}
    return words.say("orders_planned" if dry_run else "orders_exported", **facts)


def remarks(figures: OrderFigures, words: Catalogue) -> list[str]:
    """What is unusual about some of the orders."""
    said = [_difference(one, words) for one in figures.not_adding_up[:ORDERS_LISTED]]
    if len(figures.not_adding_up) > ORDERS_LISTED:
        said.append(words.say("orders_more_differ", count=len(figures.not_adding_up) - ORDERS_LISTED))
    for key, orders in (("orders_without_vat", figures.blank_vat), ("orders_cut", figures.cut)):
        if orders:
            said.append(words.say(key, **_listed([one.order.id for one in orders])))
    if figures.unreadable:
        said.append(words.say("orders_unreadable", **_listed(figures.unreadable)))
    return said


def _difference(one: ExportedOrder, words: Catalogue) -> str:
    assert one.difference is not None
    reasons = [
        {"name": words.say(f"orders_reason_{reason}"), "value": money_words(value, words)}
        for reason, value in one.difference.reasons.items()
    ]
    return words.say(
        "orders_differ",
        account=one.account,
        order=one.order.id,
        amount=money_words(one.difference.amount.amount, words),
        total=money_words(one.order.total.amount, words),
        currency=one.difference.amount.currency,
        reasons=reasons,
        explained=one.difference.explained,
    )


def _listed(ids: Iterable[str]) -> dict[str, Any]:
    all_ids = list(ids)
    return {"count": len(all_ids), "ids": all_ids[:ORDERS_LISTED], "more": max(len(all_ids) - ORDERS_LISTED, 0)}


def rate_words(rate: Vat, words: Catalogue) -> str:
    """A VAT rate as people read it: `23%`, `zw.`, or that it is unknown."""
    if rate is None:
        return words.say("orders_rate_unknown")
    return f"{rate}%" if isinstance(rate, Decimal) else rate


def money_words(value: Decimal, words: Catalogue) -> str:
    """An amount as people read it, with the decimal sign of the language."""
    text = f"{value:.2f}"
    return text.replace(".", ",") if words.language == "pl" else text
