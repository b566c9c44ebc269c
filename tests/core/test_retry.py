"""What may be sent again, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.allegro.retry import LONGEST_WAIT, is_passing, may_send_again, patience_with, seconds_to_wait
from batch.errors import ApiError, NoAnswer, Rejected, ServerTrouble, TokenTrouble, TooMany

ERRORS: dict[str, tuple[ApiError, bool, bool]] = {
    # error, a safe request may be sent again, one that makes something may
    "429": (TooMany("rate_limited"), True, True),
    "never connected": (NoAnswer("no_answer", sent=False), True, True),
    "connection cut": (NoAnswer("no_answer", sent=True), True, False),
    "5xx": (ServerTrouble("server_trouble"), True, False),
    "4xx": (Rejected("rejected"), False, False),
    "token endpoint": (TokenTrouble("token_trouble"), False, False),
}


@pytest.mark.parametrize(("error", "safe", "unsafe"), ERRORS.values(), ids=ERRORS)
def test_only_what_was_certainly_not_processed_or_changes_nothing(error: ApiError, safe: bool, unsafe: bool) -> None:
    """A POST whose fate is unknown is never simply repeated."""
    assert may_send_again(error, safe=True) is safe
    assert may_send_again(error, safe=False) is unsafe


@given(st.integers(1, 50), st.none() | st.floats(0, 100_000), st.floats(0, 1))
def test_a_single_wait_is_a_minute_at_most(attempt: int, retry_after: float | None, jitter: float) -> None:
    """Whatever the server says."""
    assert 0 < seconds_to_wait(attempt, retry_after=retry_after, jitter=jitter) <= LONGEST_WAIT


def test_the_wait_doubles_and_allegro_may_overrule_it() -> None:
    """1, 2, 4 … seconds, or what Retry-After says."""
    assert [seconds_to_wait(n, retry_after=None, jitter=0) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert seconds_to_wait(5, retry_after=3, jitter=1) == 3


def test_without_a_network_patience_is_shorter() -> None:
    """Nobody waits three minutes for an unplugged cable."""
    assert patience_with(NoAnswer("no_answer", sent=False), 180) == 60
    assert patience_with(ServerTrouble("server_trouble"), 180) == 180
    assert patience_with(NoAnswer("no_answer", sent=False), 5) == 5


FAILED_TASKS: dict[str, tuple[list[str], bool]] = {
    "trouble at Allegro": (["INTERNAL_SERVER_ERROR"], True),
    "in Java's spelling": (["InternalServerErrorException"], True),
    "not there for the moment": (["SERVICE_UNAVAILABLE"], True),
    "took too long": (["RequestTimeout"], True),
    "another edit runs": (["OFFER_IS_BEING_PROCESSED"], True),
    "another edit runs, in other words": (["OFFER_IS_BEING_EDITED"], True),
    "at the same time": (["CONCURRENT_MODIFICATION"], True),
    "one of several": (["PRICE_TOO_LOW", "TOO_MANY_REQUESTS"], True),
    "no such offer": (["OFFER_NOT_FOUND"], False),
    "ended": (["OFFER_ENDED"], False),
    "a bad price": (["ConstraintViolationException.Price"], False),
    "an invalid value": (["VALIDATION_ERROR"], False),
    "no word": ([""], False),
    "nothing": ([], False),
}


@pytest.mark.parametrize(("codes", "passing"), FAILED_TASKS.values(), ids=FAILED_TASKS)
def test_which_failed_tasks_are_worth_another_attempt(codes: list[str], passing: bool) -> None:
    """Those whose reason lies in Allegro or in the moment, not in the row."""
    assert is_passing(codes) is passing
