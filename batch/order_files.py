"""Files of the exported orders, made by jinja2 templates that a user may add to or replace.

Each template `NAME.j2` makes the file `NAME`. Shipped ones lie in `templates/orders`; one of the same name in
`templates/orders` beside the workbook takes its place. Templates run in jinja2's sandbox: they see the orders and
nothing else. A template that fails costs its own file only.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from batch.export import ExportedOrder, Vat
from batch.messages import Catalogue
from batch.setup import templates_folder
from batch.workbook import schema

ENCODINGS = {".csv": "utf-8-sig", ".epp": "cp1250"}
"""What a file's readers expect: Polish Excel knows UTF-8 by its mark, EDI++ says 1250 in its header. Others: UTF-8."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
WARSAW = ZoneInfo("Europe/Warsaw")

log = logging.getLogger(__name__)


def write_order_files(
    exported: Sequence[ExportedOrder], folder: Path, own_templates: Path, words: Catalogue, now: datetime
) -> list[str]:
    """Write a file for each template into `folder`; returns sentences: where they are, and which could not be made."""
    said, written = [], False
    for name, template in sorted(_templates(own_templates).items()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / name, render(template, exported, words.language, now))
            written = True
        except Exception as error:  # whatever a user's template raises
            log.warning("the file %s of the orders was not written", name, exc_info=True)
            said.append(words.say("orders_file_failed", name=name, reason=str(error) or type(error).__name__))
    return [words.say("orders_files_at", folder=folder), *said] if written else said


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Write a file piece by piece; one that cannot be finished is not left there."""
    try:
        with path.open("w", encoding=encoding_of(path.name), errors="replace", newline="") as file:
            file.writelines(pieces)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def encoding_of(name: str) -> str:
    """How a file of this name is written."""
    return ENCODINGS.get(Path(name).suffix.lower(), "utf-8")


def render(template: Path, exported: Sequence[ExportedOrder], language: str, now: datetime) -> Iterator[str]:
    """The text a template makes of the orders, in pieces: that of 20,000 orders is long.

    Raises jinja2.TemplateError, OSError, or what the template's expressions raise.
    """
    from jinja2 import StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        newline_sequence="\n" if encoding_of(template.stem) == "utf-8" else "\r\n",
    )
    columns = [column for column in schema.ORDERS.columns if column.key != "updated_at"]
    keys = [column.key for column in columns]
    environment.filters |= {
        "cells": lambda row: [row[key] for key in keys],
        "csv": csv_line,
        "decimal": Decimal,
        "epp": epp_line,
        "json": as_json,
        "moment": _local,
        "net": net,
    }
    return environment.from_string(template.read_text("utf-8")).generate(
        orders=_Orders(exported),
        columns=[{"key": column.key, "heading": column.heading[language]} for column in columns],
        now=now,
        language=language,
    )


def _templates(own: Path) -> dict[str, Path]:
    """Name of the file -> its template."""
    found = {}
    for folder in (templates_folder() / "orders", own):
        if folder.is_dir():
            found.update({path.stem: path for path in folder.glob("*.j2")})
    return found


class _Orders(Sequence[dict[str, Any]]):
    """The orders as templates see them, each made when it is asked for: all at once would be large."""

    def __init__(self, exported: Sequence[ExportedOrder]) -> None:
        self._exported = exported

    def __len__(self) -> int:
        return len(self._exported)

    def __getitem__(self, at: Any) -> Any:
        return _visible(self._exported[at]) if isinstance(at, int) else [_visible(one) for one in self._exported[at]]


def _visible(one: ExportedOrder) -> dict[str, Any]:
    """An order's own fields, and its rows as the sheet has them."""
    difference = one.difference.amount.amount if one.difference else Decimal(0)
    return {**_fields_of(one.order), "account": one.account, "rows": one.rows, "is_new": one.is_new,
            "difference": difference}  # fmt: skip


def _fields_of(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


# --- filters


def csv_line(values: Iterable[Any], delimiter: str = ";") -> str:
    """One line of CSV as Polish Excel reads it: decimal commas, local times, and no text that Excel calculates."""
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter).writerow([_csv_value(value) for value in values])
    return line.getvalue().removesuffix("\r\n")  # with no line end of its own, the writer would not quote one in a text


def _csv_value(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f").replace(".", ",")
    if isinstance(value, datetime):
        return _local(value, "%Y-%m-%d %H:%M")
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def as_json(value: Any) -> str:
    """JSON: amounts as text, so that no reader makes binary fractions of them, times with their zone."""
    return json.dumps(value, ensure_ascii=False, indent=1, default=_json_value)


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(WARSAW).isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if is_dataclass(value):
        return _fields_of(value)
    raise TypeError(type(value).__name__)


def epp_line(values: Iterable[Any]) -> str:
    """One record of EDI++: quoted text, amounts with four decimals, dates as 14 digits, yes and no as 1 and 0."""
    return ",".join(_epp_value(value) for value in values)


def _epp_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:.4f}"
    if isinstance(value, datetime):
        return value.astimezone(WARSAW).strftime("%Y%m%d000000")
    if isinstance(value, date):
        return value.strftime("%Y%m%d000000")
    text = " ".join(str(value).split()).replace('"', '""')
    return f'"{text}"'


def net(gross: Decimal, rate: Vat) -> Decimal:
    """The value without VAT, to the grosz; what has no rate in percent has no VAT."""
    if not isinstance(rate, Decimal):
        return gross
    return (gross * 100 / (100 + rate)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _local(moment: datetime | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment in Polish time."""
    return "" if moment is None else moment.astimezone(WARSAW).strftime(form)
