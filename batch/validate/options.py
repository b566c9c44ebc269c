"""The `Settings` table: how a run behaves. A value that cannot be used ends the run before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from batch.errors import SettingsError
from batch.validate.cells import text_of
from batch.workbook import schema
from batch.workbook.read import TableData


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that drafts and updates need, typed. Seconds, percent, counts."""

    wait_for_updates: bool = True
    wait_seconds: float = 120
    max_price_change: Decimal = Decimal(30)
    max_ended_offers: int = 20
    keep_runs: int = 20


def read_options(table: TableData) -> Options:
    """The options of the workbook; blank or absent values mean the default. Raises SettingsError `setting_invalid`."""
    cells = {text_of(table.value(row, "key")): row for row in table.rows}

    def value(key: str) -> tuple[str, str]:
        row = cells.get(key)
        default = next(setting.default for setting in schema.SETTING_ROWS if setting.key == key)
        if row is None:
            return default, ""
        return text_of(table.value(row, "value")) or default, str(table.cell_ref("value", row[0]))

    def number(key: str, *, least: int, whole: bool = True) -> Decimal:
        text, cell = value(key)
        try:
            parsed = Decimal(text.replace(",", ".").removesuffix("%").strip())
        except InvalidOperation:
            parsed = Decimal("NaN")
        if not parsed.is_finite() or parsed < least or (whole and parsed != parsed.to_integral_value()):
            raise SettingsError("setting_invalid", cell=cell, key=key, value=text, least=least, choices=[])
        return parsed

    def yes(key: str) -> bool:
        text, cell = value(key)
        answer = schema.choose(schema.YES_NO, text)
        if answer is None:
            raise SettingsError("setting_invalid", cell=cell, key=key, value=text, least=None, choices=["tak", "nie"])
        return answer == "yes"

    return Options(
        wait_for_updates=yes("wait_for_updates"),
        wait_seconds=float(number("wait_seconds", least=0, whole=False)),
        max_price_change=number("max_price_change", least=0, whole=False),
        max_ended_offers=int(number("max_ended_offers", least=0)),
        keep_runs=int(number("keep_runs", least=1)),
    )
