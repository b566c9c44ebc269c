"""Answers that are JSON and say what Allegro does not: named cases; `tests/fuzz` makes up more of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from batch.allegro.checkout_forms import order_of
from batch.allegro.offers import Offers
from batch.allegro.orders import read_orders
from batch.allegro.payloads import found_offer, number_of
from batch.allegro.retry import seconds_to_wait
from batch.allegro.session import Answer, ApiSession
from batch.errors import AccountError, ApiError, ServerTrouble
from batch.messages import LANGUAGES, catalogue
from batch.simulator import Simulator
from batch.simulator import catalogue as products
from tests.allegro.conftest import LOGIN, SimulatedClock
from tests.helpers.calls import row

WRITTEN_LONG = ["1e999999999", "-1e-999999999", "0e999999999", "NaN", "sNaN", "Infinity", "1" * 30, "", "1 000", [], {}]
EVER = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("value", WRITTEN_LONG)
def test_a_number_that_could_not_be_written_out_is_none(value: Any) -> None:
    """`1e999999999` has a thousand megabytes of digits."""
    with pytest.raises((ArithmeticError, ValueError)):
        number_of(value)


@pytest.mark.parametrize("value", WRITTEN_LONG)
def test_an_order_with_such_an_amount_cannot_be_understood(simulator: Simulator, value: Any) -> None:
    """It is named as unreadable; the other orders are read."""
    form = simulator.add_order(LOGIN, [{"price": "12.30"}])
    order_of(form)
    with pytest.raises((ArithmeticError, ValueError)):
        order_of({**form, "summary": {"totalToPay": {"amount": value, "currency": "PLN"}}})


def listed(**parts: Any) -> dict[str, Any]:
    return {"id": "1", "external": {"id": "a"}, "publication": {"status": "ACTIVE"}, "stock": {"available": 5}, **parts}


@pytest.mark.parametrize(
    "parts",
    [
        {"stock": {"available": "5"}},
        {"stock": {"available": [5]}},
        {"stock": {"available": True}},
        {"stock": {"available": 5.5}},
        {"stock": {"available": 2**70}},
        {"publication": {"status": ["ACTIVE"]}},
        {"external": {"id": {"id": "a"}}},
    ],
)
def test_an_offer_of_other_types_than_allegros_is_not_understood(parts: dict[str, Any]) -> None:
    """A stock that is a text would differ from every stock, and be sent again and again."""
    assert found_offer(listed()).stock == 5
    with pytest.raises((TypeError, ValueError)):
        found_offer(listed(**parts))


class Repeating:
    """A session that gives the same answer to everything."""

    def __init__(self, clock: SimulatedClock, data: Any, **headers: Any) -> None:
        self.clock, self.asked = clock, 0
        self._answer = Answer(headers.pop("status", 200), data, "trace", **headers)

    def get(self, _path: str, _params: Mapping[str, Any] | None = None, **_: Any) -> Answer:
        self.asked += 1
        assert self.asked < 200, "asks without end"
        return self._answer


def test_a_list_that_repeats_itself_has_an_end(simulator: Simulator) -> None:
    """Whatever its total says; and each offer counts once."""
    session: Any = Repeating(SimulatedClock(simulator), {"offers": [listed()], "totalCount": 10**15})
    assert [len(found) for found in Offers(session).find(["a"]).values()] == [1]


def test_orders_whose_total_lies_are_read_by_the_next_run(simulator: Simulator) -> None:
    """A page that is short is the last one."""
    forms = [simulator.add_order(LOGIN) for _ in range(3)]
    session: Any = Repeating(SimulatedClock(simulator), {"checkoutForms": forms, "totalCount": 10**15})
    read = read_orders(session, EVER)
    assert {order.id for order in read.orders} == {form["id"] for form in forms}


@pytest.mark.parametrize("total", ["1e999", "NaN", "-Infinity", '"many"', "[]", "null"])
def test_a_total_that_is_no_number_is_trouble_of_the_server(
    session: ApiSession, monkeypatch: pytest.MonkeyPatch, total: str
) -> None:
    answer(monkeypatch, f'{{"checkoutForms": [{{"id": "1"}}], "totalCount": {total}}}')
    stopped = read_orders(session, EVER).stopped
    assert isinstance(stopped, ServerTrouble)
    assert stopped.code == "answer_unusable"


def test_half_a_character_becomes_a_whole_one(session: ApiSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file or database takes it; two halves that belong together stay."""
    answer(monkeypatch, '{"login": "a\\ud800b\\ud83d\\ude00"}')
    assert session.get("/me").data == {"login": "a\ufffdb\U0001f600"}


def test_an_operation_at_no_address_is_one_of_the_offer_alone(
    session: ApiSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Location` is not an address at all."""
    posted = Answer(202, {"id": "5"}, "trace", location="http://[")
    monkeypatch.setattr(session, "post", lambda *_: posted)
    accepted: Any = Offers(session).create(row(products.gtin(1)), {})
    assert (accepted.offer_id, accepted.operation) == ("5", None)


@pytest.mark.parametrize("status", [302, 400, 403, 404, 409, 422, 429, 500, 503])
def test_every_refusal_of_a_call_explains_itself(
    session: ApiSession, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Also where it stops a whole account: a list that Allegro refuses with 400."""
    monkeypatch.setattr(ApiSession, "_exchange", lambda *_: (status, {}, b"{}"))
    with pytest.raises((ApiError, AccountError)) as caught:
        Offers(session).find(["a"])
    for language in LANGUAGES:
        assert catalogue(language).explain(caught.value.code, **{"account": LOGIN, **caught.value.facts}).message


def test_retry_after_nothing_waits_all_the_same() -> None:
    """Ten requests a second while our patience lasts would bring the block nearer."""
    assert seconds_to_wait(1, retry_after=0, jitter=0) == 1


def answer(patch: pytest.MonkeyPatch, content: str) -> None:
    """Every call is answered with this."""
    patch.setattr(ApiSession, "_exchange", lambda *_: (200, {}, content.encode()))
