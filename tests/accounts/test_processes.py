"""Real processes on one token file: renewed once, never refused, whole at every moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from batch.accounts.token_file import read_token, replace_file, token_bytes
from batch.errors import AccountError
from tests.helpers.accounts import Station
from tests.helpers.renew_process import Process
from tests.helpers.token_endpoint import AllegroTokens

PROCESSES, ROUNDS = 8, 10


@pytest.fixture
def stations() -> Iterator[list[Process]]:
    processes = [Process() for _ in range(PROCESSES)]
    yield processes
    for process in processes:
        process.close()


def test_eight_processes_ten_rounds_one_renewal_each(
    pc: Station, allegro: AllegroTokens, stations: list[Process]
) -> None:
    """All start at the same moment on a token that is due; a reader looks at the file all the time."""
    pc.write()
    stop, broken, reads = threading.Event(), [], [0]

    def read() -> None:
        while not stop.is_set():
            try:
                read_token(pc.path)
            except AccountError as error:
                broken.append(error)
            reads[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, ROUNDS + 1):
            allegro.script = [{"delay": 0.05}]
            for station, process in enumerate(stations):
                process.start(allegro, pc.folder, f"pc{station}")
            answers = [process.answer() for process in stations]
            assert [answer.get("token", answer) for answer in answers] == [allegro.access_token] * PROCESSES
            assert allegro.renewals == number
            held = read_token(pc.path)
            assert held.generation == 7 + number
            replace_file(pc.path, token_bytes(replace(held, expires_at=pc.clock() - timedelta(seconds=1))))
    finally:
        stop.set()
        reader.join()
    assert allegro.refused == []
    assert allegro.requests == ROUNDS
    assert broken == []
    assert reads[0] > ROUNDS
