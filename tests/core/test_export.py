"""Orders as rows: VAT, notes, totals, words, ids, and the place of each row in the sheet."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.allegro.checkout_forms import order_of
from batch.export import (
    OrderOptions,
    OrderUpdate,
    address,
    delivery_vat,
    export_order,
    fill_notes,
    held_orders,
    parse_vat,
    place,
    unknown_fields,
)
from batch.messages import catalogue
from batch.model import Money
from batch.order import LineItem, Order, Person, Service
from batch.sum_orders import sentences, sum_orders
from batch.workbook.read import TableData


def pln(amount: str | int) -> Money:
    return Money(Decimal(amount), "PLN")


def line(rate: str = "23.00", *, price: str = "10.00", quantity: int = 1, **more: Any) -> LineItem:
    facts = {"offer_id": "7", "external_id": "", "name": "Towar", "quantity": Decimal(quantity), "price": pln(price)}
    return LineItem(**{"id": f"line-{rate}-{price}", **facts, "vat_rate": rate, **more})


def order(*lines: LineItem, total: str = "0", **more: Any) -> Order:
    return Order("order-1", "r1", "READY_FOR_PROCESSING", pln(total), lines, **more)


def rows_of(one: Order, **options: Any) -> list[dict[str, Any]]:
    return list(export_order(one, "k1", OrderOptions(**options), "pl", is_new=True).rows)


# --- VAT

RATES = {
    "Highest": (["8.00", "23.00", "5.00"], {"delivery_vat_mode": "Highest"}, Decimal(23)),
    "Lowest": (["8.00", "23.00", "5.00"], {"delivery_vat_mode": "Lowest"}, Decimal(5)),
    "Lowest is zero": (["0.00", "23.00"], {"delivery_vat_mode": "Lowest"}, Decimal(0)),
    "Last": (["23.00", "5.00", "8.00"], {"delivery_vat_mode": "Last"}, Decimal(8)),
    "Fixed": (["5.00"], {"delivery_vat_mode": "Fixed", "delivery_vat_rate": Decimal(8)}, Decimal(8)),
    "Fixed in a word": ([""], {"delivery_vat_mode": "Fixed", "delivery_vat_rate": "zw."}, "zw."),
    "Fixed needs no line": ([], {"delivery_vat_mode": "Fixed"}, Decimal(23)),
    "unknown": ([""], {}, None),
    "no line": ([], {}, None),
    "Highest of those known": (["", "8.00"], {}, Decimal(8)),
    "missing rate comes before the mode": (["", "8.00"], {"missing_vat_rate": Decimal(23)}, Decimal(23)),
    "missing rate is the lowest": (["", "8.00"], {"delivery_vat_mode": "Lowest", "missing_vat_rate": Decimal(5)},
                                   Decimal(5)),
    "Last that has one": (["5.00", ""], {"delivery_vat_mode": "Last"}, Decimal(5)),
    "Last is filled in": (["5.00", ""], {"delivery_vat_mode": "Last", "missing_vat_rate": Decimal(23)}, Decimal(23)),
    "exempt alone": (["EXEMPT"], {}, "zw."),
    "outside VAT alone": (["OUT_OF_SCOPE_OF_VAT"], {"delivery_vat_mode": "Lowest"}, "np."),
    "a number beats a word": (["EXEMPT", "8.00"], {"delivery_vat_mode": "Lowest"}, Decimal(8)),
    "words that disagree": (["EXEMPT", "OUT_OF_SCOPE_OF_VAT"], {}, None),
    "the last is a word": (["8.00", "EXEMPT"], {"delivery_vat_mode": "Last"}, "zw."),
    "half a percent": (["8.50"], {}, Decimal("8.5")),
}  # fmt: skip


@pytest.mark.parametrize(("rates", "options", "expected"), RATES.values(), ids=RATES)
def test_vat_of_the_delivery(rates: list[str], options: dict[str, Any], expected: Decimal | str | None) -> None:
    """Each mode, with rates that are there, missing, or words; the delivery row has it."""
    lines = [line(rate) for rate in rates]
    assert delivery_vat(lines, OrderOptions(**options)) == expected
    row = rows_of(order(*lines), **options)[-1]
    assert (row["line_id"], row["vat_rate"]) == ("delivery", expected)


LINES = {
    "number": (line("23.00"), {}, Decimal(23)),
    "zero": (line("0.00"), {}, Decimal(0)),
    "exempt": (line("EXEMPT"), {"missing_vat_rate": Decimal(23)}, "zw."),
    "outside VAT": (line("OUT_OF_SCOPE_OF_VAT"), {"missing_vat_rate": Decimal(23)}, "np."),
    "a new word of Allegro's": (line("REVERSE_CHARGE"), {"missing_vat_rate": Decimal(23)}, "REVERSE_CHARGE"),
    "none": (line(""), {}, None),
    "filled in": (line(""), {"missing_vat_rate": Decimal(8)}, Decimal(8)),
    "an exemption without a rate": (line("", exemption="MONEY_EQUIVALENT"), {"missing_vat_rate": Decimal(23)}, None),
    "margin with its rate": (line("23.00", exemption="MARGIN_SCHEME"), {}, Decimal(23)),
}


@pytest.mark.parametrize(("item", "options", "expected"), LINES.values(), ids=LINES)
def test_vat_of_a_line(item: LineItem, options: dict[str, Any], expected: Decimal | str | None) -> None:
    """What Allegro says keeps its meaning; what it does not say is filled in only where the settings say so."""
    assert rows_of(order(item), **options)[0]["vat_rate"] == expected


@pytest.mark.parametrize(
    ("text", "rate"),
    [("23", 23), ("23%", 23), ("23,00", 23), (" 8.5 % ", Decimal("8.5")), ("0", 0), ("zw", "zw."), ("ZW.", "zw."),
     ("np", "np."), ("exempt", "zw."), ("", None), ("dużo", None), ("-5", None), ("123", None), ("NaN", None)],
)  # fmt: skip
def test_rates_as_people_write_them(text: str, rate: Any) -> None:
    """Numbers, percent signs, commas, words; anything else is none."""
    assert parse_vat(text) == rate


# --- rows


def test_a_row_for_each_line_service_and_the_delivery() -> None:
    """In that order; a service has the line's rate, offer and time; ids are unique even for a service chosen twice."""
    carrying = Service("CARRY_IN", "Wniesienie", Decimal(2), pln("15.00"))
    nameless = Service("", "Montaż", Decimal(1), pln("50"))
    bought = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)
    first = line("8.00", quantity=3, services=(carrying, carrying, nameless), external_id="S", bought_at=bought)
    rows = rows_of(order(first, line(), delivery_method="Kurier", delivery_cost=pln("9.99")))
    assert [row["line_type"] for row in rows] == ["towar", "usługa", "usługa", "usługa", "towar", "dostawa"]
    assert [row["line_id"] for row in rows] == [
        "line-8.00-10.00", "line-8.00-10.00:CARRY_IN", "line-8.00-10.00:CARRY_IN:2", "line-8.00-10.00:Montaż",
        "line-23.00-10.00", "delivery",
    ]  # fmt: skip
    assert [row["line_total"] for row in rows] == [30, 30, 30, 50, 10, Decimal("9.99")]
    assert [row["vat_rate"] for row in rows] == [8, 8, 8, 8, 23, 23]
    assert [row["quantity"] for row in rows] == [3, 2, 2, 1, 1, 1]
    assert [row["external_id"] for row in rows] == ["S", "S", "S", "S", "", ""]
    assert {row["bought_at"] for row in rows} == {bought}
    assert (rows[-1]["name"], rows[-1]["unit_price"], rows[-1]["offer_id"]) == ("Kurier", Decimal("9.99"), "")


def test_an_order_without_delivery_has_its_row_at_no_cost() -> None:
    """Every order has one."""
    row = rows_of(order(line()))[-1]
    assert (row["line_id"], row["line_total"], row["currency"], row["name"]) == ("delivery", 0, "PLN", "")


@pytest.mark.parametrize(
    ("language", "words"),
    [("pl", ("do realizacji", "w realizacji", "za pobraniem", "tak", "towar")),
     ("en", ("ready for processing", "processing", "cash on delivery", "yes", "item"))],
)  # fmt: skip
def test_words_are_of_the_language(language: str, words: tuple[str, ...]) -> None:
    """Status, stage, payment, invoice, kind of row."""
    one = order(line(), fulfillment="PROCESSING", payment="CASH_ON_DELIVERY", invoice_wanted=True)
    row = export_order(one, "k1", OrderOptions(), language, is_new=True).rows[0]
    assert tuple(row[k] for k in ("order_status", "fulfillment", "payment", "invoice", "line_type")) == words


def test_a_code_that_allegro_invents_later_stays() -> None:
    """Rather the code than nothing."""
    row = rows_of(order(line(), fulfillment="IN_SPACE", payment="BARTER"))[0]
    assert (row["fulfillment"], row["payment"], row["paid"]) == ("IN_SPACE", "BARTER", None)


def test_currencies_stay() -> None:
    """Nothing is converted; each row has its own."""
    crowns = Money(Decimal(100), "CZK")
    one = Order("o", "r", "READY_FOR_PROCESSING", crowns, (line(price="100"),), delivery_cost=Money(Decimal(5), "EUR"))
    assert [row["currency"] for row in rows_of(one)] == ["PLN", "EUR"]


@pytest.mark.parametrize(("note", "shown"), [("seller", "VIP"), ("buyer", "Szybko!")])
def test_the_note_is_the_one_chosen(note: str, shown: str) -> None:
    """Of the seller or of the buyer."""
    assert rows_of(order(line(), message="Szybko!", seller_note="VIP"), note=note)[0]["note"] == shown


def test_who_gets_the_invoice() -> None:
    """Company in its column, address without it; a natural person's name opens the address."""
    company = Person(company="Udix", street="Solna 1", post_code="60-166", city="Poznań", country="PL")
    assert address(company) == "Solna 1, 60-166 Poznań, PL"
    assert address(Person(name="Jan Kowalski", street="Solna 1", city="Poznań")) == "Jan Kowalski, Solna 1, Poznań"
    assert address(Person()) == ""
    row = rows_of(order(line(), tax_ids=("5252674798", "PL5252674798"), invoice=company))[0]
    assert (row["company"], row["tax_id"]) == ("Udix", "5252674798, PL5252674798")


# --- shop_notes

VALUES = {"buyer_email": "a@b.pl", "buyer_login": "jan", "item_id": "o1", "message_to_seller": "", "seller_note": "VIP",
          "pickup_point": ""}  # fmt: skip
NOTES = {
    "a field": ("{buyer_login}", "jan"),
    "text around": ("Kupił {buyer_login} ({buyer_email}), zam. {item_id}!", "Kupił jan (a@b.pl), zam. o1!"),
    "an empty field between": ("{buyer_login} {message_to_seller} {seller_note}", "jan VIP"),
    "empty fields in a row": ("A {message_to_seller} {pickup_point} B", "A B"),
    "empty fields side by side": ("A {message_to_seller}{pickup_point} B", "A B"),
    "empty at the start": ("{message_to_seller} {buyer_login}", "jan"),
    "empty at the end": ("{buyer_login} {message_to_seller}", "jan"),
    "nothing at all": ("{message_to_seller} {pickup_point}", ""),
    "wide blanks around an empty field": ("A  {pickup_point}  B", "A B"),
    "empty before a comma": ("A {pickup_point}, B", "A , B"),
    "text without fields": ("Dziękujemy  za zakupy", "Dziękujemy  za zakupy"),
    "an empty line goes": ("{buyer_login}\n{pickup_point}\n{seller_note}", "jan\nVIP"),
    "a line of the user's stays": ("{buyer_login}\n\n{seller_note}", "jan\n\nVIP"),
    "case and blanks": ("{ Buyer_Login }", "jan"),
    "lone braces": ("50% } {buyer_login} {", "50% } jan {"),
    "jinja is only text": ("{% if 1 %}{buyer_login}{% endif %}", None),
    "two braces": ("{{buyer_login}}", "{jan}"),
}


@pytest.mark.parametrize(("template", "expected"), NOTES.values(), ids=NOTES)
def test_shop_notes(template: str, expected: str | None) -> None:
    """Fields with any text around; empty ones leave no double blanks and no empty line."""
    if expected is None:
        assert unknown_fields(template) == ["{% if 1 %}", "{% endif %}"]
    else:
        assert unknown_fields(template) == []
        assert fill_notes(template, VALUES) == expected


@pytest.mark.parametrize("template", ["{buyer}", "{}", "{buyer_login.__class__}", "{buyer_login!r}", "{item id}"])
def test_unknown_fields_are_found(template: str) -> None:
    """As they are written."""
    assert unknown_fields(f"x {template} {{buyer_login}}") == [template]


@given(st.lists(st.sampled_from(["{buyer_login}", "{pickup_point}", "{message_to_seller}", "tekst", ","]), max_size=8))
def test_empty_fields_leave_no_double_blanks(words: list[str]) -> None:
    """Whatever the template, when its words stand one blank apart."""
    filled = fill_notes(" ".join(words), VALUES)
    assert "  " not in filled
    assert filled == filled.strip()
    assert filled.split() == [w.replace("{buyer_login}", "jan") for w in words if w[1:] not in ("pickup_point}", "message_to_seller}")]  # fmt: skip  # noqa: E501


def test_what_a_buyer_writes_is_no_template() -> None:
    """A message that looks like a field stays as it is."""
    assert fill_notes("{message_to_seller}", VALUES | {"message_to_seller": "{seller_note}"}) == "{seller_note}"


# --- does it add up?

DEPOSIT = line(price="4.00", quantity=3, deposit=pln("0.50"))
VOUCHER = line(price="100.00", vouchers=(pln("30.00"),))
SUMS = {
    "it does": (order(line(), delivery_cost=pln("5"), total="15"), None, {}),
    "deposits are of each piece": (order(DEPOSIT, total="13.50"), True, {"deposits": Decimal("1.50")}),
    "vouchers": (order(VOUCHER, total="70"), True, {"vouchers": Decimal(-30)}),
    "surcharges": (order(line(), surcharges=(pln("5"), pln("2")), total="17"), True, {"surcharges": Decimal(7)}),
    "surcharges that the total has already": (order(line(), surcharges=(pln("5"),), total="10"), None, {}),
    "two of three": (
        order(DEPOSIT, VOUCHER, surcharges=(pln("9"),), total="83.50"),
        True,
        {"deposits": Decimal("1.50"), "vouchers": Decimal(-30)},
    ),
    "nobody knows": (order(line(), total="11"), False, {}),
    "not explained by what is known": (
        order(line(), surcharges=(pln("5"),), total="11"),
        False,
        {"surcharges": Decimal(5)},
    ),
    "another currency": (
        order(line(), delivery_cost=Money(Decimal(2), "EUR"), total="12"),
        False,
        {"currencies": Decimal(2)},
    ),
}


@pytest.mark.parametrize(("one", "explained", "reasons"), SUMS.values(), ids=SUMS)
def test_rows_are_held_against_the_total(one: Order, explained: bool | None, reasons: dict[str, Decimal]) -> None:
    """A difference is explained by exactly what makes it up, or left unexplained."""
    found = export_order(one, "k1", OrderOptions(), "pl", is_new=True).difference
    assert (found is None) == (explained is None)
    if found is not None:
        assert (found.explained, dict(found.reasons)) == (explained, reasons)


def test_figures_and_sentences() -> None:
    """Counts, totals by currency and rate, and each problem with its order."""
    good = export_order(order(line(), line("EXEMPT"), total="20"), "k1", OrderOptions(), "pl", is_new=True)
    bad = export_order(order(line(""), total="11", message="x" * 40_000), "k1", OrderOptions(), "pl", is_new=False)
    figures = sum_orders([good, bad], marked=3, unreadable=["o9"])
    assert (figures.orders, figures.new, figures.lines, figures.marked) == (2, 1, 5, 3)
    assert figures.totals == {"PLN": {Decimal(23): Decimal(10), "zw.": Decimal(10), None: Decimal(10)}}
    assert list(figures.totals["PLN"]) == [Decimal(23), "zw.", None]
    assert (figures.not_adding_up, figures.blank_vat, figures.cut) == ([bad], [bad], [bad])
    for language, parts in (("pl", ["PLN: razem 30,00", "23%: 10,00; zw.: 10,00; nieznany: 10,00", "o 1,00"]),
                            ("en", ["PLN: 30.00 gross", "unknown: 10.00", "by 1.00"])):  # fmt: skip
        text = "\n".join(sentences(figures, catalogue(language), dry_run=False))
        for part in [*parts, "order-1", "o9", "missing_vat_rate"]:
            assert part in text


# --- where the rows go


def row(order_id: str, line_id: str, **cells: Any) -> dict[str, Any]:
    return {"account": "k1", "order_id": order_id, "line_id": line_id, **cells}


HELD = {("k1", "o1"): {"a": 5, "delivery": 3}}


def test_rows_that_are_there_are_changed_in_place_and_others_added() -> None:
    """By account, order and line."""
    placed = place([OrderUpdate("k1", "o1", [row("o1", "a", name="x"), row("o1", "b"), row("o1", "delivery")]),
                    OrderUpdate("k2", "o1", [row("o1", "a")])], HELD, "usunięta")  # fmt: skip
    assert placed.changes == {5: row("o1", "a", name="x"), 3: row("o1", "delivery")}
    assert placed.new == [row("o1", "b"), row("o1", "a")]


def test_a_line_that_is_gone_keeps_its_row_without_value() -> None:
    """So the sums come right and the user's cells stay."""
    placed = place([OrderUpdate("k1", "o1", [row("o1", "delivery", order_total=Decimal(19))])], HELD, "usunięta")
    told = {"order_status": "usunięta", "quantity": 0, "line_total": 0, "order_total": Decimal(19)}
    assert placed.changes[5] == told
    assert not placed.new


def test_what_the_user_deleted_stays_away_unless_it_changed() -> None:
    """`returns` says whether."""
    update = [row("o2", "a"), row("o2", "delivery")]
    assert place([OrderUpdate("k1", "o2", update, returns=False)], HELD, "x").new == []
    assert place([OrderUpdate("k1", "o2", update)], HELD, "x").new == update


def test_a_status_alone_marks_the_rows_that_are_there() -> None:
    """Nothing is added for an order that is not in the sheet."""
    status = {"order_status": "anulowane"}
    placed = place([OrderUpdate("k1", "o1", status=status), OrderUpdate("k1", "o2", status=status)], HELD, "x")
    assert placed.changes == {5: status, 3: status}
    assert placed.new == []


def test_later_updates_win_over_what_was_owed() -> None:
    """Owed rows that were cancelled since come with the new status; a deletion is not read out of their absence."""
    owed = OrderUpdate("k1", "o2", [row("o2", "a", order_status="do realizacji")])
    cancelled = OrderUpdate("k1", "o2", status={"order_status": "anulowane"})
    assert place([owed, cancelled], {}, "x").new == [row("o2", "a", order_status="anulowane")]
    again = OrderUpdate("k1", "o2", [row("o2", "a", order_status="nowe")], returns=False)
    assert place([owed, again], {}, "x").new == [row("o2", "a", order_status="nowe")]


def test_rows_that_are_no_orders_are_left_alone() -> None:
    """Rows of the user's own among ours; of two rows for one line the first counts."""
    rows = [(2, ("k1", "o1", "a")), (3, ("k1", None, None)), (4, ("k1", "o1", "a")), (5, (None, "o1", None))]
    table = TableData("Orders", "Zamówienia", {"account": "A", "order_id": "B", "line_id": "C"}, rows)
    assert held_orders(table) == {("k1", "o1"): {"a": 2}}


# --- Allegro's JSON

FULL: dict[str, Any] = {
    "id": "o1", "messageToSeller": "Szybko", "revision": "819b5836", "updatedAt": "2026-11-02T10:15:30.133Z",
    "status": "READY_FOR_PROCESSING", "fulfillment": {"status": "SENT"}, "marketplace": {"id": "allegro-cz"},
    "buyer": {"id": "1", "email": "a@b", "login": "jan", "firstName": "Jan", "lastName": "Kowalski", "guest": False,
              "phoneNumber": "123", "address": {"street": "Solna", "postCode": "60-166"}},
    "payment": {"id": "p", "type": "ONLINE", "paidAmount": {"amount": "123.45", "currency": "CZK"}},
    "delivery": {"address": {"firstName": "Anna", "lastName": "Nowak", "street": "Polna 2", "city": "Poznań",
                             "zipCode": "61-001", "countryCode": "PL", "companyName": "Kowalex", "phoneNumber": "5"},
                 "method": {"id": "m", "name": "Paczkomaty"}, "cost": {"amount": "9.99", "currency": "CZK"},
                 "pickupPoint": {"id": "POZ08A", "name": "Paczkomat POZ08A"}},
    "invoice": {"required": True, "address": {
        "street": "Solna 1", "city": "Poznań", "zipCode": "60-166", "countryCode": "PL",
        "company": {"name": "Udix", "taxId": "old", "vatPayerStatus": "ACTIVE", "ids": [
            {"type": "VAT_EU", "value": "PL525"}, {"type": "PL_NIP", "value": "525"}]}}},
    "lineItems": [{
        "id": "l1", "offer": {"id": "7", "name": "Towar", "external": {"id": "S"}}, "quantity": 2,
        "price": {"amount": "10.00", "currency": "CZK"}, "originalPrice": {"amount": "12", "currency": "CZK"},
        "deposit": {"price": {"amount": "0.50", "currency": "CZK"}}, "boughtAt": "2026-11-01T09:00:00Z",
        "tax": {"rate": "23.00", "subject": "GOODS", "exemption": None},
        "selectedAdditionalServices": [{"definitionId": "X", "name": "Y", "quantity": 3,
                                        "price": {"amount": "1", "currency": "CZK"}}],
        "vouchers": [{"type": "NOTEBOOKS_FOR_TEACHERS", "value": {"amount": "5", "currency": "CZK"}},
                     {"type": "NOTEBOOKS_FOR_TEACHERS", "status": "CANCELLED",
                      "value": {"amount": "6", "currency": "CZK"}}]}],
    "surcharges": [{"id": "s", "type": "ONLINE", "paidAmount": {"amount": "3", "currency": "CZK"}}],
    "note": {"text": "VIP"}, "summary": {"totalToPay": {"amount": "29.99", "currency": "CZK"}},
}  # fmt: skip


def crowns(amount: str) -> Money:
    return Money(Decimal(amount), "CZK")


def test_a_full_form_is_understood() -> None:
    """Every part in its place; the voucher that was cancelled and the deprecated tax id are left out."""
    found = order_of(FULL)
    assert found.buyer == Person("Jan Kowalski", "", "Solna", "60-166", "", "", "123")
    assert found.recipient == Person("Anna Nowak", "Kowalex", "Polna 2", "61-001", "Poznań", "PL", "5")
    assert found.invoice == Person("", "Udix", "Solna 1", "60-166", "Poznań", "PL")
    assert found.tax_ids == ("525", "PL525")
    assert (found.message, found.seller_note, found.pickup_point) == ("Szybko", "VIP", "Paczkomat POZ08A")
    assert (found.paid, found.delivery_cost, found.total) == (crowns("123.45"), crowns("9.99"), crowns("29.99"))
    assert found.surcharges == (crowns("3"),)
    assert found.updated_at == datetime(2026, 11, 2, 10, 15, 30, 133_000, tzinfo=UTC)
    item = found.lines[0]
    assert (item.price, item.deposit, item.vouchers) == (crowns("10.00"), crowns("0.50"), (crowns("5"),))
    assert item.services == (Service("X", "Y", Decimal(3), crowns("1")),)
    assert (item.vat_rate, item.exemption, item.external_id) == ("23.00", "", "S")


def optional_paths(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of the form that may be missing."""
    needed = {("id",), ("lineItems",), ("summary",), ("summary", "totalToPay"), ("lineItems", 0),
              ("lineItems", 0, "id"), ("lineItems", 0, "quantity"), ("lineItems", 0, "price")}  # fmt: skip
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    found = []
    for key, inner in items:
        here = (*path, key)
        if here not in needed and "amount" not in here and "currency" not in here and here[-2:-1] != ("selectedAdditionalServices",) and here[-3:-2] != ("selectedAdditionalServices",):  # fmt: skip  # noqa: E501
            found.append(here)
        found += optional_paths(inner, here)
    return found


@pytest.mark.parametrize("path", optional_paths(FULL), ids=str)
def test_every_optional_part_may_be_null_or_absent(path: tuple[Any, ...]) -> None:
    """The order is read, and can be exported, without it."""
    import copy  # noqa: PLC0415

    for absent in (True, False):
        form = copy.deepcopy(FULL)
        holder: Any = form
        for step in path[:-1]:
            holder = holder[step]
        if absent:
            del holder[path[-1]]
        else:
            holder[path[-1]] = None
        rows = rows_of(order_of(form))
        assert rows[-1]["line_id"] == "delivery"


def test_pickup_points_show_their_id() -> None:
    """The parcel label needs it."""
    form = FULL | {"delivery": {"pickupPoint": {"id": "101548", "name": "Żabka"}}}
    assert order_of(form).pickup_point == "Żabka (101548)"
    assert order_of(FULL | {"delivery": {"pickupPoint": {"id": "101548"}}}).pickup_point == "101548"


@pytest.mark.parametrize("change", [{"lineItems": None}, {"summary": None}, {"id": ""}, {"buyer": "Jan"},
                                    {"updatedAt": "yesterday"}])  # fmt: skip
def test_what_is_no_order_is_refused(change: dict[str, Any]) -> None:
    """By one of the errors that the reader expects."""
    with pytest.raises((ArithmeticError, AttributeError, KeyError, TypeError, ValueError)):
        order_of(FULL | change)
