"""A seller's orders that changed since a moment, all of them, each once, though the list moves while it is read.

Offsets into a list that moves skip orders: an order that changes jumps to the end, and those behind it move up.
So the list is read inside closed windows of `updatedAt`, whose end is the newest change *Allegro* names (the PC's
clock may be wrong). Orders can only leave such a window, which its `totalCount` tells; then reading goes on at the
last change that is sure, and those that left are read in a further round. The newest state of each order counts.

In a quiet list that is one call for each 100 orders and one for each window.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from batch.allegro.checkout_forms import moment_of, order_of
from batch.allegro.session import ApiSession, understanding
from batch.errors import AccountError, ApiError
from batch.order import Order

PATH = "/order/checkout-forms"
PAGE = 100  # OpenAPI: limit, maximum
LARGEST_WINDOW = 10_000  # offset + limit (#1118, #3500)
ROUNDS = 10  # how often what changed during the reading is read again in the same run
REREADINGS = 5  # of a window that does not add up
A_TICK = timedelta(milliseconds=1)  # the list's own precision

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """What was read. `until`: all changes up to it are in `orders` (None: not even the beginning is sure).

    `unreadable` are the ids of orders that could not be understood; `stopped` is what ended the reading too early.
    """

    orders: list[Order]
    until: datetime | None
    unreadable: list[str]
    stopped: AccountError | ApiError | None = None


def read_orders(session: ApiSession, since: datetime) -> OrdersRead:
    """All orders changed since `since`, in any status, as they are now. Trouble ends the reading, not the call."""
    reading = _Reading(session, until=since)
    stopped: AccountError | ApiError | None = None
    try:
        reading.read()
    except (AccountError, ApiError) as error:
        stopped = error
    begun = reading.until != since or stopped is None
    return OrdersRead(list(reading.orders.values()), reading.until if begun else None, reading.unreadable, stopped)


@dataclass(frozen=True, slots=True)
class _Page:
    """One answer. `total` is the size of the whole list, `last` the change of its last order."""

    ids: list[str]
    moments: list[datetime]
    total: int

    @property
    def last(self) -> datetime | None:
        return self.moments[-1] if len(self.moments) == len(self.ids) and self.moments else None


@dataclass
class _Reading:
    """`until`: all changes up to it have been read."""

    session: ApiSession
    until: datetime
    orders: dict[str, Order] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def read(self) -> None:
        for _ in range(ROUNDS):
            newest = self._page(self.until, None, limit=1, sort="-updatedAt")
            if not newest.ids:
                return
            stood_still = self._window(newest.last or self.session.clock.now())
            if stood_still:
                return

    def _window(self, end: datetime) -> bool:
        """Read all changes from `until` to `end`; whether no order left meanwhile."""
        stood_still, rereadings = True, 0
        while rereadings < REREADINGS:
            begin = self.until
            again, quiet = self._pages(begin, end)
            stood_still = stood_still and quiet
            if again is None:
                self.until = max(begin, end)
                return stood_still
            if again > begin:
                self.until = again
            elif quiet:  # 10,000 changes in one tick: there is no asking for more of them
                self.until = begin + A_TICK
            else:
                rereadings += 1
        log.warning("orders from %s to %s do not add up; the next run reads them again", self.until, end)
        return True

    def _pages(self, begin: datetime, end: datetime) -> tuple[datetime | None, bool]:
        """Read the pages of one window. Gives where to go on (None: all was read), and whether the list stood still."""
        offset, seen = 0, set[str]()
        total: int | None = None
        sure, ordered = begin, True  # all changes before `sure` have been read, as long as the list is in order
        while True:
            page = self._page(begin, end, offset=offset)
            total = page.total if total is None else total
            if page.total != total:
                return sure, False
            seen.update(page.ids)
            offset += len(page.ids)
            if not page.ids or offset >= total:
                return (None, True) if len(seen) >= total else (begin, False)
            ordered = ordered and page.last is not None and page.moments == sorted([sure, *page.moments])[1:]
            sure = page.moments[-1] if ordered else begin
            if offset + PAGE > LARGEST_WINDOW:
                return sure, ordered

    def _page(
        self, begin: datetime, end: datetime | None, *, offset: int = 0, limit: int = PAGE, sort: str = "updatedAt"
    ) -> _Page:
        params: dict[str, str | int] = {"updatedAt.gte": _stamp(begin), "sort": sort, "limit": limit, "offset": offset}
        if end is not None:
            params["updatedAt.lte"] = _stamp(end + A_TICK - timedelta(microseconds=1))
        answer = self.session.get(PATH, params)
        with understanding(answer):
            forms = list(answer.data["checkoutForms"])
            ids = [str(form["id"]) for form in forms]
            moments = [moment for form in forms if (moment := moment_of(form)) is not None]
            total = int(answer.data["totalCount"])
        for form in forms:
            self._take(form)
        return _Page(ids, moments, total)

    def _take(self, form: Mapping[str, Any]) -> None:
        try:
            order = order_of(form)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            log.exception("order %s cannot be understood", form["id"])
            if form["id"] not in self.unreadable:
                self.unreadable.append(str(form["id"]))
            return
        known = self.orders.get(order.id)
        if known is None or not known.updated_at or not order.updated_at or order.updated_at >= known.updated_at:
            self.orders[order.id] = order


def _stamp(moment: datetime) -> str:
    """A moment in UTC as Allegro writes it, cut to milliseconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
