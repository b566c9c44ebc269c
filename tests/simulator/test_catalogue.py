"""The catalogue: endless, the same for the same seed, and every id leads back to its product."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from batch.simulator import catalogue
from batch.simulator.catalogue import Catalogue, gtin

NUMBERS = st.integers(0, catalogue.SPECIAL - 1)


@given(NUMBERS)
def test_every_number_is_a_product(number: int) -> None:
    """Its GTIN is valid (asked of another library), its name fits an offer, its id leads back to it."""
    code = gtin(number)
    assert ean.is_valid(code)
    (product,) = Catalogue(0).by_gtin(code)
    assert 12 <= len(product.name) <= 75
    assert len(product.name.split()) >= 3
    assert product.gtin == code
    assert Catalogue(0).by_id(product.id) == product
    assert Catalogue(1).by_id(product.id) is None


@given(NUMBERS)
def test_leading_zeros_do_not_change_the_product(number: int) -> None:
    """GTIN-14 of the same digits, and GTINs of 8 and 12 digits, are known too."""
    shop = Catalogue(0)
    assert shop.by_gtin("0" + gtin(number)) == shop.by_gtin(gtin(number))
    for digits, room in (8, 10**4), (12, 10**8), (14, 10**10):
        short = gtin(number % room, digits)
        assert len(short) == digits
        assert len(shop.by_gtin(short)) == 1


@given(st.text(st.sampled_from("0123456789abcdef-"), max_size=40))
def test_foreign_ids_are_not_products(text: str) -> None:
    """Whatever the id looks like."""
    assert Catalogue(0).by_id(text) is None


def test_products_can_be_added() -> None:
    """Under any GTIN, with variants, in place of what was there."""
    shop = Catalogue(0)
    two = shop.add(gtin(1), name="Kubek ceramiczny duży", variants=2)
    assert [product.name for product in shop.by_gtin(gtin(1))] == ["Kubek ceramiczny duży 1", "Kubek ceramiczny duży 2"]
    assert shop.by_id(two[1].id) == two[1]
    assert shop.by_gtin("4006381333931") == []
    (added,) = shop.add("4006381333931", outcome="slow")
    assert shop.by_gtin("4006381333931") == [added]


def test_a_wrong_check_digit_is_no_product() -> None:
    """Nothing is made up for it."""
    code = gtin(5)
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    assert Catalogue(0).by_gtin(wrong) == []
