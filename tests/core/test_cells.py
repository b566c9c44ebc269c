"""One cell to one value: mended where that is certain, refused where it would be a guess."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.simulator.catalogue import check_digit
from batch.validate.cells import CellError, parse_gtin, parse_price, parse_stock

GOOD_GTINS = {
    "numeric cell": (5901234123457.0, "5901234123457"),
    "text": ("5901234123457", "5901234123457"),
    "spaces and dashes": ("590-1234 123\u00a0457", "5901234123457"),
    "apostrophe typed to force text": ("'5901234123457", "5901234123457"),
    "UPC that lost its zero as a number": (12345678905.0, "012345678905"),
    "EAN-8 that lost its zero as a number": (1234565.0, "01234565"),
    "EAN-8": ("96385074", "96385074"),
    "GTIN-14": ("15901234123454", "15901234123454"),
    "13 digits with zeros in front stay 13": ("0012345678905", "0012345678905"),
}


@pytest.mark.parametrize(("cell", "gtin"), GOOD_GTINS.values(), ids=GOOD_GTINS)
def test_gtin_is_what_the_check_digit_proves(cell: object, gtin: str) -> None:
    """Leading zeros come back only where the check digit then fits."""
    assert parse_gtin(cell) == gtin


BAD_GTINS = {
    "scientific text with comma": ("5,90123E+12", "ean_mangled", None),
    "scientific text with point": ("5.90123e12", "ean_mangled", None),
    "letters": ("abc", "ean_invalid", "characters"),
    "wrong check digit": ("5901234123458", "ean_invalid", "check_digit"),
    "too long": ("590123412345712", "ean_invalid", "length"),
    "too short for its check digit": ("59012341234", "ean_invalid", "length"),
    "only zeros": ("0000000000000", "ean_invalid", "length"),
    "negative number": (-5901234123457.0, "ean_invalid", "characters"),
    "number with decimals": (1234.5, "ean_invalid", "characters"),
    "Arabic digits": ("٥٩٠١٢٣٤١٢٣٤٥٧", "ean_invalid", "characters"),
    "truth value": (True, "ean_invalid", "characters"),
    "a date whose digits are a good EAN-8": (date(2026, 3, 9), "ean_invalid", "characters"),
}


@pytest.mark.parametrize(("cell", "code", "reason"), BAD_GTINS.values(), ids=BAD_GTINS)
def test_gtin_is_never_guessed(cell: object, code: str, reason: str | None) -> None:
    """A code that cannot be proved is refused, and the refusal says why."""
    with pytest.raises(CellError) as error:
        parse_gtin(cell)
    assert (error.value.code, error.value.facts.get("reason")) == (code, reason)


@given(st.integers(1, 10**13 - 1), st.sampled_from([float, str]))
def test_gtin_survives_excel(body: int, typed: type) -> None:
    """Any code with a right check digit is found again, as a number or as text, whatever zeros Excel dropped."""
    whole = f"{body}{check_digit(str(body))}"
    expected = whole.zfill(next(length for length in (8, 12, 13, 14) if length >= len(whole)))
    assert parse_gtin(typed(whole)) == expected


@given(st.integers(1, 10**12 - 1), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(body: int, off: int) -> None:
    """A code whose last digit is mistyped is refused."""
    wrong = (int(check_digit(str(body))) + off) % 10
    with pytest.raises(CellError):
        parse_gtin(f"{body}{wrong}")


GOOD_PRICES = {
    "number": (12.3, "12.30"),
    "whole number": (12, "12.00"),
    "float noise": (0.1 + 0.2 + 5, "5.30"),
    "more float noise": (99.99000000000005, "99.99"),
    "decimal comma": ("12,30", "12.30"),
    "decimal point": ("1234.56", "1234.56"),
    "one decimal": ("12,5", "12.50"),
    "Polish thousands and currency": ("1 234,56 zł", "1234.56"),
    "no-break spaces": ("1\u00a0234,56\u00a0zł", "1234.56"),
    "narrow no-break space": ("1\u202f234,56", "1234.56"),
    "currency in front": ("PLN 12", "12.00"),
    "currency without a space": ("12.30zł", "12.30"),
    "points as thousands, comma as decimal": ("1.234,56", "1234.56"),
    "commas as thousands, point as decimal": ("1,234.56", "1234.56"),
    "thousands without decimals": ("1 234", "1234.00"),
    "the lowest price": ("1,00", "1.00"),
}


@pytest.mark.parametrize(("cell", "price"), GOOD_PRICES.values(), ids=GOOD_PRICES)
def test_price_is_read_as_a_pole_writes_it(cell: object, price: str) -> None:
    """Numbers and the usual ways to write one mean what they say."""
    assert parse_price(cell, "PLN") == Decimal(price)


BAD_PRICES = {
    "thousand or price?": ("1.234", "price_invalid", "ambiguous"),
    "thousand or price, comma": ("10,000", "price_invalid", "ambiguous"),
    "three decimals": (12.345, "price_invalid", "decimals"),
    "three decimals as text": ("1234,567", "price_invalid", "decimals"),
    "zero": (0, "price_invalid", "not_positive"),
    "negative": (-5.0, "price_invalid", "not_positive"),
    "negative text": ("-5,00", "price_invalid", "not_positive"),
    "under the minimum": (0.99, "price_too_low", None),
    "another currency": ("12,30 EUR", "price_invalid", "currency"),
    "words": ("dwanaście", "price_invalid", "text"),
    "two barcodes in one": ("59012341234575901234123457", "price_invalid", "text"),
    "broken groups": ("1 23,4", "price_invalid", "text"),
    "exponent": ("1e3", "price_invalid", "text"),
    "hanging comma": ("12,", "price_invalid", "text"),
    "error value": ("#N/A", "price_invalid", "text"),
    "truth value": (True, "price_invalid", "text"),
    "infinite": (float("inf"), "price_invalid", "text"),
    "Arabic digits": ("١٢", "price_invalid", "text"),
}


@pytest.mark.parametrize(("cell", "code", "reason"), BAD_PRICES.values(), ids=BAD_PRICES)
def test_price_is_never_guessed(cell: object, code: str, reason: str | None) -> None:
    """What could mean two prices, or none, is refused."""
    with pytest.raises(CellError) as error:
        parse_price(cell, "PLN")
    assert (error.value.code, error.value.facts.get("reason")) == (code, reason)


@given(st.decimals(min_value=1, max_value=9_999_999, places=2))
def test_every_price_is_read_the_same_in_every_spelling(amount: Decimal) -> None:
    """As a float, with a point, with a comma, grouped with spaces."""
    grouped = f"{amount:,.2f}".replace(",", " ").replace(".", ",")
    spellings = (float(amount), f"{amount:.2f}", f"{amount:.2f}".replace(".", ","), grouped, f"{grouped} zł")
    assert {parse_price(cell, "PLN") for cell in spellings} == {amount}


@given(st.text(max_size=12))
def test_price_of_any_text_is_a_price_or_a_refusal(text: str) -> None:
    """No text makes the program fail, and what is read is a positive amount of whole grosze."""
    try:
        price = parse_price(text, "PLN")
    except CellError:
        return
    assert price >= 1
    assert price == price.quantize(Decimal("0.01"))


STOCKS = {
    "number": (10.0, 10),
    "zero": (0, 0),
    "text": ("10", 10),
    "grouped": ("1 000", 1000),
    "half a piece": (10.5, None),
    "more digits than Python reads": ("1" * 5000, None),
    "negative": (-1, None),
    "unit": ("10 szt.", None),
    "decimal text": ("1,5", None),
    "truth value": (True, None),
    "beyond Allegro's integer": (3e9, None),
    "Arabic digits": ("٣", None),
}


@pytest.mark.parametrize(("cell", "stock"), STOCKS.values(), ids=STOCKS)
def test_stock_is_a_whole_number_of_pieces(cell: object, stock: int | None) -> None:
    """Anything else is `stock_invalid`."""
    if stock is None:
        with pytest.raises(CellError, match="stock_invalid"):
            parse_stock(cell)
    else:
        assert parse_stock(cell) == stock
