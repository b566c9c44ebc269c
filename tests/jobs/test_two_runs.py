"""Several at once: two runs, and a person who saves the workbook while a run is under way."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from batch.simulator import Simulator, catalogue
from batch.simulator.clock import Clock
from batch.simulator.limits import Limits
from tests.helpers.journals import journal_url
from tests.helpers.shop import Shop

PRODUCTS = "Produkty"
POST = {"method": "POST", "path": "/sale/product-offers"}


def products(count: int, **cells: Any) -> list[dict[str, Any]]:
    return [{"ean": catalogue.gtin(n), "price": 20, "stock": 1} | cells for n in range(count)]


def shop_in(folder: Path, simulator: Simulator, *, limits: dict[str, int] | None = None, **more: Any) -> Shop:
    """A shop of its own folder and workbook; the journal lies in the folder above, for all."""
    folder.mkdir()
    shop = Shop(folder, simulator, accounts=["e-sklep1"], **more)
    shop.write_settings(limits=limits, journal=journal_url(folder.parent))
    return shop


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The summary of a run that was started."""
    stdout, stderr = process.communicate(timeout=120)
    assert stdout, stderr
    summary: dict[str, Any] = json.loads(stdout)
    assert summary["exit_code"] == process.returncode, stderr
    return summary


def check_once_each(simulator: Simulator, count: int) -> None:
    """One draft for each product, none published."""
    offers = simulator.offers("e-sklep1")
    assert Counter(offer["external"]["id"] for offer in offers) == {catalogue.gtin(n): 1 for n in range(count)}
    assert {offer["publication"]["status"] for offer in offers} == {"INACTIVE"}


# --- two runs


@pytest.mark.parametrize("by_link", [False, True], ids=["same name", "by a link"])
def test_second_run_on_one_workbook_is_refused(tmp_path: Path, simulator: Simulator, by_link: bool) -> None:
    """Exit 2 and one sentence; the first goes on as if nothing had been."""
    simulator.settings.latency = 0.3
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])
    shop.fill(products(4))
    process = shop.start("run", "--only", "drafts", "--json")
    shop.wait_for(lambda: simulator.requests)
    process.send_signal(signal.SIGSTOP)  # it stands still in the middle, however slow the second one is
    if by_link:
        shop.workbook = tmp_path / "Skrót.xlsx"
        shop.workbook.symlink_to(tmp_path / "Oferty.xlsx")
    second = shop.run("run", "--only", "drafts", "--json")
    assert (second.returncode, second.stdout) == (2, "")
    assert "pracuje właśnie inny przebieg" in second.stderr
    process.send_signal(signal.SIGCONT)
    assert finish(process)["counts"] == {"draft_created": 4}
    assert shop.drafts()["counts"] == {"skipped": 4}
    check_once_each(simulator, 4)


@pytest.mark.parametrize("round_", range(3))
def test_two_workbooks_with_the_same_products_at_once(tmp_path: Path, simulator: Simulator, round_: int) -> None:
    """Every product gets one draft; the run that came second says so, and its next one finds the draft."""
    simulator.settings.latency = 0.03
    shops = [shop_in(tmp_path / name, simulator) for name in ("A", "B")]
    for shop in shops:
        shop.fill(products(30))
    summaries = [finish(p) for p in [shop.start("run", "--only", "drafts", "--json") for shop in shops]]
    counts = Counter[str]()
    for summary in summaries:
        assert summary["counts"].keys() <= {"draft_created", "draft_found", "not_sent"}
        assert summary["exit_code"] == (4 if "not_sent" in summary["counts"] else 0)
        counts.update(summary["counts"])
    assert counts["draft_created"] == 30
    assert counts.total() == 60
    check_once_each(simulator, 30)
    held = {offer["external"]["id"]: offer["id"] for offer in simulator.offers("e-sklep1")}
    for shop in shops:
        assert shop.drafts()["exit_code"] == 0
        assert {row["ean"]: row["offer_id"] for row in shop.table("Products")} == held
    check_once_each(simulator, 30)


def test_a_run_that_is_still_trying_is_not_overtaken(tmp_path: Path, simulator: Simulator) -> None:
    """The first run waits out a limit for longer than the list of offers lags; the second does not send instead."""
    times = 20
    shops = [shop_in(tmp_path / name, simulator, times=times) for name in ("A", "B")]
    for shop in shops:
        shop.fill(products(1))
    simulator.faults.add("status_before", **POST, count=3, status=429, retry_after="50")
    first = shops[0].start("run", "--only", "drafts", "--json")
    Shop.wait_for(lambda: any(exchange.method == "POST" for exchange in simulator.requests))
    second = shops[1].drafts()
    assert finish(first)["counts"] == {"draft_created": 1}
    assert second["counts"].keys() <= {"not_sent", "draft_found"}
    check_once_each(simulator, 1)
    assert shops[1].drafts()["exit_code"] == 0
    check_once_each(simulator, 1)


def test_two_accounts_in_two_workbooks_do_not_wait_for_each_other(tmp_path: Path, simulator: Simulator) -> None:
    """Both runs are done, each with its own account."""
    simulator.settings.latency = 0.1
    first, second = (shop_in(tmp_path / name, simulator) for name in ("A", "B"))
    second.link("e-sklep2")
    second.accounts = ["e-sklep2"]
    first.fill(products(5))
    second.fill(products(5, account="e-sklep2"), Defaults=[])
    runs = [shop.start("run", "--only", "drafts", "--json") for shop in (first, second)]
    assert [finish(run)["counts"] for run in runs] == [{"draft_created": 5}] * 2


@pytest.mark.slow
def test_two_sellers_of_one_client_id_share_its_requests(tmp_path: Path) -> None:
    """Either run alone would use up what both may have; together they never ask too much."""
    times, rows, allowed = 10, 60, 100  # an hour of the simulator's takes six minutes
    with Simulator(clock=Clock(speed=times), limits=Limits(requests_per_minute=allowed)) as simulator:
        ours = {"requests_per_minute": int(0.85 * allowed * times)}
        first, second = shops = [shop_in(tmp_path / name, simulator, limits=ours) for name in ("A", "B")]
        second.link("e-sklep2")
        second.accounts = ["e-sklep2"]
        first.fill(products(rows))
        second.fill(products(rows, account="e-sklep2"), Defaults=[])
        runs = [shop.start("run", "--only", "drafts", "--json") for shop in shops]
        assert [finish(run)["counts"] for run in runs] == [{"draft_created": rows}] * 2
        assert not [e for e in simulator.requests if e.status == 429]
        assert len([e for e in simulator.requests if e.path.startswith("/sale/")]) > allowed


# --- a person at the same workbook


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Open the workbook in another program, change it, save it."""
    book = openpyxl.load_workbook(path)
    change(book)
    book.save(path.with_name("saved.xlsx"))
    path.with_name("saved.xlsx").replace(path)


def turned_round(book: Any) -> None:
    """The rows in the opposite order."""
    sheet = book[PRODUCTS]
    area = sheet.tables["Products"].ref
    rows = list(sheet[area])[1:]
    values = [[cell.value for cell in row] for row in rows]
    filled = [row for row in values if any(value is not None for value in row)]
    for row, new in zip(rows, filled[::-1], strict=False):
        for cell, value in zip(row, new, strict=True):
            cell.value = value


def with_a_row_on_top(book: Any) -> None:
    """Everything a row lower, and a new product in the first."""
    sheet = book[PRODUCTS]
    headings = [cell.value for cell in sheet[1]]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2, max_row=5, max_col=len(headings))]
    new = {"Konto": "e-sklep1", "EAN": catalogue.gtin(77), "Cena": 5, "Stan": 9}
    for number, row in enumerate([[new.get(heading) for heading in headings], *rows], 2):
        for column, value in enumerate(row, 1):
            sheet.cell(number, column).value = value
    table = sheet.tables["Products"]
    first, last = table.ref.split(":")
    bottom = max(int(last.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")), 6)
    table.ref = f"{first}:{last.rstrip('0123456789')}{bottom}"


def with_another_price(book: Any) -> None:
    """The price of the first row, and a note on a sheet of the user's own."""
    sheet = book[PRODUCTS]
    [column] = [cell.column for cell in sheet[1] if cell.value == "Cena"]
    sheet.cell(2, column).value = 99
    book.create_sheet("Notatki")["B2"] = "zadzwonić"


@pytest.mark.parametrize("change", [turned_round, with_a_row_on_top, with_another_price], ids=lambda c: c.__name__)
def test_workbook_saved_by_somebody_else_during_the_run(
    tmp_path: Path, simulator: Simulator, change: Callable[[Any], None]
) -> None:
    """Every answer stands beside its product wherever that is now, and what the other person did is still there."""
    simulator.settings.latency = 0.8  # the other person is done before the run is
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])
    shop.fill([*products(3), {**products(1)[0], "external_id": "drugi"}])
    process = shop.start("run", "--only", "drafts", "--json")
    shop.wait_for(lambda: simulator.requests)
    edit(shop.workbook, change)
    edited = openpyxl.load_workbook(shop.workbook)
    assert finish(process)["counts"] == {"draft_created": 4}
    held = {offer["external"]["id"]: offer["id"] for offer in shop.offers()}
    for row in shop.table("Products"):
        assert row["offer_id"] == held.get(row["external_id"] or row["ean"], ""), row
    now = openpyxl.load_workbook(shop.workbook)
    assert now.sheetnames == edited.sheetnames
    for sheet in edited:
        for cells in sheet.iter_rows():
            for cell in cells:
                if cell.value is not None:
                    assert now[sheet.title][cell.coordinate].value == cell.value
    new = change is with_a_row_on_top
    assert shop.drafts()["counts"] == ({"draft_created": 1} if new else {}) | {"skipped": 4}
    assert len(shop.offers()) == 4 + new
