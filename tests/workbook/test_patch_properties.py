"""Properties of reading and writing: whatever stands in a table and whatever is asked for, that is what is read."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.workbook.engines import Calamine, Openpyxl
from batch.workbook.patch import BodyRow, SetBody, SetCells, write_workbook
from batch.workbook.read import TableData, read_workbook
from batch.workbook.values import visible
from tests.helpers.books import grid, make_book

KEYS = ("run", "code", "row", "new_price", "message")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["=1+1", "_x0041_", "_x000D_", " a ", "<b>&amp;", "0012", "1e5", "#N/A", "TRUE", "\n", "a\r\nb", "'x", "]]>"]
)
NUMBERS = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9, width=32)
CELLS = st.none() | TEXTS | NUMBERS | st.booleans()
ROWS = st.dictionaries(st.sampled_from(KEYS), CELLS, max_size=4)
EXAMPLES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def expected(value: Any) -> Any:
    """What a cell written with `value` reads as."""
    if isinstance(value, str):
        shown = visible(value)
        return shown if shown and not shown.isspace() else None
    return value if value is None or isinstance(value, bool) else float(value)


def read(path: Path) -> TableData:
    """`Results` as both libraries read it."""
    first, second = (read_workbook(path, tables=["Results"], engine=e).tables["Results"] for e in (Calamine, Openpyxl))
    assert first.rows == second.rows
    assert [[type(v) for v in row] for _, row in first.rows] == [[type(v) for v in row] for _, row in second.rows]
    return first


def by_row(table: TableData) -> dict[int, dict[str, Any]]:
    return {row[0]: {key: table.value(row, key) for key in KEYS} for row in table.rows}


def cells(row: dict[str, Any]) -> dict[str, Any]:
    return {key: expected(row.get(key)) for key in KEYS}


Model = list[tuple[dict[str, Any], str | None]]


def after(model: Model, row: BodyRow) -> tuple[dict[str, Any], str | None]:
    """What a row of a new body holds, and the user's note beside it."""
    kept, nota = model[row.source - 3] if row.source else (cells({}), None)
    return {**kept, **{key: expected(value) for key, value in row.values.items()}}, nota


@st.composite
def bodies(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[BodyRow]]]:
    """A body to begin with, and some new ones in turn, each made of rows of the one before and of new ones."""
    start = draw(st.lists(ROWS, min_size=1, max_size=6))
    turns, length = [], len(start)
    for _ in range(draw(st.integers(1, 3))):
        source = st.none() | st.integers(3, 2 + max(length, 1))
        body = draw(st.lists(st.builds(BodyRow, source, ROWS), max_size=8))
        turns.append(body)
        length = len(body)
    return start, turns


@EXAMPLES
@given(bodies())
def test_a_body_reads_as_it_was_written(case: tuple[list[dict[str, Any]], list[list[BodyRow]]]) -> None:
    """Kept rows keep what was not given, the user's notes go with them, cells outside stay, for both libraries."""
    start, turns = case
    rows = [{**{k: v for k, v in row.items() if v != ""}, "Nota": f"nota{n}"} for n, row in enumerate(start)]
    with TemporaryDirectory() as folder:
        path = make_book(
            Path(folder) / "b.xlsx",
            {"Results": [{"Nota": row["Nota"]} for row in rows]},
            at={"Results": (1, 2)},
            own={"Results": ["Nota"]},
            finish=lambda book: book.get_worksheet_by_name("Wyniki").write_column("A1", range(20)),
        )
        write_workbook(path, [SetBody("Results", [BodyRow(n, row) for n, row in enumerate(start, 3)])])
        model: Model = [(cells(row), f"nota{n}") for n, row in enumerate(start)]
        for body in turns:
            write_workbook(path, [SetBody("Results", body)])
            model = [after(model, row) for row in body] or [(cells({}), None)]
            shown, sheet = by_row(read(path)), grid(path, "Wyniki")
            for number, (values, nota) in enumerate(model, 3):
                assert shown.pop(number, cells({})) == values
                assert sheet.get(f"F{number}") == nota
            assert not shown
            assert [sheet[f"A{n}"] for n in range(1, 21)] == list(range(20))
            assert sheet.get(f"F{3 + len(model)}") is None


@EXAMPLES
@given(st.lists(ROWS, min_size=1, max_size=5), st.dictionaries(st.integers(2, 6), ROWS, max_size=5))
def test_cells_read_as_they_were_written(start: list[dict[str, Any]], changes: dict[int, dict[str, Any]]) -> None:
    """Cells that were not given keep their values; writing the same again changes no byte."""
    changes = {row: values for row, values in changes.items() if row < 2 + len(start)}
    with TemporaryDirectory() as folder:
        path = make_book(Path(folder) / "b.xlsx", {"Results": [{"run": "x"} for _ in start]})
        for rows in (dict(enumerate(start, 2)), changes, changes):
            before = path.read_bytes()
            write_workbook(path, [SetCells("Results", rows)])
        assert path.read_bytes() == before, "the same again"
        shown = by_row(read(path))
        for number, row in enumerate(start, 2):
            assert shown.pop(number, cells({})) == cells({"run": "x", **row, **changes.get(number, {})})
        assert not shown
