"""Changes become outcomes; nothing is sent twice with another effect, and only what is wrong is blamed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch.errors import Forbidden, JournalError, LoginNeeded, NoAnswer, ServerTrouble, TooMany
from batch.execute import Execution
from batch.execute_changes import ATTEMPTS, STRAY, ChangeExecutor
from batch.journal import Journal
from batch.model import Action, Change, FoundOffer, Money, Outcome, ProductRow, Sent, State, TaskResult, Way
from batch.plan_changes import OPEN, Catches, ChangeStep, plan_change
from tests.helpers.drafts import SELLER, FakeClock, row

DONE, OPEN_YET = TaskResult(State.DONE), TaskResult(State.ACCEPTED)
REFUSED = TaskResult(State.FAILED, "rejected", (("Cena zbyt niska", "PRICE"),))
PASSING = TaskResult(State.FAILED, "server_trouble", (("Spróbuj ponownie", "INTERNAL"),), passing=True)
TROUBLE = ServerTrouble("server_trouble", status=503)


class FakeAllegro:
    """Offers that change as commands say, once `report` calls them DONE.

    `on_send(changes, number of the call)` gives a Sent or an error to raise; `on_report(change, looks at it)` gives a
    TaskResult, or None when the whole command is unknown. `listed` is whether the list shows what was applied.
    """

    def __init__(
        self,
        offers: Mapping[str, FoundOffer],
        on_send: Callable[[Sequence[Change], int], Any] = lambda _changes, _call: Sent(State.ACCEPTED),
        on_report: Callable[[Change, int], TaskResult | None] = lambda _change, _looks: DONE,
        *,
        listed: bool = True,
    ) -> None:
        self.offers, self.on_send, self.on_report, self.listed = dict(offers), on_send, on_report, listed
        self.shown = dict(offers)
        self.sent: list[tuple[Change, ...]] = []
        self.looks: dict[int, int] = {}
        self.reports = 0

    def send(self, changes: Sequence[Change]) -> Sent:
        self.sent.append(tuple(changes))
        result = self.on_send(changes, len(self.sent))
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, Sent)
        if result.state is State.DONE:
            for change in changes:
                self.apply(change)
        return result

    def report(self, changes: Sequence[Change]) -> Mapping[int, TaskResult] | None:
        self.reports += 1
        found: dict[int, TaskResult] = {}
        for change in changes:
            looks = self.looks[change.id] = self.looks.get(change.id, 0) + 1
            result = self.on_report(change, looks)
            if result is None:
                return None
            found[change.id] = result
            if result.state is State.DONE:
                self.apply(change)
        return found

    def apply(self, change: Change) -> None:
        offer = self.offers[change.offer_id]
        offer = replace(
            offer,
            price=change.new_price or offer.price,
            stock=offer.stock if change.new_stock is None else change.new_stock,
            status={Way.PUBLISH: "ACTIVE", Way.END: "ENDED"}.get(change.way, offer.status),
        )
        self.offers[change.offer_id] = offer
        if self.listed:
            self.shown[change.offer_id] = offer

    def held(self, offer_ids: Collection[str]) -> Mapping[str, FoundOffer]:
        return {offer_id: self.shown[offer_id] for offer_id in offer_ids if offer_id in self.shown}

    def looks_needed(self, offers: int) -> int:
        return -(-offers // 1000)


class Desk:
    """An executor with a real journal, a fake clock and rows 1, 2, 3 …, whose offers cost 10 and have stock 5."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.journal = Journal.in_folder(folder, self.clock.now)
        self.commands = map("c{}".format, itertools.count(1))
        self.advanced: list[Outcome] = []

    def executor(self, allegro: FakeAllegro, wait: float = 120) -> ChangeExecutor:
        return ChangeExecutor(
            allegro=allegro,
            journal=self.journal,
            wait_seconds=wait,
            clock=self.clock,
            new_command=lambda: next(self.commands),
            advance=self.advanced.append,
        )

    def execute(self, allegro: FakeAllegro, *rows: ProductRow, wait: float = 120) -> Execution:
        return self.executor(allegro, wait).execute(self.steps(allegro, rows))

    def steps(self, allegro: FakeAllegro, rows: Sequence[ProductRow]) -> list[ChangeStep]:
        planned = [
            plan_change(r, allegro.offers[r.offer_id or ""], seller=SELLER, run="this", catches=Catches()) for r in rows
        ]
        return [step for step in planned if isinstance(step, ChangeStep)]

    def states(self) -> list[State]:
        return [change.state for change in self.journal.unsettled_changes(SELLER)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.journal.close()


def offers(count: int = 3, **changes: Any) -> dict[str, FoundOffer]:
    held = FoundOffer("", None, "ACTIVE", money(10), 5)
    return {str(n): replace(held, offer_id=str(n), external_id=f"X{n}", **changes) for n in range(1, count + 1)}


def money(amount: float) -> Money:
    return Money(Decimal(str(amount)), "PLN")


def wants(number: int, **changes: Any) -> ProductRow:
    """Row `number`, whose offer is to cost 11 unless it says otherwise."""
    return row(number, offer_id=str(number), **({"price": money(11), "stock": None} | changes))


def codes(execution: Execution) -> dict[int, str]:
    return {outcome.row: outcome.code for outcome in execution.outcomes}


def test_applied_changes_are_told_with_old_and_new(desk: Desk) -> None:
    """One command for one price; old and new values stand in the answer and in the journal."""
    allegro = FakeAllegro(offers())
    execution = desk.execute(allegro, *(wants(n) for n in (1, 2, 3)))
    assert codes(execution) == dict.fromkeys((1, 2, 3), "offer_updated")
    assert [len(call) for call in allegro.sent] == [3]
    outcome = execution.outcomes[0]
    assert (outcome.old_price, outcome.new_price) == (money(10), money(11))
    assert desk.states() == [State.DONE] * 3
    assert len(desk.advanced) == 3


TASKS: dict[str, tuple[Callable[[Change, int], TaskResult | None], str, int]] = {
    "done at once": (lambda _c, _n: DONE, "offer_updated", 1),
    "done at the third look": (lambda _c, n: DONE if n == 3 else OPEN_YET, "offer_updated", 1),
    "refused": (lambda _c, _n: REFUSED, "rejected", 1),
    "never ends": (lambda _c, _n: OPEN_YET, "update_pending", 1),
    "fails once for a passing reason": (lambda c, _n: PASSING if c.command == "c1" else DONE, "offer_updated", 2),
    "always fails for a passing reason": (lambda _c, _n: PASSING, "server_trouble", ATTEMPTS),
    "vanished, not applied": (lambda c, _n: None if c.command == "c1" else DONE, "offer_updated", 2),
    "vanishes again and again": (lambda _c, _n: None, "update_pending", 2),
}


@pytest.mark.parametrize(("on_report", "code", "sent"), TASKS.values(), ids=TASKS)
def test_every_end_of_a_task(desk: Desk, on_report: Any, code: str, sent: int) -> None:
    """Each way a task may go has its code, and how often the change is sent."""
    allegro = FakeAllegro(offers(1), on_report=on_report)
    assert codes(desk.execute(allegro, wants(1))) == {1: code}
    assert len(allegro.sent) == sent


def test_a_vanished_command_that_was_applied_is_done(desk: Desk) -> None:
    """Allegro forgot the command, but the offer has the price."""
    allegro = FakeAllegro(offers(1), on_report=lambda _c, _n: None)
    allegro.on_send = lambda changes, _call: (allegro.apply(changes[0]), Sent(State.ACCEPTED))[1]
    assert codes(desk.execute(allegro, wants(1))) == {1: "offer_updated"}
    assert len(allegro.sent) == 1


def no_network_any_more() -> NoAnswer:
    error = NoAnswer("no_answer", sent=False, call="PUT", reason="refused")
    error.lost = True  # by an earlier attempt
    return error


SENDINGS: dict[str, tuple[Any, str, State | None]] = {
    "refused": (Sent(State.FAILED, status=422, code="rejected", errors=(("Źle", "X"),)), "rejected", None),
    "5xx to the end": (TROUBLE, "server_trouble", State.SENDING),
    "no answer": (NoAnswer("no_answer", sent=True, call="PUT", reason="cut"), "server_trouble", State.SENDING),
    "never left": (NoAnswer("no_answer", sent=False, call="PUT", reason="refused"), "server_trouble", None),
    "no answer, then no network": (no_network_any_more(), "server_trouble", State.SENDING),
    "429 to the end": (TooMany("rate_limited", status=429), "rate_limited", None),
    "login": (LoginNeeded("login_needed", account="a"), "login_needed", None),
    "403": (Forbidden("forbidden", account="a"), "forbidden", None),
}


@pytest.mark.parametrize(("sent", "code", "state"), SENDINGS.values(), ids=SENDINGS)
def test_every_end_of_a_sending(desk: Desk, sent: Any, code: str, state: State | None) -> None:
    """What may have arrived stays `sending` for the next run to clear up; all else is over."""
    allegro = FakeAllegro(offers(1), on_send=lambda _changes, _call: sent)
    assert codes(desk.execute(allegro, wants(1))) == {1: code}
    assert desk.states() == ([state] if state else [])


def test_of_a_refused_command_only_the_guilty_offer_is_blamed(desk: Desk) -> None:
    """Allegro refuses the whole command because of one of its offers."""

    def on_send(changes: Sequence[Change], _call: int) -> Sent:
        guilty = any(change.offer_id == "37" for change in changes)
        return Sent(State.FAILED, status=422, code="rejected") if guilty else Sent(State.ACCEPTED)

    execution = desk.execute(FakeAllegro(offers(60), on_send), *(wants(n) for n in range(1, 61)))
    assert {n for n, code in codes(execution).items() if code != "offer_updated"} == {37}
    assert codes(execution)[37] == "rejected"


def test_where_the_bulk_command_is_gone_every_offer_is_patched(desk: Desk) -> None:
    """The bulk command is beta; should Allegro take it away, prices still go out."""

    def on_send(changes: Sequence[Change], _call: int) -> Sent:
        return Sent(State.FAILED, status=404) if changes[0].way is Way.BULK else Sent(State.DONE)

    allegro = FakeAllegro(offers(), on_send)
    execution = desk.execute(allegro, *(wants(n, price=money(10 + n)) for n in (1, 2, 3)))
    assert set(codes(execution).values()) == {"offer_updated"}
    assert [offer.price for offer in allegro.offers.values()] == [money(11), money(12), money(13)]


def test_a_busy_offer_is_patched_again_later(desk: Desk) -> None:
    """409: an earlier edit runs."""
    answers = iter([Sent(State.WITHDRAWN), Sent(State.WITHDRAWN), Sent(State.DONE)])
    allegro = FakeAllegro(offers(1), on_send=lambda _changes, _call: next(answers))
    assert codes(desk.execute(allegro, wants(1, price=None, stock=0))) == {1: "offer_ended"}
    assert allegro.offers["1"].stock == 0


def test_an_offer_that_stays_busy_is_pending(desk: Desk) -> None:
    """The waiting time is over; the next run compares again. Nobody says that Allegro has accepted the change."""
    allegro = FakeAllegro(offers(1), on_send=lambda _changes, _call: Sent(State.WITHDRAWN))
    execution = desk.execute(allegro, wants(1, price=None, stock=0))
    assert codes(execution) == {1: "update_pending"}
    assert execution.outcomes[0].facts["waits"] == "change"
    assert desk.states() == []


def test_a_price_is_applied_before_the_offer_is_published(desk: Desk) -> None:
    """Buyers never see the old price."""
    allegro = FakeAllegro(offers(1, status="INACTIVE"), on_report=lambda _c, n: DONE if n > 1 else OPEN_YET)
    assert codes(desk.execute(allegro, wants(1, action=Action.PUBLISH))) == {1: "offer_published"}
    assert [call[0].way for call in allegro.sent] == [Way.PRICE, Way.PUBLISH]


def test_an_offer_whose_price_was_refused_is_not_published(desk: Desk) -> None:
    """It would go out at the wrong price."""
    allegro = FakeAllegro(offers(1, status="INACTIVE"), on_report=lambda _c, _n: REFUSED)
    assert codes(desk.execute(allegro, wants(1, action=Action.PUBLISH))) == {1: "rejected"}
    assert [call[0].way for call in allegro.sent] == [Way.PRICE]


def test_published_means_active(desk: Desk) -> None:
    """Allegro reports success while the offer is still being activated: that is pending."""
    allegro = FakeAllegro(offers(1, status="INACTIVE"), listed=False)
    assert codes(desk.execute(allegro, wants(1, price=None, action=Action.PUBLISH))) == {1: "update_pending"}


def test_an_offer_that_never_became_active_does_not_stay_pending(desk: Desk) -> None:
    """It was published, says Allegro, and has been ended since, so what its row wants is planned anew."""
    allegro = FakeAllegro(offers(1, status="INACTIVE"), listed=False)
    desk.execute(allegro, wants(1, price=None, action=Action.PUBLISH))
    for later, states in ((1800, [State.ACCEPTED]), (3600, [State.DONE])):
        desk.clock.sleep(later)
        desk.executor(allegro, wait=0).watch(desk.journal.unsettled_changes(SELLER))
        assert desk.states() == states


def test_without_waiting_there_is_one_look(desk: Desk) -> None:
    """`wait_for_updates: no`: what is not applied at once is pending, and no time passes."""
    allegro = FakeAllegro(offers(), on_report=lambda c, _n: DONE if c.offer_id == "1" else OPEN_YET)
    execution = desk.execute(allegro, *(wants(n) for n in (1, 2, 3)), wait=0)
    assert codes(execution) == {1: "offer_updated", 2: "update_pending", 3: "update_pending"}
    assert (allegro.reports, desk.clock.monotonic()) == (1, 0)


def test_many_calls_are_settled_by_the_list(desk: Desk) -> None:
    """500 prices of their own are 20 calls; a look at the list settles them without reading 20 reports."""
    allegro = FakeAllegro(offers(500))
    allegro.on_send = lambda changes, _call: ([allegro.apply(c) for c in changes], Sent(State.ACCEPTED))[1]
    execution = desk.execute(allegro, *(wants(n, price=money(10 + n / 100)) for n in range(1, 501)))
    assert set(codes(execution).values()) == {"offer_updated"}
    assert (len(allegro.sent), allegro.reports) == (20, 0)


def test_rows_are_answered_while_others_are_still_being_sent(desk: Desk) -> None:
    """A long run does not leave its user without answers; but no row has one before all it wants is sent."""
    allegro, answered, early = FakeAllegro(offers(1000)), threading.Event(), []

    def on_send(changes: Sequence[Change], call: int) -> Sent:
        for change in changes:
            allegro.apply(change)
        if call >= 40:
            early.append(answered.wait(20))
        return Sent(State.ACCEPTED)

    def advance(outcome: Outcome) -> None:
        wanted = allegro.offers[str(outcome.row)]
        assert (wanted.price, wanted.stock) == (money(20 + outcome.row / 100), 7 if outcome.row > 500 else 5)
        answered.set()

    allegro.on_send = on_send
    executor = desk.executor(allegro)
    executor._advance = advance
    rows = [wants(n, price=money(20 + n / 100), stock=7 if n > 500 else None) for n in range(1, 1001)]
    execution = executor.execute(desk.steps(allegro, rows))
    assert set(codes(execution).values()) == {"offer_updated"}
    assert len(execution.outcomes) == 1000
    assert early == [True] * (len(allegro.sent) - 39)


def test_what_the_list_does_not_confirm_the_reports_tell(desk: Desk) -> None:
    """A list that lags, or changes that failed: their reason is read from Allegro's report."""
    allegro = FakeAllegro(offers(500), on_report=lambda c, _n: REFUSED if c.offer_id == "9" else DONE, listed=False)
    execution = desk.execute(allegro, *(wants(n, price=money(10 + n / 100)) for n in range(1, 501)))
    assert [n for n, code in codes(execution).items() if code == "rejected"] == [9]
    assert next(o for o in execution.outcomes if o.row == 9).errors == (("Cena zbyt niska", "PRICE"),)


def test_trouble_stops_the_account_and_blames_no_row(desk: Desk) -> None:
    """After a refused login nothing more is sent; what was sent before is pending."""

    def on_send(changes: Sequence[Change], call: int) -> Any:
        return Sent(State.ACCEPTED) if call == 1 else LoginNeeded("login_needed", account="a")

    allegro = FakeAllegro(offers(3, status="ENDED"), on_send, on_report=lambda _c, _n: OPEN_YET)
    execution = desk.execute(allegro, *(wants(n) for n in (1, 2, 3)))
    assert isinstance(execution.stopped, LoginNeeded)
    assert set(codes(execution).values()) <= {"update_pending", "login_needed", "not_sent"}
    assert len(execution.outcomes) == 3


def test_without_a_journal_nothing_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent comes first."""

    def broken(*_: Any) -> Any:
        raise JournalError("journal_unusable", reason="disk full")

    monkeypatch.setattr(desk.journal, "intend_changes", broken)
    allegro = FakeAllegro(offers())
    assert set(codes(desk.execute(allegro, *(wants(n) for n in (1, 2)))).values()) == {"not_sent"}
    assert allegro.sent == []


DEAD_RUNS: dict[str, tuple[Callable[[Change, int], TaskResult | None], bool, list[State]]] = {
    "never arrived": (lambda _c, _n: None, False, []),
    "applied, forgotten": (lambda _c, _n: None, True, [State.DONE]),
    "applied": (lambda _c, _n: DONE, True, [State.DONE]),
    "still worked on": (lambda _c, _n: OPEN_YET, False, [State.ACCEPTED]),
    "refused": (lambda _c, _n: REFUSED, False, []),
}


@pytest.mark.parametrize(("on_report", "applied", "states"), DEAD_RUNS.values(), ids=DEAD_RUNS)
def test_what_a_killed_run_left_is_settled_and_not_sent_again(
    desk: Desk, on_report: Any, applied: bool, states: list[State]
) -> None:
    """Its command is asked about by its id; the workbook may want another value by now."""
    allegro = FakeAllegro(offers(1), on_report=on_report)
    [step] = desk.steps(allegro, [wants(1)])
    [left] = desk.journal.intend_changes([replace(step.changes[0], command="dead")])
    if applied:
        allegro.apply(left)
    if states == [State.ACCEPTED]:
        desk.journal.save_changes([replace(left, state=State.ACCEPTED)])
    assert desk.executor(allegro, wait=0).watch([left]) is None
    assert desk.states() == states
    assert allegro.sent == []


@pytest.mark.parametrize(("arrives", "states"), [(40.0, [State.DONE]), (None, [])])
def test_nothing_newer_is_sent_while_a_dead_runs_call_may_still_arrive(
    desk: Desk, arrives: float | None, states: list[State]
) -> None:
    """Whenever it was meant to be sent, and though nobody wants to wait: for a minute from now, or until it shows."""
    allegro = FakeAllegro(offers(1), on_report=lambda _c, _n: DONE if arrives and passed() >= arrives else None)
    [step] = desk.steps(allegro, [wants(1)])
    [left] = desk.journal.intend_changes([replace(step.changes[0], command="dead")])
    desk.clock.sleep(3600)
    begun = desk.clock.monotonic()

    def passed() -> float:
        return desk.clock.monotonic() - begun

    assert desk.executor(allegro, wait=0).watch([left]) is None
    assert desk.states() == states
    assert arrives <= passed() < STRAY.total_seconds() if arrives else passed() == STRAY.total_seconds()


def test_an_answer_lost_long_ago_is_not_waited_for(desk: Desk) -> None:
    """The run that lost it has noted when that was; what is left of the minute is waited for."""
    allegro = FakeAllegro(offers(1), on_send=lambda _changes, _call: TROUBLE, on_report=lambda _c, _n: None)
    for later, wait in ((0, STRAY.total_seconds()), (3600, 0)):
        desk.execute(allegro, wants(1))
        desk.clock.sleep(later)
        begun = desk.clock.monotonic()
        assert desk.executor(allegro, wait=0).watch(desk.journal.unsettled_changes(SELLER)) is None
        assert desk.clock.monotonic() - begun == wait
        assert desk.states() == []


def test_of_many_calls_those_that_may_never_have_arrived_are_asked_about_at_once(desk: Desk) -> None:
    """The list would be cheaper, but only the reports say that Allegro never got them; the same run sends them anew."""
    allegro = FakeAllegro(offers(5), on_report=lambda c, _n: OPEN_YET if c.state is State.ACCEPTED else None)
    steps = desk.steps(allegro, [wants(n) for n in range(1, 6)])
    left = [desk.journal.intend_changes([replace(s.changes[0], command=f"dead {n}")])[0] for n, s in enumerate(steps)]
    desk.journal.save_changes([replace(left[0], state=State.ACCEPTED)])
    assert desk.executor(allegro, wait=0).watch([replace(left[0], state=State.ACCEPTED), *left[1:]]) is None
    assert desk.states() == [State.ACCEPTED]


def test_a_change_that_is_still_open_is_followed_by_its_row(desk: Desk) -> None:
    """A later run waits for it and sends nothing of its own."""
    allegro = FakeAllegro(offers(1), on_report=lambda _c, n: DONE if n == 2 else OPEN_YET)
    [step] = desk.steps(allegro, [wants(1)])
    [left] = desk.journal.intend_changes([replace(step.changes[0], command="dead", state=State.ACCEPTED)])
    assert left.state in OPEN
    execution = desk.executor(allegro).execute([replace(step, changes=(), pending=(left,))])
    assert codes(execution) == {1: "offer_updated"}
    assert allegro.sent == []


def test_an_older_change_that_failed_for_a_passing_reason_is_not_sent_after_a_newer_one(desk: Desk) -> None:
    """It would take the newer value back; what its row wants now is what counts."""
    left_behind = iter([OPEN_YET, PASSING])
    allegro = FakeAllegro(offers(1), on_report=lambda c, _n: DONE if c.command != "dead" else next(left_behind))
    [step] = desk.steps(allegro, [wants(1)])
    [left] = desk.journal.intend_changes([replace(step.changes[0], command="dead")])
    row_ = wants(1, price=money(12))
    plan = plan_change(row_, allegro.offers["1"], seller=SELLER, run="this", pending=[left], catches=Catches())
    assert isinstance(plan, ChangeStep)
    assert codes(desk.executor(allegro).execute([plan])) == {1: "offer_updated"}
    assert [change.new_price for call in allegro.sent for change in call] == [money(12)]


BEYOND: dict[str, tuple[dict[str, Any], TaskResult, str, list[Way]]] = {
    "the same value": ({"price": money(11)}, DONE, "offer_updated", []),
    "another value": ({"price": money(12)}, DONE, "offer_updated", [Way.PRICE]),
    "a stock as well": ({"price": money(11), "stock": 7}, DONE, "offer_updated", [Way.STOCK]),
    "an end": ({"price": None, "action": Action.END}, DONE, "offer_ended", [Way.END]),
    "another value, the older was refused": ({"price": money(12)}, REFUSED, "offer_updated", [Way.PRICE]),
    "an end, the older was refused": ({"price": None, "action": Action.END}, REFUSED, "offer_ended", [Way.END]),
}


@pytest.mark.parametrize(("wanted", "end", "code", "ways"), BEYOND.values(), ids=BEYOND)
def test_what_a_row_wants_beyond_an_open_change_is_sent_when_that_has_ended(
    desk: Desk, wanted: dict[str, Any], end: TaskResult, code: str, ways: list[Way]
) -> None:
    """In the same run, and never before it; what became of the older change does not blame the newer one."""
    allegro = FakeAllegro(
        offers(1), on_report=lambda c, n: DONE if c.command != "dead" else (end if n > 1 else OPEN_YET)
    )
    [step] = desk.steps(allegro, [wants(1)])
    [left] = desk.journal.intend_changes([replace(step.changes[0], command="dead", state=State.ACCEPTED)])
    row_ = wants(1, **wanted)
    plan = plan_change(row_, allegro.offers["1"], seller=SELLER, run="this", pending=[left], catches=Catches())
    assert isinstance(plan, ChangeStep)
    execution = desk.executor(allegro).execute([plan])
    assert codes(execution) == {1: code}
    assert [call[0].way for call in allegro.sent] == ways
    assert all(allegro.looks[left.id] == 2 for _ in ways)
    assert left.id in execution.outcomes[0].changes


def test_deleted_drafts_are_undone_in_the_journal_from_the_intent_on(desk: Desk) -> None:
    """A kill between the deletion and its note must not let the next run make the draft again."""
    entry = desk.journal.intend(seller=SELLER, external_id="X1", after=None, run="r", price=money(10), stock=5)
    desk.journal.save(replace(entry, state=State.DONE, offer_id="1"))
    deletion = Change(0, SELLER, "undo", "1", "X1", Way.DELETE, State.SENDING)

    def state() -> State:
        return desk.journal.latest(SELLER, ["X1"])["X1"].state

    [sent] = desk.journal.intend_changes([deletion])
    assert state() is State.UNDONE
    desk.journal.save_changes([replace(sent, state=State.FAILED)])
    assert state() is State.DONE
