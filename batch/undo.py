"""One account's part of an undo: what the run did for its seller, what Allegro holds now, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from batch.account_run import STOPS, Looked, act, settle_drafts, settle_pending
from batch.allegro.offers import Offers
from batch.allegro.survey import holdings
from batch.model import Account, Action, CellRef, OfferDefaults, ProductRow
from batch.plan_changes import by_offer, shows
from batch.plan_undo import plan_undo
from batch.run import AccountResult, Run
from batch.validate.cells import text_of
from batch.workbook.read import TableData

NAMES = ("offer_id", "ean", "external_id")  # in the order of `ProductRow.name`

Rows = Mapping[tuple[str, str], ProductRow]
"""Rows by (account, offer id) and by (account, external id or EAN)."""


def undo_account(this: Run, account: Account, run: str, rows: Rows) -> AccountResult:
    """Take back what `run` did for this account's seller, once what is under way for him has ended."""
    try:
        connection = this.connector.connect(account)
        if not this.request.dry_run:
            this.sellers.hold(connection.seller)
        unsettled = settle_pending(this, connection, wait_seconds=this.wait_seconds)
        left = this.journal.open_drafts(run, connection.seller)
        unknown = settle_drafts(
            this, connection, [(_row(rows, account.name, e.offer_id, e.external_id), e) for e in left]
        )
        entries, changes = this.journal.done_in(run, connection.seller)
        began = [change for change in unsettled if change.run == run]
        named: dict[str, str | None] = {e.offer_id: e.external_id for e in entries if e.offer_id}
        named |= {change.offer_id: change.external_id for change in (*changes, *began)}
        done = by_offer(changes)
        held = holdings(
            Offers(connection.session), named.keys(), lambda offer: shows(done.get(offer.offer_id, ()), offer)
        )
    except STOPS as error:
        return AccountResult([], error)
    found = {offer_id: _row(rows, account.name, offer_id, external_id) for offer_id, external_id in named.items()}
    plan = plan_undo(entries, changes, unsettled, held, found, run=this.name)
    this.world.progress.begin(account.name, len(plan) + len(unknown))
    return act(this, Looked([*plan, *unknown], connection), {})


def rows_of(products: TableData, only: Collection[str]) -> Rows:
    """The rows of `Products` as an undo needs them, whatever else is in their cells."""
    rows: dict[tuple[str, str], ProductRow] = {}
    for row in products.rows:
        texts = {key: text_of(products.value(row, key)) for key in ("account", *NAMES)}
        if only and texts["account"] not in only:
            continue
        of_row = ProductRow(
            row=row[0],
            account=texts["account"],
            gtin=texts["ean"] or None,
            product_id=None,
            external_id=texts["external_id"] or texts["ean"],
            price=None,
            stock=None,
            action=Action.AUTO,
            offer_id=texts["offer_id"] or None,
            defaults=OfferDefaults(),
            cell=products.cell_ref(next((key for key in NAMES if texts[key]), "ean"), row[0]),
        )
        for name in (texts["offer_id"], of_row.external_id):
            if name:
                rows.setdefault((of_row.account, name), of_row)
    return rows


def _row(rows: Rows, account: str, offer_id: str | None, external_id: str | None) -> ProductRow:
    """The row of an offer; where the user has deleted it, a row without a number."""
    found = rows.get((account, offer_id or "")) or rows.get((account, external_id or ""))
    return found or ProductRow(
        row=0,
        account=account,
        gtin=None,
        product_id=None,
        external_id=external_id or "",
        price=None,
        stock=None,
        action=Action.AUTO,
        offer_id=offer_id,
        defaults=OfferDefaults(),
        cell=CellRef("", "", 0),
    )
