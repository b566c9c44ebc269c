"""The whole orders job against the simulator: workbook in, workbook out."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch.errors import WorkbookError
from batch.model import Job
from batch.report import Summary
from batch.simulator import Simulator, Trouble
from batch.simulator import catalogue as products
from batch.workbook.patch import BodyRow, SetBody, write_workbook
from batch.workbook.read import read_workbook
from tests.helpers.books import differing, grid, parts, sheet_part, table_part
from tests.helpers.kill_at import Forks
from tests.helpers.ooxml_validator import complaints
from tests.helpers.rich_workbook import ROWS, rich_workbook
from tests.helpers.shop import Shop
from tests.helpers.shop import fetch_orders as run

PATH = "/order/checkout-forms"


@pytest.fixture
def shop(tmp_path: Path, simulator: Simulator) -> Shop:
    """A desk with a workbook and no products."""
    desk = Shop(tmp_path, simulator)
    desk.fill([])
    return desk


def cells(shop: Shop, *keys: str) -> list[tuple[str, ...]]:
    return [tuple(row[key] for key in keys) for row in shop.table("Orders")]


def said(summary: Summary) -> str:
    return "\n".join(summary.notes)


def settings_rows(**values: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def files(summary: Summary, shop: Shop) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (shop.folder / "data" / "orders" / summary.run).glob("*")}


# --- what lands in the sheet


def test_orders_of_all_active_accounts_land_in_the_sheet(shop: Shop) -> None:
    """Typed as an accountant needs them; only those ready for processing; again and again without a second row."""
    shop.fill([], Accounts=[{"account": "e-sklep1", "environment": "simulator"},
                            {"account": "e-sklep2", "environment": "simulator", "active": "nie"}])  # fmt: skip
    simulator = shop.simulator
    bought = "2026-07-06T22:30:00Z"  # 00:30 of the next day in Warsaw
    made = simulator.add_order("e-sklep1", [{"price": "12.30", "quantity": 2, "boughtAt": bought}],
                               invoice={"required": True, "address": {
                                   "street": "Solna 1", "city": "Poznań", "zipCode": "00-950", "countryCode": "PL",
                                   "company": {"name": "Udix", "vatPayerStatus": "ACTIVE",
                                               "ids": [{"type": "PL_NIP", "value": "0052526747"}]}}})  # fmt: skip
    for status in ("BOUGHT", "FILLED_IN", "CANCELLED"):
        simulator.add_order("e-sklep1", status=status)
    simulator.add_order("e-sklep2")
    summary = run(shop)
    assert summary.exit_code == 0
    assert (summary.orders.orders, summary.orders.new, summary.orders.lines) == (1, 1, 2)  # type: ignore[union-attr]
    table = read_workbook(shop.workbook, tables=["Orders"]).tables["Orders"]
    first, delivery = ({key: table.value(row, key) for key in table.columns} for row in table.rows)
    assert first["bought_at"] == datetime(2026, 7, 7, 0, 30)  # noqa: DTZ001  (cells have no zone)
    assert (first["quantity"], first["unit_price"], first["line_total"], first["vat_rate"]) == (2.0, 12.3, 24.6, 23.0)
    assert (first["tax_id"], first["buyer_phone"], first["delivery_post_code"]) == (
        "0052526747",
        "+48600100200",
        "60-166",
    )
    assert (first["order_id"], first["order_total"], first["invoice"]) == (made["id"], 34.59, "tak")
    assert (delivery["line_id"], delivery["line_type"], delivery["line_total"]) == ("delivery", "dostawa", 9.99)
    before = shop.workbook.read_bytes()
    again = run(shop)
    assert (again.orders.orders, again.exit_code) == (0, 0)  # type: ignore[union-attr]
    assert shop.workbook.read_bytes() == before


def test_a_run_without_only_fetches_orders_too(shop: Shop) -> None:
    """As its last job, also for an account without products; `--account` and `--only drafts` leave them alone."""
    shop.fill([{"ean": products.gtin(1), "price": 20, "stock": 1}])
    for account in shop.accounts:
        shop.simulator.add_order(account)
    assert run(shop, jobs=frozenset({Job.DRAFTS})).orders is None
    assert shop.table("Orders") == []
    assert run(shop, accounts=frozenset({"e-sklep2"})).states == {"e-sklep2": "ok"}
    assert {row["account"] for row in shop.table("Orders")} == {"e-sklep2"}
    summary = run(shop, jobs=frozenset())
    assert [row["account"] for row in shop.table("Orders")] == ["e-sklep2", "e-sklep2", "e-sklep1", "e-sklep1"]
    assert summary.states == {"e-sklep1": "ok", "e-sklep2": "ok"}
    paths = [exchange.path for exchange in shop.simulator.requests if exchange.seller == "e-sklep1"]
    assert paths.index("/sale/offers") < paths.index(PATH)


def test_buyers_texts_stay_texts(shop: Shop) -> None:
    """No formula, forbidden characters visible, line breaks kept, too long ones cut, and that is said."""
    texts = ["=HYPERLINK(\"http://x\")", "+48", "-1", "@SUM(A1)", "a\x0bb\x00", "eins\r\nzwei", "x" * 40_000,
             "_x0041_"]  # fmt: skip
    orders = [
        shop.simulator.add_order("e-sklep1", [{"name": text[:50] or "x"}], messageToSeller=text) for text in texts
    ]
    summary = run(shop)
    shown = {row["order_id"]: row["shop_notes"] for row in shop.table("Orders")}
    assert [shown[order["id"]] for order in orders] == [
        *texts[:4], "a\u240bb\u2400", "eins\nzwei", "x" * 32_767, "_x0041_",
    ]  # fmt: skip
    assert b"<f>" not in parts(shop.workbook)["xl/worksheets/sheet6.xml"]
    assert orders[6]["id"] in said(summary)
    assert "ucięty" in said(summary)


# --- what happens later


def test_changes_and_cancellations_are_marked_in_place(shop: Shop) -> None:
    """Rows stay where the user put them, with what the user wrote; an order cancelled before export never comes."""
    simulator = shop.simulator
    first, second = (simulator.add_order("e-sklep1", [{"price": price}, {}]) for price in ("1.00", "2.00"))
    run(shop)
    book = read_workbook(shop.workbook, tables=["Orders"])
    order = [7, 6, 5, 4, 3, 2]  # the user sorts the other way round
    write_workbook(shop.workbook, [SetBody("Orders", [BodyRow(at) for at in order])], expect=book.stamp)
    before = cells(shop, "order_id", "line_id")
    simulator.change_order("e-sklep1", first["id"], fulfillment={"status": "SENT"}, lineItems=first["lineItems"][:1],
                           summary={"totalToPay": {"amount": "10.99"}})  # fmt: skip
    simulator.cancel_order("e-sklep1", second["id"])
    early = simulator.add_order("e-sklep1", status="CANCELLED")
    late = simulator.add_order("e-sklep1")
    summary = run(shop)
    assert cells(shop, "order_id", "line_id")[:6] == before
    rows = {(row["order_id"], row["line_id"]): row for row in shop.table("Orders")}
    lines = [line["id"] for line in first["lineItems"]]
    assert rows[first["id"], lines[0]]["fulfillment"] == "wysłane"
    gone = rows[first["id"], lines[1]]
    assert (gone["order_status"], gone["quantity"], gone["line_total"]) == ("pozycja usunięta", "0", "0")
    assert {row["order_status"] for key, row in rows.items() if key[0] == second["id"]} == {"anulowane"}
    assert {key[0] for key in rows} == {first["id"], second["id"], late["id"]}
    assert early["id"] not in {key[0] for key in rows}
    assert (summary.orders.orders, summary.orders.new, summary.orders.marked) == (2, 1, 1)  # type: ignore[union-attr]


def test_an_order_the_user_deleted_returns_when_it_changes(shop: Shop) -> None:
    """Not before, and not because of a date in the settings."""
    simulator = shop.simulator
    kept = simulator.add_order("e-sklep1")
    simulator.clock.advance(1)
    deleted = simulator.add_order("e-sklep1")
    run(shop)
    book = read_workbook(shop.workbook, tables=["Orders"])
    write_workbook(shop.workbook, [SetBody("Orders", [BodyRow(2), BodyRow(3)])], expect=book.stamp)
    run(shop)
    set_value(shop, "orders_since", "2020-01-01")
    run(shop)
    assert {row["order_id"] for row in shop.table("Orders")} == {kept["id"]}
    simulator.change_order("e-sklep1", deleted["id"], fulfillment={"status": "SENT"})
    run(shop)
    assert [row["order_id"] for row in shop.table("Orders")] == [kept["id"]] * 2 + [deleted["id"]] * 2


def set_value(shop: Shop, key: str, value: object) -> None:
    """What a user does on the sheet of settings."""
    import openpyxl  # noqa: PLC0415

    book = openpyxl.load_workbook(shop.workbook)
    sheet = book["Ustawienia"]
    row = next(cells for cells in sheet.iter_rows(min_row=2) if cells[0].value == key)
    row[2].value = value
    book.save(shop.workbook)


def test_orders_since_takes_everything_again(shop: Shop) -> None:
    """New settings reach rows that are there; an empty sheet is filled from that day on."""
    simulator = shop.simulator
    old = simulator.add_order("e-sklep1", [{"rate": "8.00"}], updatedAt="2026-05-01T10:00:00.000Z")
    new = simulator.add_order("e-sklep1", [{"rate": "8.00"}])
    run(shop)
    assert {row["order_id"] for row in shop.table("Orders")} == {new["id"]}  # the first run takes 30 days
    set_value(shop, "orders_since", date(2026, 4, 30))
    set_value(shop, "delivery_vat_mode", "Fixed")
    run(shop)
    rows = shop.table("Orders")
    assert [row["order_id"] for row in rows] == [new["id"]] * 2 + [old["id"]] * 2
    assert [row["vat_rate"] for row in rows] == ["8", "23", "8", "23"]
    shop.fill([], Settings=settings_rows(orders_since="30.04.2026"))
    run(shop)
    assert {row["order_id"] for row in shop.table("Orders")} == {old["id"], new["id"]}


def test_reading_goes_on_where_the_last_run_ended(shop: Shop) -> None:
    """One call in a quiet shop; the window begins some days before the newest change that was seen."""
    order = shop.simulator.add_order("e-sklep1")
    run(shop, accounts=frozenset({"e-sklep1"}))
    seen = len(shop.simulator.requests)
    run(shop, accounts=frozenset({"e-sklep1"}))
    calls = shop.simulator.requests[seen:]
    assert [call.path for call in calls] == [PATH]
    since = datetime.fromisoformat(dict(calls[0].query)["updatedAt.gte"])
    assert timedelta(days=1) < datetime.fromisoformat(order["updatedAt"]) - since < timedelta(days=30)


def test_what_the_seller_does_to_an_order_reaches_its_rows(shop: Shop) -> None:
    """Sending or cancelling changes its revision and not its `updatedAt`; what he cancelled at once is no order."""
    sent, cancelled, never = (shop.simulator.add_order("e-sklep1")["id"] for _ in range(3))
    shop.simulator.change_order("e-sklep1", never, fulfillment={"status": "CANCELLED"})
    run(shop)
    later = shop.simulator.add_order("e-sklep1")["id"]
    run(shop)
    shop.simulator.change_order("e-sklep1", sent, fulfillment={"status": "SENT"})
    shop.simulator.change_order("e-sklep1", cancelled, fulfillment={"status": "CANCELLED"})
    run(shop)
    found = {row["order_id"]: row["fulfillment"] for row in shop.table("Orders")}
    assert found == {sent: "wysłane", cancelled: "anulowane", later: "nowe"}


def test_a_start_date_in_the_future_does_not_stop_the_orders_for_good(shop: Shop) -> None:
    """A slip of the keyboard: once it is corrected, everything comes."""
    order = shop.simulator.add_order("e-sklep1")["id"]
    shop.fill([], Settings=settings_rows(orders_since=f"{datetime.now(UTC).year + 1}-12-01"))
    run(shop)
    assert shop.table("Orders") == []
    shop.fill([])
    run(shop)
    assert {row["order_id"] for row in shop.table("Orders")} == {order}


# --- when the workbook or Allegro is in the way


def test_orders_wait_for_a_workbook_that_is_open(shop: Shop) -> None:
    """They are owed, with what happens to them meanwhile, and any next run writes them; none comes twice."""
    simulator = shop.simulator
    first, second = simulator.add_order("e-sklep1", [{"rate": "EXEMPT"}]), simulator.add_order("e-sklep1")
    lock = shop.workbook.with_name(f"~${shop.workbook.name}")
    lock.write_bytes(b"")
    before = shop.workbook.read_bytes()
    with pytest.raises(WorkbookError):
        run(shop)
    assert not [exchange for exchange in simulator.requests if exchange.path == PATH]
    summary = run(shop, anyway=True)
    assert (summary.exit_code, summary.delivered) == (0, False)
    simulator.cancel_order("e-sklep1", second["id"])
    run(shop, anyway=True)
    assert shop.workbook.read_bytes() == before
    lock.unlink()
    run(shop, jobs=frozenset({Job.DRAFTS}))
    rows = shop.table("Orders")
    assert [(row["order_id"], row["order_status"]) for row in rows] == (
        [(first["id"], "do realizacji")] * 2 + [(second["id"], "anulowane")] * 2
    )
    assert (rows[0]["vat_rate"], rows[0]["line_total"], rows[1]["vat_rate"]) == ("zw.", "20", "zw.")
    run(shop)
    assert len(shop.table("Orders")) == 4


def test_one_accounts_trouble_does_not_hold_up_another(shop: Shop) -> None:
    """The other's orders land; the first one's are fetched by the next run."""
    for account in shop.accounts:
        shop.simulator.add_order(account)
    shop.simulator.faults.add(Trouble.BLOCKED, path=PATH, seller="e-sklep1")
    summary = run(shop)
    assert (summary.states, summary.exit_code) == ({"e-sklep1": "forbidden", "e-sklep2": "ok"}, 3)
    assert {row["account"] for row in shop.table("Orders")} == {"e-sklep2"}
    assert run(shop).exit_code == 0
    assert {row["account"] for row in shop.table("Orders")} == {"e-sklep1", "e-sklep2"}


def test_an_order_that_cannot_be_understood_is_said(tmp_path: Path, unchecked_simulator: Simulator) -> None:
    """Exit 4; the others are there."""
    shop = Shop(tmp_path, unchecked_simulator)
    shop.fill([])
    good, bad = shop.simulator.add_order("e-sklep1"), shop.simulator.add_order("e-sklep1")
    shop.simulator.world.sellers["e-sklep1"].orders[bad["id"]]["lineItems"][0]["price"]["amount"] = "dużo"
    summary = run(shop)
    assert summary.exit_code == 4
    assert bad["id"] in said(summary)
    assert {row["order_id"] for row in shop.table("Orders")} == {good["id"]}


@pytest.mark.parametrize("moment", ["replace:before", "replace:after", "before:2"])
def test_killed_at_every_step_no_order_is_lost(tmp_path: Path, moment: str) -> None:
    """The real process, killed before and after the workbook is replaced and the journal is written."""
    with Simulator() as simulator:
        shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])
        shop.fill([])
        made = [simulator.add_order("e-sklep1")["id"] for _ in range(3)]
        with Forks() as forks:
            assert forks.run(shop, "run", "--only", "orders", moment=moment).returncode < 0
        run(shop)
        assert sorted(row["order_id"] for row in shop.table("Orders")) == sorted(i for i in made for _ in range(2))


# --- dry run, settings, command line


def test_a_dry_run_only_tells(shop: Shop) -> None:
    """Nothing is written, neither sheet nor file nor journal; the real run then does it all."""
    shop.simulator.add_order("e-sklep1")
    before = parts(shop.workbook)[sheet_part_of_orders(shop)]
    done = shop.run("check", "--only", "orders", "--json")
    assert (done.returncode, json.loads(done.stdout)["counts"]) == (0, {})
    assert "Zamówienia do pobrania: 1 (nowe: 1), pozycje: 2" in done.stderr
    assert parts(shop.workbook)[sheet_part_of_orders(shop)] == before
    assert not list(shop.folder.rglob("orders.csv"))
    done = shop.run("run", "--only", "orders", "--lang", "en")
    assert done.returncode == 0
    assert "Orders fetched: 1 (new: 1), lines: 2" in done.stderr
    folder = re.search(r"Files with the orders: (.+)", done.stderr)
    assert folder is not None
    assert (Path(folder[1]) / "orders.csv").is_file()
    assert [row["order_status"] for row in shop.table("Orders")] == ["do realizacji"] * 2  # as its headings


def sheet_part_of_orders(shop: Shop) -> str:
    """The template puts a start sheet before the tables."""
    return "xl/worksheets/sheet6.xml"


def test_a_setting_that_cannot_be_used_ends_the_run(shop: Shop) -> None:
    """Exit 2 before anything is asked of Allegro; the unknown field and the known ones are named."""
    shop.fill([], Settings=settings_rows(shop_notes="Od {kupujacy} {buyer_login}"))
    done = shop.run("run", "--only", "orders")
    assert done.returncode == 2
    for word in ("Ustawienia!C", "{kupujacy}", "{pickup_point}", "{item_id}"):
        assert word in done.stderr
    assert shop.simulator.requests == []


# --- the user's workbook


RICH = ROWS | {"Accounts": [{"account": "e-sklep1", "environment": "simulator"}], "Products": []}


@pytest.mark.filterwarnings("ignore:.*extension is not supported:UserWarning")  # openpyxl, which only looks
def test_foreign_parts_stay_and_the_workbook_is_sound(tmp_path: Path, simulator: Simulator) -> None:
    """Byte for byte, over an export and an update; Microsoft's validator finds nothing that was not there before."""
    shop = Shop(tmp_path, simulator)
    shop.workbook = rich_workbook(tmp_path / "Oferty.xlsm", RICH)
    before, cached = parts(shop.workbook), grid(shop.workbook, "Raport & spółka")
    made = [simulator.add_order("e-sklep1", [{}] * (n % 3 + 1)) for n in range(20)]
    run(shop)
    for order in made[::2]:
        simulator.change_order("e-sklep1", order["id"], fulfillment={"status": "SENT"})
    run(shop)
    after = parts(shop.workbook)
    ours = {sheet_part("Orders"), table_part("Orders"), sheet_part("Accounts")}
    assert differing(before, after) <= {*ours, "xl/workbook.xml"}
    assert list(before) == list(after)
    assert grid(shop.workbook, "Raport & spółka") == cached
    assert len(shop.table("Orders")) == sum(len(order["lineItems"]) + 1 for order in made)
    assert set(complaints(shop.workbook)) <= set(complaints(rich_workbook(tmp_path / "before.xlsm", RICH)))


# --- files


def test_files_of_the_orders(shop: Shop) -> None:
    """CSV for Polish Excel, JSON, EPP; each as its readers expect it."""
    shop.simulator.add_order(
        "e-sklep1",
        [{"name": "=1+1;\"x\"", "external_id": "S-1", "price": "12.30"}, {"name": "Żółć \U0001f600", "rate": "8.00"}],
        messageToSeller="eins\nzwei",
    )  # fmt: skip
    shop.simulator.add_order("e-sklep1", [{"rate": None}])
    shop.simulator.add_order("e-sklep2", currency="CZK")
    made = files(run(shop), shop)
    assert set(made) == {"orders.csv", "orders.json", "subiekt.epp"}
    text = made["orders.csv"].decode("utf-8-sig")
    assert made["orders.csv"].startswith(b"\xef\xbb\xbfKonto;ID zam")
    lines = text.split("\r\n")
    assert len(lines) == 9
    assert ';"\'=1+1;""x""";1;12,30;12,30;PLN;23;' in lines[1]
    assert ";'+48600100200;" in lines[1]
    assert "eins\nzwei" in lines[1]
    data = json.loads(made["orders.json"])
    assert [order["account"] for order in data] == ["e-sklep1", "e-sklep1", "e-sklep2"]
    assert data[0]["rows"][0]["unit_price"] == "12.30"
    assert data[0]["rows"][0]["bought_at"].endswith(("+01:00", "+02:00"))
    epp = made["subiekt.epp"].decode("cp1250").split("\r\n")
    assert [line for line in epp if line.startswith("[")] == ["[INFO]", "[NAGLOWEK]", "[ZAWARTOSC]"]  # one document
    records = [epp_fields(line) for line in epp if line and not line.startswith("[")]
    assert [len(record) for record in records] == [24, 62, 22, 22, 22]
    info, head, first, second, delivery = records
    assert info[:3] == ['"1.05"', "3", "1250"]
    assert (head[0], head[24], head[27:30], head[46]) == ('"ZK"', "3", ["36.6400", "5.6500", "42.2900"], '"PLN"')
    assert (first[1:3], first[9:16]) == (["1", '"S-1"'], ['"szt."', "1.0000", "1.0000", "0.0000", "10.0000", "12.3000", "23.0000"])  # fmt: skip  # noqa: E501
    assert (second[1], second[21]) == ("2", '"Żółć ?"')
    assert delivery[16:19] == ["8.1200", "1.8700", "9.9900"]
    assert epp[-1] == ""


def test_nothing_that_a_buyer_writes_is_carried_out(shop: Shop) -> None:
    """Not as a formula in the sheet or the CSV, not as a template: it stays what was written."""
    hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "{{ 7*7 }}", "{% raw %}", "{buyer_email.__class__}", "{item_id}"]
    orders = [
        shop.simulator.add_order("e-sklep1", [{"name": text, "external_id": text}], messageToSeller=text)
        for text in hostile
    ]
    summary = run(shop)
    rows = {row["order_id"]: row for row in shop.table("Orders") if row["line_id"] != "delivery"}
    for order, text in zip(orders, hostile, strict=True):
        shown = rows[order["id"]]
        assert (shown["name"], shown["shop_notes"]) == (text.strip(), text.strip())
    assert b"<f>" not in parts(shop.workbook)[sheet_part("Orders")]
    made = files(summary, shop)
    fields = [field for line in made["orders.csv"].decode("utf-8-sig").split("\r\n") for field in line.split(";")]
    assert not [field for field in fields if field.strip('"').startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "'=1+1" in fields
    assert all(text in [line["name"] for one in json.loads(made["orders.json"]) for line in one["rows"]]
               for text in hostile)  # fmt: skip
    assert b'"{{ 7*7 }}"' in made["subiekt.epp"]


def epp_fields(line: str) -> list[str]:
    return re.findall(r'(?:^|,)("(?:[^"]|"")*"|[^,"]*)', line)


def test_the_users_templates_replace_and_add_files(shop: Shop) -> None:
    """They see the orders and nothing else; one that fails, or asks for more, costs its own file only."""
    folder = shop.folder / "templates" / "orders"
    folder.mkdir(parents=True)
    for name, text in {
        "orders.csv": "{% for order in orders %}{{ order.id }};{{ order.total.amount }}\n{% endfor %}",
        "moje.txt": "{{ now | moment('%Y') }} {{ orders | length }}",
        "zly.txt": "{{ orders[0].nothing }}",
        "ciekawski.txt": "{{ orders.__class__.__mro__[1].__subclasses__() }}",
        "pusty.txt": "{% for %}",
        "bez konca.txt": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "ogromny.txt": "{{ 'x' * 10**14 }}",
    }.items():
        (folder / f"{name}.j2").write_text(text, "utf-8")
    order = shop.simulator.add_order("e-sklep1")
    summary = run(shop)
    made = files(summary, shop)
    assert set(made) == {"orders.csv", "orders.json", "subiekt.epp", "moje.txt"}
    assert made["orders.csv"].decode("utf-8-sig") == f"{order['id']};29.99\r\n"
    assert made["moje.txt"] == f"{datetime.now(UTC).year} 1".encode()
    for name in ("zly.txt", "ciekawski.txt", "pusty.txt", "bez konca.txt", "ogromny.txt"):
        assert name in said(summary)
    assert summary.exit_code == 0
