"""The contract with Allegro is checked for every call that the tool makes, and for none less when it makes more.

The `simulator` fixture holds each request and each answer against Allegro's OpenAPI file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import batch.allegro
from batch.allegro.session import ApiSession
from batch.errors import ApiError
from batch.simulator import Simulator
from tests.helpers.calls import calls

MODULES = sorted(Path(batch.allegro.__file__).parent.glob("*.py"))
VERBS = {"get": "GET", "post": "POST", "patch": "PATCH", "delete": "DELETE", "command": "PUT"}

MADE = {
    "GET /me",
    "GET /sale/shipping-rates",
    "GET /after-sales-service-conditions/return-policies",
    "GET /after-sales-service-conditions/implied-warranties",
    "GET /after-sales-service-conditions/warranties",
    "GET /sale/responsible-producers",
    "GET /sale/responsible-persons",
    "GET /sale/offers",
    "GET /sale/product-offers/{}",
    "POST /sale/product-offers",
    "GET /sale/product-offers/{}/operations/{}",
    "GET /sale/products",
    "PATCH /sale/product-offers/{}",
    "DELETE /sale/offers/{}",
    "PUT /sale/offer-price-change-commands/{}",
    "GET /sale/offer-price-change-commands/{}/tasks",
    "PUT /sale/offer-quantity-change-commands/{}",
    "GET /sale/offer-quantity-change-commands/{}/tasks",
    "PUT /sale/offer-publication-commands/{}",
    "GET /sale/offer-publication-commands/{}/tasks",
    "POST /sale/offer-bulk-modification-commands",
    "GET /sale/offer-bulk-modification-commands/{}/tasks",
    "GET /order/checkout-forms",
}


def test_every_call_fits_allegros_file(simulator: Simulator, session: ApiSession) -> None:
    """Each call is made once, with all that it can carry; together they are the calls that the tool makes."""
    for call in calls(simulator).values():
        call(session)
    assert {f"{e.method} {_template(e.path)}" for e in simulator.requests} == MADE
    assert {e.status for e in simulator.requests} == {200, 201, 202, 204, 303, 422}


def test_every_call_that_allegro_refuses_fits_its_file(simulator: Simulator, session: ApiSession) -> None:
    """The same calls, whose errors have the form that Allegro documents."""
    made = calls(simulator)
    simulator.faults.clear()
    simulator.faults.add("status_before", count=None, status=503)
    for call in made.values():
        try:
            call(session)
        except ApiError:
            continue
    assert {e.status for e in simulator.requests} == {503}


def test_the_tool_makes_no_other_call() -> None:
    """Every path that the code names is one of those, and so is every verb that it sends."""
    paths = {entry.split(" ")[1] for entry in MADE}
    named = {path for module in MODULES for path in _paths(module)}
    assert len(named) > 15, "the code is not read as it is written"
    unknown = {path for path in named if not any(_begins(path, made) for made in paths)}
    assert not unknown, f"add {unknown} to tests/helpers/calls.py and to MADE"
    assert {VERBS[verb] for module in MODULES for verb in _verbs(module)} == {entry.split(" ")[0] for entry in MADE}


def _template(path: str) -> str:
    """The path with `{}` for every id in it."""
    return re.sub(r"/(?=[^/]*\d)[^/]+", "/{}", path)


def _paths(module: Path) -> Iterator[str]:
    """What the code of a module sends requests to: texts that begin like a path, `{}` for what is filled in."""
    nodes = list(ast.walk(ast.parse(module.read_text("utf-8"))))
    pieces = {id(piece) for node in nodes if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            text = node.value
        else:
            continue
        if re.fullmatch(r"/[a-z{][a-z{}/-]*", text):
            yield text


def _begins(path: str, made: str) -> bool:
    return made == path or made.startswith(path.rstrip("/") + "/")


def _verbs(module: Path) -> Iterator[str]:
    """The methods of a session that a module calls."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VERBS:
            holder = ast.unparse(node.func.value)
            if holder in {"session", "self._session", "self.session"}:
                yield node.func.attr
