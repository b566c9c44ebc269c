"""Several threads on many items: each once, and no failure is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batch.parallel import each


def test_every_item_once() -> None:
    done: list[int] = []
    each(range(100), done.append, threads=7)
    assert sorted(done) == list(range(100))


def broken() -> Iterator[int]:
    yield 1
    raise OSError("gone")


def test_what_the_items_or_the_work_raise_reaches_the_caller() -> None:
    """And no further item is begun."""
    done: list[int] = []
    with pytest.raises(OSError, match="gone"):
        each(broken(), done.append, threads=3)
    assert done == [1]

    def work(item: int) -> None:
        done.append(item)
        raise ValueError(item)

    with pytest.raises(ValueError, match="7"):
        each([7, 8], work, threads=1)
    assert done == [1, 7]
