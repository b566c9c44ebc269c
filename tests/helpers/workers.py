"""Worker processes for tests: `python -m tests.helpers.workers SECONDS …` is `batch …`, the dead noticed that soon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from batch import cli, execute, execute_changes, job_queue, worker
from tests.helpers.shop import Shop


@contextmanager
def worker_of(shop: Shop, *arguments: str, dead_after: float = job_queue.DEAD_AFTER) -> Iterator[subprocess.Popen[str]]:
    """A worker with the shop's settings; killed at the end, if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.workers", str(dead_after), "worker", *arguments, *config_of(shop)],
        env=shop.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def config_of(shop: Shop) -> list[str]:
    """The option that names the shop's settings."""
    return ["--config", str(shop.folder / "batch.yaml")]


def main() -> None:
    dead_after = float(sys.argv[1])
    if dead_after != job_queue.DEAD_AFTER:
        job_queue.DEAD_AFTER = dead_after
        job_queue.HEARTBEAT = job_queue.LOOK_EVERY = dead_after / 3
        worker.ROUND_EVERY = 1.0
        execute.INDEX_LAG = execute_changes.STRAY = timedelta(seconds=dead_after)
    cli.main(sys.argv[2:])


if __name__ == "__main__":
    main()
