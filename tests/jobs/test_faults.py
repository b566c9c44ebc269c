"""Allegro or the network misbehaves while the real program makes drafts: no second offer, none published, no row lost.

Each case says what the run in trouble gives; the run after it, without trouble, must always leave every row done.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch.execute import TROUBLES_IN_A_ROW, WORKERS
from batch.simulator import Simulator, catalogue
from tests.faults import TIMES as TABLE_TIMES
from tests.faults import play, sample
from tests.helpers.kill_at import forks_of
from tests.helpers.shop import Shop

TIMES = 40  # as fast as the clock on the wall: a minute of waiting takes one second and a half
HURRIED = 150  # where nothing depends on what happens when
ROWS = 6
OFFERS = "/sale/product-offers"
POST = {"method": "POST", "path": OFFERS}
LIST = {"method": "GET", "path": "/sale/offers"}
TOKEN = {"method": "POST", "path": "/auth/oauth/token"}
POLL = {"method": "GET", "path": OFFERS + "/[^/]+/operations/.*"}

ALL_DONE = {"draft_created": ROWS}


@dataclass(frozen=True)
class Case:
    """Faults, and what they make of `ROWS` good rows: counts by code, state of the account, exit code, offers made."""

    faults: tuple[tuple[str, dict[str, Any]], ...]
    counts: dict[str, int] = field(default_factory=lambda: ALL_DONE)
    state: str = "ok"
    exit_code: int = 0
    offers: int = ROWS
    times: float = TIMES
    lag: float = 0.0  # of the list of offers, in the seller's seconds


def fault(trouble: str, call: dict[str, str], **details: Any) -> tuple[str, dict[str, Any]]:
    return trouble, {**call, **details}


def status(number: int, call: dict[str, str], *, when: str = "before", **details: Any) -> tuple[str, dict[str, Any]]:
    return fault(f"status_{when}", call, status=number, **details)


def slow(when: str, call: dict[str, str], seconds: float, **details: Any) -> tuple[str, dict[str, Any]]:
    """`seconds` of the seller's time."""
    return fault(f"slow_{when}", call, seconds=seconds / TIMES, **details)


def nothing(code: str, exit_code: int) -> dict[str, Any]:
    """All rows suffer from their account, which gives up after minutes."""
    return {"counts": {code: ROWS}, "state": code, "exit_code": exit_code, "offers": 0, "times": HURRIED}


CASES: dict[str, Case] = {
    # the connection
    "cut before one is processed": Case((fault("cut_before", POST, skip=2),)),
    "cut before all are processed": Case((fault("cut_before", POST, count=None),), **nothing("server_trouble", 4)),
    "cut after two, list 2 s late": Case((fault("cut_after", POST, skip=2, count=2),), lag=2),
    "cut after two, list 5 s late": Case((fault("cut_after", POST, skip=2, count=2),), lag=5),
    "cut after all, list 40 s late": Case((fault("cut_after", POST, count=None),), lag=40),
    "list of offers cut for ever": Case((fault("cut_before", LIST, count=None),), **nothing("server_trouble", 4)),
    "network gone in the middle": Case(
        (fault("cut_before", POST, skip=2, count=None), fault("cut_before", LIST, skip=1, count=None)),
        {"draft_created": 2, "in_doubt": ROWS - 2},
        "server_trouble",
        4,
        offers=2,
        times=HURRIED,
    ),
    "answers slow": Case((slow("after", POST, 20, count=2), slow("before", LIST, 20))),
    "answer later than anybody waits": Case((slow("after", POST, 80, skip=2),)),
    "processed later than anybody waits": Case((slow("before", POST, 50, skip=2),)),
    # answers that are none
    "half an answer": Case((fault("truncated", POST, skip=2, count=2), fault("truncated", LIST))),
    "malformed JSON": Case((fault("malformed", POST, skip=2, count=2), fault("malformed", LIST))),
    "oversized": Case((fault("oversized", POST, skip=2, size=70_000_000),)),
    "the list is no list": Case((fault("oversized", LIST, count=None, size=100),), **nothing("server_trouble", 4)),
    # refusals of the account
    "blocked with a page": Case((fault("blocked", POST, count=None),), **nothing("forbidden", 3)),
    "forbidden": Case((status(403, POST, count=None),), **nothing("forbidden", 3)),
    # limits
    "limit, Retry-After in seconds": Case((status(429, POST, skip=2, count=4, retry_after="3"),)),
    "limit, Retry-After as a date": Case((status(429, POST, count=3, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),)),
    "limit, no Retry-After": Case((status(429, POST, skip=2, count=5), status(429, LIST, count=2))),
    "limit for ever": Case((status(429, POST, count=None),), **nothing("rate_limited", 4)),
    "limit for ever, Retry-After of an hour": Case(
        (status(429, POST, count=None, retry_after="3600"),), **nothing("rate_limited", 4)
    ),
    "limit of the list for ever": Case((status(429, LIST, count=None),), **nothing("rate_limited", 4)),
    # trouble of the server
    "500 before some": Case((status(500, POST, skip=2, count=2),)),
    "504 after some": Case((status(504, POST, when="after", skip=2, count=2),), lag=2),
    "500 before all": Case((status(500, POST, count=None),), **nothing("server_trouble", 4)),
    "503 after all": Case((status(503, POST, when="after", count=None),), lag=2),
    "502 of the list": Case((status(502, LIST, count=3),)),
    "504 of the dictionaries for ever": Case(
        (status(504, {"method": "GET", "path": "/sale/shipping-rates"}, count=None),), **nothing("server_trouble", 4)
    ),
    # tokens
    "401 once": Case((fault("unauthorized", POST, skip=3),)),
    "the token dies once": Case((fault("expired", POST, skip=3),)),
    "401 for ever": Case((fault("unauthorized", POST, count=None),), **nothing("login_needed", 3)),
    "the token endpoint is down for a moment": Case((fault("expired", POST, skip=3), status(500, TOKEN, count=2))),
    "the renewal's answer is lost": Case((fault("expired", POST, skip=3), fault("cut_after", TOKEN))),
    # operations
    "an operation never ends": Case(
        (fault("never_ends", {}, skip=2),), {"draft_created": ROWS - 1, "draft_pending": 1}, times=HURRIED
    ),
    "an operation is forgotten": Case((fault("operation_vanishes", {}, skip=2, count=2),)),
    "Location with an odd port and path": Case((fault("wrong_location", {}, skip=2, count=2),)),
    "polls fail for a while": Case((fault("slow", {}, skip=2, count=2), status(503, POLL, count=3))),
    "polls are cut": Case((fault("slow", {}, skip=2), fault("cut_before", POLL, count=2))),
}
ON_POSTGRESQL = {"test_trouble_and_the_run_after_it[cut after two, list 2 s late]"}
STAYS_PENDING = {"an operation never ends"}


def gathered(summary: dict[str, Any]) -> dict[str, int]:
    """The counts, the rows that were not begun when their account stopped put with those that saw why it did."""
    counts = dict(summary["counts"])
    cause = summary["accounts"]["e-sklep1"]["state"]
    if counts.get(cause):
        counts[cause] += counts.pop("not_sent", 0)
    return counts


@pytest.mark.parametrize("name", [pytest.param(c, marks=[pytest.mark.slow] * (n % 2)) for n, c in enumerate(CASES)])
def test_trouble_and_the_run_after_it(tmp_path: Path, simulator: Simulator, name: str) -> None:
    """What the run in trouble says, and that the next one finishes the work with one offer for each row."""
    case = CASES[name]
    shop = shop_of(tmp_path, simulator, times=case.times)
    simulator.settings.index_lag = case.lag / case.times
    for trouble, details in case.faults:
        simulator.faults.add(trouble, **details)
    summary = shop.drafts()
    assert (gathered(summary), summary["exit_code"]) == (case.counts, case.exit_code)
    assert summary["accounts"]["e-sklep1"]["state"] == case.state
    assert len(shop.offers()) == case.offers
    check_books(shop)
    simulator.faults.clear()
    for operation in simulator.world.operations.values():
        operation.polls_left = 0 if name not in STAYS_PENDING else operation.polls_left
    check_all_done(shop, pending=name in STAYS_PENDING)


@pytest.mark.slow
def test_passing_trouble_with_the_real_clock(tmp_path: Path, simulator: Simulator) -> None:
    """The waits as a seller has them."""
    shop = shop_of(tmp_path, simulator, times=1)
    simulator.faults.add("status_before", **POST, skip=2, count=2, status=429, retry_after="1")
    simulator.faults.add("unauthorized", **POST)
    simulator.faults.add("cut_after", **POST, skip=3)
    assert shop.drafts()["counts"] == ALL_DONE
    check_all_done(shop)


def test_server_that_is_not_there(tmp_path: Path, simulator: Simulator) -> None:
    """Nothing can be connected to: no row is blamed, nothing is in doubt."""
    shop = shop_of(tmp_path, simulator)
    simulator.stop()
    done = shop.run("run", "--only", "drafts", "--json")
    summary = json.loads(done.stdout)
    assert (summary["counts"], done.returncode) == ({"server_trouble": ROWS}, 4)
    assert "Sprawdź połączenie z internetem" in done.stderr
    simulator.start()
    check_all_done(shop)


@pytest.mark.parametrize("where", [POST, {"method": "GET", "path": "/sale/shipping-rates"}], ids=["a row", "a look"])
def test_a_row_that_is_not_to_blame_tells_allegros_words_and_trace_id(
    tmp_path: Path, simulator: Simulator, where: dict[str, str]
) -> None:
    """Allegro's staff ask for them; what was not sent because of another row has none."""
    shop = shop_of(tmp_path, simulator)
    simulator.faults.add("status_before", **where, count=None, status=403)
    shop.drafts()
    [refusal, *_] = [e for e in simulator.requests if e.status == 403]
    trace_id, words = refusal.answer_headers["trace-id"], json.loads(refusal.answer)["errors"][0]["userMessage"]
    told = [row for row in shop.table("Results") if row["code"] == "forbidden"]
    assert trace_id in {row["trace_id"] for row in told}
    assert all(words in row["message"] and row["trace_id"] in row["message"] for row in told)
    assert not any(row["trace_id"] for row in shop.table("Results") if row["code"] == "not_sent")


def test_account_that_only_meets_trouble_stops_early(tmp_path: Path, simulator: Simulator) -> None:
    """Not every one of many rows is tried; those that were not are `not_sent`."""
    shop = shop_of(tmp_path, simulator, times=HURRIED)
    shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(60)])
    simulator.faults.add("status_before", **POST, count=None, status=503)
    summary = shop.drafts()
    counts = summary["counts"]
    assert counts.keys() == {"server_trouble", "not_sent"}
    assert sum(counts.values()) == 60
    assert counts["server_trouble"] <= TROUBLES_IN_A_ROW + WORKERS
    assert moments(summary)[1] - moments(summary)[0] < timedelta(minutes=15)  # of the hurried clock; it was 26 once
    simulator.faults.clear()
    assert shop.drafts()["counts"] == {"draft_created": 60}
    assert len(shop.offers()) == 60


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, simulator: Simulator) -> None:
    """After some minutes of the seller's time; tests/core/test_session.py counts them."""
    shop = shop_of(tmp_path, simulator)
    simulator.faults.add("slow_before", **LIST, count=None, seconds=80 / TIMES)
    assert shop.drafts()["counts"] == {"server_trouble": ROWS}
    simulator.faults.clear()
    check_all_done(shop)


# --- accounts and their tokens


def age_token(shop: Shop, account: str = "e-sklep1") -> bytes:
    """Let the access token have expired an hour ago; returns the file's content."""
    file = shop.folder / f"{account}.allegro.token"
    token = json.loads(file.read_text())
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    file.write_text(json.dumps({**token, "expires_at": hour_ago.isoformat()}))
    return file.read_bytes()


ENDPOINT_TROUBLE: dict[str, tuple[tuple[str, dict[str, Any]], str]] = {
    "500": (status(500, TOKEN, count=None), "server_trouble"),
    "503 after it was processed": (status(503, TOKEN, when="after", count=None), "server_trouble"),
    "429": (status(429, TOKEN, count=None), "rate_limited"),
    "429 for an hour": (status(429, TOKEN, count=None, retry_after="3600"), "rate_limited"),
    "cut": (fault("cut_before", TOKEN, count=None), "server_trouble"),
    "cut after it was processed": (fault("cut_after", TOKEN, count=None), "server_trouble"),
    "malformed": (fault("malformed", TOKEN, count=None), "server_trouble"),
    "half an answer": (fault("truncated", TOKEN, count=None), "server_trouble"),
    "oversized": (fault("oversized", TOKEN, count=None, size=200_000), "server_trouble"),
}


MIDDLE = ("500", "429", "cut after it was processed")


@pytest.mark.parametrize(
    ("name", "middle"),
    [*((name, False) for name in ENDPOINT_TROUBLE), *((name, True) for name in MIDDLE)],
)
def test_token_endpoint_that_does_not_recover(tmp_path: Path, simulator: Simulator, name: str, middle: bool) -> None:
    """Exit 4, never 3: nobody has to log in. The token file stays as it is, and serves once the trouble is over."""
    shop = shop_of(tmp_path, simulator)
    (trouble, details), code = ENDPOINT_TROUBLE[name]
    simulator.faults.add(trouble, **details)
    if middle:
        simulator.faults.add("expired", **POST, skip=3)
    else:
        age_token(shop)
    before = (shop.folder / "e-sklep1.allegro.token").read_bytes()
    summary = shop.drafts()
    assert (summary["exit_code"], summary["accounts"]["e-sklep1"]["state"]) == (4, code)
    assert summary["counts"].keys() <= ({"draft_created", code, "not_sent"} if middle else {code})
    assert (shop.folder / "e-sklep1.allegro.token").read_bytes() == before
    check_books(shop)
    simulator.faults.clear()
    check_all_done(shop)


@pytest.mark.parametrize("middle", [False, True], ids=["from the start", "in the middle"])
def test_refused_refresh_token_needs_the_person(tmp_path: Path, simulator: Simulator, middle: bool) -> None:
    """Exit 3 and `login_needed`; once the account is linked again, the work goes on."""
    shop = shop_of(tmp_path, simulator)
    simulator.revoke("e-sklep1")
    if not middle:
        age_token(shop)
    done = shop.run("run", "--only", "drafts", "--json")
    summary = json.loads(done.stdout)
    assert (gathered(summary), done.returncode) == ({"login_needed": ROWS}, 3)
    assert summary["accounts"]["e-sklep1"]["state"] == "login_needed"
    assert shop.leaks(done.stdout, done.stderr) == []
    shop.link("e-sklep1")
    check_all_done(shop)


BROKEN: dict[str, tuple[str, dict[str, Any], str, int]] = {
    "refused": ("blocked", {"count": None}, "forbidden", 3),
    "in trouble": ("status_before", {**POST, "count": None, "status": 503}, "server_trouble", 4),
    "limited": ("status_before", {**POST, "count": None, "status": 429}, "rate_limited", 4),
    "cut": ("cut_before", {"count": None}, "server_trouble", 4),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_account_leaves_the_other_alone(tmp_path: Path, simulator: Simulator, name: str) -> None:
    """The second account's rows are done, whatever becomes of the first's."""
    trouble, details, code, exit_code = BROKEN[name]
    shop = shop_of(tmp_path, simulator, accounts=["e-sklep1", "e-sklep2"], times=HURRIED)
    products = [{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(ROWS)]
    shop.fill([*products, *({**product, "account": "e-sklep2"} for product in products)])
    simulator.faults.add(trouble, seller="e-sklep1", **details)
    summary = shop.drafts()
    assert summary["exit_code"] == exit_code
    assert summary["accounts"]["e-sklep2"] == {"counts": ALL_DONE, "state": "ok"}
    assert summary["accounts"]["e-sklep1"] == {"counts": {code: ROWS}, "state": code}
    assert len(shop.offers("e-sklep2")) == ROWS
    simulator.faults.clear()
    assert shop.drafts()["counts"] == {"draft_created": ROWS, "skipped": ROWS}


def test_a_sample_of_every_call_in_every_trouble() -> None:
    """Each fault of the table in `tests.faults`, and each call of a run and of an undo; the command plays all of it."""
    results = play(sample(8, runs=2, seed=58), lambda: forks_of(TABLE_TIMES))
    assert {name: why for name, why in results.items() if why} == {}


# --- a server of another kind


@dataclass
class Stranger:
    """A server that gives every request the same answer and remembers what it was told."""

    url: str
    status: int = 200
    body: bytes = b"{}"
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there.seen.append((self.command, self.path, dict(self.headers)))
            self.send_response(there.status)
            self.send_header("Content-Type", "application/vnd.allegro.public.v1+json")
            self.send_header("Content-Length", str(len(there.body)))
            self.end_headers()
            self.wfile.write(there.body)

        do_GET = do_POST = answer  # noqa: N815  (http.server's names)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        there = Stranger(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield there
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("call", [POST, LIST, TOKEN], ids=["draft", "list", "token"])
def test_a_redirect_is_not_followed(
    tmp_path: Path, simulator: Simulator, stranger: Stranger, call: dict[str, str]
) -> None:
    """No token, no secret and no draft travels to another host."""
    shop = shop_of(tmp_path, simulator, times=HURRIED)
    if call is TOKEN:
        age_token(shop)
    simulator.faults.add("redirect", **call, count=None, location=f"{stranger.url}/elsewhere")
    summary = shop.drafts()
    assert (gathered(summary), summary["exit_code"]) == ({"server_trouble": ROWS}, 4)
    assert stranger.seen == []
    assert shop.offers() == []
    simulator.faults.clear()
    check_all_done(shop)


NO_ALLEGRO = {
    "empty object": b"{}",
    "nothing": b"",
    "deep": b"[" * 100_000,
    "nulls": b'{"offers": null, "totalCount": null, "id": null, "shippingRates": null}',
    "parts of another kind": b'{"offers": ["x"], "totalCount": "many", "id": {}, "shippingRates": [{"name": 1}]}',
    "page": b"<html>Welcome to the hotel's network</html>",
    "no UTF-8": b'{"offers": "\xff\xfe"}',
}


@pytest.mark.parametrize("name", NO_ALLEGRO)
def test_answers_that_make_no_sense(tmp_path: Path, simulator: Simulator, stranger: Stranger, name: str) -> None:
    """Success with a strange body, as from a captive portal: nothing is sent on the strength of it."""
    shop = shop_of(tmp_path, simulator, times=HURRIED)
    stranger.body = NO_ALLEGRO[name]
    settings = (tmp_path / "batch.yaml").read_text()
    (tmp_path / "batch.yaml").write_text(settings.replace(f"api_url: {simulator.url}", f"api_url: {stranger.url}"))
    summary = shop.drafts()
    assert (summary["counts"], summary["exit_code"]) == ({"server_trouble": ROWS}, 4)
    assert {method for method, _, _ in stranger.seen} == {"GET"}
    (tmp_path / "batch.yaml").write_text(settings)
    check_all_done(shop)


# --- helpers


def shop_of(folder: Path, simulator: Simulator, **more: Any) -> Shop:
    shop = Shop(folder, simulator, **{"accounts": ["e-sklep1"], "times": TIMES, "secret": "never-to-be-told", **more})
    shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(ROWS)])
    return shop


def moments(summary: dict[str, Any]) -> tuple[datetime, datetime]:
    """When a run began and ended, in the seller's time."""
    return datetime.fromisoformat(summary["started"]), datetime.fromisoformat(summary["finished"])


def check_books(shop: Shop) -> None:
    """The workbook says of each row what is at Allegro; nothing is there twice, nothing published, nothing leaked."""
    offers = shop.offers()
    assert max(Counter(offer["external"]["id"] for offer in offers).values(), default=1) == 1
    assert {offer["publication"]["status"] for offer in offers} <= {"INACTIVE"}
    held = {offer["external"]["id"]: offer["id"] for offer in offers}
    for row in shop.table("Products"):
        assert row["status"], row
        if row["offer_id"]:
            assert row["offer_id"] == held[row["ean"]]
        else:
            assert row["status"][0] in "✖❓⌚", row
    assert shop.leaks() == []


def check_all_done(shop: Shop, *, pending: bool = False) -> None:
    """The next run leaves every row with its offer."""
    summary = shop.drafts()
    assert summary["exit_code"] == 0
    assert len(shop.offers()) == ROWS
    check_books(shop)
    rows = shop.table("Products")
    assert sum(bool(row["offer_id"]) for row in rows) == ROWS - pending
    assert {row["status"][0] for row in rows} <= ({"✔", "–", "⌚"} if pending else {"✔", "–"})
