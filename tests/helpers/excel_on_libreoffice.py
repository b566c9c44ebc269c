"""An engine for xlwings that lets LibreOffice stand in for Excel, so that our calls of xlwings run for real on Linux.

It behaves as Excel does where that matters to us: text that is typed becomes a number or a formula unless the cell is
formatted as text or an apostrophe leads, numbers in such cells become text, mixed formats are None, currencies come
back as Decimal, error values as xlwings gets them from COM. `before_call` may raise what a busy Excel raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from batch.workbook.area import Area, reference
from tests.helpers.libreoffice import RunningLibreOffice

ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  (day 0 of a spreadsheet)
ERROR_NUMBERS = {"#DIV/0!": -2146826281, "#N/A": -2146826246, "#NAME?": -2146826259, "#REF!": -2146826265,
                 "#VALUE!": -2146826273, "#NUM!": -2146826252}  # fmt: skip
CALL_REJECTED, IGNORED = 0x80010001 - 2**32, 0x800AC472 - 2**32


class ComError(Exception):
    """What pywin32 raises: (hresult, text, details, argument)."""

    def __init__(self, hresult: int, scode: int = 0) -> None:
        self.hresult = hresult
        super().__init__(hresult, "Exception occurred.", (0, "Microsoft Excel", "", "", 0, scode), None)


class Engine:
    """The engine; `calls` is everything Excel was asked, `threads` by whom, `status` every text of its status bar."""

    name, type = "libreoffice", "desktop"

    def __init__(self, office: RunningLibreOffice) -> None:
        self.office = office
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.status: list[Any] = []
        self.threads: set[int] = set()
        self.before_call: Callable[[str, dict[str, Any]], None] = lambda do, arguments: None
        self.flags: dict[str, Any] = {"screen_updating": True, "enable_events": True, "calculation": "automatic"}
        self.app = App(self)
        self.apps = Apps(self)

    def ask(self, do: str, **arguments: Any) -> Any:
        self.note(do, arguments)
        return self.office.ask(do, **arguments)

    def note(self, do: str, arguments: dict[str, Any]) -> None:
        """Something is asked of Excel."""
        self.threads.add(threading.get_ident())
        self.before_call(do, arguments)
        self.calls.append((do, arguments))

    def blocks(self) -> list[list[int]]:
        """The rectangles written so far."""
        return [arguments["area"] for do, arguments in self.calls if do == "put"]

    @staticmethod
    def prepare_xl_data_element(value: Any, _options: Any) -> Any:
        return "" if value is None else value

    @staticmethod
    def clean_value_data(data: Any, datetime_builder: Any, empty_as: Any, _number: Any, err_to_str: bool) -> Any:
        names = {number: name for name, number in ERROR_NUMBERS.items()}

        def clean(value: Any) -> Any:
            if value is None or value == "":
                return empty_as
            if type(value) is int and value in names:
                return names[value] if err_to_str else None
            return value

        return [[clean(value) for value in row] for row in data]


class Apps:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __iter__(self) -> Iterator[App]:
        return iter([self._engine.app])

    def __len__(self) -> int:
        return 1


class App:
    pid = 1

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def books(self) -> Books:
        return Books(self.engine)

    @property
    def status_bar(self) -> Any:
        return self.engine.status[-1] if self.engine.status else False

    @status_bar.setter
    def status_bar(self, text: Any) -> None:
        self.engine.note("status_bar", {"value": text})
        self.engine.status.append(text)

    def calculate(self) -> None:
        self.engine.note("calculate", {})


def _flag(name: str) -> property:
    def put(self: App, value: Any) -> None:
        self.engine.note(name, {"value": value})
        self.engine.flags[name] = value

    return property(lambda self: self.engine.flags[name], put)


for _name in ("screen_updating", "enable_events", "calculation"):
    setattr(App, _name, _flag(_name))


class Books:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __iter__(self) -> Iterator[Book]:
        return (Book(self._engine, path) for path in self._engine.ask("books"))


class Book:
    def __init__(self, engine: Engine, path: str) -> None:
        self.engine, self.fullname, self.name = engine, path, Path(path).name

    @property
    def api(self) -> Any:
        return SimpleNamespace(ReadOnly=self.ask("book")["read_only"])

    @property
    def app(self) -> App:
        return self.engine.app

    @property
    def sheets(self) -> Sheets:
        return Sheets(self)

    def ask(self, do: str, **arguments: Any) -> Any:
        return self.engine.ask(do, book=self.fullname, **arguments)


class Sheets:
    def __init__(self, book: Book) -> None:
        self._book = book

    def __iter__(self) -> Iterator[Sheet]:
        return (Sheet(self._book, name) for name in self._book.ask("sheets"))


class Sheet:
    def __init__(self, book: Book, name: str) -> None:
        self.book, self.name = book, name

    @property
    def api(self) -> Any:
        return SimpleNamespace(ProtectContents=self.ask("sheet")["protected"])

    @property
    def tables(self) -> Tables:
        return Tables(self)

    @property
    def used_range(self) -> Range:
        return Range(self, self.ask("sheet")["used"])

    def range(self, first: Any, second: Any = None) -> Range:
        corners = [
            corner.area if isinstance(corner, Range) else [*corner, *corner] for corner in (first, second or first)
        ]
        return Range(self, [*map(min, zip(*corners, strict=True))][:2] + [*map(max, zip(*corners, strict=True))][2:])

    def ask(self, do: str, **arguments: Any) -> Any:
        return self.book.ask(do, sheet=self.name, **arguments)


class Range:
    max_cells_per_read = max_cells_per_write = None

    def __init__(self, sheet: Sheet, area: list[int]) -> None:
        self.sheet, self.area = sheet, area
        self.row, self.column = area[0], area[1]
        self.shape = area[2] - area[0] + 1, area[3] - area[1] + 1
        self.api = self

    def ask(self, do: str, **arguments: Any) -> Any:
        return self.sheet.ask(do, area=self.area, **arguments)

    def __len__(self) -> int:
        return self.shape[0] * self.shape[1]

    def __call__(self, first: int, second: int | None = None) -> Range:
        if second is None:
            first, second = divmod(first - 1, self.shape[1])
            first, second = first + 1, second + 1
        row, column = self.row + first - 1, self.column + second - 1
        return Range(self.sheet, [row, column, row, column])

    @property
    def raw_value(self) -> Any:
        rows = [[_seen(value) for value in row] for row in self.ask("get")]
        return rows[0][0] if len(self) == 1 else rows

    @raw_value.setter
    def raw_value(self, rows: Any) -> None:
        rows = rows if isinstance(rows, list | tuple) else [[rows] * self.shape[1]] * self.shape[0]
        self.ask("put", rows=[[_sent(value) for value in row] for row in rows])

    @property
    def formula(self) -> Any:
        rows = self.ask("formulas")
        return rows[0][0] if len(self) == 1 else tuple(map(tuple, rows))

    @formula.setter
    def formula(self, rows: Any) -> None:
        self.ask("put_formulas", rows=[list(row) for row in rows])

    @property
    def number_format(self) -> Any:
        return self.ask("number_format")

    @number_format.setter
    def number_format(self, code: str) -> None:
        self.ask("set_number_format", code=code)

    @property
    def merge_cells(self) -> Any:
        return self.ask("merged")

    @property
    def has_array(self) -> Any:
        return None if any(text.startswith("{=") for row in self.ask("formulas") for text in row) else False


def _seen(value: Any) -> Any:
    if isinstance(value, dict):
        [(kind, inner)] = value.items()
        if kind == "date":
            return ZERO + timedelta(seconds=round(inner * 86400, 3))
        if kind == "currency":
            return Decimal(repr(inner)).quantize(Decimal("0.0001"))
        return bool(inner) if kind == "logical" else ERROR_NUMBERS.get(inner, -2146826245)
    return value


def _sent(value: Any) -> Any:
    if isinstance(value, datetime):
        passed = value - ZERO
        return {"date": passed.days + passed.seconds / 86400}
    assert not isinstance(value, date | Decimal), "xlwings would make of it what it likes"
    return value


class Tables:
    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet

    def __iter__(self) -> Iterator[Table]:
        return (Table(self._sheet, name, facts) for name, facts in self._sheet.ask("tables").items())


class Table:
    def __init__(self, sheet: Sheet, name: str, facts: dict[str, Any]) -> None:
        self.parent = sheet
        self._sheet, self.display_name, self.name = sheet, name, name
        self.show_headers, self.show_totals = facts["headers"], facts["totals"]
        self._area = facts["area"]

    @property
    def range(self) -> Range:
        return Range(self._sheet, self._area)

    @property
    def columns(self) -> list[Any]:
        top, left, _, right = self._area
        [names] = Range(self._sheet, [top, left, top, right]).ask("get")
        return [SimpleNamespace(name=name) for name in names]

    def resize(self, area: Any) -> None:
        self._sheet.book.ask("resize", table=self.name, area=area.impl.area)


class Excel:
    """What the user does in Excel, and what can be seen there; none of it goes through xlwings."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._office = engine.office

    def open(self, path: Path) -> Path:
        """The user opens a workbook."""
        self._office.ask("open", path=str(path))
        return path

    def type(self, path: Path, sheet: str, cell: str, value: Any) -> None:
        """The user types into a cell."""
        self.ask(path, "put", sheet=sheet, area=_area(cell), rows=[[value]])

    def ask(self, path: Path, do: str, **arguments: Any) -> Any:
        """A command of `uno_server.py` on an open workbook."""
        return self._office.ask(do, book=str(path), **arguments)

    def grid(self, path: Path, sheet: str) -> dict[str, str]:
        """The filled cells: formulas, and everything else as it was typed."""
        used = self.ask(path, "sheet", sheet=sheet)["used"]
        rows = self.ask(path, "formulas", sheet=sheet, area=used)
        return {
            reference(column, row): text
            for row, texts in enumerate(rows, used[0])
            for column, text in enumerate(texts, used[1])
            if text
        }

    @contextmanager
    def busy(self, *, on: str = "", times: int = 10**9, code: int = CALL_REJECTED) -> Iterator[None]:
        """Its user edits a cell: so many calls of a kind (all kinds when none is named) are refused."""
        left = times

        def refuse(do: str, _arguments: dict[str, Any]) -> None:
            nonlocal left
            if left and (do == on or not on):
                left -= 1
                raise ComError(code) if code != IGNORED else ComError(-2147352567, IGNORED)

        self.engine.before_call = refuse
        yield
        self.engine.before_call = lambda do, arguments: None


def _area(cell: str) -> list[int]:
    area = Area.parse(cell)
    return [area.top, area.left, area.bottom, area.right]
