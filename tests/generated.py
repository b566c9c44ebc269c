"""Requests made up from Allegro's OpenAPI file, sent to the simulator: `python -m tests.generated [--examples 300]`.

schemathesis takes every operation that the simulator serves and makes up calls, right ones and wrong ones. Whatever
it is asked, the simulator answers as the file has it: never with a 5xx, and each answer is held against the file.
"""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Sequence
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode

from batch.simulator import Simulator
from batch.simulator.server import API
from tests.helpers.caller import HEADERS
from tests.helpers.openapi import SPEC, Specification, check_exchanges, specification

SERVED = [(route.method, route.template) for route in API]


def send_generated(
    simulator: Simulator, file: Specification, examples: int, served: Sequence[tuple[str, str]] = SERVED
) -> collections.Counter[str]:
    """Send so many made-up calls of each operation; the numbers of answers by status. Raises AssertionError."""
    schema = schemathesis.openapi.from_dict(file.part(served))
    token = simulator.issue_tokens("e-sklep2")["access_token"]
    simulator.add_offers("e-sklep2", 5)
    simulator.add_order("e-sklep2")
    statuses: collections.Counter[str] = collections.Counter()
    checked = len(simulator.requests)
    for found in schema.get_all_operations():
        operation = found.ok()
        media = next((route.media_type for route in API if (route.method, route.template) == _named(operation)), None)
        headers = HEADERS | {"Authorization": f"Bearer {token}"} | ({"Accept": media} if media else {})
        for mode in GenerationMode:
            _send(operation.as_strategy(generation_mode=mode), simulator.url, headers, examples, statuses)
        check_exchanges(simulator.requests[checked:], requests=False)
        checked = len(simulator.requests)
    return statuses


def _send(cases: Any, url: str, headers: dict[str, str], examples: int, statuses: collections.Counter[str]) -> None:
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
              phases=[Phase.generate], derandomize=True)  # fmt: skip
    @given(cases)
    def one(case: Case) -> None:
        answer = case.call(base_url=url, headers=headers, allow_redirects=False)
        statuses[str(answer.status_code)] += 1
        assert answer.status_code < 500, case.as_curl_command()

    one()


def _named(operation: Any) -> tuple[str, str]:
    return operation.method.upper(), operation.path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.generated", description=__doc__)
    parser.add_argument("--examples", type=int, default=300, help="of each operation and each way of making them up")
    asked = parser.parse_args()
    file = specification()
    if file is None:
        print(f"skipped: Allegro's OpenAPI file is not at {SPEC}")
        return 0
    with Simulator(log_size=1_000_000) as simulator:
        statuses = send_generated(simulator, file, asked.examples)
    print(f"{sum(statuses.values())} calls of {len(SERVED)} operations: {dict(sorted(statuses.items()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
