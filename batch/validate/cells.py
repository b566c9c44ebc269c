"""One cell to one value: mended where the mending is certain, refused where it would be a guess.

Excel loses leading zeros of a numeric EAN, adds float noise to prices and turns long text numbers into
scientific notation. Zeros come back when the check digit proves them, noise goes when two decimals are
left; digits lost to `5,90123E+12` are lost, and `1.234` may be a thousand or a price, so both are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, TypeGuard

from stdnum import ean as gtin_check

from batch.workbook.values import NOT_CALCULATED

GTIN_LENGTHS = (8, 12, 13, 14)
# Allegro's tutorial on product offers: the lowest price is 1.00 PLN; minima in other currencies are not published.
MINIMUM_PRICES: Mapping[str, Decimal] = {"PLN": Decimal("1.00")}
FLOAT_NOISE = 1e-6
CURRENCY_WORDS = {"zł": "PLN", "zl": "PLN", "pln": "PLN", "czk": "CZK", "kč": "CZK", "eur": "EUR", "€": "EUR",
                  "huf": "HUF", "ft": "HUF"}  # fmt: skip
LONGEST_NUMBER = 13  # digits of a price or a stock
MAX_STOCK = 2**31 - 1  # OpenAPI: stock.available is an int32

_SPACES = re.compile(r"[\s\u00a0\u2007\u202f\ufeff]+")
_SCIENTIFIC = re.compile(r"\d+(?:[.,]\d+)?[eE]\+?\d+")
_PLAIN = re.compile(r"([0-9]+)(?:[.,]([0-9]+))?")
_GROUPED = re.compile(r"([0-9]{1,3}(?P<sep>[ .,])[0-9]{3}(?:(?P=sep)[0-9]{3})*)(?:([.,])([0-9]+))?")


EXCEL_ERRORS = {
    "#N/A", "#N/D!", "#N/D", "#REF!", "#ADR!", "#VALUE!", "#ARG!", "#NAME?", "#NAZWA?", "#DIV/0!", "#DZIEL/0!",
    "#NULL!", "#ZERO!", "#NUM!", "#LICZBA!", "#SPILL!", "#CALC!", "#GETTING_DATA",
}  # fmt: skip
"""What a cell shows whose formula failed, in English and in Polish."""


def is_excel_error(cell: object) -> bool:
    """Whether a cell shows that its formula failed."""
    return isinstance(cell, str) and cell.strip() in EXCEL_ERRORS


class CellError(ValueError):
    """A cell that cannot be used; `code` and `facts` as in the catalogue."""

    def __init__(self, code: str, **facts: Any) -> None:
        self.code = code
        self.facts = facts
        super().__init__(code)


def text_of(cell: object) -> str:
    """A cell as the text a person sees: trimmed, whole numbers without `.0`, blank as ''."""
    if cell is None or cell is NOT_CALCULATED:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e21:
        return str(int(cell))
    return str(cell).strip("\ufeff\u00a0 \t\r\n")


def parse_gtin(cell: object) -> str:
    """The GTIN in a cell: the shortest of 8, 12, 13, 14 digits that leading zeros complete.

    Raises CellError `ean_mangled` or `ean_invalid`.
    """
    text = text_of(cell).lstrip("'")
    if isinstance(cell, bool | date | time | timedelta):  # one date in ten would pass for eight digits
        raise CellError("ean_invalid", reason="characters")
    if _is_number(cell) and not text.isdigit():  # negative, with decimals, or too long for a float
        raise CellError("ean_invalid", reason="characters")
    if isinstance(cell, str) and _SCIENTIFIC.fullmatch(_SPACES.sub("", text)):
        raise CellError("ean_mangled")
    digits = re.sub(r"[\s\u00a0\u2007\u202f\-\u2010-\u2015\u2212]", "", text)
    if not (digits.isascii() and digits.isdigit()):
        raise CellError("ean_invalid", reason="characters")
    length = next((length for length in GTIN_LENGTHS if length >= len(digits)), None)
    if length is None or not digits.strip("0"):
        raise CellError("ean_invalid", reason="length", digits=len(digits))
    if gtin_check.calc_check_digit(digits[:-1]) != digits[-1]:  # leading zeros never change it
        reason = "check_digit" if len(digits) in GTIN_LENGTHS else "length"
        raise CellError("ean_invalid", reason=reason, digits=len(digits))
    return digits.zfill(length)


def parse_price(cell: object, currency: str) -> Decimal:
    """A gross price with two decimals. Raises CellError `price_invalid` or `price_too_low`."""
    amount = _number_price(float(cell)) if _is_number(cell) else _text_price(text_of(cell), currency)
    if amount <= 0:
        raise CellError("price_invalid", reason="not_positive")
    minimum = MINIMUM_PRICES.get(currency)
    if minimum is not None and amount < minimum:
        raise CellError("price_too_low", minimum=f"{minimum} {currency}")
    return amount


def parse_stock(cell: object) -> int:
    """A whole number of pieces, 0 or more. Raises CellError `stock_invalid`."""
    if _is_number(cell):
        number = float(cell)
        if not number.is_integer() or not 0 <= number <= MAX_STOCK:
            raise CellError("stock_invalid")
        return int(number)
    text = _SPACES.sub(" ", text_of(cell))
    if len(text) > LONGEST_NUMBER or not re.fullmatch(r"\d+|\d{1,3}(?: \d{3})+", text, re.ASCII):
        raise CellError("stock_invalid")
    stock = int(text.replace(" ", ""))
    if stock > MAX_STOCK:
        raise CellError("stock_invalid")
    return stock


def _is_number(cell: object) -> TypeGuard[float]:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _number_price(number: float) -> Decimal:
    if not abs(number) <= 1e12:  # also NaN and infinity
        raise CellError("price_invalid", reason="text")
    rounded = round(number, 2)
    if abs(number - rounded) > FLOAT_NOISE:
        raise CellError("price_invalid", reason="decimals")
    return Decimal(f"{rounded:.2f}")


def _text_price(text: str, currency: str) -> Decimal:
    bare = _without_currency(_SPACES.sub(" ", text).strip(), currency)
    sign, bare = ("-", bare[1:].lstrip()) if bare[:1] in {"-", "−"} else ("", bare)  # negative is told as such
    if plain := re.fullmatch(_PLAIN, bare):
        whole, decimals = plain[1], plain[2] or ""
    elif grouped := re.fullmatch(_GROUPED, bare):
        if grouped[3] == grouped["sep"]:
            raise CellError("price_invalid", reason="text")
        whole, decimals = re.sub(r"[ .,]", "", grouped[1]), grouped[4] or ""
    else:
        raise CellError("price_invalid", reason="text")
    if len(whole) > LONGEST_NUMBER:
        raise CellError("price_invalid", reason="text")
    if len(decimals) == 3 and len(whole) <= 3:
        raise CellError("price_invalid", reason="ambiguous")
    if len(decimals) > 2 and decimals[2:].strip("0"):
        raise CellError("price_invalid", reason="decimals")
    return Decimal(f"{sign}{whole}.{decimals[:2] or '0'}").quantize(Decimal("0.01"))


def _without_currency(text: str, currency: str) -> str:
    match = re.fullmatch(r"(?P<before>[^\d\s.,\-−]*)\s*(?P<number>.*?)\s*(?P<after>[^\d\s.,]*\.?)", text)
    if match is None:
        return text
    for word in (match["before"], match["after"]):
        if word:
            named = CURRENCY_WORDS.get(word.rstrip(".").casefold())
            if named is None:
                raise CellError("price_invalid", reason="text")
            if named != currency:
                raise CellError("price_invalid", reason="currency", currency=currency)
    return match["number"]
