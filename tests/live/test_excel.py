"""Manners of the tool in somebody else's Excel: what it waits for, what it puts back, what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batch.errors import WorkbookError
from batch.workbook import excel as manners
from batch.workbook.desk import ClosedWorkbook, Desk, open_desk
from batch.workbook.live import LiveWorkbook
from batch.workbook.patch import BodyRow, SetBody, SetCells
from batch.workbook.read import WorkbookData
from tests.helpers.books import FEW, make_book
from tests.helpers.excel_on_libreoffice import CALL_REJECTED, IGNORED, ComError, Excel
from tests.workbook.test_patch import results

PRODUCTS = [{"account": "k", "ean": str(number), "price": 5} for number in range(1, 6)]
AS_IT_WAS = {"screen_updating": True, "enable_events": True, "calculation": "automatic"}
STATUS = [SetCells("Products", {row: {"status": "✔", "message": "m"} for row in (2, 3, 4, 6)})]


class Hours:
    """A clock on which waiting takes no time; `slept` is called at each wait."""

    def __init__(self, slept: Callable[[], None] = lambda: None) -> None:
        self.time, self._slept = 0.0, slept

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self._slept()


@pytest.fixture
def path(tmp_path: Path, excel: Excel) -> Path:
    """A workbook that is open in Excel."""
    rows = {"Products": PRODUCTS, "Results": [{"run": "a"}]}
    return excel.open(make_book(tmp_path / "b.xlsx", rows, tables=FEW))


def write(desk: Desk, changes: list[Any]) -> None:
    desk.update(desk.read(["Products"]), lambda now: changes)


def statuses(desk: Desk) -> list[Any]:
    table = desk.read(["Products"]).tables["Products"]
    return [table.value(row, "status") for row in table.rows]


# --- which workbook


def test_unsaved_values_are_read(path: Path, excel: Excel) -> None:
    """What the user sees counts, not what lies on the disk; formulas give their values, also when they are fresh."""
    on_disk = path.read_bytes()
    excel.type(path, "Produkty", "C3", 7.25)
    excel.type(path, "Produkty", "C4", "=C3*2")
    excel.type(path, "Produkty", "C5", "=1/0")
    excel.ask(path, "set_number_format", sheet="Produkty", area=[6, 3, 6, 3], code="#,##0.00 [$zł-415]")
    excel.engine.flags["calculation"] = "manual"
    with open_desk(path, Hours()) as desk:
        table = desk.read(["Products"]).tables["Products"]
    prices = [table.value(row, "price") for row in table.rows]
    assert prices == [5.0, 7.25, 14.5, "#DIV/0!", 5.0]
    assert [type(price) for price in prices] == [float, float, float, str, float], "a currency is a number like others"
    assert path.read_bytes() == on_disk
    assert "calculate" in [do for do, _ in excel.engine.calls]
    assert excel.engine.flags["calculation"] == "manual"


def test_found_by_any_name_of_the_file(path: Path, excel: Excel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path or a link is the same workbook; one of the same name in another folder is not."""
    (path.parent / "sub").mkdir()
    link = path.parent / "sub" / "b.xlsx"
    link.symlink_to(path)
    other = make_book(path.parent / "sub" / "other.xlsx")
    monkeypatch.chdir(path.parent)
    for name, kind in ((Path("b.xlsx"), LiveWorkbook), (link, LiveWorkbook), (other, ClosedWorkbook)):
        with open_desk(name, Hours()) as desk:
            assert isinstance(desk, kind)


def test_a_copy_opened_to_read_is_not_written(path: Path, excel: Excel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers there could not be saved: the file counts, and it is open elsewhere."""
    ask = excel.engine.ask

    def read_only(do: str, **arguments: Any) -> Any:
        return ask(do, **arguments) | {"read_only": True} if do == "book" else ask(do, **arguments)

    monkeypatch.setattr(excel.engine, "ask", read_only)
    with open_desk(path, Hours()) as desk, pytest.raises(WorkbookError) as refused:
        desk.check_writable(("Results",))
    assert refused.value.code == "workbook_open"


def test_an_excel_that_fails_hides_nothing(path: Path, excel: Excel) -> None:
    """COM out of order: the workbook is a file that somebody has open."""

    def fail(do: str, _arguments: Any) -> None:
        raise ComError(0x800706BA - 2**32)

    excel.engine.before_call = fail
    with open_desk(path, Hours()) as desk:
        assert isinstance(desk, ClosedWorkbook)
        assert len(desk.read(["Products"]).tables["Products"].rows) == 5


def test_an_xlwings_that_does_not_load_hides_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pywin32 missing or broken: the same."""
    monkeypatch.setitem(sys.modules, "xlwings", None)
    with open_desk(path, Hours()) as desk:
        assert isinstance(desk, ClosedWorkbook)


def test_a_busy_excel_with_other_workbooks_is_not_waited_for(tmp_path: Path, excel: Excel) -> None:
    closed = make_book(tmp_path / "closed.xlsx")
    clock = Hours()
    with excel.busy(), open_desk(closed, clock) as desk:
        assert isinstance(desk, ClosedWorkbook)
    assert clock.time == 0


def test_a_workbook_in_an_excel_that_stays_busy_is_open_elsewhere(path: Path, excel: Excel) -> None:
    """After a minute it is a file that cannot be written now; with --anyway it is read as it was saved."""
    clock = Hours()
    excel.type(path, "Produkty", "C3", 7.25)
    with excel.busy(on="books"), open_desk(path, clock) as desk:
        assert isinstance(desk, ClosedWorkbook)
        with pytest.raises(WorkbookError) as refused:
            desk.check_writable(("Results",))
        table = desk.read(["Products"]).tables["Products"]
    assert refused.value.code == "workbook_open"
    assert table.value(table.rows[1], "price") == 5
    assert manners.PATIENCE <= clock.time <= manners.PATIENCE + manners.PAUSE


@pytest.mark.parametrize("command", ["--help", "run"])
def test_xlwings_is_loaded_where_there_is_an_excel_only(tmp_path: Path, command: str) -> None:
    """Neither help nor a job on Linux pays for it."""
    arguments = ["--help"] if command == "--help" else ["tokens", str(make_book(tmp_path / "b.xlsx"))]
    code = (
        "import sys\nfrom batch.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as end: print('exit', end.code)\n"
        "assert 'xlwings' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "exit" in done.stdout


# --- manners


def test_excel_is_as_it_was_after_writing(path: Path, excel: Excel) -> None:
    """Quiet while cells are written, all of it put back; one block for neighbours; nothing saved; one thread only."""
    on_disk = path.read_bytes()
    seen: list[dict[str, Any]] = []
    excel.engine.before_call = lambda do, _: seen.append(dict(excel.engine.flags)) if do == "put" else None
    with open_desk(path, Hours()) as desk:
        write(desk, STATUS)
        assert statuses(desk) == ["✔", "✔", "✔", None, "✔"]
    assert seen == [manners.AS_WE_WRITE] * 2
    assert excel.engine.blocks() == [[2, 10, 4, 11], [6, 10, 6, 11]]
    assert excel.engine.flags == AS_IT_WAS
    assert path.read_bytes() == on_disk
    assert excel.engine.threads.isdisjoint({threading.get_ident()})
    assert len(excel.engine.threads) == 1


def test_what_the_user_had_set_stays(path: Path, excel: Excel) -> None:
    """Somebody who works with manual calculation goes on with it."""
    excel.engine.flags.update(calculation="manual", enable_events=False)
    with open_desk(path, Hours()) as desk:
        write(desk, STATUS)
    assert excel.engine.flags == {**AS_IT_WAS, "calculation": "manual", "enable_events": False}


@pytest.mark.parametrize("at", ["screen_updating", "enable_events", "calculation", "put", "get"])
def test_excel_is_put_back_after_an_error(path: Path, excel: Excel, at: str) -> None:
    """Wherever the work broke off, and although Excel is busy when it is put back."""
    with open_desk(path, Hours()) as desk:
        book = desk.read(["Products"])
        quiet = False

        def fail(do: str, arguments: dict[str, Any]) -> None:
            nonlocal quiet
            refused = (
                quiet and arguments.get("value") in AS_IT_WAS.values() and excel.engine.flags[do] != arguments["value"]
            )
            if refused and busy:
                busy.pop()
                raise ComError(IGNORED)
            if do == at and arguments.get("value") not in AS_IT_WAS.values() and (quiet or do != "get"):
                raise ComError(0x800A03EC - 2**32)
            quiet = quiet or do == "screen_updating"

        busy = [1, 2, 3]
        excel.engine.before_call = fail
        with pytest.raises(WorkbookError) as failed:
            desk.update(book, lambda now: STATUS)
        excel.engine.before_call = lambda do, arguments: None
    assert failed.value.code == "excel_failed"
    assert excel.engine.flags == AS_IT_WAS


class ExcelBusyError(Exception):
    """Of this name in xlwings, where it cannot be imported without Windows."""


REFUSALS = [
    (ComError(CALL_REJECTED), True),
    (ComError(0x8001010A - 2**32), True),
    (ComError(-2147352567, IGNORED), True),
    (ExcelBusyError(), True),
    (AttributeError("Property 'Excel.Application.ScreenUpdating' can not be set."), True),
    (AttributeError("'NoneType' object has no attribute 'row'"), False),
    (ComError(0x800A03EC - 2**32), False),
    (ComError(0x800706BA - 2**32), False),
    (WorkbookError("workbook_open"), False),
    (KeyError("x"), False),
]


@pytest.mark.parametrize(("error", "busy"), REFUSALS, ids=[str(error)[:50] for error, _ in REFUSALS])
def test_which_errors_say_that_excel_is_busy(error: Exception, *, busy: bool) -> None:
    """Only those are waited for."""
    assert manners.is_busy(error) is busy


@pytest.mark.parametrize(
    ("on", "code"), [("", CALL_REJECTED), ("put", IGNORED), ("tables", CALL_REJECTED), ("calculation", IGNORED)]
)
def test_a_user_who_edits_a_cell_is_waited_for(path: Path, excel: Excel, on: str, code: int) -> None:
    """The refusals of a busy Excel, at any call; the work begins anew and is done once."""
    with open_desk(path, Hours()) as desk, excel.busy(on=on, times=5, code=code):
        write(desk, STATUS)
        assert statuses(desk) == ["✔", "✔", "✔", None, "✔"]
    assert excel.engine.flags == AS_IT_WAS


def test_waiting_ends(path: Path, excel: Excel) -> None:
    """A user at lunch with a cell half typed: an error after a minute, and no wait where none is wanted."""
    clock = Hours()
    with open_desk(path, clock) as desk:
        assert isinstance(desk, LiveWorkbook)
        book = desk.read(["Products"])
        with excel.busy(on="sheets"):
            for wait, seconds in ((True, manners.PATIENCE), (False, 0.0)):
                before = clock.time
                with pytest.raises(WorkbookError) as busy:
                    desk.update(book, lambda now: STATUS, wait=wait)
                assert busy.value.code == "excel_busy"
                assert seconds <= clock.time - before <= seconds + manners.PAUSE
    assert excel.engine.flags == AS_IT_WAS


def test_a_user_who_sorts_while_we_wait_gets_the_answers_in_their_rows(path: Path, excel: Excel) -> None:
    """After a wait the workbook is read anew; the answers are asked for again, for the rows as they are then."""

    def sort() -> None:
        excel.engine.before_call = lambda do, arguments: None
        excel.ask(path, "sort", sheet="Produkty", area=[2, 1, 6, 12], column=1, descending=True)

    def answer(now: WorkbookData) -> list[SetCells]:
        table = now.tables["Products"]
        return [SetCells("Products", {row[0]: {"status": f"for {table.value(row, 'ean')}"} for row in table.rows})]

    with open_desk(path, Hours(sort)) as desk, excel.busy(on="put", times=1):
        desk.update(desk.read(["Products"]), answer)
        table = desk.read(["Products"]).tables["Products"]
    assert [table.value(row, "ean") for row in table.rows] == ["5", "4", "3", "2", "1"]
    assert [table.value(row, "status") for row in table.rows] == ["for 5", "for 4", "for 3", "for 2", "for 1"]


@pytest.mark.parametrize("on", ["put", "get", "put_formulas", "resize", "number_format", "set_number_format"])
def test_a_body_once_begun_is_finished(tmp_path: Path, excel: Excel, on: str) -> None:
    """A user who begins to edit while rows are moving: begun anew it would be made of rows half moved already."""
    rows = [{"run": run, "row": at, "Nota": f"note {run}", "F": f"=F{at}*2"} for at, run in enumerate("abcd", 2)]
    path = excel.open(make_book(tmp_path / "b.xlsx", {"Results": rows}, own={"Results": ["Nota", "F"]}, tables=FEW))
    asked = 0

    def oldest_goes(now: WorkbookData) -> list[SetBody]:
        nonlocal asked
        asked += 1
        new = [BodyRow(None, {"run": run, "row": 0}) for run in ("e", "f", "g")]
        return [SetBody("Results", [BodyRow(at) for at, _ in now.tables["Results"].rows[1:]] + new)]

    with open_desk(path, Hours()) as desk:
        book = desk.read(["Results"])

        def edit(do: str, _arguments: Any) -> None:
            nonlocal begun
            begun = begun or do == "screen_updating"
            if begun and do == on and refusals:
                refusals.pop()
                raise ComError(CALL_REJECTED)

        begun, refusals = False, [*range(7)]
        excel.engine.before_call = edit
        desk.update(book, oldest_goes)
        found = desk.read(["Results"]).tables["Results"]
    assert (asked, refusals) == (1, [])
    assert [found.value(row, "run") for row in found.rows] == [*"bcdefg"]
    grid = excel.grid(path, "Wyniki")
    assert [grid.get(f"D{at}") for at in range(2, 8)] == ["note b", "note c", "note d", None, None, None]
    assert [grid.get(f"E{at}") for at in range(2, 9)] == [*(f"=F{at}*2" for at in range(2, 8)), None]


def test_no_text_is_ever_tried_as_a_formula(path: Path, excel: Excel) -> None:
    """Not even for a moment, for some formulas act when they are calculated: it is right at the first try."""
    excel.ask(path, "set_number_format", sheet="Produkty", area=[3, 10, 3, 10], code="General")
    with open_desk(path, Hours()) as desk:
        write(desk, [SetCells("Products", {row: {"status": "=1+1"} for row in (2, 3)})])
        assert statuses(desk)[:2] == ["=1+1", "=1+1"]
    assert [arguments["rows"] for do, arguments in excel.engine.calls if do == "put"] == [[["=1+1"], ["'=1+1"]]]


def test_cells_that_do_not_take_their_value_in_a_block_take_it_alone(path: Path, excel: Excel) -> None:
    """A text too long for a block, or a filter that hides rows from it: each cell is written for itself."""

    def refuse_blocks(do: str, arguments: dict[str, Any]) -> None:
        if do == "put" and len(arguments["rows"]) > 1:
            raise ComError(0x800A03EC - 2**32)

    excel.engine.before_call = refuse_blocks
    with open_desk(path, Hours()) as desk:
        write(desk, [SetCells("Products", {2: {"status": "=1"}, 3: {"status": "b", "updated_at": Hours().now()}}),
                     SetBody("Results", results("x", "+y"))])  # fmt: skip
        found = desk.read(["Results", "Products"])
    formatted = [arguments["sheet"] for do, arguments in excel.engine.calls if do == "set_number_format"]
    assert "Produkty" not in formatted
    assert [row[1][0] for row in found.tables["Results"].rows] == ["x", "+y"]
    assert [found.tables["Products"].value(row, "status") for row in found.tables["Products"].rows][:2] == ["=1", "b"]


def test_a_cell_that_takes_nothing_is_an_error(path: Path, excel: Excel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that an answer stands where it does not."""
    ask = excel.engine.ask
    monkeypatch.setattr(excel.engine, "ask", lambda do, **arguments: None if do == "put" else ask(do, **arguments))
    with open_desk(path, Hours()) as desk, pytest.raises(WorkbookError) as refused:
        write(desk, STATUS)
    assert (refused.value.code, refused.value.facts["cell"]) == ("cell_refused", "Produkty!J2")


def test_a_protected_sheet_is_refused_beforehand(path: Path, excel: Excel) -> None:
    excel.ask(path, "protect", sheet="Produkty")
    with open_desk(path, Hours()) as desk, pytest.raises(WorkbookError) as refused:
        desk.check_writable(("Results",))
    assert refused.value.code == "sheet_protected"


def test_the_status_bar_is_given_back(path: Path, excel: Excel) -> None:
    """It shows the state of the work; at the end it is Excel's again, though the job failed and Excel is busy."""
    done, refusals = threading.Event(), [1, 2, 3]

    def refuse_to_clear(do: str, arguments: dict[str, Any]) -> None:
        if do == "status_bar" and refusals:
            refusals.pop()
            raise ComError(CALL_REJECTED)

    def job() -> None:
        with open_desk(path, Hours()) as desk:
            assert isinstance(desk, LiveWorkbook)
            desk.soon(lambda: done.set() or "3 of 7")
            assert done.wait(30)
            desk.read(["Products"])  # so that the job is over
            excel.engine.before_call = refuse_to_clear
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job()
    assert excel.engine.status == ["3 of 7", False]


def test_xlwings_habits_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows: no endless retries at full speed, and no Excel killed when Python ends."""

    class Windows:
        N_COM_ATTEMPTS = 0

        @staticmethod
        def cleanup() -> None: ...

    dropped: list[Any] = []
    monkeypatch.setitem(sys.modules, "xlwings._xlwindows", Windows)  # type: ignore[arg-type]
    monkeypatch.setattr(manners.atexit, "unregister", dropped.append)
    manners._tame()
    assert Windows.N_COM_ATTEMPTS == 1
    assert dropped == [Windows.cleanup]
