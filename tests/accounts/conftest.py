"""A token endpoint and a station that talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.accounts import Station
from tests.helpers.journals import POSTGRESQL, journal_url
from tests.helpers.token_endpoint import AllegroTokens, token_endpoint


@pytest.fixture
def allegro() -> Iterator[AllegroTokens]:
    """The endpoint, with one pair issued."""
    with token_endpoint() as running:
        yield running


@pytest.fixture
def shared(database: str, pc: Station, tmp_path: Path) -> Station:
    """The station, its tokens once in a file and once in PostgreSQL."""
    if database == POSTGRESQL:
        pc.database = journal_url(tmp_path)
    return pc


@pytest.fixture
def pc(allegro: AllegroTokens, tmp_path: Path) -> Station:
    """A station whose shared folder is `tmp_path`; no token file yet."""
    return Station(allegro, tmp_path)
