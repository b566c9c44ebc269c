"""A run that is handed over to workers, and what comes of its parts, as JSON text and back. Pure.

What a worker needs is here: the cells that were read and what was asked for. Settings, client secrets and tokens are
the worker's own. A *part* is what one worker does at a time: an account, or all of them where the limit of ended
offers is the whole run's. Part 0 is done when the run is handed over: the rows whose cells cannot be used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from batch.export import ExportedOrder
from batch.model import Job, Outcome
from batch.workbook import schema
from batch.workbook.read import TableData
from batch.workbook.values import NOT_CALCULATED

CHECKED = 0  # the number of the part that needs no worker
HELD = ("account", "order_id", "line_id")
"""All that the orders' job needs of `Orders`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A `TableData`."""

    name: str
    sheet: str
    columns: dict[str, str]
    rows: list[tuple[int, tuple[Any, ...]]]
    language: str = schema.LANGUAGES[0]


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A run for workers. `workbook` is its place in the journal of `station`; `parts`: account -> rows, by number."""

    name: str
    workbook: str
    station: str
    language: str
    started: datetime
    jobs: frozenset[Job]
    wait_seconds: float | None
    force: bool
    parts: list[dict[str, int]]
    tables: dict[str, Table]

    def table_data(self) -> dict[str, TableData]:
        """The tables as they were read."""
        return {n: TableData(t.name, t.sheet, t.columns, t.rows, language=t.language) for n, t in self.tables.items()}


@dataclass(frozen=True, slots=True)
class OrdersDone:
    """What came of an account's orders, but for the rows that the workbook is owed; as in `AccountOrders`."""

    exported: list[ExportedOrder] = field(default_factory=list)
    marked: int = 0
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PartDone:
    """What came of a part. `states`: account -> `ok` or why it stopped, `notes` are sentences about that."""

    time: datetime
    outcomes: list[Outcome]
    states: dict[str, str]
    notes: list[str] = field(default_factory=list)
    orders: list[OrdersDone] | None = None


def kept_tables(tables: Mapping[str, TableData]) -> dict[str, Table]:
    """What of the tables is kept for workers: no results, and of orders which ones there are."""
    return {name: _kept(table) for name, table in tables.items() if name != "Results"}


def _kept(table: TableData) -> Table:
    if table.name != "Orders":
        return Table(table.name, table.sheet, table.columns, table.rows, table.language)
    at = [table.position(key) for key in HELD]
    rows = [(number, tuple(cells[i] for i in at)) for number, cells in table.rows]
    return Table(table.name, table.sheet, {key: table.columns[key] for key in HELD}, rows, table.language)


# --- as JSON

_run, _part = TypeAdapter(QueuedRun), TypeAdapter(PartDone)


def dump(value: QueuedRun | PartDone) -> str:
    """As JSON text; what JSON does not know is an object with one key."""
    return json.dumps(value, default=_plain)


def load_run(text: str) -> QueuedRun:
    """The opposite of `dump`."""
    return _run.validate_python(json.loads(text, object_hook=_typed))


def load_part(text: str) -> PartDone:
    """The opposite of `dump`."""
    return _part.validate_python(json.loads(text, object_hook=_typed))


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if value is NOT_CALCULATED:
        return {"$not calculated": True}
    if isinstance(value, datetime | date | time):
        return {f"${type(value).__name__}": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$seconds": value.total_seconds()}
    if isinstance(value, Decimal):
        return {"$Decimal": str(value)}
    if isinstance(value, Sequence | set | frozenset):
        return list(value)
    return str(value)


_TYPES: dict[str, Callable[[Any], Any]] = {
    "$not calculated": lambda _: NOT_CALCULATED,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$seconds": lambda seconds: timedelta(seconds=seconds),
    "$Decimal": Decimal,
}


def _typed(data: dict[str, Any]) -> Any:
    if len(data) == 1:
        ((key, value),) = data.items()
        if key in _TYPES:
            return _TYPES[key](value)
    return data
