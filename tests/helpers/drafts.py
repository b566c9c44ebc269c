"""Rows, entries and an Allegro of one rule, for tests of planning and executing drafts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from batch.model import (
    Accepted,
    Action,
    CellRef,
    Entry,
    FoundOffer,
    Made,
    Money,
    OfferDefaults,
    ProductRow,
    Refused,
    State,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SELLER = "https://api.example e-sklep1"


def row(number: int = 7, **changes: Any) -> ProductRow:
    """A row of `Products` that wants a draft; its external id is `X` and its number."""
    values: dict[str, Any] = {
        "row": number,
        "account": "e-sklep1",
        "gtin": "5901234123457",
        "product_id": None,
        "external_id": f"X{number}",
        "price": Money(Decimal("12.30"), "PLN"),
        "stock": 5,
        "action": Action.AUTO,
        "offer_id": None,
        "defaults": OfferDefaults(),
        "cell": CellRef("Produkty", "B", number),
    }
    return ProductRow(**(values | changes))


def entry(state: State, *, age: float = 0, number: int = 7, **changes: Any) -> Entry:
    """The journal's newest attempt at `row(number)`, last touched `age` seconds ago."""
    at = NOW - timedelta(seconds=age)
    values: dict[str, Any] = {
        "id": number,
        "seller": SELLER,
        "external_id": f"X{number}",
        "attempt": 1,
        "run": "earlier",
        "state": state,
        "created_at": at,
        "updated_at": at,
    }
    return Entry(**(values | changes))


def offer(offer_id: str = "100", status: str = "INACTIVE", external_id: str = "X7") -> FoundOffer:
    """An offer as the list shows it."""
    return FoundOffer(offer_id, external_id, status, None, None)


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._seconds += seconds


class FakeAllegro:
    """Offers by external id, shown by the list `lag` seconds after they were made.

    `on_create(row, number of the call)` decides what a POST does: a result, or an error to raise. When it gives
    (error, True) the offer is made and the answer lost.
    """

    def __init__(self, clock: FakeClock, on_create: Callable[[ProductRow, int], Any], *, lag: float = 0) -> None:
        self.clock, self.on_create, self.lag = clock, on_create, lag
        self.made: list[tuple[str, str, float]] = []  # offer id, external id, when
        self.calls: list[str] = []
        self.follow_results: list[Any] = []
        self._lock = threading.Lock()

    def create(self, row: ProductRow, ids: Mapping[str, str]) -> Made | Accepted | Refused:
        with self._lock:
            self.calls.append(f"create {row.external_id}")
            result = self.on_create(row, len([c for c in self.calls if c.startswith("create")]))
            lost = isinstance(result, tuple)
            if lost or isinstance(result, Made):
                offer_id = str(1000 + len(self.made))
                self.made.append((offer_id, row.external_id, self.clock.monotonic()))
                result = result[0] if lost else Made(offer_id, "INACTIVE", result.errors, result.trace_id)
        if isinstance(result, Exception):
            raise result
        answer: Made | Accepted | Refused = result
        return answer

    def find(self, external_ids: Sequence[str]) -> dict[str, list[FoundOffer]]:
        self.calls.append("find")
        found: dict[str, list[FoundOffer]] = {}
        for offer_id, external_id, when in self.made:
            if external_id in external_ids and self.clock.monotonic() >= when + self.lag:
                found.setdefault(external_id, []).append(offer(offer_id, external_id=external_id))
        return found

    def get(self, offer_id: str, *, patience: float) -> Made | None:
        return next((Made(o, "INACTIVE") for o, _, _ in self.made if o == offer_id), None)

    def follow(self, accepted: Accepted, *, patience: float) -> Made | Accepted | Refused | None:
        self.calls.append("follow")
        result = self.follow_results.pop(0) if len(self.follow_results) > 1 else self.follow_results[0]
        if isinstance(result, Exception):
            raise result
        answer: Made | Accepted | Refused | None = result
        return answer
