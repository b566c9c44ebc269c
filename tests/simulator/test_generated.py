"""The simulator under requests that nobody wrote, in short form; `python -m tests.generated` is the whole."""

from __future__ import annotations

import pytest

from batch.simulator import Simulator
from tests.helpers.openapi import SPEC, specification


def test_made_up_requests_are_answered_as_allegros_file_has_it(unchecked_simulator: Simulator) -> None:
    """Every third operation that it serves, right calls and wrong ones: no 5xx, and each answer fits the file."""
    file = specification()
    if file is None:
        pytest.skip(f"Allegro's OpenAPI file is not at {SPEC}")
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from tests.generated import SERVED, send_generated  # noqa: PLC0415  (it needs schemathesis)

    some = SERVED[::3]
    statuses = send_generated(unchecked_simulator, file, examples=1, served=some)
    assert sum(statuses.values()) > len(some)
    assert {"200", "400"} <= statuses.keys()
