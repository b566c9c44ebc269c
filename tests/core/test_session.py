"""A session's patience: how long it tries, by its own clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import urllib3

from batch.allegro.allowance import Limit
from batch.allegro.http import connections, new_http
from batch.allegro.pace import Budget
from batch.allegro.session import SURE_SECONDS, ApiSession, Traffic
from batch.errors import JournalError, NoAnswer
from batch.ledger import Ledger
from tests.helpers.drafts import FakeClock


class Tokens:
    def access_token(self) -> str:
        return "token"

    def replace(self, rejected: str) -> str:
        raise AssertionError(rejected)


class Silent(urllib3.HTTPConnectionPool):
    """A server that takes its time and says nothing."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__("localhost")
        self.clock, self.calls = clock, 0
        self.trouble: type[Exception] = urllib3.exceptions.ReadTimeoutError

    def urlopen(self, method: str, url: str, *_: Any, timeout: Any = None, **__: Any) -> Any:
        self.calls += 1
        connecting = self.trouble is urllib3.exceptions.ConnectTimeoutError
        self.clock.sleep(timeout.connect_timeout if connecting else timeout.read_timeout)
        raise self.trouble(self, url, method)


def silent_session() -> tuple[ApiSession, Silent, FakeClock]:
    clock = FakeClock()
    ledger = Ledger(clock)
    traffic = Traffic.open(ledger, clock, "a", Budget(ledger, clock, "requests", Limit(9000)))
    session = ApiSession(
        "http://localhost", "a", "A/1 (+https://a)", "pl", Tokens(), traffic, clock, jitter=lambda: 0.0
    )
    session.pool = silent = Silent(clock)
    return session, silent, clock


def test_all_attempts_at_one_request_take_three_minutes_at_most() -> None:
    """The waiting for the last answer included."""
    session, http, clock = silent_session()
    with pytest.raises(NoAnswer):
        session.get("/me")
    assert http.calls > 3
    assert 120 < clock.monotonic() <= 180


def test_a_post_that_may_have_arrived_is_sent_once() -> None:
    """Whether it was processed has to be looked up first."""
    session, http, _ = silent_session()
    with pytest.raises(NoAnswer):
        session.post("/sale/product-offers", {})
    assert http.calls == 1


def test_a_write_that_had_to_wait_is_not_sent_for_a_seller_that_is_no_longer_ours() -> None:
    """Another run may have sent it meanwhile."""
    session, http, clock = silent_session()

    def lost() -> None:
        raise JournalError("journal_lost")

    http.trouble = urllib3.exceptions.ConnectTimeoutError  # certainly not sent, so it may be sent again
    session.still_ours = lost
    with pytest.raises(JournalError):
        session.post("/sale/product-offers", {})
    assert http.calls == 1
    assert clock.monotonic() > SURE_SECONDS
    with pytest.raises(NoAnswer):
        session.get("/me")


def test_that_an_earlier_attempt_was_lost_is_not_forgotten() -> None:
    """Whatever the last one ends with: no network, or a seller that is no longer ours."""
    for end in (NoAnswer, JournalError):
        session, http, _ = silent_session()

        def lost(http: Silent = http, end: type[Exception] = end) -> None:
            http.trouble = urllib3.exceptions.ConnectTimeoutError
            if end is JournalError:
                raise JournalError("journal_lost")

        session.still_ours = lost
        with pytest.raises(end) as caught:
            session.delete("/sale/offers/1")
        assert http.trouble is urllib3.exceptions.ConnectTimeoutError
        assert caught.value.lost


def test_the_systems_proxy_and_certificates_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates.pem"
    certificates.touch()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates))
    pool = connections(new_http(), "https://api.allegro.pl")
    assert isinstance(pool, urllib3.HTTPSConnectionPool)
    assert (pool.cert_reqs, pool.ca_certs) == ("CERT_REQUIRED", str(certificates))
    assert pool.proxy is not None
    assert (pool.proxy.host, pool.proxy.port) == ("proxy", 3128)


def test_without_settings_of_the_system_certificates_are_checked() -> None:
    pool = connections(new_http(), "https://api.allegro.pl")
    assert isinstance(pool, urllib3.HTTPSConnectionPool)
    assert pool.cert_reqs == "CERT_REQUIRED"


def test_no_proxy_gets_to_see_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    assert connections(new_http(), "http://localhost:1").proxy is None
