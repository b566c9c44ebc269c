"""Two stations on one account and one database: what one began the other ends, and never both at once."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from batch import seller_lock
from batch.allegro.session import SURE_SECONDS
from batch.database.tables import tokens
from batch.model import Job
from batch.simulator import Settings, Simulator, catalogue
from tests.helpers.at_once import at_home, call
from tests.helpers.journals import POSTGRESQL, journal_url
from tests.helpers.kill_at import Forks, Killer
from tests.helpers.linking import settle_port, way_back
from tests.helpers.ports import free_port
from tests.helpers.postgres import PASSWORD, name_for, shared_server
from tests.helpers.shop import Shop, fetch_orders

TIMES = 20
ROWS = 6
on_postgresql = pytest.mark.parametrize("database", [POSTGRESQL], indirect=True)
pytestmark = [on_postgresql, pytest.mark.usefixtures("whole_job")]
ON_POSTGRESQL = {
    "test_what_one_station_left_in_doubt_the_other_settles[sent]",
    "test_the_second_station_is_told_who_is_at_work",
    "test_a_database_that_goes_away_in_the_middle[back at once]",
    "test_without_its_database_nothing_is_sent[away]",
    "test_stations_renew_the_pair_in_the_database_for_each_other",
    "test_link_tokens_and_doctor_know_the_database",
    "test_the_journal_moves_by_command",
}


@pytest.fixture
def url(database: str, tmp_path: Path) -> str:
    """The database that the stations share."""
    return journal_url(tmp_path)


def station(folder: Path, simulator: Simulator, name: str, *, rows: int = ROWS, times: float = 1, **more: Any) -> Shop:
    """A desk of its own on the shared journal, with the same account and products as every other."""
    (folder / name).mkdir()
    shop = Shop(folder / name, simulator, accounts=["e-sklep1"], times=times)
    shop.write_settings(**{"journal": journal_url(folder), "station": {"name": name}, **more})
    shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(rows)])
    return shop


def made(simulator: Simulator) -> Counter[str]:
    return Counter(offer["external"]["id"] for offer in simulator.offers("e-sklep1"))


ONCE = Counter({catalogue.gtin(n): 1 for n in range(ROWS)})


@pytest.mark.parametrize("moment", ["after:2", "before:3"], ids=["intended", "sent"])
def test_what_one_station_left_in_doubt_the_other_settles(tmp_path: Path, url: str, moment: str) -> None:
    """One is killed after an intent, or before it noted the answer; the other, with a workbook of its own, ends it."""
    with Simulator(settings=Settings(operation_polls=0, retry_after=0)) as simulator, Forks(times=TIMES) as forks:
        first, second = (station(tmp_path, simulator, name, times=TIMES) for name in ("PC-1", "PC-2"))
        Killer(first, forks).run(moment, "run", "--only", "drafts")
        assert len(made(simulator)) < ROWS
        summary = second.drafts()
        assert (summary["exit_code"], sum(summary["counts"].values())) == (0, ROWS)
        assert made(simulator) == ONCE
        assert first.drafts()["exit_code"] == 0
        assert made(simulator) == ONCE
        held = {offer["external"]["id"]: offer["id"] for offer in simulator.offers("e-sklep1")}
        for shop in (first, second):
            assert {row["ean"]: row["offer_id"] for row in shop.table("Products")} == held


@pytest.mark.slow
def test_the_second_station_is_told_who_is_at_work(
    tmp_path: Path, url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A station that stands still keeps its account; killed, it lets go at once."""
    monkeypatch.setattr(seller_lock, "PATIENCE", 0.2)
    simulator.settings.latency = 0.3
    first, second = station(tmp_path, simulator, "PC-1"), station(tmp_path, simulator, "PC-2", times=TIMES)
    process = first.start("run", "--only", "drafts", "--json")
    first.wait_for(lambda: any(exchange.method == "POST" for exchange in simulator.requests))
    process.send_signal(signal.SIGSTOP)
    refused = fetch_orders(second, jobs=frozenset({Job.DRAFTS}))
    assert (refused.exit_code, refused.counts) == (4, {"not_sent": ROWS})
    assert all("stanowisko PC-1" in result["message"] for result in refused.results)
    process.kill()
    process.communicate()
    assert second.drafts()["exit_code"] == 0
    assert made(simulator) == ONCE


@pytest.mark.parametrize("back", [True, False], ids=["back at once", "stays away"])
def test_a_database_that_goes_away_in_the_middle(tmp_path: Path, url: str, simulator: Simulator, back: bool) -> None:
    """Nothing is sent from then on, even if it is back: somebody else may hold the account. The next run ends it."""
    rows = 60
    simulator.settings.latency = 0.2
    shop = station(tmp_path, simulator, "PC-1", rows=rows)
    process = shop.start("run", "--only", "drafts", "--json")
    posts: list[Any] = []

    def some_are_made() -> bool:
        posts[:] = [exchange for exchange in simulator.requests if exchange.method == "POST"]
        return len(posts) >= 3

    shop.wait_for(some_are_made)
    shared_server().cut_off(name_for(tmp_path))
    if back:
        shared_server().let_in(name_for(tmp_path))
    out, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "połączeni" in err
    assert PASSWORD not in out + err
    assert len(simulator.offers("e-sklep1")) < rows
    shared_server().let_in(name_for(tmp_path))
    simulator.settings.latency = 0
    assert shop.drafts()["exit_code"] == 0
    assert made(simulator) == Counter({catalogue.gtin(n): 1 for n in range(rows)})
    assert all(row["offer_id"] for row in shop.table("Products"))


@pytest.mark.slow
def test_what_waited_for_a_limit_is_not_sent_without_the_database(
    tmp_path: Path, url: str, simulator: Simulator
) -> None:
    """Meanwhile somebody else may have taken the account. The next run sends it, once."""
    shop = station(tmp_path, simulator, "PC-1", rows=1)
    limit = simulator.faults.add(
        "status_before", method="POST", count=1, status=429, retry_after=str(int(SURE_SECONDS) + 3)
    )
    process = shop.start("run", "--only", "drafts", "--json")
    shop.wait_for(lambda: limit.hits == 1)
    shared_server().cut_off(name_for(tmp_path))
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert sum(exchange.method == "POST" for exchange in simulator.requests) == 1
    shared_server().let_in(name_for(tmp_path))
    assert shop.drafts()["exit_code"] == 0
    assert made(simulator) == Counter([catalogue.gtin(0)])


@pytest.mark.parametrize("trouble", ["away", "password", "address", "driver"])
def test_without_its_database_nothing_is_sent(tmp_path: Path, url: str, simulator: Simulator, trouble: str) -> None:
    """Exit 2, a sentence that helps, and the password nowhere."""
    address = {
        "away": f"postgresql+psycopg://batch:{PASSWORD}@127.0.0.1:{free_port()}/x",
        "password": url.replace("batch:", "batch:wrong-"),
        "address": f"postgresql://batch:{PASSWORD}@127.0.0.1:{PASSWORD}/x",
        "driver": f"oracle://batch:{PASSWORD}@127.0.0.1/x",
    }[trouble]
    shop = station(tmp_path, simulator, "PC-1", journal=address)
    done = shop.run("run", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Niczego nie wysłano" in done.stderr or "nic nie" in done.stderr.lower()
    assert not any(exchange.method == "POST" for exchange in simulator.requests)
    told = [done.stderr, *(file.read_text("utf-8") for file in shop.folder.rglob("*.log"))]
    assert not any(PASSWORD in text for text in told)


def test_the_password_stays_out_of_the_settings(
    tmp_path: Path, url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`${NAME}` may stand for it within the address; special characters need no encoding there."""
    monkeypatch.setenv("DB_PASSWORD", "p@ss:w/rd%41")
    server = shared_server()
    server.execute("DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN SUPERUSER PASSWORD 'p@ss:w/rd%%41'")
    address = url.replace(f"batch:{PASSWORD}", "clerk:${DB_PASSWORD}")
    assert station(tmp_path, simulator, "PC-1", journal=address).drafts()["counts"] == {"draft_created": ROWS}


# --- tokens in the database


def move_tokens(shop: Shop, url: str) -> None:
    """The pair of e-sklep1 from its file into the database, and the account says so."""
    file = shop.folder / "e-sklep1.allegro.token"
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(tokens.delete())
        connection.execute(tokens.insert().values(name="e-sklep1", content=file.read_text()))
    file.unlink()
    accounts = [{"account": "e-sklep1", "environment": "simulator", "token_file": "db:"}]
    shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(ROWS)], Accounts=accounts)


def test_stations_renew_the_pair_in_the_database_for_each_other(tmp_path: Path, url: str, simulator: Simulator) -> None:
    """No token file anywhere; one renews, the other goes on with what it finds."""
    first, second = (station(tmp_path, simulator, name) for name in ("PC-1", "PC-2"))
    assert second.drafts("--dry-run")["exit_code"] == 0  # makes the tables
    first.link("e-sklep1", expires_in=-60)
    move_tokens(first, url)
    (second.folder / "e-sklep1.allegro.token").unlink()
    second.workbook.write_bytes(first.workbook.read_bytes())
    assert first.drafts()["counts"] == {"draft_created": ROWS}
    assert second.drafts()["counts"] == {"draft_found": ROWS}
    renewals = [exchange for exchange in simulator.requests if exchange.path == "/auth/oauth/token"]
    assert len(renewals) == 1
    assert list(tmp_path.rglob("*.token")) == []
    for shop in (first, second):
        assert shop.leaks() == []
        assert shop.table("Accounts")[0]["token_state"] == "Tokeny w porządku."


def test_link_tokens_and_doctor_know_the_database(
    tmp_path: Path, url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not linked, then linked, then renewed; `doctor` finds server, locks, clock and tokens in order."""
    shop = station(tmp_path, simulator, "PC-1")
    at_home(shop.folder, monkeypatch)
    settle_port(shop, free_port())
    accounts = [{"account": "e-sklep1", "environment": "simulator", "token_file": "DB: sklep"}]
    shop.fill([], Accounts=accounts)
    assert call("tokens", shop.workbook) == 3
    assert shop.table("Accounts")[0]["token_state"] == "Brak tokenów db:sklep. Połącz konto (link)."
    monkeypatch.setattr("batch.cli._open_browser", lambda address: consent(simulator, address))
    assert call("link", shop.workbook, "e-sklep1") == 0
    assert call("tokens", shop.workbook, "--refresh") == 0
    capsys.readouterr()
    assert call("doctor", shop.workbook, "--lang", "en") == 0
    said = capsys.readouterr().out
    for sentence in (
        "PostgreSQL 1",
        "Locks work",
        "clock agrees",
        "account e-sklep1 are in the shared database",
    ):
        assert sentence in said
    assert PASSWORD not in said
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        [(name, content)] = connection.execute(sa.select(tokens)).all()
    assert (name, json.loads(content)["generation"]) == ("sklep", 2)


def consent(simulator: Simulator, address: str) -> None:
    import threading  # noqa: PLC0415

    import requests  # noqa: PLC0415

    threading.Thread(target=lambda: requests.get(way_back(simulator, address), timeout=20)).start()


def test_tokens_in_a_database_need_one(
    tmp_path: Path, url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the journal in a file: exit 2 and advice, whatever the command; nothing is sent."""
    shop = station(tmp_path, simulator, "PC-1", journal=f"sqlite:///{tmp_path / 'j.sqlite'}")
    at_home(shop.folder, monkeypatch)
    shop.fill([], Accounts=[{"account": "e-sklep1", "environment": "simulator", "token_file": "db:"}])
    for command in (["run"], ["tokens"], ["link", "e-sklep1"], ["doctor"]):
        assert call(command[0], shop.workbook, *command[1:]) == 2, command
        said = capsys.readouterr()
        assert "dziennik tego stanowiska nie jest w PostgreSQL" in said.out + said.err, command
    assert not any(exchange.method == "POST" for exchange in simulator.requests)


def test_the_journal_moves_by_command(
    tmp_path: Path, url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file of one PC to the server: a draft made before is known there, and may be undone there."""
    shop = station(tmp_path, simulator, "PC-1", journal=f"sqlite:///{tmp_path / 'j.sqlite'}")
    at_home(shop.folder, monkeypatch)
    run = shop.drafts()["run"]
    settings, file = shop.folder / "batch.yaml", tmp_path / "journal.jsonl"
    assert call("journal", "export", file, "--config", settings) == 0
    data = yaml.safe_load(settings.read_text())
    settings.write_text(yaml.safe_dump(data | {"journal": url}))
    assert call("journal", "import", file, "--config", settings) == 0
    assert call("journal", "import", file, "--config", settings) == 2  # it is there already
    undone = json.loads(shop.run("undo", run, "--json").stdout)
    assert (undone["exit_code"], undone["counts"]) == (0, {"undone": ROWS})
    assert simulator.offers("e-sklep1") == []
