"""The token endpoint over a real socket: what an answer means, and what a lost one does not mean."""

from __future__ import annotations

import time
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from batch.accounts.endpoint import PATIENCE, WAITS, GrantRefused, answered_at
from batch.errors import AccountError, ApiError, NoAnswer, ServerTrouble, SettingsError, TooMany
from batch.messages import LANGUAGES, catalogue
from tests.helpers.accounts import Clock, Station
from tests.helpers.ports import free_port
from tests.helpers.token_endpoint import CLIENT_ID, AllegroTokens, token_endpoint


def test_a_pair_comes_back_with_its_times_by_allegros_clock(pc: Station, allegro: AllegroTokens) -> None:
    """The PC's clock is three hours behind; `Date` tells."""
    pc.clock.offset = timedelta(hours=-3)
    now = Clock()()
    grant = pc.endpoint().refresh(allegro.refresh_token)
    assert grant.refresh_token == allegro.refresh_token
    assert grant.access_token == allegro.access_token
    assert abs(grant.issued_at - now) < timedelta(minutes=1)
    assert grant.expires_at - grant.issued_at == timedelta(seconds=43199)
    assert grant.access_token not in repr(grant)
    assert grant.refresh_token not in repr(grant)


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Foo 2026 00:00:00 GMT", "0"])
def test_without_a_usable_date_our_clock_from_before_the_request_counts(
    pc: Station, allegro: AllegroTokens, date: str
) -> None:
    allegro.script = [{"headers": {"Date": date}}]
    pc.clock.offset = timedelta(hours=-3)
    grant = pc.endpoint().refresh(allegro.refresh_token)
    assert timedelta(0) <= pc.clock() - grant.issued_at < timedelta(minutes=1)


@pytest.mark.parametrize("lifetime", [600, "600"])
def test_a_lifetime_may_be_a_number_or_its_digits(pc: Station, allegro: AllegroTokens, lifetime: Any) -> None:
    allegro.lifetime = lifetime
    grant = pc.endpoint().refresh(allegro.refresh_token)
    assert grant.expires_at - grant.issued_at == timedelta(seconds=600)


PAIR = {"access_token": "a.b", "refresh_token": "r.s", "expires_in": 43199}


@pytest.mark.parametrize(
    ("answer", "life"),
    [
        pytest.param({**PAIR, "expires_in": None}, 3600, id="null"),
        pytest.param({"access_token": "a.b", "refresh_token": "r.s"}, 3600, id="left out"),
        pytest.param({**PAIR, "expires_in": 43199.0}, 43199, id="with decimals"),
        pytest.param({**PAIR, "expires_in": 43199.5}, 3600, id="half a second"),
        pytest.param({**PAIR, "expires_in": True}, 3600, id="a flag"),
        pytest.param({**PAIR, "expires_in": 0}, 3600, id="zero"),
        pytest.param({**PAIR, "expires_in": -5}, 3600, id="negative"),
        pytest.param({**PAIR, "expires_in": 10**15}, 3600, id="beyond any calendar"),
        pytest.param({**PAIR, "expires_in": "soon"}, 3600, id="a word"),
        pytest.param({**PAIR, "expires_in": "٣"}, 3600, id="other digits"),
    ],
)
def test_a_pair_is_kept_whatever_is_said_of_its_lifetime(
    pc: Station, allegro: AllegroTokens, answer: Any, life: int
) -> None:
    """Thrown away, it would be lost a minute later; without a lifetime it is renewed soon."""
    allegro.script = [{"answer": answer}]
    grant = pc.endpoint().refresh(allegro.refresh_token)
    assert (grant.refresh_token, grant.expires_at - grant.issued_at) == ("r.s", timedelta(seconds=life))


def test_a_clock_at_the_end_of_the_calendar_is_no_clock() -> None:
    """A lifetime would not fit behind it."""
    assert answered_at({"Date": "Fri, 31 Dec 9999 23:00:00 GMT"}) is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({**PAIR, "refresh_token": None}, id="no refresh token"),
        pytest.param({"access_token": "a.b", "expires_in": 43199}, id="refresh token absent"),
        pytest.param({**PAIR, "refresh_token": ""}, id="refresh token blank"),
        pytest.param({**PAIR, "refresh_token": 5}, id="refresh token a number"),
        pytest.param({**PAIR, "access_token": "a\r\nb"}, id="access token breaks the header"),
        pytest.param({**PAIR, "access_token": ["a"]}, id="access token a list"),
        pytest.param([PAIR], id="a list"),
        pytest.param(b"<html>log in to this hotel</html>", id="a captive portal"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[" * 50_000, id="nested without end"),
        pytest.param(b'{"access_token": "' + b"x" * 300_000, id="without end"),
    ],
)
def test_an_answer_without_a_complete_pair_is_trouble_of_the_server(
    pc: Station, allegro: AllegroTokens, answer: Any
) -> None:
    allegro.script = [{"answer": answer}] * 20
    with pytest.raises(ServerTrouble) as caught:
        pc.endpoint().refresh(allegro.refresh_token)
    assert caught.value.code == "token_answer_invalid"


@pytest.mark.parametrize(
    "trouble",
    ["before", "after", "half", 500, 502, 503, 504, 429, {"answer": b"<html>"}, {"answer": {"access_token": "x"}}],
)
def test_after_a_lost_answer_the_same_token_is_sent_again_at_once(
    pc: Station, allegro: AllegroTokens, trouble: Any
) -> None:
    """Also when the pair was renewed and only the answer got lost: the grace of 60 seconds covers it (#4136)."""
    allegro.script = [trouble, trouble]
    grant = pc.endpoint().refresh(allegro.refresh_token)
    assert grant.refresh_token == allegro.refresh_token
    assert allegro.requests == 3
    assert not allegro.refused
    assert sum(pc.clock.slept) < 5


@pytest.mark.parametrize(
    ("trouble", "kind", "code"),
    [
        ("before", NoAnswer, "token_no_answer"),
        ("after", NoAnswer, "token_no_answer"),
        (500, ServerTrouble, "token_trouble"),
        (404, ServerTrouble, "token_trouble"),
        (400, ServerTrouble, "token_trouble"),
        (429, TooMany, "token_too_many"),
    ],
)
def test_trouble_that_stays_ends_within_the_grace(
    pc: Station, allegro: AllegroTokens, trouble: Any, kind: type[ApiError], code: str
) -> None:
    """Never an AccountError: nobody has to log in because a server is down."""
    allegro.script = [trouble] * 50
    with pytest.raises(kind) as caught:
        pc.endpoint().refresh(allegro.refresh_token)
    assert caught.value.code == code
    assert 3 < allegro.requests < 10
    assert timedelta(seconds=10) < timedelta(seconds=sum(pc.clock.slept)) < PATIENCE
    for language in LANGUAGES:
        assert pc.allegro.url in str(catalogue(language).explain(code, **caught.value.facts))


@pytest.mark.parametrize(
    ("retry_after", "requests", "carried"),
    [("3", 3, 3.0), ("3600", 1, 3600.0), ("in a while", 3, WAITS[0]), (format_datetime, 1, 600.0)],
)
def test_retry_after_is_heeded_as_far_as_the_grace_allows(
    pc: Station, allegro: AllegroTokens, retry_after: Any, requests: int, carried: float
) -> None:
    if callable(retry_after):
        retry_after = retry_after(Clock()() + timedelta(seconds=600))
    step = {"status": 429, "headers": {"Retry-After": retry_after}, "refuse": True}
    allegro.script = [step, step]
    if requests == 3:
        pc.endpoint().refresh(allegro.refresh_token)
        assert pc.clock.slept[0] == carried
    else:
        with pytest.raises(TooMany) as caught:
            pc.endpoint().refresh(allegro.refresh_token)
        assert caught.value.retry_after == pytest.approx(carried, abs=5)
    assert allegro.requests == requests


def test_a_dead_refresh_token_is_refused_once_and_not_sent_again(pc: Station, allegro: AllegroTokens) -> None:
    with pytest.raises(GrantRefused) as caught:
        pc.endpoint().refresh("refresh.SECRET.dead")
    assert allegro.requests == 1
    assert caught.value.args == ("invalid_grant",)


def test_a_wrong_client_secret_needs_a_person_and_is_not_a_dead_token(pc: Station, allegro: AllegroTokens) -> None:
    pc.secret = "wrong-żółw"
    with pytest.raises(AccountError) as caught:
        pc.endpoint().refresh(allegro.refresh_token)
    assert caught.value.code == "client_refused"
    assert caught.value.facts == {"client_id": CLIENT_ID, "host": allegro.url, "error": "invalid_client"}
    assert allegro.requests == 1
    for language in LANGUAGES:
        assert CLIENT_ID in str(catalogue(language).explain("client_refused", **caught.value.facts))


def test_an_error_code_that_echoes_the_token_is_not_repeated(pc: Station, allegro: AllegroTokens) -> None:
    allegro.script = [{"status": 400, "answer": {"error": allegro.refresh_token}}] * 20
    with pytest.raises(ServerTrouble) as caught:
        pc.endpoint().refresh(allegro.refresh_token)
    assert "SECRET" not in str(caught.value)


def test_a_blocked_address_is_no_reason_to_log_in(pc: Station, allegro: AllegroTokens) -> None:
    """It is asked once, and told as trouble that passes."""
    allegro.script = [{"status": 403, "answer": b"<html>you have been blocked</html>"}]
    with pytest.raises(ServerTrouble) as caught:
        pc.endpoint().refresh(allegro.refresh_token)
    assert allegro.requests == 1
    for language in LANGUAGES:
        assert allegro.url in str(catalogue(language).explain("token_forbidden", **caught.value.facts))


def test_secrets_follow_no_redirect(pc: Station, allegro: AllegroTokens, tmp_path: Path) -> None:
    with token_endpoint() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            allegro.script = [{"status": status, "headers": {"Location": elsewhere.url + "/auth/oauth/token"}}] * 20
            with pytest.raises(ServerTrouble):
                pc.endpoint().refresh(allegro.refresh_token)
        assert elsewhere.requests == 0


def test_without_a_server_the_token_certainly_was_not_used(pc: Station) -> None:
    pc.allegro.url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NoAnswer) as caught:
        pc.endpoint().refresh("refresh.SECRET.1")
    assert caught.value.sent is False
    assert caught.value.__context__ is None


def test_a_missing_secret_is_said_before_anything_is_sent(pc: Station, allegro: AllegroTokens) -> None:
    def secret() -> str:
        raise SettingsError("secret_missing", client_id=CLIENT_ID)

    endpoint = pc.endpoint()
    object.__setattr__(endpoint, "secret", secret)
    with pytest.raises(SettingsError):
        endpoint.refresh(allegro.refresh_token)
    assert allegro.requests == 0


def test_an_answer_that_drips_is_given_up(pc: Station, allegro: AllegroTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then would satisfy every timeout for reading; the answer as a whole has one too."""

    monkeypatch.setattr("batch.accounts.endpoint.TIMEOUT", (5, 0.2))
    allegro.script = [{"drip": lambda: time.sleep(0.1)}, *[503] * 50]
    with pytest.raises(ServerTrouble):
        pc.endpoint().refresh(allegro.refresh_token)
    assert 0 < allegro.dripped < 100


def test_an_outage_of_half_a_minute_costs_no_login(pc: Station, allegro: AllegroTokens) -> None:
    """The old token is accepted for 60 seconds after its first use, so it is tried for as long as there is time."""
    allegro.script = [503] * 7
    assert pc.endpoint().refresh(allegro.refresh_token).refresh_token == allegro.refresh_token
    assert timedelta(seconds=20) < timedelta(seconds=sum(pc.clock.slept)) < PATIENCE
