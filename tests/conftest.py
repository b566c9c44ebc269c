"""Fixtures for every test: a simulator of one's own, held against Allegro's OpenAPI file when the test is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batch.simulator import Simulator
from tests.helpers.openapi import check_exchanges


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A running simulator; each request it got and each answer it gave must fit Allegro's OpenAPI file."""
    with Simulator() as running:
        yield running
    check_exchanges(running.requests)


@pytest.fixture
def unchecked_simulator() -> Iterator[Simulator]:
    """A running simulator for tests that send rubbish on purpose: only its answers must fit the file."""
    with Simulator() as running:
        yield running
    check_exchanges(running.requests, requests=False)
