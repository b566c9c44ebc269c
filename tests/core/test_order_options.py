"""The settings of orders: what is understood, and how what is not is told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from batch.errors import SettingsError
from batch.export import OrderOptions
from batch.messages import catalogue
from batch.validate.options import Options, read_options
from batch.workbook.read import TableData


def read(**values: Any) -> Options:
    """The options of a `Settings` table with these values."""
    columns = {"key": "A", "name": "B", "value": "C", "help": "D"}
    rows = [(at, (key, None, value, None)) for at, (key, value) in enumerate(values.items(), 2)]
    return read_options(TableData("Settings", "Ustawienia", columns, rows))


def test_blank_settings_mean_the_defaults() -> None:
    """Those of the contract; `missing_vat_rate` stays blank."""
    assert read() == Options()
    assert read(missing_vat_rate=None, orders_since=" ").orders == OrderOptions(missing_vat_rate=None)


def test_values_are_understood_as_people_write_them() -> None:
    """In both languages; a percentage that Excel made a fraction of is one again."""
    found = read(order_note="kupującego", delivery_vat_mode="najniższa", delivery_vat_rate=0.08, missing_vat_rate="zw",
                 shop_notes="Nr {item_id}").orders  # fmt: skip
    assert found == OrderOptions("Nr {item_id}", "buyer", "Lowest", Decimal(8), "zw.")
    assert read(delivery_vat_rate=23.0).orders.delivery_vat_rate == 23


SUMMER, WINTER = datetime(2026, 7, 5, 22, 0, tzinfo=UTC), datetime(2026, 11, 1, 23, 0, tzinfo=UTC)  # midnight in Warsaw
DAYS = [
    ("2026-07-06", SUMMER), ("06.07.2026", SUMMER), ("6.7.2026", SUMMER), ("2026-11-02", WINTER),
    (date(2026, 7, 6), SUMMER), (datetime(2026, 7, 6), SUMMER), (46209.0, SUMMER),  # noqa: DTZ001  (as cells are read)
    ("2026-07-06T02:00:00+04:00", SUMMER),
    ("06.07.2026 00:00", SUMMER), ("", None), (None, None),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "moment"), DAYS, ids=lambda value: str(value)[:20])
def test_days_begin_in_warsaw(cell: object, moment: datetime | None) -> None:
    """However the day is written."""
    assert read(orders_since=cell).orders_since == moment


WRONG = {
    "shop_notes": ("Od {kupujacy} {buyer_login}", "setting_field_unknown", ["{kupujacy}", "{pickup_point}"]),
    "order_note": ("ktoś", "setting_invalid", ["sprzedawcy"]),
    "delivery_vat_mode": ("Średnia", "setting_invalid", ["Highest"]),
    "delivery_vat_rate": ("dużo", "setting_no_vat", ["dużo"]),
    "missing_vat_rate": ("230", "setting_no_vat", ["230"]),
    "orders_since": ("wczoraj", "setting_no_date", ["wczoraj"]),
    "keep_runs": ("1e999999999", "setting_invalid", ["1e999999999"]),
    "orders_since ": ("0001-01-01", "setting_no_date", ["0001-01-01"]),
}


def test_the_words_named_are_those_of_the_workbook() -> None:
    """A user of an English workbook is not told to enter Polish ones."""
    columns = {"key": "A", "name": "B", "value": "C", "help": "D"}
    table = TableData("Settings", "Settings", columns, [(2, ("order_note", None, "x", None))], language="en")
    with pytest.raises(SettingsError) as stopped:
        read_options(table)
    assert stopped.value.facts["choices"] == ["seller", "buyer"]


@pytest.mark.parametrize("field", ["{buyer_email.__class__}", "{buyer_email[0]}", "{buyer_email!r}", "{0}", "{}"])
def test_a_field_of_the_notes_is_a_name_and_nothing_else(field: str) -> None:
    """No way from it into the program."""
    with pytest.raises(SettingsError) as stopped:
        read(shop_notes=f"Od {field} {{buyer_login}}")
    assert stopped.value.facts["unknown"] == [field]


@pytest.mark.parametrize(("key", "value", "code", "words"), [(k, *v) for k, v in WRONG.items()], ids=WRONG)
def test_a_setting_that_cannot_be_used_ends_the_run(key: str, value: object, code: str, words: list[str]) -> None:
    """The cell, the value and what is possible are named, in both languages."""
    with pytest.raises(SettingsError) as stopped:
        read(**{key: value})
    assert stopped.value.code == code
    for language in ("pl", "en"):
        text = str(catalogue(language).explain(code, **stopped.value.facts))
        for word in [*words, "Ustawienia!C2"]:
            assert word in text
