"""`doctor` finds what is wrong, says what to do, ends with the exit code that fits; real hosts, locks, processes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from batch import doctor
from batch.accounts import lock_probe
from batch.accounts.lock_probe import probe_lock
from batch.accounts.synchronised import synchronised_by
from batch.clock import SystemClock
from batch.doctor import Level, on_network
from batch.errors import AccountError
from batch.messages import LANGUAGES, catalogue, entries
from batch.simulator import Simulator
from tests.helpers.at_once import at_home, call, wait_at_once
from tests.helpers.ports import free_port
from tests.helpers.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Shop:
    at_home(tmp_path, monkeypatch)
    shop = Shop(tmp_path, simulator)
    shop.fill([])
    return shop


def change(shop: Shop, *, station: Any = None, **environment: Any) -> None:
    path = shop.folder / "batch.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    settings["environments"]["simulator"] |= environment
    settings["station"] = station or {}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")


def findings(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str]]:
    """Exit code and the lines about what is wrong."""
    code = call("doctor", *arguments)
    said = capsys.readouterr().out.splitlines()
    assert all(re.match("[✔–✖] ", line) for line in said), said
    return code, [line for line in said if line.startswith("✖")]


def test_a_desk_in_order(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, nothing wrong, nothing left in the token folder, no token sent anywhere."""
    before = sorted(path.name for path in shop.folder.iterdir())
    assert findings(capsys, shop.workbook) == (0, [])
    after = {path.name for path in shop.folder.iterdir()} - {"journal.sqlite", "state", "data"}
    assert sorted(after) == before
    assert all("Authorization" not in exchange.headers for exchange in shop.simulator.requests)


def test_every_contract_item_is_looked_at(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    call("doctor", shop.workbook, "--lang", "en")
    said = capsys.readouterr().out
    for item in ("Python", "Excel", "clock", "Locks work", "answers", "introduces itself", "journal"):
        assert item in said


def test_without_workbook_and_settings_the_rest_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new user's first command: not wrong, only not checked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert findings(capsys) == (0, [])


@pytest.mark.parametrize("clock_off", [-600, 600])
def test_a_wrong_clock(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock_off: int
) -> None:
    """Told by the Date of the answers, with its size and direction."""
    real = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: real(self) + timedelta(seconds=clock_off))
    code, wrong = findings(capsys, shop.workbook)
    assert (code, len(wrong)) == (2, 1)
    assert re.search(r"(60[0-2]|59[89]) s", wrong[0])
    assert ("śpieszy" if clock_off > 0 else "spóźnia") in wrong[0]


def no_settings(shop: Shop) -> None:
    (shop.folder / "batch.yaml").write_text("language: [", encoding="utf-8")


def nobody_listens(shop: Shop) -> None:
    change(shop, api_url=f"http://localhost:{free_port()}")


def no_secret(shop: Shop) -> None:
    change(shop, client_secret="${THERE_IS_NO_SUCH_VARIABLE}")


def api_in_trouble(shop: Shop) -> None:
    shop.simulator.faults.add("status_before", path="/me", status=503)


def address_blocked(shop: Shop) -> None:
    shop.simulator.faults.add("blocked", path="/me")


def tokens_in(folder: str) -> Callable[[Shop], None]:
    def move(shop: Shop) -> None:
        rows = [{"account": "e-sklep1", "environment": "simulator", "token_file": f"{folder}/x.token"}]
        shop.fill([], Accounts=rows)
        if folder != "away":
            (shop.folder / folder).mkdir()

    return move


def journal_at(name: str) -> Callable[[Shop], None]:
    def move(shop: Shop) -> None:
        path = shop.folder / name
        path.parent.mkdir(exist_ok=True)
        shop.write_settings(journal=f"sqlite:///{path}")

    return move


def journal_broken(shop: Shop) -> None:
    (shop.folder / "journal.sqlite").write_bytes(b"this is no database" * 1000)


def workbook_gone(shop: Shop) -> None:
    shop.workbook.unlink()


def token_expired_and_not_ours_to_renew(shop: Shop) -> None:
    change(shop, station={"refresh_tokens": False})
    rows = [{"account": "e-sklep1", "environment": "simulator", "token_file": "e-sklep1.allegro.token"}]
    shop.fill([], Accounts=rows)
    shop.link("e-sklep1", expires_in=-100)


WRONG = [
    (no_settings, 2, "batch.yaml"),
    (nobody_listens, 4, "nie odpowiada"),
    (api_in_trouble, 4, "503"),
    (address_blocked, 4, "403"),
    (no_secret, 2, "THERE_IS_NO_SUCH_VARIABLE"),
    (tokens_in("away"), 2, "away"),
    (tokens_in("OneDrive - Firma"), 2, "OneDrive"),
    (tokens_in("Dropbox"), 2, "Dropbox"),
    (journal_at("Dropbox/journal.sqlite"), 2, "Dropbox"),
    (journal_broken, 2, "ziennik"),
    (workbook_gone, 2, "Oferty.xlsx"),
    (token_expired_and_not_ours_to_renew, 3, "stanowisku głównym"),
]


@pytest.mark.parametrize(("break_it", "code", "said"), WRONG)
def test_what_is_wrong_is_told(
    shop: Shop,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Shop], None],
    code: int,
    said: str,
) -> None:
    """One line, with what to do, and the exit code of its kind."""
    wait_at_once(monkeypatch)
    break_it(shop)
    ended, wrong = findings(capsys, shop.workbook)
    assert (ended, len(wrong)) == (code, 1), wrong
    assert said in wrong[0]


def test_a_made_up_page_in_the_user_agent(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allegro wants a page about the owner; on this computer any will do."""
    environment = doctor.load_settings(shop.folder / "batch.yaml").environments["simulator"]
    assert doctor._user_agent("simulator", environment).level is Level.GOOD
    real = environment.model_copy(update={"api_url": "https://api.allegro.pl"})
    assert doctor._user_agent("production", real).code == "doctor_user_agent_placeholder"
    mine = real.model_copy(update={"info_url": "https://sklep.pl/o-nas"})
    assert doctor._user_agent("production", mine).level is Level.GOOD


FACTS = (
    "version", "path", "needed", "system", "count", "environment", "user_agent", "info_url", "host", "place", "tables",
)  # fmt: skip


def test_every_finding_says_something_in_both_languages() -> None:
    codes = [code for code, entry in entries().items() if code.startswith("doctor_") and isinstance(entry["pl"], dict)]
    for code in codes:
        for language in LANGUAGES:
            words = [
                "version",
                "path",
                "needed",
                "system",
                "count",
                "environment",
                "user_agent",
                "info_url",
                "host",
                "place",
                "tables",
            ]
            facts = dict.fromkeys(words, "x") | {
                "reason": "SSLError",
                "status": 500,
                "seconds": 1,
                "late": True,
                "account": "x",
                "program": "x",
            }
            facts |= {"place": "x", "tables": "x"}
            assert catalogue(language).explain(code, **facts).message


# --- the lock test itself


def test_a_lock_that_works(tmp_path: Path) -> None:
    probe_lock(tmp_path)
    assert list(tmp_path.iterdir()) == []


class HoldsNobodyOff(FileLock):
    """As in a synchronised folder: every computer has a file of its own to lock."""

    def _acquire(self) -> None:
        self._context.lock_file_fd = os.open(os.devnull, os.O_RDONLY)

    def _release(self) -> None:
        if self._context.lock_file_fd is not None:
            os.close(self._context.lock_file_fd)
            self._context.lock_file_fd = None


class NeverFree(FileLock):
    """As on a server that does not notice that a client is gone."""

    def _acquire(self) -> None:
        return None


@pytest.mark.parametrize(("kind", "what"), [(HoldsNobodyOff, "shared"), (NeverFree, "kept")])
def test_a_lock_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, what: str) -> None:
    """Found with a second process, which takes a real lock."""
    monkeypatch.setattr(lock_probe, "FileLock", kind)
    monkeypatch.setattr(lock_probe, "DEATH_SECONDS", 0.1)
    with pytest.raises(AccountError) as caught:
        probe_lock(tmp_path)
    assert (caught.value.code, caught.value.facts["what"]) == ("token_lock_useless", what)
    assert list(tmp_path.iterdir()) == []


# --- what kind of folder it is


@pytest.mark.parametrize(
    ("folder", "program"),
    [
        ("OneDrive/Oferty", "OneDrive"),
        ("OneDrive - Sklep Sp. z o.o.", "OneDrive"),
        ("onedrive", "OneDrive"),
        ("Dropbox (Firma)/a/b", "Dropbox"),
        ("Google Drive", "Google Drive"),
        ("GoogleDrive-anna@sklep.pl/Mój dysk", "Google Drive"),
        ("iCloudDrive/x", "iCloud Drive"),
        ("Mobile Documents/com~apple~CloudDocs", "iCloud Drive"),
        ("OneDriveKopia", None),
        ("Moje OneDrive", None),
        ("dropbox-stare", None),
        ("allegro", None),
    ],
)
def test_synchronised_folders_by_name(tmp_path: Path, folder: str, program: str | None) -> None:
    """Whether the folder is there or not."""
    assert synchronised_by(tmp_path / folder, {}) == program
    (tmp_path / folder).mkdir(parents=True)
    assert synchronised_by(tmp_path / folder, {}) == program


@pytest.mark.parametrize(
    ("marker", "program"), [(".dropbox.cache", "Dropbox"), (".tmp.drivedownload", "Google Drive"), (".dropbox", None)]
)
def test_synchronised_folders_by_what_is_in_them(tmp_path: Path, marker: str, program: str | None) -> None:
    """A Dropbox under another name; `.dropbox` alone is in the home of everybody who has the program."""
    (tmp_path / marker).mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert synchronised_by(tmp_path / "a" / "b", {}) == program


def test_synchronised_folders_by_what_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "Firma" / "allegro").mkdir(parents=True)
    environ = {"OneDriveCommercial": str(tmp_path / "Firma"), "OneDrive": ""}
    assert synchronised_by(tmp_path / "Firma" / "allegro", environ) == "OneDrive"
    assert synchronised_by(tmp_path / "Firma2", environ) is None


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_into_a_synchronised_folder(tmp_path: Path) -> None:
    (tmp_path / "Dropbox").mkdir()
    (tmp_path / "tokeny").symlink_to(tmp_path / "Dropbox")
    assert synchronised_by(tmp_path / "tokeny", {}) == "Dropbox"


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the table of mounts is Linux's")
def test_network_drives(tmp_path: Path) -> None:
    """The innermost mount counts."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
        "2 1 0:4 / /mnt/dysk\\040sieciowy rw shared:1 - cifs //serwer/udział rw\n"
        "3 1 8:2 / /mnt/dysk\\040sieciowy/lokalny rw - ext4 /dev/sdb rw\n"
    )
    for path, expected in {
        "/mnt/dysk sieciowy/a": True,
        "/mnt/dysk sieciowy": True,
        "/mnt/dysk sieciowy/lokalny/a": False,
        "/mnt/dysk": False,
        "/home": False,
    }.items():
        assert on_network(Path(path), mounts) is expected
    assert on_network(Path("/home"), tmp_path / "none") is False
