"""Everything uncertain a job needs from outside, as one argument: time, new ids, folders, somebody to tell."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batch.clock import Clock, SystemClock
from batch.model import Outcome

APP = "allegro-batch"
_ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are mistaken for another when typed


class Progress(Protocol):
    """Somebody who watches a run. Called from any thread."""

    def begin(self, account: str, total: int) -> None:
        """An account has `total` rows to be answered."""

    def advance(self, outcome: Outcome) -> None:
        """One row has its answer."""


class NoProgress:
    """Nobody watches."""

    def begin(self, account: str, total: int) -> None:
        """Nothing to draw."""

    def advance(self, outcome: Outcome) -> None:
        """Nothing to draw."""


@dataclass(frozen=True, slots=True)
class World:
    """The surroundings of a job. `data_folder` holds the journal and the token spool of this user."""

    clock: Clock
    data_folder: Path
    new_id: Callable[[], str]
    progress: Progress


def system_world(progress: Progress) -> World:
    """The real surroundings."""
    from platformdirs import user_data_path  # noqa: PLC0415  (not needed for --help)

    return World(SystemClock(), user_data_path(APP, appauthor=False), short_id, progress)


def short_id() -> str:
    """Three random letters that keep the runs of two PCs in one second apart."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(3))
