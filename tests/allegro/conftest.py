"""A session of one seller at a simulator, over real sockets, on the simulator's clock: waiting costs no time."""

from __future__ import annotations

from datetime import datetime

import pytest

from batch.allegro.allowance import Limit
from batch.allegro.pace import Budget
from batch.allegro.session import ApiSession, Traffic
from batch.ledger import Ledger
from batch.simulator import Simulator

LOGIN = "e-sklep2"


class SimulatedClock:
    """The simulator's time; to sleep is to let it jump ahead."""

    def __init__(self, simulator: Simulator) -> None:
        self._clock = simulator.clock

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self._clock.advance(seconds)


class Tokens:
    """A token that stays good."""

    def __init__(self, simulator: Simulator) -> None:
        self._token = str(simulator.issue_tokens(LOGIN)["access_token"])

    def access_token(self) -> str:
        return self._token

    def replace(self, rejected: str) -> str:
        raise AssertionError(rejected)


@pytest.fixture
def session(simulator: Simulator) -> ApiSession:
    """The calls of `LOGIN`."""
    return session_with(simulator)


@pytest.fixture
def unchecked_session(unchecked_simulator: Simulator) -> ApiSession:
    """The same, for requests that are wrong on purpose."""
    return session_with(unchecked_simulator)


def session_with(simulator: Simulator) -> ApiSession:
    """A session of `LOGIN` with a simulator, where commands end with their first poll."""
    simulator.settings.command_polls, simulator.settings.command_seconds = 1, 0
    clock = SimulatedClock(simulator)
    ledger = Ledger(clock)
    return ApiSession(
        api_url=simulator.url,
        account=LOGIN,
        user_agent="Demo/1.0 (+https://example.com)",
        language="pl",
        tokens=Tokens(simulator),
        traffic=Traffic.open(ledger, clock, LOGIN, Budget(ledger, clock, "requests", Limit(9000))),
        clock=clock,
    )
