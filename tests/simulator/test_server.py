"""The server itself: trouble on the wire, start and stop, the log and the control door."""

from __future__ import annotations

import gc
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from batch.simulator import Clock, Simulator, Trouble
from batch.simulator import catalogue as products
from tests.helpers.caller import Caller, draft
from tests.helpers.openapi import check_exchanges
from tests.helpers.ports import free_port

OFFERS = "/sale/product-offers"
LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture
def caller(simulator: Simulator) -> Iterator[Caller]:
    with Caller(simulator) as well_behaved:
        yield well_behaved


@pytest.mark.parametrize(("trouble", "made"), [(Trouble.CUT_BEFORE, 0), (Trouble.CUT_AFTER, 1), (Trouble.TRUNCATED, 1)])
def test_a_cut_connection(simulator: Simulator, caller: Caller, trouble: Trouble, made: int) -> None:
    """The client gets no answer; whether the offer was made depends on when the connection broke."""
    simulator.faults.add(trouble, method="POST", path=OFFERS)
    with pytest.raises(LOST):
        caller.create(products.gtin(1))
    assert len(simulator.offers("e-sklep2")) == made
    assert caller.create(products.gtin(2)).status_code == 201


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(("trouble", "made"), [(Trouble.STATUS_BEFORE, 0), (Trouble.STATUS_AFTER, 1)])
def test_a_scripted_status(simulator: Simulator, caller: Caller, status: int, trouble: Trouble, made: int) -> None:
    """Before or after the call was carried out; Retry-After where the script says so."""
    simulator.faults.add(trouble, method="POST", status=status, retry_after="3")
    answer = caller.create(products.gtin(1))
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "3")
    assert len(simulator.offers("e-sklep2")) == made


def test_answers_that_are_no_answers(simulator: Simulator, caller: Caller) -> None:
    """Broken JSON, an HTML page, a redirect elsewhere, far too many bytes."""
    for trouble, details in (
        (Trouble.MALFORMED, {}),
        (Trouble.BLOCKED, {}),
        (Trouble.REDIRECT, {"location": "http://localhost:1/me"}),
        (Trouble.OVERSIZED, {"size": 3_000_000}),
    ):
        simulator.faults.add(trouble, **details)
    malformed, blocked, redirect, oversized = (caller.get("/me") for _ in range(4))
    with pytest.raises(requests.JSONDecodeError):
        malformed.json()
    assert (blocked.status_code, blocked.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert (redirect.status_code, redirect.headers["Location"]) == (307, "http://localhost:1/me")
    assert len(oversized.content) > 3_000_000
    assert caller.get("/me").json()["login"] == "e-sklep2"


def test_refused_tokens(simulator: Simulator, caller: Caller) -> None:
    """UNAUTHORIZED is 401 once, EXPIRED kills the token for good; neither makes an offer."""
    simulator.faults.add(Trouble.UNAUTHORIZED)
    assert [caller.create(products.gtin(number)).status_code for number in range(2)] == [401, 201]
    simulator.faults.add(Trouble.EXPIRED)
    assert [caller.create(products.gtin(number)).status_code for number in range(2)] == [401, 401]


@pytest.mark.parametrize("trouble", [Trouble.SLOW_BEFORE, Trouble.SLOW_AFTER])
def test_a_slow_call_goes_on_without_its_client(simulator: Simulator, caller: Caller, trouble: Trouble) -> None:
    """The client gives up; the offer is there before or after that, but always there in the end."""
    simulator.faults.add(trouble, method="POST", seconds=0.4)
    with pytest.raises(requests.ReadTimeout):
        caller.session.post(simulator.url + OFFERS, json=draft(products.gtin(1)), timeout=0.1)
    early = len(simulator.offers("e-sklep2"))
    assert early == (trouble is Trouble.SLOW_AFTER)
    deadline = time.monotonic() + 5
    while not simulator.offers("e-sklep2") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(simulator.offers("e-sklep2")) == 1


def test_faults_choose_their_calls(simulator: Simulator, caller: Caller) -> None:
    """By method, path, seller, how many pass first and how many go wrong."""
    fault = simulator.faults.add(Trouble.STATUS_BEFORE, method="GET", path="/me", seller="e-sklep2", skip=1, count=2)
    assert caller.create(products.gtin(1)).status_code == 201
    assert caller.get("/sale/offers").status_code == 200
    with Caller(simulator, "e-sklep1") as other:
        assert other.get("/me").status_code == 200
    assert [caller.get("/me").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert fault.hits == 2


def test_random_faults_are_the_same_for_the_same_seed() -> None:
    """Another seed gives another pattern."""

    def pattern(seed: int) -> list[int]:
        with Simulator(seed=seed) as simulator, Caller(simulator) as caller:
            simulator.faults.add(Trouble.STATUS_BEFORE, count=None, probability=0.5)
            return [caller.get("/me").status_code for _ in range(20)]

    first = pattern(1)
    assert set(first) == {200, 503}
    assert pattern(1) == first
    assert pattern(2) != first


def test_login_can_go_wrong_too(simulator: Simulator) -> None:
    """A renewal whose answer is lost has happened: the old refresh token is in its grace."""
    tokens = simulator.issue_tokens("e-sklep1")
    simulator.faults.add(Trouble.CUT_AFTER, path="/auth/oauth/token")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    with pytest.raises(LOST):
        requests.post(f"{simulator.url}/auth/oauth/token", form, auth=("demo", "demo"), timeout=10)
    assert simulator.state()["renewals"] == 1


def test_every_exchange_is_logged(simulator: Simulator, caller: Caller) -> None:
    """Method, path, query, headers, body, seller, what was answered, and the fault behind it."""
    simulator.faults.add(Trouble.CUT_AFTER, method="GET", path="/me")
    caller.create(products.gtin(1))
    caller.get("/sale/offers", params={"limit": 5})
    with pytest.raises(LOST):
        caller.get("/me")
    first, second, third = simulator.requests
    assert (first.method, first.path, first.status, first.seller) == ("POST", OFFERS, 201, "e-sklep2")
    assert products.gtin(1) in first.body
    assert products.gtin(1) in first.answer
    assert second.query == [("limit", "5")]
    assert second.headers["User-Agent"].startswith("Demo/")
    assert (third.status, third.fault) == (None, "cut_after")


def test_a_mistake_of_the_simulator_is_marked_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is not taken for scripted trouble."""
    with Simulator() as simulator, Caller(simulator) as caller:
        monkeypatch.setattr(simulator.world.catalogue, "by_gtin", None)
        assert caller.create(products.gtin(1)).status_code == 500
        with pytest.raises(AssertionError, match="the simulator crashed"):
            check_exchanges(simulator.requests)


def test_both_loopback_addresses_answer(simulator: Simulator) -> None:
    """`localhost` may mean either."""
    for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
        with socket.socket(family) as probe, socket.socket(family) as client:
            try:
                probe.bind((host, 0))
            except OSError:
                pytest.skip("this system has no IPv6 loopback")
            client.connect((host, simulator.port))
            client.sendall(b"GET /_control/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_a_stopped_simulator_refuses_and_remembers() -> None:
    """Connections are refused while it is stopped; started again it goes on at the same address."""
    simulator = Simulator().start()
    try:
        with Caller(simulator) as caller:
            caller.create(products.gtin(1))
            simulator.stop()
            with pytest.raises(requests.ConnectionError):
                caller.get("/me")
            simulator.start()
            assert caller.get("/sale/offers").json()["totalCount"] == 1
    finally:
        simulator.stop()


def test_nothing_outlives_the_simulator(caplog: pytest.LogCaptureFixture) -> None:
    """No thread and no task, not even when a call whose client has gone would still run for long."""
    before = set(threading.enumerate())  # some of which may end meanwhile
    with Simulator() as simulator, Caller(simulator) as caller:
        simulator.faults.add(Trouble.SLOW_BEFORE, seconds=1000)
        with pytest.raises(requests.ReadTimeout):
            caller.session.get(f"{simulator.url}/me", timeout=0.1)
        assert len(set(threading.enumerate()) - before) == 1
    gc.collect()  # asyncio complains of a forgotten task when it is collected
    assert set(threading.enumerate()) <= before
    assert not caplog.records


def test_a_login_is_taken_once(simulator: Simulator) -> None:
    """A second seller of the same name is an error, not a replacement."""
    with pytest.raises(ValueError, match="e-sklep1"):
        simulator.add_seller("e-sklep1")


def test_a_taken_port_is_an_error(simulator: Simulator) -> None:
    """Not a second server beside the first."""
    with pytest.raises(OSError, match="in use"):
        Simulator(port=simulator.port).start()


def test_a_port_that_is_taken_on_ipv6_only_is_an_error() -> None:
    """Else `localhost` might lead to a stranger; the IPv4 half is given back."""
    port = free_port()
    with socket.socket(socket.AF_INET6) as stranger:
        try:
            stranger.bind(("::1", port))
        except OSError as error:
            pytest.skip(f"cannot listen on port {port} of the IPv6 loopback: {error}")
        stranger.listen()
        with pytest.raises(OSError, match="in use"):
            Simulator(port=port).start()
        with socket.socket(socket.AF_INET) as free:
            free.bind(("127.0.0.1", port))


def test_time_can_run_faster() -> None:
    """An hour of limits passes in a moment."""
    with Simulator(clock=Clock(speed=100_000)) as simulator, Caller(simulator) as caller:
        simulator.limits.offer_writes_per_hour = 1
        assert caller.create(products.gtin(1)).status_code == 201
        deadline = time.monotonic() + 10
        while caller.create(products.gtin(2)).status_code == 429 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(simulator.offers("e-sklep2")) == 2


def test_reset_forgets(simulator: Simulator, caller: Caller) -> None:
    """Offers, tokens, faults and the log are gone; the first sellers are back."""
    caller.create(products.gtin(1))
    simulator.faults.add(Trouble.CUT_BEFORE)
    simulator.reset()
    assert simulator.requests == []
    assert simulator.offers("e-sklep2") == []
    assert caller.get("/me").status_code == 401


def test_the_control_door_does_what_the_object_does(simulator: Simulator) -> None:
    """Sellers, tokens, products, faults, settings, clock and reset from another process."""
    door = f"{simulator.url}/_control"

    def post(name: str, body: dict[str, object]) -> requests.Response:
        answer = requests.post(f"{door}/{name}", json=body, timeout=10)
        assert answer.status_code in {200, 201}, answer.text
        return answer

    post("sellers", {"login": "shop", "dictionaries": {"shipping_rates": ["A"]}})
    assert post("products", {"gtin": "4006381333931", "variants": 2}).json()[1]["gtin"] == "4006381333931"
    tokens = post("tokens", {"login": "shop", "expires_in": 50}).json()
    post("faults", {"trouble": "status_before", "method": "POST", "status": 500})
    assert requests.patch(f"{door}/settings", json={"index_lag": 9}, timeout=10).json()["index_lag"] == 9
    assert requests.patch(f"{door}/settings", json={"lag": 9}, timeout=10).status_code == 422
    with Caller(simulator, "shop") as caller:
        caller.session.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        assert caller.create(products.gtin(1)).status_code == 500
        assert caller.create("4006381333931").json()["errors"][0]["code"] == "MultipleProductsFoundException"
        assert caller.create(products.gtin(1), "SKU").status_code == 201
        offers = requests.get(f"{door}/offers", {"seller": "shop"}, timeout=10).json()
        assert [offer["external"]["id"] for offer in offers] == ["SKU"]
        log = requests.get(f"{door}/requests", {"since": "1"}, timeout=10).json()
        assert [exchange["status"] for exchange in log] == [422, 201]
        check_exchanges(log)
        post("clock", {"advance": 51})
        assert caller.get("/me").status_code == 401
    assert "shop" not in post("reset", {}).json()["sellers"]


def test_serve_forever_announces_its_address_and_ends_with_ctrl_c() -> None:
    """The simulator as a process of its own."""
    code = "from batch.simulator import serve_forever; serve_forever(announce=lambda url: print(url, flush=True))"
    # A background job ignores Ctrl+C unless it asks for it.
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {code}"
    flags = subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, creationflags=flags
    ) as child:
        try:
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            assert requests.get(f"{url}/_control/state", timeout=10).json()["sellers"].keys() == {
                "e-sklep1",
                "e-sklep2",
            }
        finally:
            child.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGINT)
        assert child.wait(10) == 0
