"""Commands, which change many offers at once, to Allegro's JSON and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batch.allegro.payloads import amount, error_words
from batch.model import Change, CommandKind, Money, TaskResult, TaskStatus

MARKETPLACE = "allegro-pl"


def price_command(offer_ids: Sequence[str], price: Money) -> dict[str, Any]:
    """One price for all."""
    return {"modification": {"type": "FIXED_PRICE", "price": amount(price)}, **_criteria(offer_ids)}


def stock_command(offer_ids: Sequence[str], stock: int) -> dict[str, Any]:
    """One stock for all, which Allegro wants to be positive."""
    return {"modification": {"changeType": "FIXED", "value": stock}, **_criteria(offer_ids)}


def publication_command(offer_ids: Sequence[str], action: str) -> dict[str, Any]:
    """ACTIVATE or END."""
    return {"publication": {"action": action}, **_criteria(offer_ids)}


def bulk_command(command_id: str, changes: Sequence[Change]) -> dict[str, Any]:
    """Values of its own for each offer; price and stock of one are separate modifications (OpenAPI)."""
    modifications: list[dict[str, Any]] = []
    for change in changes:
        if change.price is not None:
            price = {"changeType": "FIXED", "value": amount(change.price)}
            modifications.append({"offerId": change.offer_id, "prices": {MARKETPLACE: price}})
        if change.stock is not None:
            modifications.append({"offerId": change.offer_id, "stock": {"changeType": "FIXED", "value": change.stock}})
    return {"commandId": command_id, "modifications": modifications}


def task_result(kind: CommandKind, data: Mapping[str, Any]) -> TaskResult:
    """One task of a command's report. Raises KeyError, TypeError or AttributeError when it names no offer.

    A bulk command's tasks tell in `field` which of the two values they are about.
    """
    if kind is CommandKind.BULK:
        subject = data["subject"]
        offer_id = subject["offerId"]
        part = CommandKind.PRICE if subject["field"].startswith("price") else CommandKind.STOCK
    else:
        offer_id, part = data["offer"]["id"], kind
    word = str(data.get("status"))
    status = TaskStatus(word) if word in set(TaskStatus) else TaskStatus.NEW
    errors = error_words(data.get("errors") or [])
    if status is TaskStatus.FAIL and not errors:
        errors = ((str(data.get("message") or ""), ""),)
    return TaskResult(str(offer_id), part, status, errors)


def _criteria(offer_ids: Sequence[str]) -> dict[str, Any]:
    offers = [{"id": offer_id} for offer_id in offer_ids]
    return {"offerCriteria": [{"type": "CONTAINS_OFFERS", "offers": offers}]}
