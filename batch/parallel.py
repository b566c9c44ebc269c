"""Work on many items with a few threads, without ever holding all items or futures in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def each(items: Iterable[T], work: Callable[[T], None], *, threads: int) -> None:
    """Call `work` once for each item, `threads` at a time, in the order of the items.

    When `work` or `items` raise, no further item is begun; the first exception is raised once all threads have stopped.
    """
    iterator = iter(items)
    lock = threading.Lock()
    failures: list[BaseException] = []

    def run() -> None:
        while not failures:
            try:
                with lock:
                    taken = list(islice(iterator, 1))
                if not taken:
                    return
                work(taken[0])
            except BaseException as error:  # noqa: BLE001  (raised again below, in the caller's thread)
                failures.append(error)

    workers = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
