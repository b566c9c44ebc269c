"""Commands, which change many offers at once, to Allegro's JSON and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batch.allegro.payloads import amount, refusal_code
from batch.allegro.retry import is_passing
from batch.errors import error_words
from batch.model import Change, State, TaskResult, Way


def command_body(changes: Sequence[Change]) -> dict[str, Any]:
    """The body of one command; all its changes have one way, and one value unless it is the bulk command's."""
    first = changes[0]
    match first.way:
        case Way.BULK:
            return {"commandId": first.command, "modifications": [_modification(change) for change in changes]}
        case Way.PRICE:
            assert first.new_price is not None
            head: dict[str, Any] = {"modification": {"type": "FIXED_PRICE", "price": amount(first.new_price)}}
        case Way.STOCK:
            head = {"modification": {"changeType": "FIXED", "value": first.new_stock}}
        case _:
            head = {"publication": {"action": "ACTIVATE" if first.way is Way.PUBLISH else "END"}}
    offers = [{"id": change.offer_id} for change in changes]
    return {**head, "offerCriteria": [{"type": "CONTAINS_OFFERS", "offers": offers}]}


def _modification(change: Change) -> dict[str, Any]:
    """One change of the bulk command; price and stock of one offer are separate modifications (OpenAPI)."""
    if change.new_price is not None:
        price = {"changeType": "FIXED", "value": amount(change.new_price)}
        return {"offerId": change.offer_id, "prices": {change.marketplace: price}}
    return {"offerId": change.offer_id, "stock": {"changeType": "FIXED", "value": change.new_stock}}


def task_results(changes: Sequence[Change], tasks: Sequence[Mapping[str, Any]]) -> dict[int, TaskResult]:
    """How each change of a command stands, by its id; those without a task yet are missing.

    A bulk command's tasks tell in `field` which of an offer's two values they are about. Raises KeyError, TypeError
    or AttributeError when a task names no offer.
    """
    by_subject = {_subject(change): change for change in changes}
    results: dict[int, TaskResult] = {}
    for task in tasks:
        subject = task.get("subject") or {}
        field = str(subject.get("field") or "")
        offer_id = str(subject["offerId"] if subject else task["offer"]["id"])
        part = ("price" if field.startswith("price") else "stock") if subject else ""
        change = by_subject.get((offer_id, part))
        if change is not None:
            results[change.id] = _result(task)
    return results


def _subject(change: Change) -> tuple[str, str]:
    part = "price" if change.new_price is not None else "stock"
    return change.offer_id, part if change.way is Way.BULK else ""


def _result(task: Mapping[str, Any]) -> TaskResult:
    status = task.get("status")
    if status == "SUCCESS":
        return TaskResult(State.DONE)
    if status != "FAIL":
        return TaskResult(State.ACCEPTED)
    found = task.get("errors") or []
    errors = error_words(found) or ((str(task.get("message") or ""), ""),)
    return TaskResult(State.FAILED, refusal_code(found), errors, passing=is_passing(code for _, code in errors))
