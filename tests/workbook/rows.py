"""Rows that fill a new workbook in tests: every table, every type, the awkward values."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

FIRST_RUN, SECOND_RUN = "2026-01-05 aa", "2026-01-06 bb"


def sample_rows() -> dict[str, list[dict[str, Any]]]:
    """Name of the table -> rows by column key."""
    noon = datetime(2026, 1, 5, 11, 0, tzinfo=UTC)  # 12:00 in Warsaw
    next_noon = datetime(2026, 7, 6, 10, 0, tzinfo=UTC)  # 12:00 in Warsaw's summer
    morning = datetime(2026, 7, 5, 22, 30, tzinfo=UTC)  # half past midnight of the same day in Warsaw
    return {
        "Accounts": [
            {"account": "e-sklep1", "environment": "simulator", "active": "tak", "valid_until": noon},
            {"account": "e-sklep2", "environment": "simulator", "token_file": None},
        ],
        "Defaults": [{"profile": "", "account": "e-sklep1", "post_code": "00-950", "vat_rate": "23%"}],
        "Products": [
            {
                "account": "e-sklep1",
                "ean": "0012345678905",
                "price": Decimal("1234.50"),
                "stock": 7,
                "status": "✔ gotowe",
            },
            {"account": "e-sklep1", "ean": "5,90123E+12", "price": "12,30 zł", "stock": 0, "status": "✖ błąd"},
            {
                "account": "e-sklep2",
                "ean": 5901234123457,
                "price": 9.9,
                "status": "✖ błąd",
                "message": "=A1\nśćż\x0b<&>",
            },
        ],
        "Results": [
            {"run": FIRST_RUN, "time": noon, "status": "✔ gotowe", "code": "draft_created"},
            {"run": SECOND_RUN, "time": next_noon, "status": "✖ błąd", "code": "ean_mangled", "row": 3},
            {"run": SECOND_RUN, "time": next_noon, "status": "✖ błąd", "code": "price_invalid", "row": 3},
            {"run": SECOND_RUN, "time": noon, "status": "❓ niepewne", "link": "https://allegro.pl/oferta/1"},
            *(
                {"run": FIRST_RUN, "time": morning, "code": code}
                for code in (
                    "draft_created",
                    "draft_incomplete",
                    "offer_updated",
                    *["draft_found", "draft_pending"] * 3,
                )
            ),
        ],
        "Orders": [
            {"order_id": "29738e61-7f6a", "buyer_phone": "+48600100200", "vat_rate": 23, "bought_at": noon},
            {"bought_at": morning, "line_total": Decimal("200.50"), "currency": "PLN"},
            {"bought_at": next_noon, "line_total": Decimal(10), "currency": "PLN", "order_status": "do realizacji"},
            {"bought_at": next_noon, "line_total": Decimal(99), "currency": "EUR"},
            *(
                {"bought_at": next_noon, "line_total": Decimal(1000), "currency": "PLN", "order_status": status}
                for status in ("anulowane", "cancelled", "pozycja usunięta", "line removed")
            ),
        ],
        "Settings": [
            {"key": "keep_runs", "value": 5},
            {"key": "orders_since", "value": date(2026, 1, 2)},
            {"key": "shop_notes", "value": "- {seller_note}"},
        ],
        "Dictionaries": [
            {"account": "e-sklep1", "kind": "cennik dostaw", "name": "Paczkomaty", "id": "a1"},
            {"account": "e-sklep1", "kind": "cennik dostaw", "name": "Kurier", "id": "a2"},
            {"account": "e-sklep2", "kind": "cennik dostaw", "name": "Kurier 2", "id": "a3"},
            {"account": "e-sklep1", "kind": "warunki zwrotów", "name": "14 dni", "id": "b1"},
        ],
    }
