"""Whole commands that fail in every way: no secret leaves its place, and no token leaves for another host.

Secrets are the client secret, every token, and the codes of a login. They are looked for in what the commands say,
in the log (also what other libraries would log at their wordiest), and in every file that is not made to hold them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
import yaml

from batch import cli
from batch.accounts.endpoint import TokenEndpoint
from batch.simulator import Simulator, catalogue
from tests.helpers.at_once import at_home, call, wait_at_once
from tests.helpers.linking import settle_port, way_back
from tests.helpers.ports import free_port
from tests.helpers.shop import Shop

TOKENS, API = "/auth/oauth/token", "/sale/.*"
COMMANDS = [["tokens", "--refresh"], ["schedule", "--once"]]


@pytest.fixture
def elsewhere() -> Iterator[Simulator]:
    """A host to which no token may go."""
    with Simulator() as running:
        yield running
    assert running.requests == []


@pytest.fixture
def shop(tmp_path: Path, unchecked_simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Shop:
    at_home(tmp_path, monkeypatch)
    wait_at_once(monkeypatch)
    shop = Shop(tmp_path, unchecked_simulator, accounts=["e-sklep1"], secret="never-to-be-told")
    shop.link("e-sklep1", expires_in=60)
    shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(2)])
    settle_port(shop, free_port())
    return shop


def trouble(name: str, path: str, **details: Any) -> Callable[[Shop, Simulator], None]:
    def add(shop: Shop, elsewhere: Simulator) -> None:
        if name == "redirect":
            details["location"] = elsewhere.url + TOKENS
        shop.simulator.faults.add(name, path=path, count=None, **details)

    return add


def revoked(shop: Shop, _: Simulator) -> None:
    """Allegro then repeats the refresh token in its answer."""
    shop.simulator.revoke("e-sklep1")


def wrong_secret(shop: Shop, _: Simulator) -> None:
    shop.simulator.add_application("demo", "another one", "Demo")


def in_the_token_file(**changed: Any) -> Callable[[Shop, Simulator], None]:
    def write(shop: Shop, _: Simulator) -> None:
        file = shop.folder / "e-sklep1.allegro.token"
        fields = json.loads(file.read_text())
        values = {name: fields.get(value, value) for name, value in changed.items()}
        file.write_text(json.dumps(fields | values))

    return write


def token_in_the_settings(shop: Shop, _: Simulator) -> None:
    """A person pastes it where it does not belong."""
    path = shop.folder / "batch.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    token = json.loads((shop.folder / "e-sklep1.allegro.token").read_text())["refresh_token"]
    settings["environments"]["simulator"] |= {"client_secrets": token, "client_secret": [token]}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")


FAILURES = {
    "nothing wrong": lambda shop, elsewhere: None,
    "tokens revoked": revoked,
    "wrong client secret": wrong_secret,
    "token endpoint: 429": trouble("status_before", TOKENS, status=429),
    "token endpoint: 503": trouble("status_before", TOKENS, status=503),
    "token endpoint: no answer": trouble("cut_before", TOKENS),
    "token endpoint: answer lost": trouble("cut_after", TOKENS),
    "token endpoint: half an answer": trouble("truncated", TOKENS),
    "token endpoint: no JSON": trouble("malformed", TOKENS),
    "token endpoint: blocked": trouble("blocked", TOKENS),
    "token endpoint: redirect": trouble("redirect", TOKENS),
    "API: 401 for ever": trouble("unauthorized", API),
    "API: token dies": trouble("expired", API),
    "API: 500": trouble("status_before", API, status=500),
    "API: no answer": trouble("cut_before", API),
    "API: half an answer": trouble("truncated", API),
    "API: no JSON": trouble("malformed", API),
    "API: blocked": trouble("blocked", API),
    "API: redirect": trouble("redirect", API),
    "token file: a token for a time": in_the_token_file(expires_at="access_token"),
    "token file: a token for a login": in_the_token_file(environment="sandbox"),
    "token file: a line break in the token": in_the_token_file(access_token="line\nbreak"),
    "settings: a token in the wrong place": token_in_the_settings,
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_secret_leaves_its_place(
    shop: Shop,
    elsewhere: Simulator,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    failure: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    FAILURES[failure](shop, elsewhere)
    codes = [call(command, shop.workbook, *options) for command, *options in COMMANDS]
    said = capsys.readouterr()
    assert 1 not in codes, "a failure is told, it is no bug"
    assert shop.leaks(said.out, said.err, caplog.text) == []


def test_a_bug_with_a_token_in_its_hands_tells_nobody(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback in the log shows the code, not the values."""

    def broken(_self: TokenEndpoint, refresh_token: str) -> Any:
        raise KeyError(len(refresh_token))

    monkeypatch.setattr(TokenEndpoint, "refresh", broken)
    assert call("tokens", shop.workbook, "--refresh") == 1
    log = (shop.folder / "state" / "allegro-batch" / "batch.log").read_text("utf-8")
    assert "KeyError" in log
    said = capsys.readouterr()
    assert shop.leaks(said.out, said.err) == []


LOGINS: dict[str, tuple[list[str], dict[str, Any], str | None, dict[str, str]]] = {
    "linked": ([], {}, None, {}),
    "refused": ([], {}, None, {"decision": "deny"}),
    "code refused": ([], {}, "wrong", {}),
    "somebody else": ([], {}, None, {"login": "e-sklep2"}),
    "token endpoint: 503": ([], {"trouble": "status_before", "path": TOKENS}, None, {}),
    "token endpoint: no JSON": ([], {"trouble": "malformed", "path": TOKENS}, None, {}),
    "token endpoint: redirect": ([], {"trouble": "redirect", "path": TOKENS}, None, {}),
    "whose login: blocked": ([], {"trouble": "blocked", "path": "/me"}, None, {}),
    "whose login: redirect": ([], {"trouble": "redirect", "path": "/me"}, None, {}),
    "device: nobody acts": (["--device"], {}, None, {}),
    "device: redirect": (["--device"], {"trouble": "redirect", "path": "/auth/oauth/device"}, None, {}),
}


@pytest.mark.parametrize("login", LOGINS)
def test_no_secret_of_a_login_leaves_its_place(
    shop: Shop,
    elsewhere: Simulator,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    login: str,
) -> None:
    options, fault, code, person = LOGINS[login]
    caplog.set_level(logging.DEBUG, logger="batch")  # the browser of this test logs the address it goes to
    shop.simulator.lifetimes.device_code = 20
    if fault:
        shop.simulator.faults.add(**fault, count=None, location=elsewhere.url + TOKENS)

    def browse(address: str) -> None:
        target = way_back(shop.simulator, address, **person)
        requests.get(target.replace("code=", f"code={code}") if code else target, timeout=30)

    monkeypatch.setattr(cli, "_open_browser", lambda address: Thread(target=browse, args=(address,)).start())
    monkeypatch.setattr("sys.stdin", None)
    assert call("link", shop.workbook, "e-sklep1", *options) in ({0} if login == "linked" else {2, 3, 4})
    said = capsys.readouterr()
    assert shop.leaks(said.out, said.err, caplog.text) == []


def test_the_check_itself_finds_what_is_told(shop: Shop) -> None:
    """In an output, in a file of any name, inside a workbook."""
    token = json.loads((shop.folder / "e-sklep1.allegro.token").read_text())["refresh_token"]
    assert shop.leaks() == []
    assert shop.leaks(f"x{token}x") == ["output 0"]
    (shop.folder / "report.html").write_text(token)
    assert shop.leaks("never-to-be-told") == ["output 0", "report.html"]


def test_plain_http_goes_to_this_computer_and_past_every_proxy(
    shop: Shop, elsewhere: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the system's would see the token."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert call("run", shop.workbook) == 0
    assert len(shop.offers()) == 2


@pytest.mark.parametrize("key", ["auth_url", "api_url"])
def test_plain_http_to_another_computer_is_refused(shop: Shop, key: str) -> None:
    """Before anything is read or sent."""
    path = shop.folder / "batch.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    settings["environments"]["simulator"][key] = "http://192.168.0.10:8123"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert call("run", shop.workbook) == 2
    assert shop.simulator.requests == []
