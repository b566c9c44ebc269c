"""A seller's orders that changed since a moment, all of them, each once, though the list moves while it is read.

Offsets into a list that moves skip orders: an order that changes jumps to the end, and those behind it move up.
So the list is read inside closed windows of `updatedAt`, whose end is the newest change *Allegro* names (the PC's
clock may be wrong). Orders can only leave such a window, which its `totalCount` tells; then reading goes on at the
last change that is sure, and those that left are read in a further round. The newest state of each order counts.

In a quiet list that is one call for each 100 orders and one for each window; up to 100 orders need a single call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from batch.allegro.checkout_forms import moment_of, order_of
from batch.allegro.session import ApiSession, understanding
from batch.errors import AccountError, ApiError, ServerTrouble
from batch.order import Order

_Listed = tuple[str, str]
"""One line of a list: the order's id, and when it changed."""

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
    """One answer: what it lists, when that changed (where it is said), and the size of the whole list.

    An order may be listed in two revisions, which the size counts as two.
    """

    listed: list[_Listed]
    moments: list[datetime]
    total: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """How far a reading of consecutive pages came: all changes before `sure` are read, or all of them (None).

    `left`: how many there should be from `sure` on, where that is known.
    """

    sure: datetime | None
    stood_still: bool
    left: int | None = None


@dataclass
class _Reading:
    """`until`: all changes up to it have been read."""

    session: ApiSession
    until: datetime
    orders: dict[str, Order] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    seen: list[_Listed] = field(default_factory=list)  # what the last reading of a window listed
    known: set[_Listed] = field(default_factory=set)  # what all readings of `of_window` have listed so far
    of_window: tuple[datetime, datetime, int] | None = None  # begin, end, size

    def read(self) -> None:
        for _ in range(ROUNDS):
            newest = self._page(self.until, None, sort="-updatedAt")
            if not newest.listed:
                return
            end = max(newest.moments, default=self.session.clock.now())
            if len(newest.listed) >= newest.total:  # one answer holds them all
                self.until = max(self.until, end)
                return
            if self._window(end, newest.total):
                return

    def _window(self, end: datetime, total: int | None) -> bool:
        """Read all changes from `until` to `end`, `total` of them; whether no order left meanwhile."""
        stood_still, rereadings = True, 0
        while rereadings <= REREADINGS:
            begin = self.until
            stretch = self._stretch(begin, end, total)
            stood_still = stood_still and stretch.stood_still
            total = stretch.left
            if stretch.sure is None:
                self.until = max(begin, end)
                return stood_still
            if stretch.sure > begin:
                self.until = stretch.sure
            elif total is not None:  # 10,000 changes in one tick: there is no asking for more of them
                self.until = begin + A_TICK
            else:
                rereadings += 1
        log.warning("orders from %s to %s do not add up; the next run reads them again", self.until, end)
        raise ServerTrouble("answer_unusable", call=f"GET {PATH}")

    def _stretch(self, begin: datetime, end: datetime, total: int | None) -> _Stretch:
        """Read page after page from `begin`, as long as the list stands still and the offset lasts."""
        seen: list[_Listed] = []
        moments: list[datetime] = []
        sure, ordered, stood_still = begin, True, True
        while True:
            page = self._page(begin, end, offset=len(seen))
            if total is not None and page.total != total:
                stood_still = False
                if seen:
                    return _Stretch(sure, stood_still)
            total = page.total
            new = set(page.listed) - set(seen)
            seen += page.listed
            moments += page.moments
            # Whatever the total says, a page that is not full and tells nothing new is the last.
            ends = len(seen) >= total or (not new and len(page.listed) < PAGE)
            full = len(seen) + PAGE > LARGEST_WINDOW
            if ends or full:
                whole = self._knows_all(seen, (begin, end, total)) if ends else len(set(seen)) == len(seen)
                whole = whole or seen == self.seen  # a list that repeats itself is read twice alike
                self.seen = seen
                if ends or not whole:
                    return _Stretch(None if whole else begin, stood_still and whole)
            ordered = ordered and len(page.moments) == len(page.listed) and min(page.moments) >= sure
            sure = max(page.moments) if ordered else begin
            if full:
                left = total - sum(moment < sure for moment in moments)
                return _Stretch(sure, stood_still and ordered, left if ordered else None)

    def _knows_all(self, seen: Sequence[_Listed], window: tuple[datetime, datetime, int]) -> bool:
        """Whether the readings of a window have together listed as many as it holds.

        Nothing new comes into it, so they are these, even where changes of one moment change places between two pages.
        """
        if self.of_window != window:
            self.of_window, self.known = window, set()
        self.known |= set(seen)
        return len(self.known) >= window[2]

    def _page(self, begin: datetime, end: datetime | None, *, offset: int = 0, sort: str = "updatedAt") -> _Page:
        params: dict[str, str | int] = {"updatedAt.gte": _stamp(begin), "sort": sort, "limit": PAGE, "offset": offset}
        if end is not None:
            params["updatedAt.lte"] = _stamp(end + A_TICK - timedelta(microseconds=1))
        answer = self.session.get(PATH, params)
        with understanding(answer):
            forms = sorted(answer.data["checkoutForms"], key=lambda form: str(form.get("updatedAt")))
            listed = [(str(form["id"]), str(form.get("updatedAt"))) for form in forms]
            moments = [moment for form in forms if (moment := moment_of(form)) is not None]
            total = int(answer.data["totalCount"])
        for form in forms:  # the oldest change first, whatever way round the page came
            self._take(form)
        return _Page(listed, moments, total)

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
            self.orders.pop(order.id, None)  # in the order of the list
            self.orders[order.id] = order


def _stamp(moment: datetime) -> str:
    """A moment in UTC as Allegro writes it, cut to milliseconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
