"""Real processes on one pair, in a file or a database: renewed once, never refused, whole at every moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from batch.errors import BatchError
from tests.helpers.accounts import Station
from tests.helpers.journals import POSTGRESQL
from tests.helpers.renew_process import Process
from tests.helpers.token_endpoint import AllegroTokens

PROCESSES, ROUNDS = 8, 10


@pytest.fixture
def short(database: str, request: pytest.FixtureRequest) -> bool:
    """Whether a smaller race will do, since the whole one has been run on files."""
    return database == POSTGRESQL and request.config.getoption("databases") == "short"


@pytest.fixture
def stations(short: bool) -> Iterator[list[Process]]:
    processes = [Process() for _ in range(3 if short else PROCESSES)]
    yield processes
    for process in processes:
        process.close()


def test_eight_processes_ten_rounds_one_renewal_each(
    shared: Station, allegro: AllegroTokens, stations: list[Process], short: bool
) -> None:
    """All start at the same moment on a token that is due; a reader looks at the pair all the time."""
    pc, place, rounds = shared, shared.place, 3 if short else ROUNDS
    pc.write()
    stop, broken, reads = threading.Event(), [], [0]

    def read() -> None:
        while not stop.is_set():
            try:
                place.read()
            except BatchError as error:
                broken.append(error)
            reads[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, rounds + 1):
            allegro.script = [{"delay": 0.05}]
            for station, process in enumerate(stations):
                process.start(pc, f"pc{station}")
            answers = [process.answer() for process in stations]
            assert [answer.get("token", answer) for answer in answers] == [allegro.access_token] * len(stations)
            assert allegro.renewals == number
            ours = pc.place
            held = ours.read()
            assert held.generation == 7 + number
            with ours.locked():
                ours.replace(replace(held, expires_at=pc.clock() - timedelta(seconds=1)))
    finally:
        stop.set()
        reader.join()
    assert allegro.refused == []
    assert allegro.requests == rounds
    assert broken == []
    assert reads[0] > rounds
