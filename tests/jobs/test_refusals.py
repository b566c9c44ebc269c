"""The user's files are wrong: one clear sentence, exit 2, nothing sent, every file as it was.

And the gentler cases: a workbook that is open elsewhere, `--anyway`, tokens that are missing or broken.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from batch.simulator import Simulator, catalogue
from tests.helpers.journals import journal_url
from tests.helpers.shop import Shop

ROWS = [{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(2)]
OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)
SHEETS = {"Products": "Produkty", "Results": "Wyniki"}


@pytest.fixture
def shop(tmp_path: Path, simulator: Simulator) -> Shop:
    made = Shop(tmp_path, simulator, accounts=["e-sklep1"], secret="never-to-be-told")
    made.fill(ROWS)
    return made


def content(shop: Shop) -> dict[str, str]:
    """The user's files in the folder, by what is in them; locks, logs and the journal are the tool's own."""
    ours = ("journal.sqlite", "budgets.sqlite", f".{shop.workbook.name}.lock")
    files = [file for file in shop.folder.iterdir() if file.is_file() and not file.name.startswith(ours)]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# --- ways to spoil things


def bytes_instead(data: bytes) -> Callable[[Shop], None]:
    return lambda shop: void(shop.workbook.write_bytes(data))


def half(shop: Shop) -> None:
    shop.workbook.write_bytes(shop.workbook.read_bytes()[:-2000])


def void(_: object) -> None:
    """For lambdas whose result nobody wants."""


def edited(change: Callable[[Any], object]) -> Callable[[Shop], None]:
    """The workbook as a person with another program would leave it."""

    def spoil(shop: Shop) -> None:
        book = openpyxl.load_workbook(shop.workbook)
        change(book)
        book.save(shop.workbook)

    return spoil


def without_table(book: Any) -> None:
    del book[SHEETS["Products"]].tables["Products"]


def without_heading(book: Any) -> None:
    sheet = book[SHEETS["Products"]]
    [column] = [c for c in sheet.tables["Products"].tableColumns if c.name == "Cena"]
    column.name = "Kwota"
    [cell] = [c for c in sheet[1] if c.value == "Cena"]
    cell.value = "Kwota"


def with_totals(book: Any) -> None:
    table = book[SHEETS["Results"]].tables["Results"]
    first, last = table.ref.split(":")
    table.ref = f"{first}:{last.rstrip('0123456789')}{int(last.lstrip('ABCDEFGHIJKLMNOPQRSTUVWXYZ')) + 1}"
    table.totalsRowCount = 1


def settings(**changes: Any) -> Callable[[Shop], None]:
    """`batch.yaml` with other keys."""

    def spoil(shop: Shop) -> None:
        file = shop.folder / "batch.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **changes}))

    return spoil


def text_settings(text: str) -> Callable[[Shop], None]:
    return lambda shop: void((shop.folder / "batch.yaml").write_text(text))


def refill(**tables: Any) -> Callable[[Shop], None]:
    return lambda shop: shop.fill(ROWS, **tables)


def excel_owner(user: str) -> bytes:
    """The owner file of Excel: 165 bytes, the name in the code page and in UTF-16."""
    narrow = bytes([len(user)]) + user.encode("cp1250").ljust(54)
    return narrow + struct.pack("<H", len(user)) + user.encode("utf-16-le").ljust(108, b" ")


def beside(name: str, data: bytes) -> Callable[[Shop], None]:
    return lambda shop: void((shop.folder / name).write_bytes(data))


def mode(bits: int, *, folder: bool = False) -> Callable[[Shop], None]:
    return lambda shop: (shop.folder if folder else shop.workbook).chmod(bits)


OPEN = beside("~$Oferty.xlsx", excel_owner("Łucja Nowak"))


def journal_of_no_database(shop: Shop) -> None:
    file = shop.folder / "journal.sqlite"
    file.write_bytes(b"x" * 5000)
    shop.write_settings(journal=f"sqlite:///{file}")


SPOILT: dict[str, tuple[Callable[[Shop], None], str]] = {
    # the file
    "text": (bytes_instead(b"Dzien dobry\n"), "nie jest skoroszytem Excela"),
    "csv renamed": (bytes_instead(b"Konto;EAN;Cena\ne-sklep1;5901234123457;20\n"), "nie jest skoroszytem Excela"),
    "empty": (bytes_instead(b""), "nie jest skoroszytem Excela"),
    "xls renamed": (bytes_instead(OLE), "w starym formacie Excela"),
    "truncated": (half, "niepełny lub uszkodzony"),
    "no such file": (lambda shop: shop.workbook.unlink(), "Nie znaleziono skoroszytu"),
    "a folder": (lambda shop: (shop.workbook.unlink(), shop.workbook.mkdir())[1], "Nie udało się otworzyć"),
    # its tables
    "table missing": (edited(without_table), "nie ma tabeli Products"),
    "heading missing": (edited(without_heading), "brakuje nagłówka: Cena"),
    "merged cells": (edited(lambda book: book[SHEETS["Products"]].merge_cells("J2:J3")), "Produkty!J2:J3"),
    "totals row": (edited(with_totals), "Wyniki"),
    "content under the results": (
        edited(lambda book: book[SHEETS["Results"]].cell(90, 2, "moja notatka")),
        "Wyniki!B90",
    ),
    "environment unknown": (
        refill(Accounts=[{"account": "e-sklep1", "environment": "simulatr"}]),
        "nie ma środowiska „simulatr”",
    ),
    "account twice": (
        refill(Accounts=[{"account": "e-sklep1", "environment": "simulator"}] * 2),
        "konto e-sklep1 jest już w wierszu 2",
    ),
    "setting invalid": (refill(Settings=[{"key": "wait_seconds", "value": "długo"}]), "„długo”"),
    # who has it
    "open in Excel": (OPEN, "Łucja Nowak"),
    "open in LibreOffice": (beside(".~lock.Oferty.xlsx#", b",jan,PC-7,24.11.2026 12:00;file:///x;\n"), "jan"),
    "read-only": (mode(0o444), "tylko do odczytu"),
    "folder read-only": (mode(0o555, folder=True), "folder"),
    # batch.yaml
    "no batch.yaml": (lambda shop: (shop.folder / "batch.yaml").unlink(), "batch.yaml"),
    "broken batch.yaml": (text_settings("environments: [\n"), "batch.yaml"),
    "unknown key": (settings(jurnal="sqlite://"), "Najbliższe znane to journal"),
    "unknown key deep": (settings(station={"refresh_token": True}), "Najbliższe znane to refresh_tokens"),
    "empty batch.yaml": (text_settings(""), "environments"),
    "journal out of reach": (settings(journal="sqlite:////nie/ma/journal.sqlite"), "Dziennik programu nie działa"),
    "journal that is none": (journal_of_no_database, "Dziennik programu nie działa"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_files_are_refused(shop: Shop, name: str) -> None:
    """The reason is on stderr with what is meant, in a line or two; stdout stays empty, also for `--json`."""
    spoil, words = SPOILT[name]
    spoil(shop)
    before = content(shop)
    try:
        done = shop.run("run", "--only", "drafts", "--json")
    finally:
        shop.folder.chmod(0o755)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("Błąd: ")], done.stderr
    assert len(done.stderr.splitlines()) <= 3, done.stderr
    assert shop.simulator.requests == []
    assert content(shop) == before
    assert shop.leaks(done.stderr) == []


COMMANDS: dict[str, tuple[list[str], str]] = {
    "unknown account": (["run", "--account", "e-sklep7"], "e-sklep7"),
    "unknown option": (["run", "--publish"], "--publish"),
    "unknown job": (["run", "--only", "everything"], "everything"),
    "unknown language": (["run", "--lang", "de"], "de"),
    "waiting less than nothing": (["run", "--wait", "-1"], "--wait"),
    "settings file that is not there": (["run", "--config", "nie-ma.yaml"], "nie-ma.yaml"),
    "unknown command": (["publish"], "publish"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_commands_are_refused(shop: Shop, name: str) -> None:
    """The word that is wrong is named; nothing is done."""
    (command, *options), word = COMMANDS[name]
    before = content(shop)
    done = shop.run(command, *options)
    assert done.returncode == 2, done.stderr
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert shop.simulator.requests == []
    assert content(shop) == before


def test_no_arguments_show_the_help(shop: Shop) -> None:
    """Whoever types the name alone sees what there is."""
    done = shop.run("--help")
    assert done.returncode == 0
    assert "run" in done.stdout


# --- a workbook that is open elsewhere


def test_anyway_leaves_the_open_file_alone_and_the_next_run_pays(shop: Shop) -> None:
    """Drafts are made, not a byte of the file changes; the next run writes all under the names of those before it."""
    OPEN(shop)
    before = content(shop)
    first = shop.drafts("--anyway")
    assert (first["counts"], first["exit_code"]) == ({"draft_created": 2}, 0)
    assert content(shop) | {"e-sklep1.allegro.token": ""} == before | {"e-sklep1.allegro.token": ""}
    again = shop.drafts("--anyway")
    assert again["counts"] == {"draft_found": 2}
    assert content(shop)[shop.workbook.name] == before[shop.workbook.name]
    (shop.folder / "~$Oferty.xlsx").unlink()
    last = shop.drafts()
    assert last["exit_code"] == 0
    results = [(row["run"], row["code"]) for row in shop.table("Results")]
    assert results[:4] == [(first["run"], "draft_created")] * 2 + [(again["run"], "draft_found")] * 2
    held = {offer["external"]["id"]: offer["id"] for offer in shop.offers()}
    assert {row["ean"]: row["offer_id"] for row in shop.table("Products")} == held
    listed = len(results)
    assert shop.drafts()["counts"] == {"skipped": 2}
    assert len(shop.table("Results")) == listed
    assert len(shop.offers()) == 2


def test_debts_are_paid_to_the_workbook_they_belong_to(tmp_path: Path, simulator: Simulator) -> None:
    """Two workbooks of one name in two folders, one journal, and names relative to the folder."""
    shops = []
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        made = Shop(tmp_path / name, simulator, accounts=["e-sklep1"])
        made.write_settings(journal=journal_url(tmp_path))
        made.fill(ROWS)
        shops.append(made)
    first, second = shops
    OPEN(first)
    run = first.drafts("--anyway")["run"]
    (first.folder / "~$Oferty.xlsx").unlink()
    second.workbook = Path("Oferty.xlsx")
    done = second.run("run", "--only", "drafts", folder=second.folder)
    assert done.returncode == 0, done.stderr
    second.workbook = second.folder / "Oferty.xlsx"
    assert {row["code"] for row in second.table("Results")} == {"draft_found"}
    first.workbook = Path("Oferty.xlsx")
    assert first.run("run", "--only", "drafts", folder=first.folder).returncode == 0
    first.workbook = first.folder / "Oferty.xlsx"
    assert [row["run"] for row in first.table("Results")][:2] == [run] * 2


def test_workbook_opened_during_the_run(shop: Shop) -> None:
    """What was sent stays in the journal: exit 4, the reason, and the next run writes it."""
    shop.simulator.settings.latency = 0.3
    before = shop.workbook.read_bytes()
    process = shop.start("run", "--only", "drafts", "--json")
    shop.wait_for(lambda: shop.simulator.requests)
    OPEN(shop)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, json.loads(stdout)["counts"]) == (4, {"draft_created": 2}), stderr
    assert "Łucja Nowak" in stderr
    assert "Wyniki czekają" in stderr
    assert "Odpowiedzi są w skoroszycie" not in stderr
    assert shop.workbook.read_bytes() == before
    (shop.folder / "~$Oferty.xlsx").unlink()
    assert shop.drafts()["exit_code"] == 0
    assert all(row["offer_id"] for row in shop.table("Products"))
    assert len(shop.offers()) == 2


# --- tokens


def without_token(file: Path) -> None:
    file.unlink()


def of_another_environment(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "environment": "production"}))


def broken(file: Path) -> None:
    file.write_text(file.read_text()[:100])


def without_refresh_token(file: Path) -> None:
    token = json.loads(file.read_text())
    file.write_text(json.dumps({**token, "refresh_token": None, "expires_at": "2020-01-01T00:00:00Z"}))


def unreadable(file: Path) -> None:
    file.unlink()
    file.mkdir()


SPOILERS = [without_token, of_another_environment, broken, without_refresh_token, unreadable]


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
def test_wrong_tokens_stop_one_account(tmp_path: Path, simulator: Simulator, spoil: Callable[[Path], None]) -> None:
    """Exit 3, `login_needed` and what is wrong in its rows and on the console; the other account goes on."""
    shop = Shop(tmp_path, simulator, secret="never-to-be-told")
    shop.fill([*ROWS, *({**row, "account": "e-sklep2"} for row in ROWS)])
    spoil(tmp_path / "e-sklep2.allegro.token")
    done = shop.run("run", "--only", "drafts", "--json")
    summary = json.loads(done.stdout)
    assert (summary["exit_code"], done.returncode) == (3, 3)
    assert summary["accounts"]["e-sklep1"] == {"counts": {"draft_created": 2}, "state": "ok"}
    assert summary["accounts"]["e-sklep2"] == {"counts": {"login_needed": 2}, "state": "login_needed"}
    assert "e-sklep2.allegro.token" in done.stderr
    assert "Traceback" not in done.stderr
    rows = shop.table("Products")
    assert [row["status"][0] for row in rows] == ["✔", "✔", "✖", "✖"]
    assert all("e-sklep2.allegro.token" in row["message"] for row in rows[2:])
    assert shop.leaks(done.stdout, done.stderr) == []


def test_a_secret_that_is_missing_stops_the_accounts_of_its_environment_alone(shop: Shop) -> None:
    """The tokens of the others are renewed, and every account says how it stands."""
    settings = yaml.safe_load((shop.folder / "batch.yaml").read_text("utf-8"))
    other = {**settings["environments"]["simulator"], "client_secret": "${NOT_SET_ANYWHERE}"}
    settings["environments"]["other"] = other
    (shop.folder / "batch.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    names = {"e-sklep2": "other", "e-sklep1": "simulator"}
    shop.link("e-sklep2")
    file = shop.folder / "e-sklep2.allegro.token"
    file.write_text(file.read_text().replace('"simulator"', '"other"'))
    shop.fill(ROWS, Accounts=[{"account": name, "environment": of} for name, of in names.items()])
    shop.run("tokens", "--refresh")
    assert json.loads((shop.folder / "e-sklep1.allegro.token").read_text())["generation"] == 2
    states = {row["account"]: row["token_state"] for row in shop.table("Accounts")}
    assert "NOT_SET_ANYWHERE" in states["e-sklep2"]
    assert states["e-sklep1"]


def test_a_cell_whose_formula_failed_or_waits_to_be_calculated_names_no_offer(shop: Shop) -> None:
    """It would be taken for the same signature in many rows, or for no offer: nothing is sent, the formula stays."""
    number = {"offer_id": '=""&7000000001', "external_id": "#N/A"}
    shop.fill(ROWS)

    def change(book: Any) -> None:
        sheet = book[SHEETS["Products"]]
        sheet["I2"], sheet["E3"] = number["offer_id"], number["external_id"]

    edited(change)(shop)
    assert shop.drafts()["counts"] == {"value_not_calculated": 2}
    assert shop.offers() == []
    assert openpyxl.load_workbook(shop.workbook)[SHEETS["Products"]]["I2"].value == number["offer_id"]
    assert [row["message"].split(":")[0] for row in shop.table("Results")] == ["Produkty!I2", "Produkty!E3 „#N/A”"]


def test_rows_after_a_blank_one_below_the_table_are_not_left_out_silently(shop: Shop) -> None:
    """Where the table ends nobody can tell for the user; a run says which row it did not look at."""
    shop.fill(ROWS)

    def change(book: Any) -> None:
        sheet = book[SHEETS["Products"]]
        for column, value in zip("ABCD", ("e-sklep1", catalogue.gtin(5), 20, 1), strict=True):
            sheet[f"{column}5"] = value

    edited(change)(shop)
    done = shop.run("run", "--only", "drafts")
    assert "Produkty!5: ten wiersz leży pod tabelą" in done.stderr
    assert len(shop.offers()) == 2


def test_defaults_that_no_product_gets_are_named(shop: Shop) -> None:
    """A misspelt account, or a set given twice, would mean other parameters than the user reads, without a word."""
    sets = [{"shipping_rates": "Kurier i automaty"}, {"account": "E-Sklep1", "vat_rate": "23"}, {"vat_rate": "8"}]
    shop.fill(ROWS, Defaults=sets)
    done = shop.run("run", "--only", "drafts")
    assert "Domyślne parametry!B3: nie ma konta „E-Sklep1”" in done.stderr
    assert "Domyślne parametry!A4: ten wiersz parametrów ma to samo konto i ten sam profil co" in done.stderr
    assert "co Domyślne parametry!A2," in done.stderr
    assert "Domyślne parametry!A2: " not in done.stderr
