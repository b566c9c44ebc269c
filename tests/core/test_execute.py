"""Steps become outcomes; no fault makes a second offer, loses a row or blames the wrong one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batch.errors import Forbidden, JournalError, LoginNeeded, NoAnswer, ServerTrouble, TokenTrouble, TooMany
from batch.execute import INDEX_LAG, TROUBLES_IN_A_ROW, DraftExecutor, Execution
from batch.journal import Journal
from batch.model import Accepted, Made, ProductRow, Refused, State
from batch.plan import Step, StepKind
from tests.helpers.drafts import SELLER, FakeAllegro, FakeClock, entry, row

MADE = Made("", "INACTIVE")
LOST = NoAnswer("no_answer", sent=True, call="POST", reason="cut")
TROUBLE = ServerTrouble("server_trouble", status=503)


class Desk:
    """An executor with a real journal, a fake Allegro and a fake clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.journal = Journal.in_folder(folder, self.clock.now)

    def execute(self, steps: list[Step], allegro: FakeAllegro, *, wait: float = 120) -> Execution:
        executor = DraftExecutor(
            offers=allegro,
            journal=self.journal,
            seller=SELLER,
            run="this",
            wait_seconds=wait,
            clock=self.clock,
            ease=lambda _seconds: None,
            advance=lambda _outcome: None,
        )
        return executor.execute(steps)

    def create(self, on_create: Callable[..., Any], rows: int = 1, *, lag: float = 0) -> tuple[FakeAllegro, Execution]:
        allegro = FakeAllegro(self.clock, on_create, lag=lag)
        return allegro, self.execute([Step(StepKind.CREATE, row(n), {}) for n in range(rows)], allegro)

    def state(self, number: int = 0) -> State:
        return self.journal.latest(SELLER, [f"X{number}"])[f"X{number}"].state


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.journal.close()


def codes(execution: Execution) -> Counter[str]:
    return Counter(outcome.code for outcome in execution.outcomes)


def test_good_rows_become_drafts(desk: Desk) -> None:
    """One offer, one outcome and one finished entry for each row."""
    allegro, execution = desk.create(lambda *_: MADE, rows=50)
    assert codes(execution) == {"draft_created": 50}
    assert len(allegro.made) == 50
    assert {outcome.row for outcome in execution.outcomes} == set(range(50))
    assert desk.state(49) is State.DONE


def test_a_draft_with_errors_is_incomplete(desk: Desk) -> None:
    """201 may carry what the draft lacks; the words of Allegro come along."""
    _, execution = desk.create(lambda *_: Made("", "INACTIVE", (("Brak zdjęcia", "IMG"),)))
    [outcome] = execution.outcomes
    assert (outcome.code, outcome.errors) == ("draft_incomplete", (("Brak zdjęcia", "IMG"),))


def test_refused_row_stays_refused(desk: Desk) -> None:
    """What Allegro refuses is sent once and leaves nothing in doubt."""
    allegro, execution = desk.create(lambda *_: Refused("product_not_found"))
    assert codes(execution) == {"product_not_found": 1}
    assert allegro.calls == ["create X0"]
    assert desk.state() is State.FAILED


@pytest.mark.parametrize("error", [LOST, TROUBLE], ids=["no answer", "5xx"])
@pytest.mark.parametrize("lag", [0, 5, 59])
def test_lost_answer_of_a_made_offer_makes_no_second_one(desk: Desk, error: Exception, lag: float) -> None:
    """However late the list shows it, the offer is recognised."""
    allegro, execution = desk.create(lambda *_: (error, True), rows=3, lag=lag)
    assert codes(execution) == {"draft_created": 3}
    assert len(allegro.made) == 3


@pytest.mark.parametrize("error", [LOST, TROUBLE], ids=["no answer", "5xx"])
def test_lost_request_is_sent_again_once_the_list_had_its_time(desk: Desk, error: Exception) -> None:
    """Nothing arrived: after the lag of the list the draft is made, within the same run."""
    allegro, execution = desk.create(lambda _row, call: error if call == 1 else MADE)
    assert codes(execution) == {"draft_created": 1}
    assert desk.clock.monotonic() >= INDEX_LAG.total_seconds()
    assert len(allegro.made) == 1


def test_a_row_that_never_succeeds_is_given_up_within_three_minutes(desk: Desk) -> None:
    """Three attempts, each looked up; then it is Allegro's trouble and nothing is in doubt."""
    allegro, execution = desk.create(lambda *_: TROUBLE)
    assert codes(execution) == {"server_trouble": 1}
    assert allegro.calls.count("create X0") == 3
    assert desk.clock.monotonic() <= 200
    assert desk.state() is State.WITHDRAWN


def test_one_poisoned_row_does_not_stop_its_account(desk: Desk) -> None:
    """A row that always breaks Allegro is alone with it."""
    _, execution = desk.create(lambda r, _: TROUBLE if r.row == 3 else MADE, rows=60)
    assert codes(execution) == {"draft_created": 59, "server_trouble": 1}
    assert execution.stopped is None


def test_allegro_down_stops_the_account(desk: Desk) -> None:
    """After a few lost answers in a row nothing more is sent; the other rows are not blamed."""
    _, execution = desk.create(lambda *_: TROUBLE, rows=300)
    counted = codes(execution)
    assert set(counted) == {"server_trouble", "not_sent"}
    assert sum(counted.values()) == 300
    assert counted["server_trouble"] < TROUBLES_IN_A_ROW + 30
    assert isinstance(execution.stopped, ServerTrouble)


STOPS = {
    "login": (LoginNeeded("login_needed", account="a"), "login_needed"),
    "forbidden": (Forbidden("forbidden", account="a"), "forbidden"),
    "too many": (TooMany("rate_limited", status=429), "rate_limited"),
    "no network": (NoAnswer("no_answer", sent=False, call="", reason=""), "server_trouble"),
    "token endpoint": (TokenTrouble("token_trouble"), "server_trouble"),
}


@pytest.mark.parametrize(("error", "code"), STOPS.values(), ids=STOPS)
def test_trouble_that_is_not_the_rows_stops_the_account(desk: Desk, error: Exception, code: str) -> None:
    """The row under way names the cause, the rest is not sent, and all of them can be sent by the next run."""
    allegro, execution = desk.create(lambda r, call: MADE if call <= 10 else error, rows=200)
    counted = codes(execution)
    assert set(counted) == {"draft_created", code, "not_sent"}
    assert counted["draft_created"] == len(allegro.made) == 10
    left = {o.external_id for o in execution.outcomes if o.code == code}
    assert {desk.journal.latest(SELLER, left)[x].state for x in left if x} == {State.WITHDRAWN}  # type: ignore[arg-type]


def test_accepted_draft_is_followed_to_its_end(desk: Desk) -> None:
    """202 is no success: the answer comes when the work has ended."""
    allegro = FakeAllegro(desk.clock, lambda *_: Accepted("9", "op", 5))
    allegro.follow_results = [Accepted("9", "op", 5), Accepted("9", "op"), Made("9", "INACTIVE")]
    execution = desk.execute([Step(StepKind.CREATE, row(0), {})], allegro)
    assert codes(execution) == {"draft_created": 1}
    assert allegro.calls.count("follow") == 3


def test_accepted_draft_may_be_refused_in_the_end(desk: Desk) -> None:
    """An operation that ends in 422 leaves no offer and says why."""
    allegro = FakeAllegro(desk.clock, lambda *_: Accepted("9", "op"))
    allegro.follow_results = [Refused("rejected", {"reason": "allegro"}, (("Nie", "C"),))]
    [outcome] = desk.execute([Step(StepKind.CREATE, row(0), {})], allegro).outcomes
    assert (outcome.code, outcome.errors, outcome.offer_id) == ("rejected", (("Nie", "C"),), None)
    assert desk.state() is State.FAILED


@pytest.mark.parametrize("lag", [0, 45])
def test_vanished_operation_of_a_made_offer_is_found_by_its_external_id(desk: Desk, lag: float) -> None:
    """Neither the operation nor the offer is known for a while, then the list shows it."""

    def accept(row: ProductRow, _call: int) -> Accepted:
        allegro.made.append(("1000", row.external_id, desk.clock.monotonic()))
        return Accepted("1000", "op")

    allegro = FakeAllegro(desk.clock, accept, lag=lag)
    allegro.follow_results = [None]
    assert codes(desk.execute([Step(StepKind.CREATE, row(0), {})], allegro)) == {"draft_created": 1}
    assert allegro.calls.count("create X0") == 1


def test_vanished_operation_without_an_offer_is_a_refusal_only_after_the_lag(desk: Desk) -> None:
    """A second draft in the meantime might be one too many; the next run sends it."""
    allegro = FakeAllegro(desk.clock, lambda *_: Accepted("9", "op"))
    allegro.follow_results = [None]
    execution = desk.execute([Step(StepKind.CREATE, row(0), {})], allegro)
    assert codes(execution) == {"rejected": 1}
    assert allegro.calls.count("create X0") == 1
    assert desk.clock.monotonic() >= INDEX_LAG.total_seconds()
    assert desk.state() is State.FAILED


def test_operation_forgotten_since_an_earlier_run_is_asked_about_once(desk: Desk) -> None:
    """Allegro forgets them after a week; the list has had its time by then."""
    old = desk.journal.intend(seller=SELLER, external_id="X0", after=None, run="old", price=None, stock=None)
    desk.journal.save(replace(old, state=State.ACCEPTED, offer_id="9", operation="op"))
    desk.clock.sleep(8 * 86_400)
    allegro = FakeAllegro(desk.clock, lambda *_: MADE)
    allegro.follow_results = [None]
    known = desk.journal.latest(SELLER, ["X0"])["X0"]
    assert codes(desk.execute([Step(StepKind.FOLLOW, row(0), {}, known)], allegro)) == {"rejected": 1}
    assert allegro.calls == ["follow", "find"]


@pytest.mark.parametrize("result", [Accepted("9", "op", 600), LOST, TROUBLE], ids=["working", "no answer", "5xx"])
def test_what_does_not_end_in_time_is_pending(desk: Desk, result: Any) -> None:
    """The run ends when its waiting time is over; the journal knows the operation for the next one."""
    allegro = FakeAllegro(desk.clock, lambda *_: Accepted("9", "op"))
    allegro.follow_results = [result]
    execution = desk.execute([Step(StepKind.CREATE, row(0), {})], allegro, wait=120)
    assert codes(execution) == {"draft_pending": 1}
    assert 120 <= desk.clock.monotonic() <= 180
    assert desk.state() is State.ACCEPTED


def test_without_waiting_an_operation_is_asked_about_once(desk: Desk) -> None:
    """`wait_for_updates` off: one look, then ⌚."""
    allegro = FakeAllegro(desk.clock, lambda *_: Accepted("9", "op", 30))
    allegro.follow_results = [Accepted("9", "op", 30)]
    execution = desk.execute([Step(StepKind.CREATE, row(0), {})], allegro, wait=0)
    assert codes(execution) == {"draft_pending": 1}
    assert allegro.calls.count("follow") == 1


def test_pending_of_an_earlier_run_is_settled(desk: Desk) -> None:
    """A follow step needs no POST."""
    allegro = FakeAllegro(desk.clock, lambda *_: MADE)
    allegro.follow_results = [Made("9", "INACTIVE")]
    step = Step(StepKind.FOLLOW, row(7), {}, entry(State.ACCEPTED, offer_id="9", operation="op"))
    assert codes(desk.execute([step], allegro)) == {"draft_created": 1}
    assert allegro.calls == ["follow"]


def test_doubt_of_an_earlier_run_waits_for_the_whole_lag(desk: Desk) -> None:
    """Its intent is 50 s old, but it may have waited for a limit, sent it a moment ago, and died."""
    lost = desk.journal.intend(seller=SELLER, external_id="X7", after=None, run="dead", price=None, stock=None)
    desk.clock.sleep(50)
    allegro = FakeAllegro(desk.clock, lambda *_: MADE)
    execution = desk.execute([Step(StepKind.LOOK_UP, row(7), {}, lost)], allegro)
    assert codes(execution) == {"draft_created": 1}
    assert desk.clock.monotonic() >= 50 + INDEX_LAG.total_seconds()


def test_a_look_up_that_fails_leaves_the_row_in_doubt(desk: Desk) -> None:
    """Nobody knows, so nothing is sent, and the journal still says that it was."""
    allegro = FakeAllegro(desk.clock, lambda *_: (LOST, True))

    def broken(_ids: object) -> Any:
        raise ServerTrouble("server_trouble", status=500)

    allegro.find = broken  # type: ignore[method-assign]
    execution = desk.execute([Step(StepKind.CREATE, row(0), {})], allegro)
    assert codes(execution) == {"in_doubt": 1}
    assert desk.state() is State.SENDING
    assert len(allegro.made) == 1


def test_another_run_on_the_same_product_wins(desk: Desk) -> None:
    """The attempt is taken: this run sends nothing for the row and says so."""
    desk.journal.intend(seller=SELLER, external_id="X0", after=None, run="other", price=None, stock=None)
    allegro, execution = desk.create(lambda *_: MADE)
    assert codes(execution) == {"not_sent": 1}
    assert execution.outcomes[0].facts["busy"]
    assert allegro.made == []


def test_without_a_journal_nothing_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the intent cannot be written, so no request leaves."""

    def full(**_: object) -> Any:
        raise JournalError("journal_unusable", reason="disk full")

    monkeypatch.setattr(desk.journal, "intend", full)
    allegro, execution = desk.create(lambda *_: MADE, rows=5)
    assert codes(execution) == {"not_sent": 5}
    assert allegro.calls == []


def test_a_journal_that_fails_after_sending_does_not_lose_the_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The offer is told to the user, nothing more is sent, and the next run will look the row up."""

    def full(_entry: object) -> Any:
        raise JournalError("journal_unusable", reason="disk full")

    monkeypatch.setattr(desk.journal, "save", full)
    allegro, execution = desk.create(lambda *_: MADE, rows=100)
    counted = codes(execution)
    assert counted["draft_created"] == len(allegro.made)
    assert counted["not_sent"] == 100 - len(allegro.made) > 0
    assert desk.state(execution.outcomes[0].row) is State.SENDING
