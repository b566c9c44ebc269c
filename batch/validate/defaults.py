"""The `Defaults` table: sets of default parameters, and which of them a product gets.

Friendly words of both languages and Allegro's own codes are taken alike. A set with a bad cell is kept with
its problems, so that only the products that would use it are refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from batch.model import CellRef, NamedDefault, OfferDefaults, Problem
from batch.resolve import KINDS
from batch.validate.cells import is_excel_error, text_of
from batch.workbook import schema
from batch.workbook.read import NOT_CALCULATED, Row, TableData

WORDS = ("handling_time", "invoice", "duration", "province", "language")
MAX_SAFETY_TEXT = 5000  # OpenAPI, TextSafetyInformation.description


@dataclass(frozen=True, slots=True)
class DefaultsTable:
    """All sets of defaults; `choose` applies the rule of precedence."""

    sets: tuple[OfferDefaults, ...]

    def choose(self, account: str, profile: str) -> OfferDefaults | None:
        """The set for a row of `account` that names `profile` ('' when blank); None when the profile is unknown.

        A named profile: that of the account, else one of a set for all accounts. A blank one: the account's set
        without a name, else the account's only set, else the nameless set for all accounts, else Allegro's own
        defaults.
        """
        own = [s for s in self.sets if s.account == account]
        common = [s for s in self.sets if s.account is None]
        if profile:
            wanted = schema.heading_key(profile)
            return next((s for s in [*own, *common] if s.profile and schema.heading_key(s.profile) == wanted), None)
        nameless = [s for s in own if s.profile is None]
        if nameless:
            return nameless[0]
        if len(own) == 1:
            return own[0]
        return next((s for s in common if s.profile is None), OfferDefaults())

    def profiles(self, account: str) -> list[str]:
        """The names a row of `account` may use, as the user wrote them."""
        return [s.profile for s in self.sets if s.profile and s.account in {account, None}]


def read_defaults(table: TableData) -> DefaultsTable:
    """All sets of the table, each with the problems of its own cells."""
    return DefaultsTable(tuple(_read_set(table, row) for row in table.rows))


def unused_sets(table: TableData, accounts: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows that `choose` never comes to, as a text's code and its facts: cell, and account or the row before."""
    first: dict[tuple[str, str], CellRef] = {}
    for row in table.rows:
        account, profile = (text_of(table.value(row, key)) for key in ("account", "profile"))
        if account and account not in accounts:
            yield "defaults_of_nobody", {"cell": table.cell_ref("account", row[0]), "account": account}
            continue
        cell = table.cell_ref("profile", row[0])
        before = first.setdefault((account, schema.heading_key(profile)), cell)
        if before is not cell:
            yield "defaults_twice", {"cell": cell, "before": before}


def _read_set(table: TableData, row: Row) -> OfferDefaults:
    problems: list[Problem] = []
    values: dict[str, Any] = {}

    def refuse(key: str, code: str, **facts: Any) -> None:
        problems.append(Problem(code, table.cell_ref(key, row[0]), text_of(table.value(row, key)), facts))

    texts: dict[str, str] = {}
    for column in schema.DEFAULTS.columns:
        cell = table.value(row, column.key)
        if cell is NOT_CALCULATED:
            refuse(column.key, "value_not_calculated")
            cell = None
        elif is_excel_error(cell):
            refuse(column.key, "value_not_calculated")
        texts[column.key] = text_of(cell)
    for key in KINDS:
        if texts[key]:
            values[key] = NamedDefault(texts[key], table.cell_ref(key, row[0]))
    for key in WORDS:
        if texts[key]:
            values[key] = schema.choose(schema.DEFAULTS.column(key).choices, texts[key])
            if values[key] is None:
                names = [choice.words[table.language] for choice in schema.DEFAULTS.column(key).choices]
                refuse(key, "default_unknown", reason="word", names=names)
    for key, parse in (("country", _country), ("currency", _currency), ("vat_rate", _vat_rate)):
        if texts[key]:
            values[key] = parse(texts[key], table.value(row, key))
            if values[key] is None:
                refuse(key, "default_unknown", reason="word", names=[])
    for key in ("city", "post_code", "safety_information"):
        if texts[key]:
            values[key] = texts[key]
    if values.get("safety_information") and len(texts["safety_information"]) > MAX_SAFETY_TEXT:
        refuse("safety_information", "default_unknown", reason="word", names=[])
    _complete_location(values, refuse)
    return OfferDefaults(
        profile=texts["profile"] or None,
        account=texts["account"] or None,
        row=row[0],
        cells={key: table.cell_ref(key, row[0]) for key in KINDS},
        problems=tuple(problems),
        **{key: value for key, value in values.items() if value is not None},
    )


def _complete_location(values: dict[str, Any], refuse: Any) -> None:
    """For Poland Allegro asks for a province, and for post codes of the form 60-166 (OpenAPI, Location)."""
    if not values.keys() & {"country", "province", "city", "post_code"}:
        return
    values.setdefault("country", "PL")
    if values["country"] != "PL":
        return
    post_code = values.get("post_code")
    if post_code and re.fullmatch(r"\d{5}", post_code):  # a cell typed as number loses the dash
        values["post_code"] = post_code = f"{post_code[:2]}-{post_code[2:]}"
    if post_code and not re.fullmatch(r"\d{2}-\d{3}", post_code):
        refuse("post_code", "default_unknown", reason="word", names=[])
    if "province" not in values:  # a word that is none stands there as None and was refused already
        refuse("province", "default_missing", kind=None, names=[])


def _country(text: str, _cell: object) -> str | None:
    code = schema.choose(schema.COUNTRIES, text)
    return code or (text.upper() if re.fullmatch(r"[A-Za-z]{2}", text) else None)


def _currency(text: str, _cell: object) -> str | None:
    return text.upper() if re.fullmatch(r"[A-Za-z]{3}", text) else None


def _vat_rate(text: str, cell: object) -> str | None:
    """A rate in percent as Allegro writes it (`23.00`); a cell formatted as percent holds 0.23."""
    try:
        rate = Decimal(text.removesuffix("%").strip().replace(",", "."))
    except InvalidOperation:
        return None
    if isinstance(cell, float) and 0 < rate < 1:
        rate *= 100
    return f"{rate:.2f}" if rate.is_finite() and 0 <= rate < 100 else None
