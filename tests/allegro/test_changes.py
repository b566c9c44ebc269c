"""Changes, sent to a simulator over real sockets: made once whatever happens, and told apart how they end."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from batch.allegro.changes import OfferChanges
from batch.allegro.command_payloads import task_results
from batch.allegro.session import ApiSession
from batch.errors import ServerTrouble
from batch.model import Change, Money, Sent, State, TaskResult, Way
from batch.simulator import Simulator, Trouble
from tests.allegro.conftest import LOGIN

PRICE = Money(Decimal("20.5"), "PLN")
COMMANDS = r"/sale/offer-[a-z-]+-commands.*"
DONE, OPEN = TaskResult(State.DONE), TaskResult(State.ACCEPTED)
IDS = itertools.count(1)

WAYS: dict[str, tuple[Way, dict[str, Any], str, tuple[str, int, str]]] = {
    # way, values, status before -> price, stock, status after; an offer costs 10 and has stock 1
    "one price": (Way.PRICE, {"new_price": PRICE}, "ACTIVE", ("20.50", 1, "ACTIVE")),
    "one stock": (Way.STOCK, {"new_stock": 7}, "ACTIVE", ("10.00", 7, "ACTIVE")),
    "publish": (Way.PUBLISH, {}, "INACTIVE", ("10.00", 1, "ACTIVE")),
    "end": (Way.END, {}, "ACTIVE", ("10.00", 1, "ENDED")),
    "each its price": (Way.BULK, {"new_price": PRICE}, "ACTIVE", ("20.50", 1, "ACTIVE")),
    "each its stock": (Way.BULK, {"new_stock": 7}, "INACTIVE", ("10.00", 7, "INACTIVE")),
}


@pytest.fixture
def changes(session: ApiSession) -> OfferChanges:
    return OfferChanges(session)


def call(way: Way, offer_ids: Sequence[str], **values: Any) -> list[Change]:
    """The changes of one call, as the journal gives them back."""
    command = str(uuid.uuid4())
    return [
        Change(next(IDS), "seller", "run", offer_id, None, way, State.SENDING, command, **values)
        for offer_id in offer_ids
    ]


def held(simulator: Simulator) -> list[tuple[str, int, str]]:
    """Price, stock and status of the seller's offers."""
    return [
        (offer["sellingMode"]["price"]["amount"], offer["stock"]["available"], offer["publication"]["status"])
        for offer in simulator.offers(LOGIN)
    ]


def report(changes: OfferChanges, sent: Sequence[Change], *, polls: int = 2) -> Mapping[int, TaskResult] | None:
    """What Allegro tells after so many polls."""
    return [changes.report(sent) for _ in range(polls)][-1]


def all_done(sent: Sequence[Change]) -> dict[int, TaskResult]:
    return {change.id: DONE for change in sent}


# --- commands


@pytest.mark.parametrize(("way", "values", "status", "ends"), WAYS.values(), ids=WAYS)
def test_every_way_changes_the_offers(
    simulator: Simulator,
    changes: OfferChanges,
    way: Way,
    values: dict[str, Any],
    status: str,
    ends: tuple[str, int, str],
) -> None:
    """One request for three offers; accepted, begun without a task, done."""
    sent = call(way, simulator.add_offers(LOGIN, [{"status": status}] * 3), **values)
    assert changes.send(sent).state is State.ACCEPTED
    assert len(simulator.requests) == 1
    assert changes.report(sent) == {}
    assert changes.report(sent) == all_done(sent)
    assert held(simulator) == [ends] * 3


LOST: dict[str, dict[str, Any]] = {"cut_after": {}, "status_after": {"status": 504}, "malformed": {}}


@pytest.mark.parametrize(("trouble", "details"), LOST.items(), ids=LOST)
@pytest.mark.parametrize(("way", "values", "status", "ends"), WAYS.values(), ids=WAYS)
def test_a_lost_answer_makes_no_second_command(
    simulator: Simulator,
    changes: OfferChanges,
    way: Way,
    values: dict[str, Any],
    status: str,
    ends: tuple[str, int, str],
    trouble: str,
    details: dict[str, Any],
) -> None:
    """It is sent again under the same id with the same content, and 409 is as good as 201."""
    sent = call(way, simulator.add_offers(LOGIN, [{"status": status}]), **values)
    simulator.faults.add(trouble, path=COMMANDS, **details)
    assert changes.send(sent).state is State.ACCEPTED
    first, second = simulator.requests
    assert (first.path, first.body) == (second.path, second.body)
    assert second.status == 409
    assert "COMMAND_ID_USED_FOR_ANOTHER_CHANGE" not in second.answer
    assert report(changes, sent) == all_done(sent)
    assert held(simulator) == [ends]


def test_price_and_stock_of_one_offer_are_told_apart(simulator: Simulator, changes: OfferChanges) -> None:
    """One bulk command, two tasks of one offer: the one is refused, the other is done."""
    ids = simulator.add_offers(LOGIN, 1)
    price, stock = call(Way.BULK, ids * 2)
    price, stock = replace(price, new_price=Money(Decimal("0.5"), "PLN")), replace(stock, new_stock=7)
    sent = [price, stock]
    changes.send(sent)
    results = report(changes, sent)
    assert results is not None
    assert (results[price.id].state, results[stock.id]) == (State.FAILED, DONE)
    assert held(simulator) == [("10.00", 7, "INACTIVE")]


def test_a_failed_task_brings_allegros_words(simulator: Simulator, changes: OfferChanges) -> None:
    """Message for people and code; the other offer is not touched by it."""
    sent = call(Way.PRICE, ["17", *simulator.add_offers(LOGIN, 1)], new_price=PRICE)
    changes.send(sent)
    results = report(changes, sent)
    assert results is not None
    failed, done = (results[change.id] for change in sent)
    assert (failed.state, failed.code, failed.passing, done) == (State.FAILED, "rejected", False, DONE)
    [(message, code)] = failed.errors
    assert message.startswith("Zapytanie")
    assert code == "OFFER_NOT_FOUND"


@pytest.mark.parametrize("trouble", [Trouble.TASK_BUSY, Trouble.TASK_ERROR])
def test_a_task_that_fails_for_a_passing_reason_says_so(
    simulator: Simulator, changes: OfferChanges, trouble: Trouble
) -> None:
    """Worth another attempt."""
    simulator.faults.add(trouble)
    sent = call(Way.STOCK, simulator.add_offers(LOGIN, 2), new_stock=7)
    changes.send(sent)
    results = report(changes, sent)
    assert results is not None
    assert [(results[c.id].state, results[c.id].passing) for c in sent] == [(State.FAILED, True), (State.DONE, False)]


def test_half_done_is_not_done(simulator: Simulator, changes: OfferChanges) -> None:
    """What is still NEW is open."""
    simulator.settings.command_polls = 2
    sent = call(Way.STOCK, simulator.add_offers(LOGIN, 2), new_stock=7)
    changes.send(sent)
    assert report(changes, sent) == {sent[0].id: DONE, sent[1].id: OPEN}
    assert report(changes, sent, polls=1) == all_done(sent)


def test_a_thousand_offers_take_one_request_a_look(simulator: Simulator, changes: OfferChanges) -> None:
    """The largest command's tasks fit one page."""
    sent = call(Way.STOCK, simulator.add_offers(LOGIN, 1000), new_stock=7)
    changes.send(sent)
    assert report(changes, sent) == all_done(sent)
    assert len(simulator.requests) == 3


LOST_COMMANDS: dict[Trouble, tuple[Any, int]] = {
    Trouble.COMMAND_VANISHES: (None, 1),
    Trouble.COMMAND_FORGOTTEN: (None, 7),
    Trouble.COMMAND_NEVER_ENDS: (OPEN, 1),
}


@pytest.mark.parametrize(("trouble", "told"), LOST_COMMANDS.items())
def test_lost_commands(simulator: Simulator, changes: OfferChanges, trouble: Trouble, told: tuple[Any, int]) -> None:
    """None where Allegro does not know it, applied or not; open where it does not end."""
    simulator.faults.add(trouble)
    sent = call(Way.STOCK, simulator.add_offers(LOGIN, 1), new_stock=7)
    changes.send(sent)
    results = report(changes, sent, polls=5)
    assert (results and results[sent[0].id]) == told[0]
    assert held(simulator)[0][1] == told[1]


def test_a_command_nobody_sent(changes: OfferChanges) -> None:
    """A run was killed between intent and call."""
    assert changes.report(call(Way.BULK, ["17"], new_stock=7)) is None


def test_a_command_allegro_refuses(unchecked_session: ApiSession) -> None:
    """Failed, with status and words; not taken for one that is there already."""
    sent = OfferChanges(unchecked_session).send(call(Way.STOCK, ["17"], new_stock=0))
    assert (sent.state, sent.status, sent.code) == (State.FAILED, 422, "rejected")
    assert sent.errors


def test_a_report_of_another_shape_is_trouble(simulator: Simulator, changes: OfferChanges) -> None:
    """Not a bug of ours, and not a finished command."""
    sent = call(Way.STOCK, simulator.add_offers(LOGIN, 1), new_stock=7)
    changes.send(sent)
    simulator.faults.add("oversized", method="GET", path=COMMANDS, size=10)
    with pytest.raises(ServerTrouble):
        changes.report(sent)


def test_the_limit_of_changes_is_never_met(simulator: Simulator, changes: OfferChanges) -> None:
    """19,000 changes of four kinds: the minute is everybody's, and no 429."""
    ids = simulator.add_offers(LOGIN, 900)
    for number in range(21):
        way: tuple[Way, dict[str, Any]] = [
            (Way.PRICE, {"new_price": PRICE}), (Way.STOCK, {"new_stock": 7}), (Way.PUBLISH, {}),
        ][number % 3]  # fmt: skip
        changes.send(call(way[0], ids, **way[1]))
        changes.send(call(Way.BULK, ids[:25], new_price=PRICE))
    assert simulator.state()["refused_by_limits"] == {}


def failure(message: str, code: str = "", **more: Any) -> TaskResult:
    return TaskResult(State.FAILED, "rejected", ((message, code),), **more)


ODD_TASKS: dict[str, tuple[Way, dict[str, Any], TaskResult | None]] = {
    "unknown status": (Way.PRICE, {"offer": {"id": "1"}, "status": "RUNNING"}, OPEN),
    "no status": (Way.STOCK, {"offer": {"id": "1"}}, OPEN),
    "a message alone": (
        Way.PUBLISH,
        {"offer": {"id": "1"}, "status": "FAIL", "message": "The offer does not exist.", "errors": None},
        failure("The offer does not exist."),
    ),
    "not a word": (Way.PUBLISH, {"offer": {"id": "1"}, "status": "FAIL", "message": None}, failure("")),
    "a number for an id": (Way.END, {"offer": {"id": 1}, "status": "SUCCESS"}, DONE),
    "one price": (Way.BULK, {"subject": {"offerId": "1", "field": "price"}, "status": "SUCCESS"}, DONE),
    "the other value": (Way.BULK, {"subject": {"offerId": "1", "field": "stock"}, "status": "SUCCESS"}, None),
    "no field": (Way.BULK, {"subject": {"offerId": "1"}, "status": "SUCCESS"}, None),
    "another offer": (Way.PRICE, {"offer": {"id": "2"}, "status": "SUCCESS"}, None),
    "a passing reason": (
        Way.PRICE,
        {"offer": {"id": "1"}, "status": "FAIL", "errors": [{"code": "SERVICE_UNAVAILABLE", "message": "Later"}]},
        failure("Later", "SERVICE_UNAVAILABLE", passing=True),
    ),
}


@pytest.mark.parametrize(("way", "task", "result"), ODD_TASKS.values(), ids=ODD_TASKS)
def test_odd_tasks(way: Way, task: dict[str, Any], result: TaskResult | None) -> None:
    """What is not known to have ended has not; a failure has words, if only empty ones."""
    [change] = call(way, ["1"], new_price=PRICE)
    assert task_results([change], [task]) == ({change.id: result} if result else {})


# --- edits and deletions


def test_an_edit_by_patch(simulator: Simulator, changes: OfferChanges) -> None:
    """Price and stock in one request, done at once."""
    [offer_id] = simulator.add_offers(LOGIN, [{"status": "ACTIVE"}])
    sent = changes.send([*call(Way.PATCH, [offer_id], new_price=PRICE), *call(Way.PATCH, [offer_id], new_stock=0)])
    assert sent.state is State.DONE
    assert [exchange.method for exchange in simulator.requests] == ["PATCH"]
    assert held(simulator) == [("20.50", 0, "ENDED")]


def test_an_edit_that_takes_its_time(simulator: Simulator, session: ApiSession, changes: OfferChanges) -> None:
    """Accepted with its operation; meanwhile another edit finds the offer busy; then it is done."""
    simulator.settings.edit_seconds = 60
    ids = simulator.add_offers(LOGIN, 1)
    edit = accepted(changes, call(Way.PATCH, ids, new_stock=0))
    assert changes.report(edit) == {edit[0].id: OPEN}
    assert changes.send(call(Way.PATCH, ids, new_price=PRICE)).state is State.WITHDRAWN
    session.clock.sleep(61)
    results = changes.report(edit)
    assert results is not None
    assert results[edit[0].id].state is State.DONE
    assert held(simulator) == [("10.00", 0, "INACTIVE")]


@pytest.mark.parametrize("came_about", [True, False])
def test_an_edit_whose_operation_allegro_forgot(
    simulator: Simulator, session: ApiSession, changes: OfferChanges, came_about: bool
) -> None:
    """That the offer exists does not mean that it was changed: done only where it has the new values (#8997)."""
    simulator.settings.edit_seconds = 60
    edit = accepted(changes, call(Way.PATCH, simulator.add_offers(LOGIN, 1), new_stock=7))
    if came_about:
        session.clock.sleep(61)
        simulator.offers(LOGIN)
    simulator.world.operations.clear()
    results = changes.report(edit)
    assert (results and results[edit[0].id].state) == (State.DONE if came_about else None)


def test_an_edit_nobody_answered(changes: OfferChanges) -> None:
    """There is no operation to ask about."""
    assert changes.report(call(Way.PATCH, ["17"], new_stock=7)) is None


def test_an_edit_of_an_unknown_offer(changes: OfferChanges) -> None:
    """Failed: the offer is missing."""
    assert changes.send(call(Way.PATCH, ["17"], new_stock=7)) == Sent(State.FAILED, status=404, code="offer_missing")


def test_an_edit_allegro_refuses(simulator: Simulator, changes: OfferChanges) -> None:
    """At once: failed, with Allegro's words."""
    sent = changes.send(call(Way.PATCH, simulator.add_offers(LOGIN, 1), new_price=Money(Decimal("0.5"), "PLN")))
    assert (sent.state, sent.code, sent.errors[0][1]) == (
        State.FAILED, "rejected", "ConstraintViolationException.Price",
    )  # fmt: skip


def test_an_edit_allegro_refuses_later(simulator: Simulator, changes: OfferChanges) -> None:
    """After its 202: failed too."""
    simulator.settings.edit_seconds = 60
    edit = accepted(changes, call(Way.PATCH, simulator.add_offers(LOGIN, 1), new_stock=7))
    simulator.faults.add("status_before", method="GET", path=".*/operations/.*", status=422)
    results = changes.report(edit)
    assert results is not None
    assert (results[edit[0].id].state, results[edit[0].id].code) == (State.FAILED, "rejected")


def accepted(changes: OfferChanges, edit: Sequence[Change]) -> list[Change]:
    """Send an edit that Allegro accepts; it as the journal knows it then."""
    sent = changes.send(edit)
    assert sent.state is State.ACCEPTED
    return [replace(change, state=sent.state, operation=sent.operation) for change in edit]


@pytest.mark.parametrize(
    ("status", "state", "left"), [("INACTIVE", State.DONE, 0), ("gone", State.DONE, 0), ("ACTIVE", State.FAILED, 1)]
)
def test_a_deletion(simulator: Simulator, changes: OfferChanges, status: str, state: State, left: int) -> None:
    """Of a draft, of one that is gone already, and of an offer on sale, which stays and is told."""
    [offer_id] = simulator.add_offers(LOGIN, [{} if status == "gone" else {"status": status}])
    if status == "gone":
        simulator.remove_offer(offer_id)
    sent = changes.send(call(Way.DELETE, [offer_id]))
    assert sent.state is state
    assert bool(sent.errors) is (state is State.FAILED)
    assert len(simulator.offers(LOGIN)) == left


# --- what Allegro holds


def test_a_look_at_the_offers_shows_what_changed(simulator: Simulator, changes: OfferChanges) -> None:
    """Price, stock and status of those that Allegro knows."""
    ids = simulator.add_offers(LOGIN, [{"status": "ACTIVE"}] * 2)
    changes.send(call(Way.PATCH, ids[:1], new_price=PRICE))
    offers = changes.held([*ids, "17"])
    assert {offer_id: (offer.price, offer.status) for offer_id, offer in offers.items()} == {
        ids[0]: (PRICE, "ACTIVE"),
        ids[1]: (Money(Decimal(10), "PLN"), "ACTIVE"),
    }
