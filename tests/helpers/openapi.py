"""Holds recorded exchanges against Allegro's own OpenAPI file.

Every request must be one that Allegro documents: path, method, query, headers, body, and no property or
parameter that the file does not know. Every answer of the simulator must have a documented status, media
type and body. What the field knows better than the file is listed here, each with its reason.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.exceptions import ValidationError
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from batch.simulator.log import CRASHED, Exchange

SPEC = Path(__file__).resolve().parents[2].parent / "shared" / "allegro" / "openapi.yaml"
URI = "urn:allegro"
NOT_IN_THE_FILE = ("/auth/", "/skojarz-aplikacje", "/favicon.ico", "/_control/")

UNDOCUMENTED_STATUSES = {
    400: "a parameter out of its bounds; some operations forget to say so",
    401: "every resource answers 401 to a dead token; some operations forget to say so",
    403: "a refused User-Agent, or a blocked address (#4681)",
    404: "a resource that is not there",
    406: "a wrong Accept header, as the tutorial says",
    415: "a wrong Content-Type",
    429: "documented in the FAQ, declared for one operation only",
    **dict.fromkeys((500, 502, 503, 504), "trouble at Allegro"),
}
DEVIATIONS = {
    (r"GET /sale/offers", r"offers/\d+/external"): "null where the offer has no external id",
    (r".* /sale/product-offers.*", r"external"): "null where the offer has no external id",
    (r"GET /sale/offer-bulk-.*/tasks", r"tasks/\d+"): "the two forms a task has `oneOf` do not exclude each other",
    (r"GET /order/checkout-forms", r"count|totalCount"): "0 where there is no order",
    (
        r"GET /order/checkout-forms.*",
        r"(checkoutForms/\d+/)?(messageToSeller|note|buyer/(companyName|personalIdentity)|payment/reconciliation"
        r"|delivery/(pickupPoint|time|address/(companyName|modifiedAt))|invoice/(address|dueDate)"
        r"|lineItems/\d+/(tax|deposit|reconciliation|offer/(external|productSet)))",
    ): "null where there is none, as #9366 shows it",
}
BROKEN_ANSWERS = {"malformed", "truncated", "oversized", "blocked", "redirect", "status_before", "status_after"}
"""Faults whose answers are wrong on purpose."""


class Specification:
    """The file, and what was checked against it before, so that thousands of like exchanges stay cheap."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = _null_allowed(document)
        resource = Resource(contents=self._document, specification=DRAFT4)
        self._registry: Registry[Any] = Registry().with_resource(URI, resource)
        self._seen: set[object] = set()

    def part(self, operations: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """The file with these operations (method, template of the path) only. KeyError for one that is not there."""
        paths: dict[str, Any] = {}
        for method, template in operations:
            name = next(path for path in self._document["paths"] if _bare(path) == _bare(template))
            paths.setdefault(name, {})[method.lower()] = self._document["paths"][name][method.lower()]
        return {**self._document, "paths": paths}

    def complaints(self, exchange: dict[str, Any], *, requests: bool = True) -> list[str]:
        """What is wrong with an exchange (shape of the simulator's log), in words; [] when all is well."""
        if exchange["path"].startswith(NOT_IN_THE_FILE):
            return []
        if exchange["fault"] == CRASHED:
            return [f"the simulator crashed over {exchange['method']} {exchange['path']}"]
        found = self._operation(exchange["method"], exchange["path"])
        if found is None:
            return [f"{exchange['method']} {exchange['path']} is not in the file"] if requests else []
        template, pointer, operation = found
        title = f"{exchange['method']} {template}"
        wrong = list(self._request(title, pointer, operation, exchange)) if requests else []
        if exchange["status"] is not None and exchange["fault"] not in BROKEN_ANSWERS:
            wrong += self._answer(title, pointer, operation, exchange)
        return [f"{title} ({exchange['number']}): {complaint}" for complaint in wrong]

    def _operation(self, method: str, path: str) -> tuple[str, str, dict[str, Any]] | None:
        if path in self._document["paths"]:
            templates = [path]
        else:
            templates = [template for template in self._document["paths"] if _fits(template, path)]
        for template in templates:
            operation = self._document["paths"][template].get(method.lower())
            if operation:
                return template, f"/paths/{_escape(template)}/{method.lower()}", operation
        return None

    def _request(self, title: str, pointer: str, operation: dict[str, Any], exchange: dict[str, Any]) -> Iterator[str]:
        headers = {name.lower(): value for name, value in exchange["headers"].items()}
        parameters = {
            (parameter["in"], parameter["name"]): f"{pointer}/parameters/{place}"
            for place, parameter in enumerate(operation.get("parameters", []))
        }
        yield from self._query(parameters, exchange["query"])
        for (kind, name), where in parameters.items():
            if kind == "header" and name.lower() in headers:
                yield from self._values(where, name, [headers[name.lower()]])
            elif self._at(where).get("required") and kind == "header":
                yield f"header {name} is missing"
        if headers.get("accept") not in _media_types(operation["responses"].values()):
            yield f"Accept is {headers.get('accept')}"
        content = operation.get("requestBody", {}).get("content", {})
        sent = headers.get("content-type", "").partition(";")[0]
        if exchange["body"] and sent not in content:
            yield f"Content-Type is {sent}"
        elif exchange["body"]:
            where = f"{pointer}/requestBody/content/{_escape(sent)}/schema"
            yield from self._body(title, where, exchange["body"], strict=True)
        elif operation.get("requestBody", {}).get("required"):
            yield "the body is missing"

    def _query(self, parameters: dict[tuple[str, str], str], query: Iterable[tuple[str, str]]) -> Iterator[str]:
        sent: dict[str, list[str]] = {}
        for name, value in query:
            sent.setdefault(name, []).append(value)
        for name, values in sent.items():
            if ("query", name) in parameters:
                yield from self._values(parameters["query", name], name, values)
            else:
                yield f"query parameter {name} is not in the file"

    def _values(self, where: str, name: str, values: list[str]) -> Iterator[str]:
        """The values of one parameter; a repeated one is a list."""
        schema = self._resolve(self._at(where)["schema"])
        is_list = schema.get("type") == "array"
        items = self._resolve(schema["items"]) if is_list else schema
        typed = [_typed(items.get("type"), value) for value in values]
        if not is_list and len(typed) > 1:
            yield f"{name} is given {len(typed)} times"
        for error in self._errors(f"{where}/schema", typed if is_list else typed[0]):
            yield f"{name}: {error.message}"

    def _answer(self, title: str, pointer: str, operation: dict[str, Any], exchange: dict[str, Any]) -> Iterator[str]:
        status, media_type = str(exchange["status"]), exchange["answer_headers"].get("Content-Type", "")
        if status not in operation["responses"]:
            if exchange["status"] not in UNDOCUMENTED_STATUSES:
                yield f"status {status} is not documented"
            shape = "AuthError" if status == "401" else "ErrorsHolder"
            yield from self._body(title, f"/components/schemas/{shape}", exchange["answer"], strict=True)
            return
        content = operation["responses"][status].get("content")
        if not content:
            if int(status) < 400 and exchange["answer"]:
                yield f"{status} must have no body"
            return
        refusal = exchange["status"] >= 400  # the file names now one, now another type of JSON for these
        found = next((name for name in content if name == media_type or refusal), None)
        if found is None:
            yield f"{status} came as {media_type}"
            return
        where = f"{pointer}/responses/{status}/content/{_escape(found)}/schema"
        yield from self._body(title, where, exchange["answer"], strict=True)

    def _body(self, title: str, where: str, text: str, *, strict: bool) -> Iterator[str]:
        try:
            body = json.loads(text)
        except ValueError as error:
            yield f"no JSON: {error}"
            return
        key = (where, _shape(body))
        if key in self._seen:
            return
        complaints = [
            f"{path or 'body'}: {message}"
            for path, message in self._body_complaints(where, body, strict=strict)
            if not any(re.fullmatch(t, title) and re.fullmatch(p, path) for t, p in DEVIATIONS)
        ]
        if not complaints:
            self._seen.add(key)
        yield from complaints

    def _body_complaints(self, where: str, body: Any, *, strict: bool) -> Iterator[tuple[str, str]]:
        for error in (leaf for whole in self._errors(where, body) for leaf in _leaves(whole)):
            yield "/".join(map(str, error.absolute_path)), error.message[:300]
        if strict:
            for path in self._undeclared([self._at(where)], body, ()):
                yield path, "is not in the file"

    def _errors(self, where: str, value: Any) -> Iterator[ValidationError]:
        validator = OAS30Validator(
            {"$ref": f"{URI}#{where}"}, registry=self._registry, format_checker=oas30_format_checker
        )
        yield from validator.iter_errors(value)

    def _undeclared(self, schemas: list[dict[str, Any]], value: Any, path: tuple[str, ...]) -> Iterator[str]:
        """The paths of properties that no schema of this place declares."""
        flat = [part for schema in schemas for part in self._parts(schema)]
        if isinstance(value, list):
            items = [schema["items"] for schema in flat if "items" in schema]
            for place, item in enumerate(value):
                yield from self._undeclared(items, item, (*path, str(place)))
        if not isinstance(value, dict):
            return
        for name, inner in value.items():
            declared = [schema["properties"][name] for schema in flat if name in schema.get("properties", {})]
            others = [schema["additionalProperties"] for schema in flat if "additionalProperties" in schema]
            if declared or others:
                yield from self._undeclared(
                    declared or [s for s in others if isinstance(s, dict)], inner, (*path, name)
                )
            else:
                yield "/".join((*path, name))

    def _parts(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A schema and everything it is composed of; a discriminator stands for all its variants."""
        schema = self._resolve(schema)
        yield schema
        for key in ("allOf", "oneOf", "anyOf"):
            for part in schema.get(key, []):
                yield from self._parts(part)
        for target in schema.get("discriminator", {}).get("mapping", {}).values():
            for part in self._resolve({"$ref": target}).get("allOf", [{"$ref": target}]):
                if self._resolve(part) is not schema:
                    yield self._resolve(part)

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self._at(schema["$ref"].removeprefix("#"))
        return schema

    def _at(self, pointer: str) -> Any:
        place: Any = self._document
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            place = place[int(key)] if isinstance(place, list) else place[key]
        return place


def check_exchanges(exchanges: Iterable[Exchange | dict[str, Any]], *, requests: bool = True) -> None:
    """Fail the test when exchanges do not fit the file; skip, with the reason, where the file is absent.

    Takes the simulator's log, or what `GET /_control/requests` gives. `requests` False holds only the
    answers against the file, for tests that send rubbish on purpose.
    """
    known = specification()
    if known is None:
        pytest.skip(f"Allegro's OpenAPI file is not at {SPEC}")
    wrong = [
        complaint
        for exchange in exchanges
        for complaint in known.complaints(
            asdict(exchange) if isinstance(exchange, Exchange) else exchange, requests=requests
        )
    ]
    assert not wrong, f"{len(wrong)} deviations from Allegro's OpenAPI file, for example\n" + "\n".join(wrong[:10])


@functools.cache
def specification() -> Specification | None:
    """Allegro's file, read once; None where it is absent."""
    if not SPEC.is_file():
        return None
    with SPEC.open("rb") as file:
        return Specification(yaml.load(file, yaml.CSafeLoader))


def _null_allowed(node: Any) -> Any:
    """The document with `nullable` working beside `allOf` and `enum` too: the file means it, the validator does not."""
    if isinstance(node, list):
        return [_null_allowed(item) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _null_allowed(value) for key, value in node.items()}
    if changed.get("nullable") is True and "type" not in changed and "$ref" not in changed:
        return {"anyOf": [{"enum": [None], "nullable": True}, changed]}
    if changed.get("nullable") is True and isinstance(changed.get("enum"), list):
        changed["enum"] = [*changed["enum"], None]
    return changed


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """What is wrong inside, where all that is said is that no alternative fits."""
    inside = [
        inner for inner in error.context or [] if inner.instance is not error.instance or inner.validator != "enum"
    ]
    if not inside:
        yield error
    for inner in inside:
        yield from _leaves(inner)


def _bare(template: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", template)


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path) is not None


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _media_types(responses: Iterable[dict[str, Any]]) -> set[str]:
    public = {"application/vnd.allegro.public.v1+json"}  # for operations whose answers have no body
    return {name for response in responses for name in response.get("content", {})} or public


def _typed(kind: str | None, value: str) -> Any:
    if kind == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "number" and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    return {"true": True, "false": False}.get(value, value) if kind == "boolean" else value


def _shape(value: Any) -> object:
    """What a body has in common with others that are checked alike: names, types, codes, rough lengths."""
    if isinstance(value, dict):
        return tuple((name, _shape(inner)) for name, inner in sorted(value.items()))
    if isinstance(value, list):
        return frozenset(_shape(item) for item in value)
    if isinstance(value, str) and re.fullmatch(r"[A-Z_]{1,40}", value):
        return value
    if isinstance(value, str):
        return ((len(value) - 1) // 5, re.sub(r"\w+", "w", value[:60]) if len(value) < 40 else "")
    return type(value)
