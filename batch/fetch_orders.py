"""All orders of one account: what the journal knows and Allegro tells -> what the sheet is to say. Writes nothing.

With a blank `orders_since`, reading begins where the last run ended, less LOOK_BACK; of what was delivered before, only
new revisions are taken. An order whose rows the user deleted stays
away until its revision changes. With a date in `orders_since`, everything since then is taken again: rows that are
there are brought up to date, and an account that has no order in the sheet at all gets all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch.allegro.orders import OrdersRead, read_orders
from batch.connect import Connection
from batch.errors import BatchError
from batch.export import ExportedOrder, OrderUpdate, export_order, status_cells
from batch.journal import Journal
from batch.validate.options import Options

CANCELLED = "CANCELLED"
FIRST_DAYS = timedelta(days=30)
LOOK_BACK = timedelta(days=14)
"""So far back each run reads again: what the seller does to an order, such as sending it, gives it a new revision but
no new `updatedAt` (#4355, #9905, #11331). An order that could not be read is tried again for as long, too."""


@dataclass(frozen=True, slots=True)
class AccountOrders:
    """What came of one account's orders. `marked` counts those that are not exported any more, such as cancelled ones.

    `revisions` are those the sheet will hold; `read_until` moves the journal's mark (None: it stays).
    """

    account: str
    seller: str = ""
    since: datetime | None = None
    exported: Sequence[ExportedOrder] = ()
    updates: Sequence[OrderUpdate] = ()
    marked: int = 0
    revisions: Mapping[str, str] = field(default_factory=dict)
    read_until: datetime | None = None
    unreadable: Sequence[str] = ()
    stopped: BatchError | None = None


def fetch_orders(
    connection: Connection,
    account: str,
    workbook: str,
    journal: Journal,
    options: Options,
    held: Mapping[tuple[str, str], Mapping[str, int]],
    *,
    now: datetime,
    language: str,
) -> AccountOrders:
    """Read the account's orders and say what has to be written; `held` is what the sheet holds, by account and order.

    Raises JournalError.
    """
    seller = connection.seller
    mark = journal.orders_mark(workbook, seller)
    since = options.orders_since or (mark - LOOK_BACK if mark else now - FIRST_DAYS)
    read = read_orders(connection.session, since)
    known = journal.delivered_orders(workbook, seller, [order.id for order in read.orders])
    in_sheet = {order_id for name, order_id in held if name == account}
    everything = options.orders_since is not None
    forget = everything and not in_sheet
    exported, updates, marked = [], [], 0
    for order in read.orders:
        delivered = known.get(order.id) == order.revision and not forget
        if delivered and not everything:
            continue
        is_new = order.id not in in_sheet and (forget or order.id not in known)
        if order.is_ready and not (is_new and order.fulfillment == CANCELLED):
            one = export_order(order, account, options.orders, language, is_new=is_new)
            exported.append(one)
            updates.append(OrderUpdate(account, order.id, one.rows, returns=not delivered))
        elif order.id in known or order.id in in_sheet:
            marked += not delivered
            updates.append(OrderUpdate(account, order.id, status=status_cells(order, language)))
    updated = {update.order_id for update in updates}
    return AccountOrders(
        account=account,
        seller=seller,
        since=since,
        exported=exported,
        updates=updates,
        marked=marked,
        revisions={order.id: order.revision for order in read.orders if order.id in updated},
        read_until=_read_until(read, since, mark) if since <= now else None,
        unreadable=read.unreadable,
        stopped=read.stopped,
    )


def _read_until(read: OrdersRead, since: datetime, mark: datetime | None) -> datetime | None:
    """The new mark: it never goes back, and never over a gap that a late `orders_since` leaves."""
    if read.until is None or (mark is not None and (since > mark or read.until <= mark)):
        return None
    return read.until
