"""The `Products` table: every row becomes a ProductRow, or an Outcome that says at once why nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from batch.model import Account, Action, Money, OfferDefaults, Outcome, Problem, ProductRow
from batch.validate.cells import CellError, is_excel_error, parse_gtin, parse_price, parse_stock, text_of
from batch.validate.defaults import DefaultsTable
from batch.workbook import schema
from batch.workbook.read import NOT_CALCULATED, Row, TableData

MAX_EXTERNAL_ID = 100  # OpenAPI: external.id; a longer one would also spoil the look-up of its whole block


@dataclass(frozen=True, slots=True)
class CheckedProducts:
    """The usable rows in sheet order, and the answers of all others."""

    rows: list[ProductRow] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=list)


def check_products(
    table: TableData, accounts: Mapping[str, Account], defaults: DefaultsTable, only: frozenset[str]
) -> CheckedProducts:
    """Check every row of the accounts in `only` (empty: of all). All problems of a row are collected.

    Of two rows with the same account and effective external id the first goes on, whatever becomes of it,
    because an offer must never depend on the order of mistakes. Rows to be skipped do not count.
    """
    checked = CheckedProducts([], [])
    first_rows: dict[tuple[str, str], int] = {}
    for row in table.rows:
        checker = _RowChecker(table, row)
        if only and checker.account not in only:
            continue
        outcome = checker.skip(accounts) or checker.check(accounts, defaults, first_rows)
        if isinstance(outcome, ProductRow):
            checked.rows.append(outcome)
        else:
            checked.answers.append(outcome)
    return checked


class _RowChecker:
    """One row on its way to a ProductRow; collects the problems met."""

    def __init__(self, table: TableData, row: Row) -> None:
        self.table, self.row, self.number = table, row, row[0]
        self.account = self.text("account")
        self.problems: list[Problem] = []
        self.missing: list[Problem] = []

    def skip(self, accounts: Mapping[str, Account]) -> Outcome | None:
        """The answer of a row nobody wants worked on."""
        if schema.choose(schema.ACTIONS, self.text("action")) == Action.SKIP:
            return Outcome(self.number, self.account, "skipped", {"reason": "action"})
        account = accounts.get(self.account)
        if account is not None and not account.active:
            return Outcome(self.number, self.account, "account_inactive", {"account": account.name})
        return None

    def check(
        self, accounts: Mapping[str, Account], defaults: DefaultsTable, first_rows: dict[tuple[str, str], int]
    ) -> ProductRow | Outcome:
        """All checks of one row."""
        for column in schema.PRODUCTS.columns:  # of what we write, only the offer's id may be the user's own
            if self.table.value(self.row, column.key) is NOT_CALCULATED and (
                not column.written or column.key == "offer_id"
            ):
                self.refuse(column.key, "value_not_calculated")
        for key in ("external_id", "product_id", "offer_id"):  # a failed look-up is the same text in many rows
            if is_excel_error(self.table.value(self.row, key)):
                self.refuse(key, "value_not_calculated")
        if self.account not in accounts and not self.problems:
            self.refuse("account", "account_unknown", accounts=list(accounts))
        chosen = self._defaults(defaults)
        currency = chosen.currency
        offer_id = self.text("offer_id") or None
        action = self._action()
        product_id = self.text("product_id") or None
        gtin = self._parse("ean", parse_gtin)
        price = self._parse("price", lambda cell: parse_price(cell, currency))
        stock = self._parse("stock", parse_stock)
        external_id = self.text("external_id") or gtin or (product_id if self._blank("ean") else None)
        if offer_id is None and action in {Action.AUTO, Action.CREATE}:
            self._look_for_missing(product_id)
            if action is Action.CREATE or external_id is None:  # else an offer may exist that needs none of it
                self.problems += self.missing
        if external_id is not None:
            self._check_external_id(external_id, first_rows)
        if self.problems:
            return Outcome.of_problems(self.number, self.account, self.problems, external_id)
        return ProductRow(
            row=self.number,
            account=self.account,
            gtin=gtin,
            product_id=product_id,
            external_id=external_id or "",
            price=Money(price, currency) if price is not None else None,
            stock=stock,
            action=action,
            offer_id=offer_id,
            defaults=chosen,
            cell=self.table.cell_ref(self._naming_column(), self.number),
            columns=self.table.columns,
            missing=tuple(self.missing),
        )

    def refuse(self, key: str, code: str, **facts: Any) -> None:
        """Note a problem with the cell of column `key`."""
        self.problems.append(self._problem(key, code, facts))

    def _problem(self, key: str, code: str, facts: Mapping[str, Any]) -> Problem:
        return Problem(code, self.table.cell_ref(key, self.number), self.text(key), facts)

    def _naming_column(self) -> str:
        keys = ("offer_id", "ean", "product_id", "external_id")
        return next((key for key in keys if not self._blank(key)), "ean")

    def text(self, key: str) -> str:
        """The cell as text; '' for a formula without a stored value, which `check` refuses."""
        return text_of(self.table.value(self.row, key))

    def _blank(self, key: str) -> bool:
        return self.table.value(self.row, key) is None

    def _parse(self, key: str, parse: Callable[[object], Any]) -> Any:
        cell = self.table.value(self.row, key)
        if cell is None or cell is NOT_CALCULATED:
            return None
        try:
            return parse(cell)
        except CellError as error:
            self.refuse(key, error.code, **error.facts)
            return None

    def _defaults(self, defaults: DefaultsTable) -> OfferDefaults:
        chosen = defaults.choose(self.account, self.text("profile"))
        if chosen is None:
            names = defaults.profiles(self.account)
            self.refuse("profile", "profile_unknown", account=self.account, profiles=names)
            return OfferDefaults()
        return chosen

    def _action(self) -> Action:
        text = self.text("action")
        if not text:
            return Action.AUTO
        code = schema.choose(schema.ACTIONS, text)
        if code is None:
            self.refuse("action", "action_unknown")
            return Action.AUTO
        return Action(code)

    def _look_for_missing(self, product_id: str | None) -> None:
        """What a new draft needs and this row has not."""
        needed = {"ean": "ean_missing", "price": "price_missing", "stock": "stock_missing"}
        for key, code in needed.items():
            if self._blank(key) and not (key == "ean" and product_id):
                self.missing.append(self._problem(key, code, {}))

    def _check_external_id(self, external_id: str, first_rows: dict[tuple[str, str], int]) -> None:
        if len(external_id) > MAX_EXTERNAL_ID:
            self.refuse("external_id", "rejected", reason="external_id")
        first = first_rows.setdefault((self.account, external_id), self.number)
        if first != self.number:
            key = "ean" if self._blank("external_id") else "external_id"
            self.refuse(key, "duplicate_row", first_row=first)
