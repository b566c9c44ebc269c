"""The catalogue of products: the same for the same seed, without a list in memory.

Every good GTIN whose digits begin with 590 is a product, made up when somebody asks for it, so that
100,000 rows need no room. A few GTINs stand for the answers a seller dreads; tests add products of
their own. A product's id carries its GTIN, so that an id leads back to the product as well.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from enum import StrEnum
from random import Random

PREFIX = "590"
CATEGORY = "257931"


class Outcome(StrEnum):
    """What becomes of an offer made from a product."""

    CREATED = "created"  # 201
    INCOMPLETE = "incomplete"  # 201, and validation.errors names what publication lacks
    SLOW = "slow"  # 202, then 303
    SLOW_REFUSED = "slow_refused"  # 202, then 422
    NEVER_ENDS = "never_ends"  # 202 for ever
    MISSING_PARAMETERS = "missing_parameters"  # 422
    LIMIT_REACHED = "limit_reached"  # 422 offerCounter
    DRAFTS_FULL = "drafts_full"  # 422 MaxInactiveOffers


@dataclass(frozen=True, slots=True)
class Product:
    """One entry of the catalogue."""

    id: str
    gtin: str
    name: str
    outcome: Outcome = Outcome.CREATED
    category_id: str = CATEGORY


def gtin(number: int, digits: int = 13) -> str:
    """The GTIN of the `number`-th product that can be sold without trouble; 8, 12, 13 or 14 digits."""
    body = PREFIX + str(number).zfill(digits - 4)
    if len(body) != digits - 1:
        msg = f"no GTIN of {digits} digits has the number {number}"
        raise ValueError(msg)
    return body + check_digit(body)


def check_digit(body: str) -> str:
    """The last digit of a GTIN with these digits before it."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


def is_gtin(text: str) -> bool:
    """8, 12, 13 or 14 digits with the right check digit."""
    return re.fullmatch(r"\d{8}|\d{12,14}", text) is not None and check_digit(text[:-1]) == text[-1]


SPECIAL = 999_999_000
"""Products from this number up stand for an outcome; `gtin(n)` below it is a good product."""

AMBIGUOUS = gtin(SPECIAL)
MISSING_PARAMETERS = gtin(SPECIAL + 1)
INCOMPLETE = gtin(SPECIAL + 2)
SLOW = gtin(SPECIAL + 3)
SLOW_REFUSED = gtin(SPECIAL + 4)
LIMIT_REACHED = gtin(SPECIAL + 5)
NEVER_ENDS = gtin(SPECIAL + 6)
DRAFTS_FULL = gtin(SPECIAL + 7)
NOT_IN_CATALOGUE = "400000000000" + check_digit("400000000000")

OUTCOMES = {
    MISSING_PARAMETERS: Outcome.MISSING_PARAMETERS,
    INCOMPLETE: Outcome.INCOMPLETE,
    SLOW: Outcome.SLOW,
    SLOW_REFUSED: Outcome.SLOW_REFUSED,
    LIMIT_REACHED: Outcome.LIMIT_REACHED,
    NEVER_ENDS: Outcome.NEVER_ENDS,
    DRAFTS_FULL: Outcome.DRAFTS_FULL,
}

THINGS = ("Czajnik elektryczny", "Lampka biurkowa", "Kubek termiczny", "Plecak szkolny", "Młynek do kawy")
BRANDS = ("Brava", "Modrzew", "Nordika", "Kalina", "Wilga")
COLOURS = ("biały", "czarny", "czerwony", "zielony", "granatowy")


class Catalogue:
    """Finds products by GTIN or id."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._added: dict[str, list[Product]] = {}
        self._by_id: dict[str, Product] = {}

    def add(
        self, gtin: str, *, name: str = "", outcome: str = Outcome.CREATED, variants: int = 1, category_id: str = ""
    ) -> list[Product]:
        """Put `variants` products with this GTIN into the catalogue, in place of what was there."""
        products = [
            Product(
                self._id(gtin, variant),
                gtin,
                f"{name} {variant + 1}" if name and variants > 1 else name or self._name(gtin, variant),
                Outcome(outcome),
                category_id or CATEGORY,
            )
            for variant in range(variants)
        ]
        self._added[_significant(gtin)] = products
        self._by_id.update({product.id: product for product in products})
        return products

    def by_gtin(self, gtin: str) -> list[Product]:
        """All products with this GTIN, however many leading zeros it is written with."""
        significant = _significant(gtin)
        if significant in self._added:
            return self._added[significant]
        if not significant.startswith(PREFIX) or not is_gtin(gtin):
            return []
        gtin = significant.zfill(13) if len(significant) > 8 else significant
        return [self._made_up(gtin, variant) for variant in range(2 if significant == AMBIGUOUS else 1)]

    def by_id(self, product_id: str) -> Product | None:
        """The product with this id."""
        if product_id in self._by_id:
            return self._by_id[product_id]
        digits = product_id.replace("-", "")
        gtin_digits = digits[8:12] + digits[13:16] + digits[17:20] + digits[20:24]
        if not gtin_digits.isdecimal():
            return None
        return next((product for product in self.by_gtin(gtin_digits) if product.id == product_id), None)

    def _made_up(self, gtin: str, variant: int) -> Product:
        outcome = OUTCOMES.get(_significant(gtin), Outcome.CREATED)
        return Product(self._id(gtin, variant), gtin, self._name(gtin, variant), outcome)

    def _id(self, gtin: str, variant: int) -> str:
        digits = gtin.zfill(14)
        proof = zlib.crc32(f"{self._seed}/{digits}/{variant}".encode())
        return f"{proof:08x}-{digits[:4]}-4{digits[4:7]}-8{digits[7:10]}-{digits[10:]}{variant:08x}"

    def _name(self, gtin: str, variant: int) -> str:
        choose = Random(f"{self._seed}/{_significant(gtin)}")
        thing, brand, model = choose.choice(THINGS), choose.choice(BRANDS), choose.randrange(100, 1000)
        colour = COLOURS[(choose.randrange(len(COLOURS)) + variant) % len(COLOURS)]
        return f"{thing} {brand} {model} {colour}"


def _significant(gtin: str) -> str:
    return gtin.lstrip("0")
