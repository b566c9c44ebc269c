"""The `Settings` table: how a run behaves. A value that cannot be used ends the run before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from batch.errors import SettingsError
from batch.export import NOTE_FIELDS, OrderOptions, Vat, parse_vat, unknown_fields
from batch.validate.cells import text_of
from batch.workbook import schema
from batch.workbook.read import NOT_CALCULATED, TableData

WARSAW = ZoneInfo("Europe/Warsaw")
_DAY = re.compile(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})|(\d{1,2})[-./](\d{1,2})[-./](\d{4})")
MOST = 1_000_000  # of seconds, percent or pieces; more was mistyped
_SERIALS = range(36_526, 73_051)  # Excel's days from 2000 to 2099


@dataclass(frozen=True, slots=True)
class Options:
    """The settings, typed. Seconds, percent, counts; `orders_since` is aware UTC, None: since the last run."""

    wait_for_updates: bool = True
    wait_seconds: float = 120
    max_price_change: Decimal = Decimal(30)
    max_ended_offers: int = 20
    keep_runs: int = 20
    orders_since: datetime | None = None
    orders: OrderOptions = field(default_factory=OrderOptions)


def read_options(table: TableData) -> Options:
    """The options of the workbook; blank or absent values mean the default.

    Raises SettingsError `setting_invalid`, `setting_no_date`, `setting_no_vat`, `setting_field_unknown`.
    """
    cells = {text_of(table.value(row, "key")): row for row in table.rows}

    def value(key: str) -> tuple[str, str]:
        row = cells.get(key)
        default = next(setting.default for setting in schema.SETTING_ROWS if setting.key == key)
        if row is None:
            return default, ""
        if table.value(row, "value") is NOT_CALCULATED:
            cell = str(table.cell_ref("value", row[0]))
            raise SettingsError("cell_not_calculated", cell=cell)
        return text_of(table.value(row, "value")) or default, str(table.cell_ref("value", row[0]))

    def number(key: str, *, least: int, whole: bool = True, percent: bool = False) -> Decimal:
        text, cell = value(key)
        try:
            parsed = Decimal(text.replace(",", ".").removesuffix("%").strip())
        except InvalidOperation:
            parsed = Decimal("NaN")
        held = cells.get(key)
        if held is not None and isinstance(table.value(held, "value"), float) and percent and 0 < parsed < 1:
            parsed *= 100  # 30% typed into a cell of numbers is 0.3
        if not parsed.is_finite() or not least <= parsed <= MOST or (whole and parsed != parsed.to_integral_value()):
            raise SettingsError("setting_invalid", cell=cell, key=key, value=text, least=least, choices=[])
        return parsed

    def choice(key: str, choices: tuple[schema.Choice, ...]) -> str:
        text, cell = value(key)
        code = schema.choose(choices, text)
        if code is None:
            words = [choice.words[table.language] for choice in choices]
            raise SettingsError("setting_invalid", cell=cell, key=key, value=text, least=None, choices=words)
        return code

    def yes(key: str) -> bool:
        return choice(key, schema.YES_NO) == "yes"

    def vat(key: str) -> Vat:
        text, cell = value(key)
        rate = parse_vat(text)
        if text and rate is None:
            raise SettingsError("setting_no_vat", cell=cell, key=key, value=text)
        if isinstance(rate, Decimal) and 0 < rate < 1:  # 23% typed into a cell of numbers is 0.23
            return parse_vat(str(rate * 100))
        return rate

    def notes() -> str:
        text, cell = value("shop_notes")
        unknown = unknown_fields(text)
        if unknown:
            known = [f"{{{name}}}" for name in NOTE_FIELDS]
            raise SettingsError("setting_field_unknown", cell=cell, key="shop_notes", unknown=unknown, known=known)
        return text

    def since() -> datetime | None:
        row = cells.get("orders_since")
        held = table.value(row, "value") if row is not None else None
        moment = _moment(held)
        text, cell = value("orders_since")
        if text and moment is None:
            raise SettingsError("setting_no_date", cell=cell, key="orders_since", value=text)
        return moment

    return Options(
        wait_for_updates=yes("wait_for_updates"),
        wait_seconds=float(number("wait_seconds", least=0, whole=False)),
        max_price_change=number("max_price_change", least=0, whole=False, percent=True),
        max_ended_offers=int(number("max_ended_offers", least=0)),
        keep_runs=int(number("keep_runs", least=1)),
        orders_since=since(),
        orders=OrderOptions(
            shop_notes=notes(),
            note=choice("order_note", schema.NOTE_SOURCES),
            delivery_vat_mode=choice("delivery_vat_mode", schema.VAT_MODES),
            delivery_vat_rate=vat("delivery_vat_rate"),
            missing_vat_rate=vat("missing_vat_rate"),
        ),
    )


def _moment(cell: object) -> datetime | None:
    """A day, or a moment, in Polish time unless it says otherwise; None when it is neither."""
    if isinstance(cell, float | int) and not isinstance(cell, bool):  # a date in a cell that does not look like one
        cell = date(1899, 12, 30) + timedelta(days=cell) if int(cell) in _SERIALS else None
    if isinstance(cell, date) and not isinstance(cell, datetime):
        cell = datetime.combine(cell, time())
    if not isinstance(cell, datetime):
        text = text_of(cell)
        day = _DAY.match(text)
        if day is None:
            return None
        year, month, of_month = (day[1], day[2], day[3]) if day[1] else (day[6], day[5], day[4])
        rest = text[day.end() :].strip().upper().lstrip("T")
        try:
            cell = datetime.fromisoformat(f"{year}-{int(month):02}-{int(of_month):02} {rest or '00:00'}")
        except ValueError:
            return None
    try:
        return (cell.replace(tzinfo=WARSAW) if cell.tzinfo is None else cell).astimezone(UTC)
    except OverflowError:  # the first or the last day that a date can be
        return None
