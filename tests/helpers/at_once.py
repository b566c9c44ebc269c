"""A program in this process whose waiting takes no time, called as from a command line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from batch import cli
from batch.clock import SystemClock


def wait_at_once(patch: pytest.MonkeyPatch) -> list[float]:
    """From now on sleeping only moves the system clock on; what was slept, in seconds."""
    slept: list[float] = []
    now, monotonic = SystemClock.now, SystemClock.monotonic
    patch.setattr(SystemClock, "sleep", lambda _self, seconds: slept.append(seconds))
    patch.setattr(SystemClock, "now", lambda self: now(self) + timedelta(seconds=sum(slept)))
    patch.setattr(SystemClock, "monotonic", lambda self: monotonic(self) + sum(slept))
    return slept


def at_home(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The user's data and state lie in `folder`, as `Shop.environment` has it for other processes."""
    for home in ("data", "state"):
        patch.setenv(f"XDG_{home.upper()}_HOME", str(folder / home))


def call(*arguments: str | Path) -> int:
    """Run a command in this process; its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code
