"""Orders -> the rows of `Orders`: lines, services, delivery with its VAT, notes, and whether it all adds up. Pure.

A row is one line item (`line_id` is Allegro's), one additional service of a line (`LINE:SERVICE`), or the delivery
(`delivery`). Prices are gross and what the buyer pays for one piece. What Allegro does not say stays blank.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from batch.model import Money
from batch.order import LineItem, Order, Person
from batch.validate.cells import text_of
from batch.workbook import schema
from batch.workbook.read import TableData

DELIVERY = "delivery"
HALF_A_GROSZ = Decimal("0.005")  # a price of a piece may have more decimals than anybody pays
NOTE_FIELDS = ("buyer_email", "buyer_login", "item_id", "message_to_seller", "seller_note", "pickup_point")
_FIELD = re.compile(r"\{([^{}]*)\}")

OrderRow: TypeAlias = dict[str, Any]
"""One row of `Orders` by column key, without `updated_at`: text, Decimal, aware datetime or None."""

Vat: TypeAlias = Decimal | str | None
"""A rate in percent, a word for what has none (`zw.`, `np.`), or None: unknown."""


@dataclass(frozen=True, slots=True)
class OrderOptions:
    """The settings behind the rows. `missing_vat_rate` None: leave blank."""

    shop_notes: str = "{message_to_seller}"
    note: str = "seller"
    delivery_vat_mode: str = "Highest"
    delivery_vat_rate: Vat = Decimal(23)
    missing_vat_rate: Vat = None


@dataclass(frozen=True, slots=True)
class Difference:
    """An order whose rows do not add up to what Allegro asks the buyer to pay: `amount` = Allegro's total - rows.

    `reasons` (surcharges, vouchers, deposits, currencies) explain it wholly when `explained`; otherwise they are all
    that is known.
    """

    amount: Money
    reasons: Mapping[str, Decimal]
    explained: bool


@dataclass(frozen=True, slots=True)
class ExportedOrder:
    """An order of an account as rows. `blank_vat` counts the rows whose rate is unknown."""

    account: str
    order: Order
    rows: Sequence[OrderRow]
    difference: Difference | None = None
    blank_vat: int = 0
    is_new: bool = True


def export_order(order: Order, account: str, options: OrderOptions, language: str, *, is_new: bool) -> ExportedOrder:
    """All rows of one order, the delivery last."""
    common = _common(order, account, options, language)
    rows: list[OrderRow] = []

    def add(kind: str, line_id: str, name: str, quantity: Decimal, price: Money, rate: Vat, **of_line: Any) -> None:
        rows.append(
            {
                **common,
                "line_id": line_id,
                "line_type": schema.word(schema.LINE_TYPES, kind, language),
                "name": name,
                "quantity": quantity,
                "unit_price": price.amount,
                "line_total": quantity * price.amount,
                "currency": price.currency,
                "vat_rate": rate,
                **of_line,
            }
        )

    for line in order.lines:
        rate = _line_vat(line, options)
        of_line: dict[str, Any] = {"offer_id": line.offer_id, "external_id": line.external_id}
        if line.bought_at is not None:
            of_line["bought_at"] = line.bought_at
        add("item", line.id, line.name, line.quantity, line.price, rate, **of_line)
        for line_id, service in zip(_service_ids(line), line.services, strict=True):
            add("service", line_id, service.name, service.quantity, service.price, rate, **of_line)
    cost = order.delivery_cost or Money(Decimal(0), order.total.currency)
    add("delivery", DELIVERY, order.delivery_method, Decimal(1), cost, delivery_vat(order.lines, options))
    blank = sum(row["vat_rate"] is None for row in rows)
    return ExportedOrder(account, order, rows, difference(order, rows), blank, is_new)


def _service_ids(line: LineItem) -> list[str]:
    """The line ids of a line's services; a service chosen again gets a number."""
    names = [service.id or service.name for service in line.services]
    times = [names[: at + 1].count(name) for at, name in enumerate(names)]
    return [f"{line.id}:{name}" + (f":{n}" if n > 1 else "") for name, n in zip(names, times, strict=True)]


def status_cells(order: Order, language: str) -> OrderRow:
    """What changes in the rows of an order that is not exported any more, such as a cancelled one."""
    return {
        "order_status": schema.word_or_code(schema.ORDER_STATUSES, order.status, language),
        "fulfillment": schema.word_or_code(schema.FULFILLMENT_STATUSES, order.fulfillment, language),
    }


def _common(order: Order, account: str, options: OrderOptions, language: str) -> OrderRow:
    """The cells that all rows of an order share."""
    bought = [line.bought_at for line in order.lines if line.bought_at is not None]
    yes_no = "yes" if order.invoice_wanted else "no"
    return {
        "account": account,
        "order_id": order.id,
        "bought_at": max(bought, default=None),
        "offer_id": "",
        "external_id": "",
        **status_cells(order, language),
        "buyer_login": order.buyer_login,
        "buyer_email": order.buyer_email,
        "buyer_name": order.buyer.name or order.buyer.company,
        "buyer_phone": order.buyer.phone,
        "delivery_method": order.delivery_method,
        "delivery_name": order.recipient.name or order.recipient.company,
        "delivery_street": order.recipient.street,
        "delivery_post_code": order.recipient.post_code,
        "delivery_city": order.recipient.city,
        "delivery_country": order.recipient.country,
        "delivery_phone": order.recipient.phone,
        "pickup_point": order.pickup_point,
        "payment": schema.word_or_code(schema.PAYMENTS, order.payment, language),
        "paid": order.paid.amount if order.paid else None,
        "order_total": order.total.amount,
        "invoice": schema.word(schema.YES_NO, yes_no, language),
        "company": order.invoice.company,
        "tax_id": ", ".join(order.tax_ids),
        "invoice_address": address(order.invoice),
        "note": order.seller_note if options.note == "seller" else order.message,
        "shop_notes": fill_notes(options.shop_notes, note_values(order)),
    }


def address(person: Person) -> str:
    """One line: name, street, post code with city, country; the company has a column of its own."""
    city = " ".join(filter(None, (person.post_code, person.city)))
    return ", ".join(filter(None, (person.name, person.street, city, person.country)))


# --- VAT


def parse_vat(text: str) -> Vat:
    """A rate as people or Allegro write it: `23`, `23%`, `8,00`, `EXEMPT`, `np.`; None when it is none of that."""
    code = schema.choose(schema.VAT_WORDS, text)
    if code is not None:
        return schema.word(schema.VAT_WORDS, code, "pl")
    try:
        rate = Decimal(text.replace(",", ".").strip().removesuffix("%"))
    except InvalidOperation:
        return None
    if not rate.is_finite() or not 0 <= rate < 100:
        return None
    return rate.to_integral_value() if rate == rate.to_integral_value() else rate.normalize()


def _line_vat(line: LineItem, options: OrderOptions) -> Vat:
    """The line's own rate. An exemption without a rate is not filled in: nobody knows what it means for the line."""
    if line.vat_rate:
        rate = parse_vat(line.vat_rate)
        return line.vat_rate if rate is None else rate  # a word of Allegro's that we do not know keeps its meaning
    return None if line.exemption else options.missing_vat_rate


def delivery_vat(lines: Iterable[LineItem], options: OrderOptions) -> Vat:
    """The rate of the delivery by the mode of the settings, from the lines whose rate is known; None when none is.

    `zw.` and `np.` are no rates to be higher or lower than others: they decide only where no line has a number.
    """
    if options.delivery_vat_mode == "Fixed":
        return options.delivery_vat_rate
    rates = [rate for line in lines if (rate := _line_vat(line, options)) is not None]
    if options.delivery_vat_mode == "Last":
        return rates[-1] if rates else None
    numbers = [rate for rate in rates if isinstance(rate, Decimal)]
    if numbers:
        return max(numbers) if options.delivery_vat_mode == "Highest" else min(numbers)
    return rates[0] if len(set(rates)) == 1 else None


# --- notes


def unknown_fields(template: str) -> list[str]:
    """The fields of a template for `shop_notes` that do not exist, as they are written."""
    return [found[0] for found in _FIELD.finditer(template) if _field(found) not in NOTE_FIELDS]


def note_values(order: Order) -> dict[str, str]:
    """What each field of `shop_notes` stands for."""
    return {
        "buyer_email": order.buyer_email,
        "buyer_login": order.buyer_login,
        "item_id": order.id,
        "message_to_seller": order.message,
        "seller_note": order.seller_note,
        "pickup_point": order.pickup_point,
    }


def fill_notes(template: str, values: Mapping[str, str]) -> str:
    """The template with its fields filled in; an empty field takes one of the blanks around it, and its line, along."""
    lines = []
    for line in template.splitlines():
        filled = _fill_line(line, values)
        if filled or not line.strip():
            lines.append(filled)
    return "\n".join(lines).strip()


def _fill_line(line: str, values: Mapping[str, str]) -> str:
    done, after_empty = "", False
    at = 0
    for found in _FIELD.finditer(line):
        done, after_empty = _joined(done, line[at : found.start()], after_empty=after_empty), False
        value = values[_field(found)].strip()
        done, after_empty = done + value, not value
        at = found.end()
    return _joined(done, line[at:], after_empty=after_empty).rstrip()


def _joined(done: str, text: str, *, after_empty: bool) -> str:
    """`text` behind `done`; blanks that an empty field between them brings together become one."""
    if not after_empty or (done and not done[-1].isspace()):
        return done + text
    return (f"{done.rstrip()} " if done.strip() else "") + text.lstrip()


def _field(found: re.Match[str]) -> str:
    return found[1].strip().casefold()


# --- does it add up?


def difference(order: Order, rows: Iterable[OrderRow]) -> Difference | None:
    """Why the rows do not add up to Allegro's total; None when they do."""
    rows = list(rows)
    foreign = sum((row["line_total"] for row in rows if row["currency"] != order.total.currency), Decimal(0))
    amount = order.total.amount - sum((row["line_total"] for row in rows), Decimal(0)) + foreign
    if abs(amount) < HALF_A_GROSZ and not foreign:
        return None
    money = Money(amount, order.total.currency)
    if foreign:
        return Difference(money, {"currencies": foreign}, explained=False)
    reasons = {reason: value for reason, value in _reasons(order).items() if value}
    for count in range(1, len(reasons) + 1):
        for some in itertools.combinations(reasons.items(), count):
            if sum(value for _, value in some) == amount:
                return Difference(money, dict(some), explained=True)
    return Difference(money, reasons, explained=False)


def _reasons(order: Order) -> dict[str, Decimal]:
    """What may stand between the rows and the total: each adds its value to what the buyer pays."""
    deposits = [Money(d.amount * line.quantity, d.currency) for line in order.lines if (d := line.deposit)]
    vouchers = [money for line in order.lines for money in line.vouchers]

    def total(moneys: Iterable[Money]) -> Decimal:
        return sum((money.amount for money in moneys if money.currency == order.total.currency), Decimal(0))

    return {"deposits": total(deposits), "surcharges": total(order.surcharges), "vouchers": -total(vouchers)}


# --- the rows beside those that the sheet holds


def held_orders(table: TableData) -> dict[tuple[str, str], dict[str, int]]:
    """The rows of `Orders` that are an order's: (account, order id) -> line id -> row of the sheet."""
    held: dict[tuple[str, str], dict[str, int]] = {}
    for row in table.rows:
        account, order_id, line_id = (text_of(table.value(row, key)) for key in ("account", "order_id", "line_id"))
        if order_id and line_id:
            held.setdefault((account, order_id), {}).setdefault(line_id, row[0])
    return held


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What the sheet is to say of one order: all its `rows`, or, when it is not exported, only its `status`.

    `returns`: rows that the sheet does not hold are added; otherwise the user has deleted them, and they stay away.
    """

    account: str
    order_id: str
    rows: Sequence[OrderRow] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    returns: bool = True


@dataclass(frozen=True, slots=True)
class Placed:
    """Changed cells by row of the sheet, and rows to be added below."""

    changes: dict[int, OrderRow]
    new: list[OrderRow]


def place(updates: Iterable[OrderUpdate], held: Mapping[tuple[str, str], Mapping[str, int]], removed: str) -> Placed:
    """Find each order its rows. `held`: (account, order id) -> line id -> row of the sheet.

    A line that an order does not have any more keeps its row, with the word `removed`, no quantity and no value: the
    user's own cells beside it stay, and sums come right. Later updates win over earlier ones.
    """
    latest: dict[tuple[str, str], OrderUpdate] = {}
    for update in updates:
        key = update.account, update.order_id
        earlier = latest.get(key)
        if earlier and earlier.rows and not update.rows:
            rows = [{**row, **update.status} for row in earlier.rows]
            update = OrderUpdate(*key, rows, update.status, earlier.returns)  # noqa: PLW2901
        elif earlier and earlier.rows and earlier.returns and not update.returns:
            update = OrderUpdate(*key, update.rows, update.status)  # noqa: PLW2901  (the sheet never got the earlier one)
        latest[key] = update
    placed = Placed({}, [])
    for key, update in latest.items():
        places = dict(held.get(key, {}))
        if not update.rows:
            placed.changes.update((at, dict(update.status)) for at in places.values())
            continue
        for cells in update.rows:
            at = places.pop(cells["line_id"], None)
            if at is not None:
                placed.changes[at] = cells
            elif update.returns:
                placed.new.append(cells)
        for at in places.values():
            total = update.rows[0]["order_total"]
            placed.changes[at] = {
                "order_status": removed, "quantity": Decimal(0), "line_total": Decimal(0), "order_total": total,
            }  # fmt: skip
    return placed
