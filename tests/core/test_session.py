"""A session's patience: how long it tries, by its own clock."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from batch.allegro.allowance import Limit
from batch.allegro.pace import Budget
from batch.allegro.session import ApiSession, Traffic, new_http
from batch.errors import NoAnswer
from batch.ledger import Ledger
from tests.helpers.drafts import FakeClock


class Tokens:
    def access_token(self) -> str:
        return "token"

    def replace(self, rejected: str) -> str:
        raise AssertionError(rejected)


class Silent(requests.Session):
    """A server that takes its time and says nothing."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock, self.calls = clock, 0

    def request(self, *_: Any, timeout: Any = None, **__: Any) -> Any:
        self.calls += 1
        _, read = timeout
        self.clock.sleep(read)
        raise requests.ReadTimeout


def silent_session() -> tuple[ApiSession, Silent, FakeClock]:
    clock = FakeClock()
    http = Silent(clock)
    ledger = Ledger(clock)
    traffic = Traffic.open(ledger, clock, "a", Budget(ledger, clock, "requests", Limit(9000)))
    session = ApiSession("http://localhost", "a", "A/1 (+https://a)", "pl", Tokens(), traffic, clock, http, lambda: 0.0)
    return session, http, clock


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


def test_the_systems_proxy_and_certificates_are_kept_and_looked_up_once_for_each_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def environment(url: str, no_proxy: str | None = None) -> dict[str, str]:
        asked.append(url)
        return {"https": "http://proxy:3128"}

    monkeypatch.setattr("requests.sessions.get_environ_proxies", environment)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/certificates.pem")
    http = new_http()
    urls = ("https://api.allegro.pl/a", "https://api.allegro.pl/b", "https://allegro.pl/auth")
    settings = [http.merge_environment_settings(url, {}, True, None, None) for url in urls]
    assert asked == ["https://api.allegro.pl/a", "https://allegro.pl/auth"]
    assert all(s["proxies"] == {"https": "http://proxy:3128"} for s in settings)
    assert {s["verify"] for s in settings} == {"/certificates.pem"}
