"""Fixtures for every test: a simulator of one's own, held against Allegro's OpenAPI file when the test is over.

Tests with the fixture `database` run once for each kind of database. With `--databases short`, as always unless told
otherwise, whole jobs run on PostgreSQL only where their module's `ON_POSTGRESQL` says so, since they cost time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from batch.simulator import Simulator
from tests.helpers.journals import POSTGRESQL, SQLITE, journals_in, why_no
from tests.helpers.openapi import check_exchanges
from tests.helpers.postgres import shared_folder, stop_shared


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many tests run on which database."""
    parser.addoption("--databases", choices=["short", "all", SQLITE, POSTGRESQL], default="short")


def pytest_configure(config: pytest.Config) -> None:
    """All processes of one start share a server."""
    if not hasattr(config, "workerinput"):
        shared_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The first process is the last to end."""
    if not hasattr(config, "workerinput"):
        stop_shared()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The kinds of database a test runs on."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "database" not in metafunc.fixturenames or any(mark.args[0] == "database" for mark in marks):
        return
    chosen = metafunc.config.getoption("databases")
    kinds = [SQLITE, POSTGRESQL] if chosen in {"short", "all"} else [chosen]
    metafunc.parametrize("database", kinds, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In short form, PostgreSQL gets a selection of the costly tests."""
    if config.getoption("databases") != "short":
        return
    left_out = [item for item in items if isinstance(item, pytest.Function) and _is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        out = set(left_out)
        items[:] = [item for item in items if item not in out]


def _is_left_out(item: pytest.Function) -> bool:
    if "whole_job" not in item.fixturenames or item.callspec.params["database"] != POSTGRESQL:
        return False
    name = re.sub(rf"-?{POSTGRESQL}-?", "", item.name).removesuffix("[]")
    return name not in getattr(item.module, "ON_POSTGRESQL", ())


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of database that journals of this test lie in."""
    kind: str = request.param
    if reason := why_no(kind):
        pytest.skip(reason)
    with journals_in(kind):
        yield kind


@pytest.fixture
def whole_job(database: str) -> str:
    """Marks a test as costly; the journals of its shops lie in `database`."""
    return database


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
