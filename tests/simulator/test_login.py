"""Logging in at the simulator: codes, renewal with the 60-second grace, devices, dead tokens."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from batch.simulator import Simulator
from tests.helpers.caller import HEADERS

BASIC = ("demo", "demo")
REDIRECT = "http://localhost:8042"


def authorize(simulator: Simulator, **asked: str) -> requests.Response:
    query = {"response_type": "code", "client_id": "demo", "redirect_uri": REDIRECT, "state": "abc", **asked}
    return requests.get(f"{simulator.url}/auth/oauth/authorize", query, timeout=10, allow_redirects=False)


def consent(simulator: Simulator, decision: str = "allow", **asked: str) -> dict[str, list[str]]:
    """Press a button on the page; gives the query of the address that the browser is sent to."""
    page = authorize(simulator, **asked)
    assert page.status_code == 200
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
    assert "<option>e-sklep1</option>" in page.text
    form = {**hidden, "login": "e-sklep1", "decision": decision}
    back = requests.post(f"{simulator.url}/auth/oauth/authorize", form, timeout=10, allow_redirects=False)
    assert back.status_code == 302
    assert back.headers["Location"].startswith(f"{REDIRECT}?")
    return parse_qs(urlsplit(back.headers["Location"]).query)


def token(simulator: Simulator, auth: tuple[str, str] | None = BASIC, **form: str) -> requests.Response:
    return requests.post(f"{simulator.url}/auth/oauth/token", form, auth=auth, timeout=10)


def by_code(simulator: Simulator, code: str, **form: str) -> requests.Response:
    return token(simulator, grant_type="authorization_code", code=code, redirect_uri=REDIRECT, **form)


def renew(simulator: Simulator, refresh: str, auth: tuple[str, str] | None = BASIC) -> requests.Response:
    return token(simulator, auth, grant_type="refresh_token", refresh_token=refresh)


def me(simulator: Simulator, access: str) -> requests.Response:
    headers = {**HEADERS, "Authorization": f"Bearer {access}"}
    return requests.get(f"{simulator.url}/me", headers=headers, timeout=10)


def test_consent_gives_a_code_that_works_once(simulator: Simulator) -> None:
    """The code comes back with the state, buys one pair of tokens of the chosen seller, and no second one."""
    back = consent(simulator)
    assert back["state"] == ["abc"]
    first = by_code(simulator, back["code"][0])
    assert first.status_code == 200
    tokens = first.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 43199)
    assert me(simulator, tokens["access_token"]).json()["login"] == "e-sklep1"
    assert by_code(simulator, back["code"][0]).json()["error"] == "invalid_grant"


def test_a_code_lives_ten_seconds(simulator: Simulator) -> None:
    """After eleven it is refused."""
    code = consent(simulator)["code"][0]
    simulator.clock.advance(11)
    assert by_code(simulator, code).status_code == 400


def test_denied_consent_comes_back_as_an_error(simulator: Simulator) -> None:
    """No code, access_denied, and the state."""
    back = consent(simulator, "deny")
    assert (back["error"], back["state"]) == (["access_denied"], ["abc"])
    assert "code" not in back


def test_pkce_needs_no_secret_but_the_verifier(simulator: Simulator) -> None:
    """client_id and code_verifier instead of Basic; a wrong or missing verifier is refused."""
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    for sent, status in ({"code_verifier": verifier}, 200), ({"code_verifier": "w" * 43}, 400), ({}, 401):
        code = consent(simulator, code_challenge=challenge, code_challenge_method="S256")["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": "demo"}
        assert token(simulator, None, **form, **sent).status_code == status
    assert authorize(simulator, code_challenge="x", code_challenge_method="plain").status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"redirect_uri": "http://127.0.0.1:8042"},
        {"redirect_uri": "http://192.168.0.10:8042"},
        {"redirect_uri": "https://example.com"},
        {"redirect_uri": "http://localhost:8042/#x"},
        {"redirect_uri": "http://localhost:8042/elsewhere"},
        {"client_id": "nobody"},
        {"response_type": "token"},
    ],
)
def test_a_wrong_authorization_ends_on_a_page(simulator: Simulator, asked: dict[str, str]) -> None:
    """400 and a page; nobody is sent to an address that cannot be trusted."""
    refused = authorize(simulator, **asked)
    assert (refused.status_code, "Location" in refused.headers) == (400, False)
    assert refused.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("registered", "asked", "status"),
    [
        ("http://127.0.0.1:8042", "http://127.0.0.1:8042", 400),
        ("https://shop.example:8443/back", "https://shop.example:8443/back", 200),
        ("https://shop.example:8443/back", "https://shop.example:8444/back", 400),
        ("http://localhost:1", "http://localhost:2", 200),
    ],
)
def test_redirects_go_to_registered_addresses(simulator: Simulator, registered: str, asked: str, status: int) -> None:
    """The port may differ on localhost only (#4300); a loopback IP is refused even if registered (#2737)."""
    simulator.add_application("key-2", "secret", "Shop", [registered])
    assert authorize(simulator, client_id="key-2", redirect_uri=asked).status_code == status


def test_a_seller_who_consented_before_is_sent_back_at_once(simulator: Simulator) -> None:
    """Unless the application asks for the page with prompt=confirm."""
    simulator.settings.auto_consent = "e-sklep2"
    assert authorize(simulator).status_code == 302
    assert authorize(simulator, prompt="confirm").status_code == 200


def test_renewal_kills_the_previous_access_token(simulator: Simulator) -> None:
    """A new pair; the old access token is 401 from then on."""
    old = simulator.issue_tokens("e-sklep1")
    new = renew(simulator, old["refresh_token"]).json()
    assert me(simulator, old["access_token"]).status_code == 401
    assert me(simulator, new["access_token"]).status_code == 200


def test_a_refresh_token_works_sixty_seconds_more(simulator: Simulator) -> None:
    """A lost answer can be asked for again; later the old token is invalid_grant and echoed."""
    old = simulator.issue_tokens("e-sklep1")["refresh_token"]
    assert renew(simulator, old).status_code == 200
    simulator.clock.advance(59)
    again = renew(simulator, old)
    assert me(simulator, again.json()["access_token"]).status_code == 200
    simulator.clock.advance(2)
    refused = renew(simulator, old)
    assert refused.status_code == 400
    assert refused.json() == {"error": "invalid_grant", "error_description": f"Invalid refresh token: {old}"}
    assert renew(simulator, again.json()["refresh_token"]).status_code == 200


def test_a_second_renewal_kills_what_the_first_one_gave(simulator: Simulator) -> None:
    """Two stations that renew at the same time: only the later pair lives."""
    old = simulator.issue_tokens("e-sklep1")["refresh_token"]
    first, second = renew(simulator, old).json(), renew(simulator, old).json()
    assert me(simulator, first["access_token"]).status_code == 401
    assert renew(simulator, first["refresh_token"]).status_code == 400
    assert me(simulator, second["access_token"]).status_code == 200


def test_renewal_needs_the_secret(simulator: Simulator) -> None:
    """401 without it or with a wrong one, and the token is not used up."""
    refresh = simulator.issue_tokens("e-sklep1")["refresh_token"]
    for auth in None, ("demo", "wrong"), ("nobody", "demo"):
        refused = renew(simulator, refresh, auth)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert renew(simulator, refresh).status_code == 200


def test_the_token_endpoint_takes_forms_only(simulator: Simulator) -> None:
    """A JSON body is refused; the parameters may stand in the address."""
    asked = {"grant_type": "refresh_token", "refresh_token": simulator.issue_tokens("e-sklep1")["refresh_token"]}
    url = f"{simulator.url}/auth/oauth/token"
    assert requests.post(url, json={}, params=asked, auth=BASIC, timeout=10).status_code == 400
    assert requests.post(url, params=asked, auth=BASIC, timeout=10).status_code == 200


def test_access_tokens_expire(simulator: Simulator) -> None:
    """401 in Allegro's shape for logins, with the token echoed; 12 hours unless told otherwise."""
    short = simulator.issue_tokens("e-sklep1", expires_in=30)
    long = simulator.issue_tokens("e-sklep1")
    simulator.clock.advance(31)
    refused = me(simulator, short["access_token"])
    assert refused.status_code == 401
    assert refused.json() == {
        "error": "invalid_token",
        "error_description": f"Access token expired: {short['access_token']}",
    }
    assert me(simulator, long["access_token"]).status_code == 200
    assert me(simulator, "rubbish").json()["error_description"] == "Cannot convert access token to JSON"


def test_the_twenty_first_session_ends_the_first(simulator: Simulator) -> None:
    """Twenty logins of a seller live side by side."""
    tokens = [simulator.issue_tokens("e-sklep1") for _ in range(21)]
    assert [me(simulator, one["access_token"]).status_code for one in tokens] == [401] + [200] * 20
    assert renew(simulator, tokens[0]["refresh_token"]).status_code == 400


def test_a_changed_password_kills_everything(simulator: Simulator) -> None:
    """Neither token of the seller works; other sellers notice nothing."""
    mine, other = simulator.issue_tokens("e-sklep1"), simulator.issue_tokens("e-sklep2")
    simulator.revoke("e-sklep1")
    assert me(simulator, mine["access_token"]).status_code == 401
    assert renew(simulator, mine["refresh_token"]).status_code == 400
    assert me(simulator, other["access_token"]).status_code == 200


class Device:
    """A device in the middle of the flow."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        answer = requests.post(f"{simulator.url}/auth/oauth/device", {"client_id": "demo"}, auth=BASIC, timeout=10)
        self.codes: dict[str, Any] = answer.json()

    def poll(self, wait: int = 5) -> tuple[int, str]:
        """Wait so many seconds, then ask."""
        self.simulator.clock.advance(wait)
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": self.codes["device_code"],
        }
        answer = token(self.simulator, **form)
        return answer.status_code, answer.json().get("error", "")

    def decide(self, decision: str) -> int:
        form = {"code": self.codes["user_code"], "login": "e-sklep1", "decision": decision}
        return requests.post(self.codes["verification_uri"], form, timeout=10).status_code


def test_a_device_waits_for_consent_and_gets_one_pair(simulator: Simulator) -> None:
    """authorization_pending, then tokens, then "Invalid device code"; numbers may come as text."""
    device = Device(simulator)
    assert (device.codes["expires_in"], device.codes["interval"]) == ("3600", 5)
    page = requests.get(device.codes["verification_uri_complete"], timeout=10)
    assert device.codes["user_code"] in page.text
    assert device.poll() == (400, "authorization_pending")
    assert device.decide("allow") == 200
    assert device.poll() == (200, "")
    assert device.poll() == (400, "Invalid device code")


def test_a_device_that_polls_too_fast_is_slowed_down(simulator: Simulator) -> None:
    """slow_down when less than the interval has passed."""
    device = Device(simulator)
    assert int(device.codes["interval"]) == 5
    polls = [device.poll(wait)[1] for wait in (0, 4, 5)]
    assert polls == ["authorization_pending", "slow_down", "authorization_pending"]


def test_a_refused_or_forgotten_device_gets_nothing(simulator: Simulator) -> None:
    """access_denied once the person said no; "Invalid device code" after an hour."""
    refused, forgotten = Device(simulator), Device(simulator)
    refused.decide("deny")
    assert refused.poll() == (400, "access_denied")
    simulator.clock.advance(3601)
    forgotten.decide("allow")
    assert forgotten.poll() == (400, "Invalid device code")
