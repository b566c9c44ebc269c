"""Reading orders: complete and each once, whatever happens between two pages; and with few calls."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.allegro import orders
from batch.allegro.orders import read_orders
from batch.connect import Connection
from batch.errors import ServerTrouble
from batch.export import place
from batch.fetch_orders import FIRST_DAYS, LOOK_BACK, fetch_orders
from batch.journal import Journal
from batch.simulator import orders as simulated
from batch.simulator.orders import add_order, change_order
from batch.validate.options import Options
from tests.helpers.order_list import SELLER, OrderList

SINCE = timedelta(days=1)
EXAMPLES = int(os.environ.get("ORDER_EXAMPLES", "30"))  # ORDER_EXAMPLES=2000 for a long run


@pytest.fixture
def small_pages() -> Iterator[None]:
    """Pages of three, windows of nine."""
    with (
        patch.object(orders, "PAGE", 3),
        patch.object(orders, "LARGEST_WINDOW", 9),
        patch.object(simulated, "LARGEST_WINDOW", 9),
    ):
        yield


def shop(count: int, *, apart: float = 1.0) -> OrderList:
    """A list of orders, made `apart` seconds one after another."""
    listed = OrderList()
    for _ in range(count):
        listed.time.advance(apart)
        add_order(listed.world, listed.seller)
    return listed


def read(listed: OrderList) -> orders.OrdersRead:
    return read_orders(listed, listed.time.now() - SINCE)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350])
def test_one_call_for_100_orders_and_one_for_the_window(count: int) -> None:
    """And all of them, the newest last."""
    listed = shop(count)
    result = read(listed)
    assert [order.id for order in result.orders] == sorted(
        listed.seller.orders, key=lambda order_id: listed.seller.orders[order_id]["updatedAt"]
    )
    assert len(listed.calls) <= (1 if count <= 100 else -(-count // 100) + 1)
    assert result.until == (max(order.updated_at for order in result.orders) if count else listed.time.now() - SINCE)


def test_windows_are_split_where_the_offset_ends(small_pages: None) -> None:
    """No call goes beyond the largest offset; a window begins at the last change of the one before."""
    listed = shop(40)
    assert {order.id for order in read(listed).orders} == set(listed.seller.orders)
    assert max(int(call["offset"]) + int(call["limit"]) for call in listed.calls) <= 9
    windows = len({call["updatedAt.gte"] for call in listed.calls})
    assert len(listed.calls) <= -(-40 // 3) + 2 * windows


def test_many_changes_in_one_moment_are_all_read(small_pages: None) -> None:
    """Ties fill whole pages."""
    listed = shop(8, apart=0)
    for _ in range(3):
        listed.time.advance(1)
        for _ in range(7):
            add_order(listed.world, listed.seller)
    assert {order.id for order in read(listed).orders} == set(listed.seller.orders)


@pytest.mark.parametrize("knobs", [{"orders_moving": 1}, {"orders_moving": 3}, {"orders_reversed": True},
                                   {"orders_stale": True, "orders_moving": 2}])  # fmt: skip
def test_unsteady_lists_are_read_whole(small_pages: None, knobs: dict[str, Any]) -> None:
    """Orders that change while they are read, pages the wrong way round, old revisions beside new ones."""
    listed = shop(20)
    for name, value in knobs.items():
        setattr(listed.world.settings, name, value)
    listed.between = lambda: listed.time.advance(0.5)
    before = set(listed.seller.orders)
    assert {order.id for order in read(listed).orders} == before


def test_the_clock_of_the_pc_does_not_matter(small_pages: None) -> None:
    """Orders of Allegro's future are read, and the mark is Allegro's time."""
    listed = shop(5)
    start = listed.time.now() - SINCE
    listed.time.advance(86_400)
    add_order(listed.world, listed.seller)
    result = read_orders(listed, start)  # type: ignore[arg-type]
    assert len(result.orders) == 6
    assert result.until == max(order.updated_at for order in result.orders)


def test_trouble_keeps_what_was_read(small_pages: None) -> None:
    """The mark stays where the reading was sure to have come."""
    listed = shop(40)
    times = itertools.count()

    def fail() -> None:
        if next(times) == 8:
            raise ServerTrouble("server_trouble", status=503)

    listed.between = fail
    result = read(listed)
    assert isinstance(result.stopped, ServerTrouble)
    assert result.until is not None
    sure = {i for i, form in listed.seller.orders.items() if form["updatedAt"] <= orders._stamp(result.until)}
    assert sure
    assert sure <= {order.id for order in result.orders}


def test_an_order_that_cannot_be_understood_is_named() -> None:
    """The others are read."""
    listed = shop(3)
    broken = list(listed.seller.orders)[1]
    listed.seller.orders[broken]["lineItems"][0]["price"]["amount"] = "dużo"
    result = read(listed)
    assert result.unreadable == [broken]
    assert len(result.orders) == 2


# --- the property

EVENTS = st.lists(
    st.tuples(st.sampled_from(["add", "unpaid", "change", "cancel", "pay", "fewer lines", "wait"]),
              st.integers(0, 30)),
    max_size=4,
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    start=EVENTS.filter(len),
    runs=st.lists(st.lists(EVENTS, max_size=12), min_size=1, max_size=3),
    knobs=st.fixed_dictionaries({"orders_stale": st.booleans(), "orders_reversed": st.booleans()}),
)
def test_rows_are_complete_and_unique(
    start: list[tuple[str, int]], runs: list[list[list[tuple[str, int]]]], knobs: dict[str, bool]
) -> None:
    """Runs read while orders come, change, are paid, lose lines and are cancelled between any two pages.

    After each run the sheet has every order once that was ready before the run began; after a last quiet run it says
    of every order what Allegro says.
    """
    listed, sheet, journal = OrderList(), {}, Journal("sqlite://", OrderList().time.now)
    with (
        patch.object(orders, "PAGE", 3),
        patch.object(orders, "LARGEST_WINDOW", 9),
        patch.object(simulated, "LARGEST_WINDOW", 9),
    ):
        happen(listed, start)
        vars(listed.world.settings).update(knobs)
        for script in (*runs, []):
            ready = {i for i, form in listed.seller.orders.items() if form["status"] == "READY_FOR_PROCESSING"}
            waiting = iter(script)
            listed.between = lambda waiting=waiting: happen(listed, next(waiting, []))
            run(listed, journal, sheet)
            assert ready <= {order_id for order_id, _ in sheet} | cancelled(listed)
    journal.close()
    for order_id, form in listed.seller.orders.items():
        rows = {line_id: row for (i, line_id), row in sheet.items() if i == order_id}
        if form["status"] == "READY_FOR_PROCESSING":
            now = {line["id"] for line in form["lineItems"]} | {"delivery"}
            assert now <= rows.keys()
            assert {rows[line]["fulfillment"] for line in now} == {WORDS[form["fulfillment"]["status"]]}
            assert all(row["order_status"] == "do realizacji" for line, row in rows.items() if line in now)
            assert all(row["order_status"] == "pozycja usunięta" for line, row in rows.items() if line not in now)
            assert sum(row["line_total"] for row in rows.values()) == rows["delivery"]["order_total"]
        else:
            assert {row["order_status"] for row in rows.values()} <= {"anulowane", "oczekuje na płatność"}


WORDS = {"NEW": "nowe", "PROCESSING": "w realizacji", "SENT": "wysłane"}


def cancelled(listed: OrderList) -> set[str]:
    return {i for i, form in listed.seller.orders.items() if form["status"] != "READY_FOR_PROCESSING"}


def happen(listed: OrderList, events: list[tuple[str, int]]) -> None:
    """Carry out events; a number says which order."""
    for event, number in events:
        listed.time.advance(0.002)  # what happens later is listed later; else it is the next run that finds it
        ids = list(listed.seller.orders)
        which = ids[number % len(ids)] if ids else None
        if event == "wait":
            listed.time.advance(number * 60)
        elif event == "add" or which is None:
            for _ in range(number % 5 + 1):
                add_order(listed.world, listed.seller, [{}, {"price": "3.50"}])
        elif event == "unpaid":
            add_order(listed.world, listed.seller, status="FILLED_IN")
        else:
            form = listed.seller.orders[which]
            parts: dict[str, Any] = {"fulfillment": {"status": "PROCESSING" if number % 2 else "SENT"}}
            if event == "cancel":
                parts = {"status": "CANCELLED"}
            elif event == "pay" and form["status"] == "FILLED_IN":
                parts = {"status": "READY_FOR_PROCESSING"}
            elif event == "fewer lines" and len(form["lineItems"]) == 2:
                parts = {"lineItems": form["lineItems"][:1], "summary": {"totalToPay": {"amount": "29.99"}}}
            change_order(listed.world, listed.seller, which, **parts)


def run(listed: OrderList, journal: Journal, sheet: dict[tuple[str, str], dict[str, Any]]) -> None:
    """One run: fetch, put the rows where they belong, remember how far it came."""
    places = {key: at for at, key in enumerate(sheet)}
    held: dict[tuple[str, str], dict[str, int]] = {}
    for (order_id, line_id), at in places.items():
        held.setdefault((SELLER, order_id), {})[line_id] = at
    fetched = fetch_orders(
        Connection(listed, "seller"),  # type: ignore[arg-type]
        SELLER,
        "book",
        journal,
        Options(),
        held,
        now=listed.time.now(),
        language="pl",
    )
    assert fetched.stopped is None
    placed = place(fetched.updates, held, "pozycja usunięta")
    keys = list(sheet)
    for at, cells in placed.changes.items():
        sheet[keys[at]].update(cells)
    for row in placed.new:
        key = row["order_id"], row["line_id"]
        assert key not in sheet, "a row that is there already"
        sheet[key] = dict(row)
    journal.orders_delivered("book", "seller", fetched.revisions, fetched.read_until)


def test_what_is_read_again_is_less_than_a_first_run() -> None:
    """Else an order that was deleted, or was there before the tool, would come as a new one."""
    assert timedelta(0) < LOOK_BACK < FIRST_DAYS
