"""Changes of many offers at once, under ids of our own: sending them, and how far they are.

Accepted is not applied (#2215): only the tasks tell what became of each offer. A command id may be sent again, since
Allegro answers 409 when it has it already. Limits of size as in the OpenAPI file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from batch.allegro.command_payloads import (
    bulk_command,
    price_command,
    publication_command,
    stock_command,
    task_result,
)
from batch.allegro.session import Answer, ApiSession, understanding
from batch.errors import Rejected
from batch.model import Change, CommandKind, CommandState, Money, TaskStatus

OFFERS_A_COMMAND = 1000
PARTS_A_BULK_COMMAND = 25  # of `Change.parts`
TASKS_A_PAGE = 1000  # as many as a command can have

PATHS = {
    CommandKind.PRICE: "/sale/offer-price-change-commands",
    CommandKind.STOCK: "/sale/offer-quantity-change-commands",
    CommandKind.PUBLICATION: "/sale/offer-publication-commands",
    CommandKind.BULK: "/sale/offer-bulk-modification-commands",
}


class Commands:
    """The commands of one account. An id is a UUID; all raise as ApiSession.command, but for Rejected with 409."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def change_prices(self, command_id: str, offer_ids: Sequence[str], price: Money) -> None:
        """Give up to 1000 offers the same price."""
        self._put(CommandKind.PRICE, command_id, price_command(offer_ids, price), len(offer_ids))

    def change_stocks(self, command_id: str, offer_ids: Sequence[str], stock: int) -> None:
        """Give up to 1000 offers the same stock, at least 1."""
        self._put(CommandKind.STOCK, command_id, stock_command(offer_ids, stock), len(offer_ids))

    def publish(self, command_id: str, offer_ids: Sequence[str]) -> None:
        """Put up to 1000 drafts or ended offers on sale; they need a stock."""
        self._put(CommandKind.PUBLICATION, command_id, publication_command(offer_ids, "ACTIVATE"), len(offer_ids))

    def end(self, command_id: str, offer_ids: Sequence[str]) -> None:
        """End up to 1000 offers that are on sale."""
        self._put(CommandKind.PUBLICATION, command_id, publication_command(offer_ids, "END"), len(offer_ids))

    def change_each(self, command_id: str, changes: Sequence[Change]) -> None:
        """Give each offer a price, a stock or both of its own: 25 values at most, each offer once."""
        parts = sum(change.parts for change in changes)
        self._send("POST", CommandKind.BULK, PATHS[CommandKind.BULK], bulk_command(command_id, changes), parts)

    def tasks(self, kind: CommandKind, command_id: str, expected: int) -> CommandState | None:
        """How far a command is that changes `expected` values; None when Allegro does not know it.

        One request, as a rule: the command's own summary, which counts nothing at first, is asked for only when
        all tasks have ended and fewer than expected are there. Raises as ApiSession.get.
        """
        path = f"{PATHS[kind]}/{quote(command_id, safe='')}"
        answer = self._get(f"{path}/tasks", {"limit": TASKS_A_PAGE, "offset": 0})
        if answer is None:
            return None
        with understanding(answer):
            tasks = tuple(task_result(kind, task) for task in answer.data["tasks"])
        ended = bool(tasks) and all(task.status is not TaskStatus.NEW for task in tasks)
        return CommandState(ended and (len(tasks) >= expected or self._is_completed(path)), tasks)

    def _is_completed(self, path: str) -> bool:
        answer = self._get(path)
        if answer is None:
            return False
        with understanding(answer):
            return bool(answer.data.get("completedAt"))

    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer | None:
        try:
            return self._session.get(path, params)
        except Rejected as error:
            if error.status == 404:
                return None
            raise

    def _put(self, kind: CommandKind, command_id: str, body: Mapping[str, Any], offers: int) -> None:
        self._send("PUT", kind, f"{PATHS[kind]}/{quote(command_id, safe='')}", body, offers)

    def _send(self, method: str, kind: CommandKind, path: str, body: Mapping[str, Any], changes: int) -> None:
        traffic = self._session.traffic
        by_price = kind in {CommandKind.PRICE, CommandKind.BULK}
        budget = traffic.price_changes if by_price else traffic.other_changes
        try:
            self._session.command(method, path, body, budget=budget, changes=changes)
        except Rejected as error:
            if error.status != 409:
                raise
