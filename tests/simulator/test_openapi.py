"""The check against Allegro's OpenAPI file sees what it is there to see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.caller import HEADERS, MEDIA_TYPE, draft
from tests.helpers.openapi import SPEC, check_exchanges, specification

pytestmark = pytest.mark.skipif(specification() is None, reason=f"Allegro's OpenAPI file is not at {SPEC}")

OFFER_ID = "5637592a-0a24-4771-b527-d89b2767d821"


def exchange(method: str = "GET", path: str = "/me", **changes: Any) -> dict[str, Any]:
    """A correct exchange, with `changes`."""
    return {
        "number": 1,
        "method": method,
        "path": path,
        "query": [],
        "headers": HEADERS,
        "body": "",
        "fault": "",
        "status": 200,
        "answer_headers": {"Content-Type": MEDIA_TYPE},
        "answer": "{}",
        **changes,
    }


def post(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return exchange("POST", "/sale/product-offers", body=json.dumps(body), status=201, **changes)


def headers(**changes: str) -> dict[str, str]:
    return {**HEADERS, **{name.replace("_", "-"): value for name, value in changes.items()}}


def listed(offer: dict[str, Any]) -> dict[str, Any]:
    return exchange(path="/sale/offers", answer=json.dumps({"offers": [offer]}))


RIGHT = {
    "me": exchange(),
    "draft": post(draft("5901234123457")),
    "producer by its id": post(
        draft("1") | {"productSet": [{"responsibleProducer": {"type": "ID", "id": OFFER_ID}, "product": {"id": "1"}}]}
    ),
    "null where it is allowed": post(draft("1") | {"taxSettings": None}),
    "free keys": post(
        draft("1")
        | {"additionalMarketplaces": {"allegro-cz": {"sellingMode": {"price": {"amount": "1", "currency": "CZK"}}}}}
    ),
    "repeated parameter": exchange(path="/sale/offers", query=[("external.id", "a"), ("external.id", "b")]),
    "number": exchange(path="/sale/offers", query=[("limit", "1000")]),
    "dead token": exchange(
        status=401, answer='{"error": "invalid_token"}', answer_headers={"Content-Type": "application/json"}
    ),
    "too many": exchange(status=429, answer='{"errors": [{"code": "X"}]}'),
    "connection cut": exchange(status=None, answer=""),
    "broken on purpose": exchange(fault="malformed", answer="{"),
    "empty 303": exchange(path="/sale/product-offers/1/operations/2", status=303, answer=""),
    "no external id": listed({"external": None}),
    "login": exchange("POST", "/auth/oauth/token", status=418),
}

WRONG = {
    "path": (exchange(path="/sale/nothing"), "not in the file"),
    "method": (exchange("PUT"), "not in the file"),
    "property": (post(draft("1") | {"sku": "1"}), "sku: is not in the file"),
    "nested property": (post(draft("1") | {"stock": {"available": 1, "count": 1}}), "stock/count: is not in the file"),
    "property in a list": (
        post(draft("1") | {"productSet": [{"product": {"id": "1"}, "gtin": "1"}]}),
        "productSet/0/gtin: is not in the file",
    ),
    "enum": (post(draft("1") | {"publication": {"status": "DRAFT"}}), "publication/status"),
    "type": (post(draft("1") | {"stock": {"available": "1"}}), "stock/available"),
    "required": (post({"productSet": []}), "'stock' is a required property"),
    "too long": (post(draft("1") | {"external": {"id": "x" * 101}}), "external/id"),
    "null": (post(draft("1") | {"location": None}), "location"),
    "no body": (exchange("POST", "/sale/product-offers", status=201), "the body is missing"),
    "no json": (exchange("POST", "/sale/product-offers", body="{", status=201), "no JSON"),
    "query": (exchange(path="/sale/offers", query=[("externalId", "1")]), "query parameter externalId"),
    "query value": (exchange(path="/sale/offers", query=[("limit", "1001")]), "limit: 1001"),
    "query type": (exchange(path="/sale/offers", query=[("limit", "ten")]), "limit: 'ten'"),
    "query twice": (exchange(path="/sale/offers", query=[("limit", "1"), ("limit", "2")]), "2 times"),
    "too many values": (exchange(path="/sale/offers", query=[("external.id", "1")] * 101), "external.id"),
    "accept": (exchange(headers=headers(Accept="application/json")), "Accept is application/json"),
    "language": (exchange(headers=headers(**{"Accept-Language": "pl"})), "Accept-Language"),
    "content type": (
        post(draft("1"), headers=headers(Content_Type="application/json")),
        "Content-Type is application/json",
    ),
    "status": (exchange(status=418, answer='{"errors": []}'), "status 418 is not documented"),
    "answer type": (exchange(answer_headers={"Content-Type": "application/json"}), "came as application/json"),
    "answer property": (exchange(answer='{"nick": "x"}'), "nick: is not in the file"),
    "answer value": (exchange(answer='{"id": 5}'), "5 is not of type 'string'"),
    "answer in a list": (listed({"stock": {"available": -1}}), "offers/0/stock/available"),
    "error shape": (exchange(status=500, answer='{"message": "oops"}'), "message: is not in the file"),
    "crash": (exchange(fault="crashed", status=None), "the simulator crashed"),
    "body of a 303": (exchange(path="/sale/product-offers/1/operations/2", status=303), "303 must have no body"),
}


@pytest.mark.parametrize("good", RIGHT.values(), ids=RIGHT)
def test_what_allegro_documents_is_let_through(good: dict[str, Any]) -> None:
    """No complaint."""
    check_exchanges([good])


@pytest.mark.parametrize(("bad", "complaint"), WRONG.values(), ids=WRONG)
def test_deviations_are_found(bad: dict[str, Any], complaint: str) -> None:
    """Found, named, and found again the next time."""
    for _ in range(2):
        with pytest.raises(AssertionError) as found:
            check_exchanges([bad])
        assert complaint in str(found.value)


def test_requests_can_be_left_out() -> None:
    """For tests that send rubbish on purpose: answers are still held against the file."""
    rubbish = post({"sku": 1})
    check_exchanges([rubbish], requests=False)
    with pytest.raises(AssertionError):
        check_exchanges([rubbish | {"answer": '{"sku": 1}'}], requests=False)
