"""A station that never renews: it reads, waits briefly, says which station must act, and changes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath
from threading import Thread
from typing import Any

import pytest

from batch.accounts.published import bare, file_of_url
from batch.accounts.tokens import TokenStore
from batch.errors import AccountError, ApiError, LoginNeeded, NoAnswer, ServerTrouble, SettingsError
from batch.messages import LANGUAGES, catalogue
from tests.helpers.accounts import Clock, Station
from tests.helpers.token_endpoint import AllegroTokens, token_endpoint


@pytest.fixture
def main(pc: Station) -> Station:
    """The main station, with a token that has an hour left."""
    pc.write(left=3600)
    return pc


@pytest.fixture
def reader(allegro: AllegroTokens, main: Station) -> Station:
    """Another station; its clock can be moved alone."""
    return Station(allegro, main.folder, "pc2")


def by_file(reader: Station) -> TokenStore:
    return reader.store(refresh_tokens=False, token_file=str(reader.path))


def listing(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.rglob("*") if entry.is_file()}


def test_it_uses_the_token_file_without_its_refresh_token_and_writes_nothing(
    main: Station, reader: Station, allegro: AllegroTokens
) -> None:
    before = listing(main.folder)
    token = by_file(reader).current()
    assert token.access_token == allegro.access_token
    assert token.refresh_token is None
    assert listing(main.folder) == before


def test_it_never_renews_but_waits_and_names_the_main_station(
    main: Station, reader: Station, allegro: AllegroTokens
) -> None:
    main.write(left=-60)
    before = listing(main.folder)
    store = by_file(reader)
    for ask in (store.current, lambda: store.renew(allegro.access_token)):
        with pytest.raises(LoginNeeded) as caught:
            ask()
        assert caught.value.code == "token_not_renewed_here"
    for language in LANGUAGES:
        assert str(main.path) in str(catalogue(language).explain(caught.value.code, **caught.value.facts))
    assert allegro.requests == 0
    assert listing(main.folder) == before
    assert 5 < sum(reader.clock.slept) < 30, "it waits once, not for each request"


@pytest.mark.parametrize("left", [-60, 3600])
def test_a_token_that_the_main_station_renews_meanwhile_is_taken(
    main: Station, reader: Station, allegro: AllegroTokens, left: float
) -> None:
    old = main.write(left=left)["access_token"]
    store = by_file(reader)
    real_sleep = reader.clock.sleep

    def main_renews(seconds: float) -> None:
        real_sleep(seconds)
        main.store().renew_now()

    reader.clock.sleep = main_renews  # type: ignore[method-assign]  # the other station acts while this one waits
    store = by_file(reader)
    assert store.renew(old).access_token == allegro.access_token != old


def test_a_token_in_its_last_minutes_serves_on(main: Station, reader: Station, allegro: AllegroTokens) -> None:
    main.write(left=60)
    store = by_file(reader)
    assert store.current().access_token == allegro.access_token
    assert not reader.clock.slept
    newer = main.store().renew_now()
    reader.clock.offset += timedelta(seconds=31)
    assert store.current().access_token == newer.access_token


def test_it_refuses_to_renew_when_told_to(reader: Station, allegro: AllegroTokens) -> None:
    with pytest.raises(AccountError) as caught:
        by_file(reader).renew_now()
    assert caught.value.code == "renewal_switched_off"
    for language in LANGUAGES:
        catalogue(language).explain(caught.value.code, **caught.value.facts)
    assert allegro.requests == 0


def test_it_reads_what_the_main_station_publishes(main: Station, reader: Station, allegro: AllegroTokens) -> None:
    public = main.folder / "public folder" / "shop.access.json"
    public.parent.mkdir()
    main.store(publish=public).renew_now()
    store = reader.store(refresh_tokens=False, token_url=public.as_uri())
    assert store.current().access_token == allegro.access_token
    assert store.current().login == "seller"
    assert store.state().code == "tokens_ok"


def test_a_blank_token_file_is_the_account_configuration_and_must_be_there(reader: Station) -> None:
    with pytest.raises(AccountError) as caught:
        reader.store(refresh_tokens=False)
    assert caught.value.code == "token_source_unset"
    for language in LANGUAGES:
        assert "shop" in str(catalogue(language).explain(caught.value.code, **caught.value.facts))


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"environment": "production"}, "token_other_environment"), ({"login": "other"}, "token_other_login")],
)
def test_it_refuses_tokens_of_others_too(main: Station, reader: Station, changed: dict[str, Any], code: str) -> None:
    main.write(left=3600, **changed)
    store = reader.store(refresh_tokens=False, token_file=str(main.path), login="seller")
    with pytest.raises(LoginNeeded, match=code):
        store.current()
    assert store.state().code == "tokens_foreign"


def test_an_expired_token_of_such_a_station_points_to_the_main_one(main: Station, reader: Station) -> None:
    main.write(left=-1)
    assert by_file(reader).state().code == "tokens_expired_elsewhere"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///Y:/allegro/x%20y.json", "Y:/allegro/x y.json" if os.name == "nt" else "/Y:/allegro/x y.json"),
        ("file:///srv/x.json", "/srv/x.json"),
        ("file://localhost/srv/x.json", "/srv/x.json"),
        ("file://server/share/x.json", "//server/share/x.json"),
        ("https://example.com/x.json", None),
    ],
)
def test_a_file_address_names_a_file(url: str, expected: str | None) -> None:
    found = file_of_url(url)
    assert (found and PurePath(found).as_posix()) == expected


# --- by https (plain http on loopback here)


@contextmanager
def web(answer: dict[str, Any]) -> Iterator[str]:
    """A web server that gives `answer`: status, body, headers; the address of its file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer.get("body", b"")
            self.send_response(answer.get("status", 200))
            for name, value in {"Content-Length": str(len(body)), **answer.get("headers", {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/x.json?key=SECRET.query"
        finally:
            server.shutdown()
            thread.join()


def published(allegro: AllegroTokens) -> bytes:
    fields = {
        "access_token": allegro.access_token,
        "expires_at": (Clock()() + timedelta(hours=1)).isoformat(),
        "environment": "simulator",
    }
    return json.dumps(fields).encode()


def test_an_address_hands_out_the_token(reader: Station, allegro: AllegroTokens) -> None:
    with web({"body": published(allegro)}) as url:
        store = reader.store(refresh_tokens=False, token_url=url)
        state = store.state()
        assert state.code == "tokens_remote"
        assert "SECRET" not in catalogue("pl").say(state.code, **state.facts)
        assert store.current().access_token == allegro.access_token


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ({"status": 404}, AccountError, "token_url_refused"),
        ({"status": 401}, AccountError, "token_url_refused"),
        ({"status": 503}, ServerTrouble, "token_url_trouble"),
        ({"status": 429}, ServerTrouble, "token_url_trouble"),
        ({"status": 200, "body": b"<html>"}, LoginNeeded, "token_broken"),
        ({"status": 200, "body": b"x" * 300_000}, LoginNeeded, "token_broken"),
    ],
)
def test_an_address_that_does_not(reader: Station, answer: dict[str, Any], kind: type[Exception], code: str) -> None:
    with web(answer) as url, pytest.raises(kind) as caught:
        reader.store(refresh_tokens=False, token_url=url).current()
    error = caught.value
    assert isinstance(error, AccountError | ApiError)
    assert error.code == code
    for language in LANGUAGES:
        text = str(catalogue(language).explain(error.code, **error.facts))
        assert "/x.json" in text
        assert "SECRET" not in text


def test_an_address_is_not_left_by_a_redirect(reader: Station, allegro: AllegroTokens) -> None:
    with (
        web({"body": published(allegro)}) as elsewhere,
        web({"status": 302, "headers": {"Location": elsewhere}}) as url,
        pytest.raises(AccountError, match="token_url_refused"),
    ):
        reader.store(refresh_tokens=False, token_url=url).current()


def test_an_address_where_nobody_answers_is_not_a_login(reader: Station) -> None:
    with token_endpoint() as gone:
        url = gone.url
    with pytest.raises(NoAnswer) as caught:
        reader.store(refresh_tokens=False, token_url=url + "/x.json").current()
    for language in LANGUAGES:
        catalogue(language).explain(caught.value.code, **caught.value.facts)


def test_what_may_be_secret_in_an_address_is_not_shown() -> None:
    assert bare("https://user:SECRET@example.com:8443/a/b.json?key=SECRET#SECRET") == "https://example.com/a/b.json"


def test_it_is_not_published_over_an_accounts_own_tokens(main: Station, allegro: AllegroTokens) -> None:
    """Whose ever they are: their refresh token would be gone."""
    main.write()
    other = main.folder / "other.allegro.token"
    other.write_bytes(main.path.read_bytes())
    with pytest.raises(SettingsError, match="publish_is_token_file"):
        main.store(publish=other)


def test_a_token_that_could_not_be_published_is_told(main: Station, allegro: AllegroTokens) -> None:
    """The other stations would stop without anybody knowing why."""
    main.write()
    store = main.store(publish=main.folder / "missing" / "shop.json")
    assert store.current().access_token == allegro.access_token
    assert store.owes
    assert store.state().code == "tokens_unpublished"
