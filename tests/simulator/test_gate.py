"""What every API call must get right, and how many calls are let through."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from batch.simulator import Simulator
from batch.simulator import catalogue as products
from tests.helpers.caller import Caller


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"User-Agent": "python-requests/2.32"}, 403),
        ({"User-Agent": "Demo/1.0"}, 403),
        ({"User-Agent": "Other/1.0 (+https://example.com)"}, 403),
        ({"User-Agent": "Demo/1.0 (+example.com)"}, 403),
        ({"User-Agent": "Demo/1.0 (+https://example.com)"}, 201),
        ({"Accept": "application/json"}, 406),
        ({"Accept": "*/*"}, 406),
        ({"Accept": "application/vnd.allegro.public.v2+json"}, 406),
        ({"Content-Type": "application/json"}, 415),
        ({"Content-Type": "application/vnd.allegro.public.v1+json; charset=utf-8"}, 201),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Basic ZGVtbzpkZW1v"}, 401),
        ({"Accept-Language": "pl"}, 400),
    ],
)
def test_headers(unchecked_simulator: Simulator, headers: dict[str, str], status: int) -> None:
    """A wrong header is refused before anything happens."""
    with Caller(unchecked_simulator, **headers) as caller:
        assert caller.create(products.gtin(1)).status_code == status
    assert len(unchecked_simulator.offers("e-sklep2")) == (status == 201)


def test_the_user_agent_names_the_application_of_the_token(unchecked_simulator: Simulator) -> None:
    """A name with spaces is written with - or _; the name of another client id is refused."""
    unchecked_simulator.add_application("key-2", "secret", "My Shop")
    tokens = unchecked_simulator.issue_tokens("e-sklep1", client_id="key-2")
    with Caller(unchecked_simulator) as caller:
        caller.session.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        for name, status in ("My-Shop", 200), ("My_Shop", 200), ("Demo", 403):
            caller.session.headers["User-Agent"] = f"{name}/1.0 (+https://example.com)"
            assert caller.get("/me").status_code == status


@pytest.mark.parametrize(
    ("language", "word"), [("pl-PL", "Nie znaleziono"), ("en-US", "No product"), (None, "No product")]
)
def test_messages_for_people_follow_the_language(simulator: Simulator, language: str | None, word: str) -> None:
    """Polish when asked for, else English; `message` is always English."""
    with Caller(simulator) as caller:
        caller.session.headers["Accept-Language"] = language  # type: ignore[assignment]  # None removes the header
        error = caller.create(products.NOT_IN_CATALOGUE).json()["errors"][0]
    assert error["userMessage"].startswith(word)
    assert error["message"] == "Product not found"


def test_unknown_resources(unchecked_simulator: Simulator) -> None:
    """404 for a path, 405 for a method, each in Allegro's error shape and with a trace id."""
    with Caller(unchecked_simulator) as caller:
        nowhere = caller.get("/sale/nothing")
        wrong_method = caller.patch("/me", {})
    assert (nowhere.status_code, wrong_method.status_code) == (404, 405)
    assert nowhere.json()["errors"][0]["code"]
    assert nowhere.headers["trace-id"] != wrong_method.headers["trace-id"]


def test_writes_of_a_minute(simulator: Simulator) -> None:
    """One more than the limit is 429, whatever the product; another seller and a later minute are not."""
    simulator.limits.offer_writes_per_minute = 3
    with Caller(simulator) as caller, Caller(simulator, "e-sklep1") as other:
        statuses = [caller.create(products.gtin(number)).status_code for number in range(5)]
        assert statuses == [201, 201, 201, 429, 429]
        assert other.create(products.gtin(1)).status_code == 422
        assert caller.get("/me").status_code == 200
        simulator.clock.advance(61)
        assert caller.create(products.gtin(9)).status_code == 201
    assert simulator.state()["refused_by_limits"] == {"offer_writes_per_minute": 2}


def test_writes_of_an_hour(simulator: Simulator) -> None:
    """A quiet minute does not help."""
    simulator.limits.offer_writes_per_hour = 2
    with Caller(simulator) as caller:
        caller.create(products.gtin(1))
        caller.create(products.gtin(2))
        simulator.clock.advance(120)
        assert caller.create(products.gtin(3)).status_code == 429
        simulator.clock.advance(3600)
        assert caller.create(products.gtin(3)).status_code == 201


def test_failed_calls_weigh_more(simulator: Simulator) -> None:
    """Two refusals count like four calls (#13528)."""
    simulator.limits.offer_writes_per_minute = 4
    with Caller(simulator) as caller:
        statuses = [caller.create(products.NOT_IN_CATALOGUE).status_code for _ in range(3)]
    assert statuses == [422, 422, 429]


def test_reads_of_offers_have_their_own_limit(simulator: Simulator) -> None:
    """GET of one offer; writes, lists and polls are not counted."""
    simulator.limits.offer_reads_per_minute = 2
    with Caller(simulator) as caller:
        accepted = caller.create(products.NEVER_ENDS)
        operation = accepted.headers["Location"].removeprefix(simulator.url)
        path = f"/sale/product-offers/{accepted.json()['id']}"
        assert {caller.get(operation).status_code for _ in range(3)} == {202}
        assert [caller.get(path).status_code for _ in range(3)] == [200, 200, 429]
        assert caller.get("/sale/offers").status_code == 200


def test_a_client_id_over_its_limit_is_blocked_for_a_minute(simulator: Simulator) -> None:
    """All sellers of that client id, for 60 seconds from the moment it went over."""
    simulator.limits.requests_per_minute = 3
    simulator.limits.retry_after = 7
    with Caller(simulator) as caller, Caller(simulator, "e-sklep1") as other:
        assert [caller.get("/me").status_code for _ in range(3)] == [200, 200, 200]
        simulator.clock.advance(30)
        assert caller.get("/me").status_code == 429
        simulator.clock.advance(50)
        refused = other.get("/me")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7")
        assert refused.json()["errors"][0]["code"] == "TooManyRequestsException"
        simulator.clock.advance(11)
        assert other.get("/me").status_code == 200


def test_too_many_parallel_calls(simulator: Simulator) -> None:
    """Of three calls at once with a limit of two, one is 429; afterwards all is well."""
    simulator.limits.parallel_per_seller = 2
    simulator.settings.latency = 0.5
    with Caller(simulator) as caller:
        headers = {name: str(value) for name, value in caller.session.headers.items()}

        def call(_: int) -> int:
            return requests.get(f"{simulator.url}/me", headers=headers, timeout=10).status_code

        with ThreadPoolExecutor(3) as pool:
            assert sorted(pool.map(call, range(3))) == [200, 200, 429]
        simulator.settings.latency = 0
        assert call(0) == 200
    assert simulator.state()["most_parallel"] == 2
