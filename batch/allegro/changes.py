"""Changes of offers at Allegro: sending them, what Allegro reports of them, and what the offers are by now.

Commands carry ids of ours: sent again, Allegro answers 409 for one that it has already, which is as good as 201. They
are accepted long before they are applied (#2215), so only the tasks, or the offers themselves, tell.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from batch.allegro.command_payloads import command_body, task_results
from batch.allegro.offers import PAGE, Offers
from batch.allegro.payloads import refusal_code
from batch.allegro.retry import PATIENCE
from batch.allegro.session import ApiSession, understanding
from batch.allegro.survey import holdings
from batch.errors import Rejected, error_words
from batch.model import Accepted, Busy, Change, FoundOffer, Made, Refused, Sent, State, TaskResult, Way

COMMANDS = {
    Way.PRICE: "/sale/offer-price-change-commands",
    Way.STOCK: "/sale/offer-quantity-change-commands",
    Way.PUBLISH: "/sale/offer-publication-commands",
    Way.END: "/sale/offer-publication-commands",
    Way.BULK: "/sale/offer-bulk-modification-commands",
}
TASKS_A_PAGE = 1000  # OpenAPI: limit, maximum; a command has no more


class OfferChanges:
    """The changes of one account."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session
        self._offers = Offers(session)

    def send(self, changes: Sequence[Change]) -> Sent:
        """Send the changes of one call, all of one way; those by PATCH or DELETE are of one offer.

        Raises as ApiSession.get, but for Rejected.
        """
        way, offer_id = changes[0].way, changes[0].offer_id
        if way in COMMANDS:
            return self._command(changes)
        if way is Way.DELETE:
            refused = self._offers.delete(offer_id)
            return _failed(refused) if refused else Sent(State.DONE)
        price = next((change.new_price for change in changes if change.new_price), None)
        stock = next((change.new_stock for change in changes if change.new_stock is not None), None)
        result = self._offers.edit(offer_id, price=price, stock=stock)
        match result:
            case None:
                return Sent(State.FAILED, status=404, code="offer_missing")
            case Busy():
                return Sent(State.WITHDRAWN, trace_id=result.trace_id)
            case Refused():
                return _failed(result)
            case Accepted():
                return Sent(State.ACCEPTED, operation=result.operation, trace_id=result.trace_id)
        return Sent(State.DONE, trace_id=result.trace_id)

    def report(self, changes: Sequence[Change]) -> Mapping[int, TaskResult] | None:
        """How the changes of one call stand, by their ids; None when Allegro knows nothing of the call.

        Allegro forgets operations (#8997); that an offer exists does not mean that its edit came about, so only one
        with the new values is done. Raises as ApiSession.get.
        """
        first = changes[0]
        if first.way in COMMANDS:
            return self._tasks(changes)
        if first.operation is None:
            return None
        result = self._offers.follow(Accepted(first.offer_id, first.operation), patience=PATIENCE)
        if result is None or (isinstance(result, Made) and not all(_made_so(change, result) for change in changes)):
            return None
        return {change.id: _operation_result(result) for change in changes}

    def held(self, offer_ids: Collection[str]) -> Mapping[str, FoundOffer]:
        """What Allegro holds of these offers; those it does not know are missing. Raises as ApiSession.get."""
        return holdings(self._offers, offer_ids)

    def looks_needed(self, offers: int) -> int:
        """How many requests `held` takes for so many offers, as far as that is known."""
        listed = offers if self._offers.listed is None else self._offers.listed
        return min(math.ceil(max(listed, offers) / PAGE), offers)

    def _command(self, changes: Sequence[Change]) -> Sent:
        way, command = changes[0].way, changes[0].command or ""
        path = COMMANDS[way] if way is Way.BULK else f"{COMMANDS[way]}/{quote(command, safe='')}"
        traffic = self._session.traffic
        budget = traffic.price_changes if way in {Way.PRICE, Way.BULK} else traffic.other_changes
        method = "POST" if way is Way.BULK else "PUT"
        try:
            answer = self._session.command(method, path, command_body(changes), budget=budget, changes=len(changes))
        except Rejected as error:
            if error.status == 409:  # an earlier attempt of ours arrived
                return Sent(State.ACCEPTED, trace_id=error.trace_id)
            code, words = refusal_code(error.errors), error_words(error.errors)
            return Sent(State.FAILED, None, error.status, code, words, error.trace_id)
        return Sent(State.ACCEPTED, trace_id=answer.trace_id)

    def _tasks(self, changes: Sequence[Change]) -> Mapping[int, TaskResult] | None:
        path = f"{COMMANDS[changes[0].way]}/{quote(changes[0].command or '', safe='')}/tasks"
        params: dict[str, Any] = {"limit": TASKS_A_PAGE, "offset": 0}
        try:
            answer = self._session.get(path, params)
        except Rejected as error:
            if error.status == 404:
                return None
            raise
        with understanding(answer):
            return task_results(changes, answer.data["tasks"])


def _failed(refused: Refused) -> Sent:
    return Sent(State.FAILED, code=refused.code, errors=refused.errors, trace_id=refused.trace_id)


def _made_so(change: Change, offer: Made) -> bool:
    """Whether an offer has the values of an edit."""
    return change.new_price in {None, offer.price} and change.new_stock in {None, offer.stock}


def _operation_result(result: Made | Accepted | Refused) -> TaskResult:
    match result:
        case Refused():
            return TaskResult(State.FAILED, result.code, result.errors, trace_id=result.trace_id)
        case Accepted():
            return TaskResult(State.ACCEPTED)
    return TaskResult(State.DONE, trace_id=result.trace_id)
