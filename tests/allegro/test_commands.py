"""Commands, sent to a simulator over real sockets: accepted once whatever happens, and told apart how they end."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from batch.allegro.command_payloads import task_result
from batch.allegro.commands import Commands
from batch.allegro.session import ApiSession
from batch.errors import Rejected, ServerTrouble
from batch.model import Change, CommandKind, CommandState, Money, TaskResult, TaskStatus
from batch.simulator import Simulator, Trouble
from tests.allegro.conftest import LOGIN

ID = "c1b3f63d-d293-4333-911d-a0c1053e2c81"
PRICE = Money(Decimal("20.5"), "PLN")
COMMANDS = r"/sale/offer-[a-z-]+-commands.*"

Send = Callable[[Commands, Sequence[str]], None]
WAYS: dict[str, tuple[CommandKind, Send, tuple[str, int, str]]] = {
    "prices": (CommandKind.PRICE, lambda c, ids: c.change_prices(ID, ids, PRICE), ("20.50", 1, "ACTIVE")),
    "stocks": (CommandKind.STOCK, lambda c, ids: c.change_stocks(ID, ids, 7), ("10.00", 7, "ACTIVE")),
    "publish": (CommandKind.PUBLICATION, lambda c, ids: c.publish(ID, ids), ("10.00", 1, "ACTIVE")),
    "end": (CommandKind.PUBLICATION, lambda c, ids: c.end(ID, ids), ("10.00", 1, "ENDED")),
    "each its price": (
        CommandKind.BULK,
        lambda c, ids: c.change_each(ID, [Change(offer_id, PRICE) for offer_id in ids]),
        ("20.50", 1, "ACTIVE"),
    ),
    "each its stock": (
        CommandKind.BULK,
        lambda c, ids: c.change_each(ID, [Change(offer_id, stock=7) for offer_id in ids]),
        ("10.00", 7, "ACTIVE"),
    ),
}


@pytest.fixture
def commands(session: ApiSession) -> Commands:
    return Commands(session)


def held(simulator: Simulator) -> list[tuple[str, int, str]]:
    """Price, stock and status of the seller's offers."""
    return [
        (offer["sellingMode"]["price"]["amount"], offer["stock"]["available"], offer["publication"]["status"])
        for offer in simulator.offers(LOGIN)
    ]


def followed(commands: Commands, kind: CommandKind, expected: int, *, polls: int = 2) -> CommandState:
    """What is known of the command after so many polls."""
    states = [commands.tasks(kind, ID, expected) for _ in range(polls)]
    assert states[-1] is not None
    return states[-1]


@pytest.mark.parametrize(("kind", "send", "ends"), WAYS.values(), ids=WAYS)
def test_every_way_changes_the_offers(
    simulator: Simulator, commands: Commands, kind: CommandKind, send: Send, ends: tuple[str, int, str]
) -> None:
    """Accepted, begun, finished; each task names its offer and what it changed."""
    status = "ACTIVE" if kind is not CommandKind.PUBLICATION or ends[2] == "ENDED" else "INACTIVE"
    ids = simulator.add_offers(LOGIN, [{"status": status}] * 3)
    send(commands, ids)
    assert commands.tasks(kind, ID, 3) == CommandState(finished=False, tasks=())
    part = kind
    if kind is CommandKind.BULK:
        part = CommandKind.PRICE if ends[0] == "20.50" else CommandKind.STOCK
    results = tuple(TaskResult(offer_id, part, TaskStatus.SUCCESS) for offer_id in ids)
    assert commands.tasks(kind, ID, 3) == CommandState(finished=True, tasks=results)
    assert held(simulator) == [ends] * 3


@pytest.mark.parametrize(
    ("trouble", "details"), [("cut_after", {}), ("status_after", {"status": 504}), ("malformed", {})]
)
@pytest.mark.parametrize(("kind", "send", "ends"), WAYS.values(), ids=WAYS)
def test_a_lost_answer_makes_no_second_command(
    simulator: Simulator,
    commands: Commands,
    kind: CommandKind,
    send: Send,
    ends: tuple[str, int, str],
    trouble: str,
    details: dict[str, Any],
) -> None:
    """It is sent again under the same id, and 409 is as good as 201."""
    ids = simulator.add_offers(LOGIN, [{"status": "ACTIVE"}])
    simulator.faults.add(trouble, path=COMMANDS, **details)
    send(commands, ids)
    assert [exchange.method for exchange in simulator.requests] == ["POST" if kind is CommandKind.BULK else "PUT"] * 2
    assert simulator.requests[1].status == 409
    assert followed(commands, kind, 1).finished
    assert held(simulator) == [ends]


def test_price_and_stock_of_one_offer_at_once(simulator: Simulator, commands: Commands) -> None:
    """Two parts, two tasks."""
    [offer_id] = simulator.add_offers(LOGIN, 1)
    change = Change(offer_id, PRICE, 7)
    assert change.parts == 2
    commands.change_each(ID, [change])
    state = followed(commands, CommandKind.BULK, 2)
    assert [(task.part, task.status) for task in state.tasks] == [
        (CommandKind.PRICE, TaskStatus.SUCCESS),
        (CommandKind.STOCK, TaskStatus.SUCCESS),
    ]
    assert held(simulator) == [("20.50", 7, "INACTIVE")]


def test_a_failed_task_brings_allegros_words(simulator: Simulator, commands: Commands) -> None:
    """Message for people and code; the other tasks are not touched by it."""
    [offer_id] = simulator.add_offers(LOGIN, 1)
    commands.change_prices(ID, ["17", offer_id], PRICE)
    state = followed(commands, CommandKind.PRICE, 2)
    assert state.finished
    failed, done = state.tasks
    assert (failed.offer_id, failed.status, done.status) == ("17", TaskStatus.FAIL, TaskStatus.SUCCESS)
    [(message, code)] = failed.errors
    assert message.startswith("Zapytanie")
    assert code == "OFFER_NOT_FOUND"


def test_half_done_is_not_finished(simulator: Simulator, commands: Commands) -> None:
    """As long as one task is NEW."""
    simulator.settings.command_polls = 2
    commands.change_stocks(ID, simulator.add_offers(LOGIN, 2), 7)
    state = followed(commands, CommandKind.STOCK, 2)
    assert [task.status for task in state.tasks] == [TaskStatus.SUCCESS, TaskStatus.NEW]
    assert not state.finished
    assert followed(commands, CommandKind.STOCK, 2, polls=1).finished


def test_a_thousand_offers_take_one_request_a_poll(simulator: Simulator, commands: Commands) -> None:
    """The largest command's tasks fit one page, and no summary is asked for."""
    commands.change_stocks(ID, simulator.add_offers(LOGIN, 1000), 7)
    state = followed(commands, CommandKind.STOCK, 1000)
    assert state.finished
    assert len(state.tasks) == 1000
    assert len(simulator.requests) == 3


def test_fewer_tasks_than_expected_leave_it_to_the_summary(simulator: Simulator, commands: Commands) -> None:
    """An offer named twice is one task: the command is finished when Allegro says that it is complete."""
    ids = simulator.add_offers(LOGIN, 1)
    commands.change_stocks(ID, ids * 2, 7)
    assert followed(commands, CommandKind.STOCK, 2).finished
    assert simulator.requests[-1].path.endswith(ID)


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [(Trouble.COMMAND_VANISHES, None), (Trouble.COMMAND_FORGOTTEN, None), (Trouble.COMMAND_NEVER_ENDS, False)],
)
def test_lost_commands(simulator: Simulator, commands: Commands, trouble: Trouble, expected: bool | None) -> None:
    """None where Allegro does not know it; never finished where it does not end."""
    simulator.faults.add(trouble)
    commands.change_stocks(ID, simulator.add_offers(LOGIN, 1), 7)
    for _ in range(5):
        state = commands.tasks(CommandKind.STOCK, ID, 1)
        assert (state and state.finished) == expected


def test_a_command_allegro_refuses(unchecked_session: ApiSession) -> None:
    """Rejected, with Allegro's errors; not taken for one that is there already."""
    with pytest.raises(Rejected) as refused:
        Commands(unchecked_session).change_stocks(ID, ["17"], 0)
    assert refused.value.status == 422
    assert refused.value.errors[0]["path"] == "modification.value"


def test_a_report_of_another_shape_is_trouble(simulator: Simulator, commands: Commands) -> None:
    """Not a bug of ours, and not a finished command."""
    commands.change_stocks(ID, simulator.add_offers(LOGIN, 1), 7)
    simulator.faults.add("oversized", method="GET", path=COMMANDS, size=10)
    with pytest.raises(ServerTrouble):
        commands.tasks(CommandKind.STOCK, ID, 1)


def test_the_limit_of_changes_is_never_met(simulator: Simulator, commands: Commands) -> None:
    """20,000 changes of three kinds: the minute is everybody's, and no 429."""
    ids = simulator.add_offers(LOGIN, 900)
    for number in range(21):
        command_id = str(uuid.uuid4())
        if number % 3 == 0:
            commands.change_prices(command_id, ids, PRICE)
        elif number % 3 == 1:
            commands.change_stocks(command_id, ids, 7)
        else:
            commands.publish(command_id, ids)
        commands.change_each(str(uuid.uuid4()), [Change(offer_id, PRICE) for offer_id in ids[:25]])
    assert simulator.state()["refused_by_limits"] == {}


REPORTS: dict[str, tuple[CommandKind, dict[str, Any], TaskResult]] = {
    "unknown status": (
        CommandKind.PRICE,
        {"offer": {"id": "1"}, "status": "RUNNING"},
        TaskResult("1", CommandKind.PRICE, TaskStatus.NEW),
    ),
    "no status": (CommandKind.STOCK, {"offer": {"id": "1"}}, TaskResult("1", CommandKind.STOCK, TaskStatus.NEW)),
    "a message alone": (
        CommandKind.PUBLICATION,
        {"offer": {"id": "1"}, "status": "FAIL", "message": "The offer does not exist.", "errors": None},
        TaskResult("1", CommandKind.PUBLICATION, TaskStatus.FAIL, (("The offer does not exist.", ""),)),
    ),
    "not a word": (
        CommandKind.PUBLICATION,
        {"offer": {"id": "1"}, "status": "FAIL", "message": None},
        TaskResult("1", CommandKind.PUBLICATION, TaskStatus.FAIL, (("", ""),)),
    ),
    "one price": (
        CommandKind.BULK,
        {"subject": {"offerId": "1", "field": "price"}, "status": "SUCCESS", "message": None},
        TaskResult("1", CommandKind.PRICE, TaskStatus.SUCCESS),
    ),
}


@pytest.mark.parametrize(("kind", "data", "result"), REPORTS.values(), ids=REPORTS)
def test_odd_reports(kind: CommandKind, data: dict[str, Any], result: TaskResult) -> None:
    """What is not known to have ended has not; a failure has words, if only empty ones."""
    assert task_result(kind, data) == result
