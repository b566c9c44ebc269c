"""`link`: what the browser and Allegro may do, what is then in the token file and the workbook, and the exit code."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from filelock import FileLock

from batch import cli
from batch.accounts import link, loopback
from batch.accounts.link import spaced
from batch.clock import SystemClock
from batch.simulator import Simulator
from tests.helpers.at_once import at_home, call, wait_at_once
from tests.helpers.linking import asked_for, settle_port, way_back
from tests.helpers.ports import free_port
from tests.helpers.shop import Shop


@dataclass
class Desk:
    """A seller's desk whose browser is ours: `browse` gets the address that the program opens."""

    shop: Shop
    port: int
    capture: pytest.CaptureFixture[str]
    pages: list[requests.Response] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    @property
    def simulator(self) -> Simulator:
        return self.shop.simulator

    @property
    def file(self) -> Path:
        return self.shop.folder / "e-sklep1.allegro.token"

    def held(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        return fields

    def change_settings(self, *, station: Any = None, accounts: Any = None, **environment: Any) -> None:
        path = self.shop.folder / "batch.yaml"
        settings = yaml.safe_load(path.read_text("utf-8"))
        settings["environments"]["simulator"] |= environment
        settings |= {"station": station or {}, "accounts": accounts or {}}
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def consent(self, address: str, **person: str) -> None:
        """Press the button and follow the way back."""
        self.pages.append(requests.get(way_back(self.simulator, address, **person), timeout=20))

    def link(
        self, *options: str, browse: Callable[[str], None] | None = None, answer: str = ""
    ) -> tuple[int, str, str]:
        """Run the command in this process; its exit code, stdout and stderr."""
        browsers: list[threading.Thread] = []

        def open_browser(address: str) -> None:
            self.opened.append(address)
            browsers.append(threading.Thread(target=browse or self.consent, args=(address,)))
            browsers[-1].start()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cli, "_open_browser", open_browser)
            patch.setattr(sys, "stdin", io.StringIO(answer))
            code = call("link", self.shop.workbook, "e-sklep1", *options)
        for browser in browsers:
            browser.join()
        said = self.capture.readouterr()
        return code, said.out, said.err


@pytest.fixture
def desk(
    tmp_path: Path, simulator: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    at_home(tmp_path, monkeypatch)
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])
    (tmp_path / "e-sklep1.allegro.token").unlink()
    shop.fill([])
    desk = Desk(shop, free_port(), capsys)
    settle_port(shop, desk.port)
    return desk


def exchanges(desk: Desk, path: str) -> list[Any]:
    return [exchange for exchange in desk.simulator.requests if exchange.path == path]


# --- in the browser


def test_an_account_is_linked(desk: Desk) -> None:
    """Only the address on stdout; the token file as promised; the account's columns filled; a page that says who."""
    code, out, err = desk.link()
    assert code == 0
    assert out.split() == desk.opened
    assert "Tokeny pobrane pomyślnie" in err.splitlines()
    held = desk.held()
    pair = desk.simulator.world.tokens.whose(held["access_token"])
    assert pair is not None
    assert pair.refresh == held["refresh_token"]
    assert {name: held[name] for name in ("environment", "login", "generation")} == {
        "environment": "simulator",
        "login": "e-sklep1",
        "generation": 1,
    }
    assert held["user_id"] == pair.seller_id
    assert datetime.fromisoformat(held["expires_at"]) - datetime.fromisoformat(held["refreshed_at"]) == timedelta(
        seconds=43199
    )
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    [row] = desk.shop.table("Accounts")
    assert (row["login"], row["token_state"]) == ("e-sklep1", "Tokeny w porządku.")
    assert row["valid_until"]
    [page] = desk.pages
    assert page.status_code == 200
    assert "Konto połączone" in page.text
    assert "<dd>e-sklep1</dd>" in page.text


def test_it_asks_with_pkce_and_state_and_never_with_the_secret(desk: Desk) -> None:
    """S256, a fresh state and verifier each time, `http://localhost:PORT`, and no Basic at the token endpoint."""
    desk.link()
    desk.link()
    first, second = (asked_for(address) for address in desk.opened)
    assert first["code_challenge_method"] == "S256"
    assert first["redirect_uri"] == f"http://localhost:{desk.port}"
    assert first["response_type"] == "code"
    assert {first["state"], first["code_challenge"]}.isdisjoint({second["state"], second["code_challenge"]})
    assert len(first["state"]) >= 32
    for exchange in exchanges(desk, "/auth/oauth/token"):
        assert "Authorization" not in exchange.headers
        assert "client_id=demo" in exchange.body
        assert "code_verifier=" in exchange.body
    assert desk.held()["generation"] == 2


def test_english_where_english_is_asked_for(desk: Desk) -> None:
    code, _, err = desk.link("--lang", "en")
    assert code == 0
    assert "Tokens fetched successfully" in err.splitlines()
    assert "Account linked" in desk.pages[0].text


def test_a_foreign_answer_gets_a_page_of_its_own_and_the_waiting_goes_on(desk: Desk) -> None:
    """No state, another state, no code: 400. Another path: 404. On both loopback addresses."""
    strangers: list[int] = []

    def browse(address: str) -> None:
        state = asked_for(address)["state"]
        for host in ("127.0.0.1", "[::1]"):
            queries = ("", "?code=x", "?code=x&state=", "?code=x&state=żółw", f"?state={state}", "favicon.ico")
            addresses = [f"http://{host}:{desk.port}/{query}" for query in queries]
            strangers.extend(requests.get(address, timeout=10).status_code for address in addresses)
        desk.consent(address)

    code, _, _ = desk.link(browse=browse)
    assert strangers == [400, 400, 400, 400, 400, 404] * 2
    assert code == 0


HOSTILE_REQUESTS = {
    "POST": b"POST /?code=x&state=STATE HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "an address without end": b"GET /?code=" + b"x" * 100_000 + b"&state=STATE HTTP/1.1\r\n\r\n",
    "headers without end": b"GET /?code=x&state=other HTTP/1.1\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
    "no address at all": b"GET //[?code=x HTTP/1.1\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
    "half of the state": b"GET /?code=x&state=STAT HTTP/1.1\r\n\r\n",
    "no state": b"GET /?code=x HTTP/1.1\r\n\r\n",
    "the state twice, the last one foreign": b"GET /?code=x&state=STATE&state=y HTTP/1.1\r\n\r\n",
}


def test_requests_that_allegro_never_sends_do_not_end_the_waiting(desk: Desk) -> None:
    """Each is refused and brings no code; then the true answer comes, and the account is linked."""
    answers: dict[str, bytes] = {}

    def browse(address: str) -> None:
        state = asked_for(address)["state"].encode()
        for name, request in HOSTILE_REQUESTS.items():
            with socket.create_connection(("127.0.0.1", desk.port), timeout=20) as connection:
                connection.settimeout(20)
                with contextlib.suppress(ConnectionError):
                    connection.sendall(request.replace(b"STATE", state).replace(b"STAT ", state[:-1] + b" "))
                    answers[name] = connection.recv(65536)
        desk.consent(address)

    code, _, err = desk.link(browse=browse)
    assert code == 0, err
    assert len(exchanges(desk, "/auth/oauth/token")) == 1
    assert {name: answer for name, answer in answers.items() if b" 200 " in answer.split(b"\r\n")[0]} == {}


def test_a_spare_connection_does_not_keep_the_answer_away(desk: Desk) -> None:
    """Browsers open connections on which they ask nothing."""
    spare = socket.socket()

    def browse(address: str) -> None:
        spare.connect(("127.0.0.1", desk.port))
        desk.consent(address)

    with contextlib.closing(spare):
        assert desk.link(browse=browse)[0] == 0


def test_a_page_that_is_loaded_twice_is_one_login(desk: Desk) -> None:
    """The second request gets the same page, and the code is exchanged once."""
    desk.simulator.settings.latency = 0.2

    def browse(address: str) -> None:
        target = way_back(desk.simulator, address)
        twice = [threading.Thread(target=lambda: desk.pages.append(requests.get(target, timeout=10))) for _ in "12"]
        for each in twice:
            each.start()
        for each in twice:
            each.join()

    assert desk.link(browse=browse)[0] == 0
    assert {page.text.count("Konto połączone</h1>") for page in desk.pages} == {1}
    assert len(exchanges(desk, "/auth/oauth/token")) == 1


def test_refused_consent(desk: Desk) -> None:
    """Exit 3, the page and the console say so, no token file."""
    code, _, err = desk.link(browse=lambda address: desk.consent(address, decision="deny"))
    assert code == 3
    assert "odmówiono zgody" in err
    assert "Odmówiono zgody" in desk.pages[0].text
    assert not desk.file.exists()


def test_what_a_link_may_inject_is_text(desk: Desk) -> None:
    """An error code from the address is not repeated unless it looks like one."""

    def browse(address: str) -> None:
        state = asked_for(address)["state"]
        target = f"http://localhost:{desk.port}/?error=%1b[31m<script>x</script>&state={state}"
        desk.pages.append(requests.get(target, timeout=10))

    code, _, err = desk.link(browse=browse)
    assert code == 3
    assert "\x1b" not in err
    assert "script" not in err + desk.pages[0].text


def test_a_code_that_came_too_late(desk: Desk) -> None:
    """Ten seconds are over: exit 3, nothing written, and the browser is told too."""

    def browse(address: str) -> None:
        target = way_back(desk.simulator, address)
        desk.simulator.clock.advance(11)
        desk.pages.append(requests.get(target, timeout=10))

    code, _, err = desk.link(browse=browse)
    assert code == 3
    assert "10 sekund" in err
    assert "Nie udało się połączyć konta" in desk.pages[0].text
    assert not desk.file.exists()


def test_nobody_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3 when the time is over, and no sooner."""
    begun = time.monotonic()
    real = SystemClock.now
    monkeypatch.setattr(
        SystemClock, "now", lambda self: real(self) + timedelta(seconds=300 * (time.monotonic() - begun))
    )
    code, _, err = desk.link(browse=lambda address: None)
    assert code == 3
    assert "5 minut" in err
    assert link.PATIENCE.total_seconds() == 300


@pytest.mark.parametrize(
    ("count", "code"), [pytest.param(1, 0, id="once"), pytest.param(None, 4, id="for as long as the code lives")]
)
def test_trouble_at_the_token_endpoint(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, count: int | None, code: int
) -> None:
    """The same code is sent again while it lives; a login that fails for this reason is exit 4."""
    monkeypatch.setattr("batch.accounts.endpoint.CODE_PATIENCE", timedelta(seconds=1))
    desk.simulator.faults.add("status_before", path="/auth/oauth/token", status=503, count=count)
    ended, _, err = desk.link()
    assert ended == code
    assert desk.file.exists() == (code == 0)
    assert len(exchanges(desk, "/auth/oauth/token")) == 2
    assert ("503" in err) == (code == 4)


def test_a_lost_answer_is_a_login_to_repeat(desk: Desk) -> None:
    """The code was spent by the request whose answer got lost."""
    desk.simulator.faults.add("cut_after", path="/auth/oauth/token")
    assert desk.link()[0] == 3
    assert desk.link()[0] == 0


def test_when_it_cannot_be_told_whose_login_it_is_nothing_is_kept(desk: Desk) -> None:
    desk.simulator.faults.add("blocked", path="/me", count=None)
    code, _, _ = desk.link()
    assert code == 3
    assert not desk.file.exists()
    assert "Nie udało się połączyć konta" in desk.pages[0].text


# --- somebody else's tokens


def other_login(desk: Desk) -> None:
    desk.shop.link("e-sklep1", login="e-sklep2")


def other_environment(desk: Desk) -> None:
    desk.shop.link("e-sklep1")
    desk.file.write_text(json.dumps(desk.held() | {"environment": "production"}))


@pytest.mark.parametrize(
    ("before", "found", "answer", "code"),
    [
        (other_login, "e-sklep2", "", 2),
        (other_login, "e-sklep2", "\n", 2),
        (other_login, "e-sklep2", "n\n", 2),
        (other_login, "e-sklep2", "t\n", 0),
        (other_environment, "production", "", 2),
        (other_environment, "production", "Yes\n", 0),
    ],
)
def test_tokens_of_somebody_else_are_replaced_only_after_asking(
    desk: Desk, before: Callable[[Desk], None], found: str, answer: str, code: int
) -> None:
    """Both are named. Without an answer, or with another than yes, the file stays byte-identical and that is exit 2."""
    before(desk)
    old = desk.file.read_bytes()
    ended, _, err = desk.link(answer=answer)
    assert ended == code
    assert found in err
    assert "e-sklep1" in err
    assert "Wróć do okna programu" in desk.pages[0].text
    if code:
        assert desk.file.read_bytes() == old
        assert desk.shop.table("Accounts")[0]["login"] == ""
    else:
        assert (desk.held()["login"], desk.held()["environment"]) == ("e-sklep1", "simulator")
        assert desk.held()["generation"] == 2


def test_the_same_login_is_linked_again_without_a_question(desk: Desk) -> None:
    desk.shop.link("e-sklep1")
    code, _, err = desk.link()
    assert (code, "[t/N]" in err, desk.held()["generation"]) == (0, False, 2)


def test_another_login_than_last_time_is_pointed_out_although_its_file_is_gone(desk: Desk) -> None:
    """And the next run works with the new login."""
    rows = [{"account": "e-sklep1", "environment": "simulator", "login": "e-sklep2"}]
    desk.shop.fill([], Accounts=rows)
    code, _, err = desk.link()
    assert code == 0
    assert "poprzednio to konto było połączone z loginem e-sklep2" in err
    assert desk.shop.table("Accounts")[0]["login"] == "e-sklep1"


# --- the workbook and the settings


@pytest.mark.parametrize("busy", ["a run", "Excel"])
def test_a_workbook_that_cannot_be_written_does_not_cost_the_login(desk: Desk, busy: str) -> None:
    """Linked, exit 0, said so; the next `tokens` fills the columns."""
    name = desk.shop.workbook.name
    before = desk.shop.workbook.read_bytes()
    with contextlib.ExitStack() as held:
        if busy == "a run":
            held.enter_context(FileLock(desk.shop.folder / f".{name}.lock"))
        else:
            owner = desk.shop.folder / f"~${name}"
            owner.write_bytes(b"\x04Anna")
            held.callback(owner.unlink)
        code, _, err = desk.link()
    assert code == 0
    assert "Tokeny pobrane pomyślnie" in err
    assert "Tokeny są zapisane, ale kolumn konta nie wpisano" in err
    assert desk.shop.workbook.read_bytes() == before
    assert call("tokens", desk.shop.workbook) == 0
    assert desk.shop.table("Accounts")[0]["login"] == "e-sklep1"


def test_the_main_station_publishes_at_once(desk: Desk) -> None:
    """Stations that never renew need not wait for the main one's next run."""
    desk.change_settings(accounts={"e-sklep1": {"publish": "public.json"}})
    assert desk.link()[0] == 0
    published = json.loads((desk.shop.folder / "public.json").read_text())
    assert published["access_token"] == desk.held()["access_token"]
    assert "refresh_token" not in published


def test_linking_needs_no_secret_but_says_that_renewing_will(desk: Desk) -> None:
    desk.change_settings(client_secret="${THERE_IS_NO_SUCH_VARIABLE}")
    code, _, err = desk.link()
    assert code == 0
    assert "THERE_IS_NO_SUCH_VARIABLE" in err


def nothing_opened(desk: Desk, *options: str) -> str:
    """Exit 2 before a browser opens; what was said."""
    code, out, err = desk.link(*options)
    assert (code, out, desk.opened, desk.simulator.requests) == (2, "", [], [])
    return err


def test_a_station_that_never_renews_links_nothing(desk: Desk) -> None:
    desk.change_settings(station={"refresh_tokens": False})
    assert "refresh_tokens: false" in nothing_opened(desk)
    assert not desk.file.exists()


def test_a_port_in_use(desk: Desk) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", desk.port))
        other.listen()
        assert str(desk.port) in nothing_opened(desk)


def test_a_port_in_use_on_the_other_loopback_address(desk: Desk) -> None:
    """A browser might go there with the code."""
    if not loopback._has_ipv6():
        pytest.skip("this computer has no IPv6")
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", desk.port))
        other.listen()
        assert str(desk.port) in nothing_opened(desk)


@pytest.mark.parametrize(
    ("token_file", "said"),
    [
        ("away/x.token", "away"),
        ("~/x.token", "~"),
        ("OneDrive - Firma/x.token", "OneDrive"),
        (".", "Nie można odczytać"),
        ("/dev/null", "Nie można odczytać"),
        ("Oferty.xlsx", "coś innego niż tokeny"),
        ("batch.yaml", "coś innego niż tokeny"),
        ("NUL", "Żaden plik nie może mieć nazwy"),
        ("con.token", "Żaden plik nie może mieć nazwy"),
        ("list.txt:tokeny", "Żaden plik nie może mieć nazwy"),
        ("dwa\nwiersze", "Żaden plik nie może mieć nazwy"),
        ("x" * 300, "Nie można zapisać"),
    ],
)
def test_a_place_where_tokens_cannot_be_kept(desk: Desk, token_file: str, said: str) -> None:
    (desk.shop.folder / "OneDrive - Firma").mkdir()
    rows = [{"account": "e-sklep1", "environment": "simulator", "token_file": token_file}]
    desk.shop.fill([], Accounts=rows)
    assert said in nothing_opened(desk)


@pytest.mark.parametrize("above", [False, True])
def test_tokens_may_lie_anywhere(desk: Desk, above: bool) -> None:
    """On a share, above the workbook's folder, in a folder of any name."""
    place = desk.shop.folder / "udział" / "tokeny"
    place.mkdir(parents=True)
    token_file = f"../{desk.shop.folder.name}/udział/tokeny/x.token" if above else str(place / "x.token")
    rows = [{"account": "e-sklep1", "environment": "simulator", "token_file": token_file}]
    desk.shop.fill([], Accounts=rows)
    code, _, err = desk.link()
    assert (code, (place / "x.token").is_file()) == (0, True), err


@pytest.mark.parametrize("broken", [b"", b"\0" * 600, b'{"access_token": "x'])
def test_a_broken_token_file_is_replaced(desk: Desk, broken: bytes) -> None:
    """It is ours, and logging in is what mends it."""
    desk.file.write_bytes(broken)
    code, _, err = desk.link()
    assert (code, desk.held()["login"]) == (0, "e-sklep1"), err


def test_an_account_that_is_not_in_the_workbook(desk: Desk) -> None:
    desk.shop.fill([], Accounts=[{"account": "inny", "environment": "simulator"}])
    assert "inny" in nothing_opened(desk)


# --- on another device


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The program waits in no time; how long it waited."""
    return wait_at_once(monkeypatch)


def polls(desk: Desk) -> list[str]:
    """What the token endpoint said to the device, in order."""
    return [json.loads(exchange.answer).get("error", "") for exchange in exchanges(desk, "/auth/oauth/token")]


def at_poll(desk: Desk, quick: list[float], acts: dict[int, Callable[[str], Any]], patch: pytest.MonkeyPatch) -> None:
    """Let the simulator's clock go with ours, and something happen before the N-th question (from 1)."""
    inner = SystemClock.sleep

    def sleep(self: SystemClock, seconds: float) -> None:
        inner(self, seconds)
        desk.simulator.clock.advance(seconds)
        device = next(iter(desk.simulator.world.tokens._devices.values()))
        acts.get(len(quick), lambda _code: None)(device.user_code)

    patch.setattr(SystemClock, "sleep", sleep)


def test_a_device_waits_for_consent(desk: Desk, quick: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and code on stdout, in threes; asked every five seconds, slower when told so."""
    approve = {4: lambda code: desk.simulator.approve_device(code, "e-sklep1")}
    desk.simulator.lifetimes.device_interval = 5
    at_poll(desk, quick, approve, monkeypatch)
    desk.simulator.faults.add(
        "status_before", path="/auth/oauth/token", status=429, retry_after="7"
    )  # passes by itself, and is no reason to give up
    code, out, err = desk.link("--device")
    assert code == 0
    address, _, shown = out.partition("\n")
    assert address.startswith(f"{desk.simulator.url}/skojarz-aplikacje?code=")
    assert shown.strip() == spaced(address.rpartition("=")[2])
    assert len(shown.split()) == 3
    assert shown.strip() in err
    assert "Tokeny pobrane pomyślnie" in err
    assert polls(desk)[1:] == ["authorization_pending", "authorization_pending", ""]
    assert quick[:4] == [5, 7, 7, 7]
    assert desk.held()["login"] == "e-sklep1"
    assert desk.shop.table("Accounts")[0]["login"] == "e-sklep1"


def test_slow_down_makes_it_slower(desk: Desk, quick: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds more each time, as RFC 8628 has it."""
    acts: dict[int, Callable[[str], Any]] = {
        1: lambda code: setattr(desk.simulator.lifetimes, "device_interval", 12),
        4: lambda code: desk.simulator.approve_device(code, "e-sklep1"),
    }
    at_poll(desk, quick, acts, monkeypatch)
    assert desk.link("--device")[0] == 0
    assert polls(desk) == ["authorization_pending", "slow_down", "slow_down", ""]
    assert quick == [5, 5, 10, 15]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        pytest.param(
            lambda desk, code: desk.simulator.world.tokens.decide_device(code, ""), "odmówiono zgody", id="denied"
        ),
        pytest.param(lambda desk, code: desk.simulator.clock.advance(3601), "nowy kod", id="expired"),
    ],
)
def test_a_device_that_gets_nothing(
    desk: Desk,
    quick: list[float],
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Desk, str], None],
    said: str,
) -> None:
    """Exit 3 and no token file."""
    at_poll(desk, quick, {2: lambda code: act(desk, code)}, monkeypatch)
    code, _, err = desk.link("--device")
    assert code == 3
    assert said in err
    assert len(polls(desk)) == 2
    assert not desk.file.exists()


def test_a_device_on_which_nobody_acts_gives_up_with_its_code(
    desk: Desk, quick: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.simulator.lifetimes.device_code = 30
    at_poll(desk, quick, {}, monkeypatch)
    code, _, err = desk.link("--device")
    assert code == 3
    assert "nowy kod" in err
    assert 30 <= sum(quick) <= 40


def test_a_device_needs_the_secret(desk: Desk) -> None:
    desk.change_settings(client_secret="${THERE_IS_NO_SUCH_VARIABLE}")
    code, out, err = desk.link("--device")
    assert (code, out) == (2, "")
    assert "THERE_IS_NO_SUCH_VARIABLE" in err


@pytest.mark.parametrize(("code", "shown"), [("123456789", "123 456 789"), ("12345678", "123 456 78")])
def test_a_code_is_shown_in_threes(code: str, shown: str) -> None:
    assert spaced(code) == shown
