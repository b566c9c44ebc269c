"""The forms that parts of a JSON body can have: objects, lists, texts, numbers, choices.

A check takes a value and its path and yields an error object for everything that is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeAlias

from batch.simulator.wire import Json, problem

Check: TypeAlias = Callable[[Any, str], Iterator[Json]]


def wrong(path: str, message: str, code: str = "VALIDATION_FAILED") -> Json:
    """The error object for one place of a body."""
    return problem(code, f"{path or 'body'}: {message}", path=path or None)


def obj(fields: dict[str, Check], *required: str) -> Check:
    """An object with these fields and no others."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if not isinstance(value, dict):
            yield wrong(path, "must be an object")
            return
        prefix = f"{path}." if path else ""
        for name in value:
            if name not in fields:
                yield wrong(prefix + name, "unknown property found in the request", "UnknownJSONProperty")
        for name in required:
            if value.get(name) is None:
                yield wrong(prefix + name, "must not be empty")
        for name, inner in fields.items():
            if name in value and not (value[name] is None and name in required):
                yield from inner(value[name], prefix + name)

    return check


def array(item: Check, low: int = 0, high: int = 1000) -> Check:
    """A list of `low` to `high` items."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if not isinstance(value, list) or not low <= len(value) <= high:
            yield wrong(path, f"must be a list of {low} to {high} items")
            return
        for place, inner in enumerate(value):
            yield from item(inner, f"{path}[{place}]")

    return check


def text(low: int = 1, high: int = 40_000, pattern: str = "") -> Check:
    """Text of `low` to `high` characters that matches `pattern` as a whole."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if not isinstance(value, str):
            yield wrong(path, "must be text")
        elif not low <= len(value) <= high:
            yield wrong(path, f"must have from {low} to {high} characters")
        elif pattern and not re.fullmatch(pattern, value):
            yield wrong(path, f"must look like {pattern}")
        elif value != value.strip():
            yield wrong(path, "must not begin or end with a space")

    return check


def one_of(*values: str, code: str = "VALIDATION_FAILED") -> Check:
    """One of these texts."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if value not in values:
            yield wrong(path, f"{value!r} is not one of {', '.join(values)}", code)

    return check


def whole(low: int, high: int = 2**31 - 1) -> Check:
    """A whole number within bounds."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            yield wrong(path, f"must be a whole number from {low} to {high}")

    return check


def nullable(inner: Check) -> Check:
    """Null, or what `inner` allows."""

    def check(value: Any, path: str) -> Iterator[Json]:
        if value is not None:
            yield from inner(value, path)

    return check


def yes_or_no(value: Any, path: str) -> Iterator[Json]:
    """A JSON boolean."""
    if not isinstance(value, bool):
        yield wrong(path, "must be true or false")


def anything(_value: Any, _path: str) -> Iterator[Json]:
    """A part of an offer that this simulator does not look into."""
    yield from ()


def moment(value: Any, path: str) -> Iterator[Json]:
    """A moment with its time zone, ISO 8601."""
    try:
        aware = datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    if not aware:
        yield wrong(path, "must be a moment with its time zone")


def tagged(variants: dict[str, Check], refused: dict[str, str] | None = None) -> Check:
    """An object whose `type` says which form it has; `refused` types have their own code."""

    def check(value: Any, path: str) -> Iterator[Json]:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind in variants:
            yield from variants[kind](value, path)
        else:
            yield wrong(f"{path}.type", f"{kind!r} is not allowed", (refused or {}).get(str(kind), "VALIDATION_FAILED"))

    return check
