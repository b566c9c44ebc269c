"""Where the journals of tests lie: in files of SQLite, or in databases of PostgreSQL, one for each folder.

The suites that touch the journal say nothing about it: `--databases` of pytest chooses, through the fixture `database`.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.postgres import name_for, shared_server, why_not

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_chosen = [SQLITE]


@contextmanager
def journals_in(kind: str) -> Iterator[None]:
    """From here on, new folders have their journals in this kind of database."""
    _chosen.append(kind)
    try:
        yield
    finally:
        _chosen.pop()


def journal_url(folder: Path) -> str:
    """The journal of a folder, empty when it is asked for the first time."""
    return f"sqlite:///{folder / 'journal.sqlite'}" if _chosen[-1] == SQLITE else _made(name_for(folder))


def wipe_journal(folder: Path) -> None:
    """Empty it, as if there had been no run."""
    if _chosen[-1] == POSTGRESQL:
        shared_server().make(name_for(folder))
    for file in folder.glob("journal.sqlite*"):
        file.unlink()


def save_journal(folder: Path, saved: Path) -> None:
    """Keep a copy, which belongs to the folder `saved`."""
    if _chosen[-1] == POSTGRESQL:
        shared_server().make(name_for(saved), template=name_for(folder))
    for file in folder.glob("journal.sqlite*"):
        shutil.copy(file, saved)


def restore_journal(folder: Path, saved: Path) -> None:
    """As `save_journal` found it."""
    wipe_journal(folder)
    save_journal(saved, folder)


def why_no(kind: str) -> str | None:
    """Why such a database cannot be had here."""
    return why_not() if kind == POSTGRESQL else None


@functools.cache
def _made(name: str) -> str:
    return shared_server().make(name)
