"""Offers at Allegro: looking them up, making drafts, editing and deleting, following operations."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

from batch.allegro.payloads import draft, found_offer, found_products, new_values, refusal_code
from batch.allegro.retry import PATIENCE
from batch.allegro.session import Answer, ApiSession, understanding
from batch.errors import AccountError, ApiError, Forbidden, Rejected, ServerTrouble, error_words
from batch.model import Accepted, Busy, FoundOffer, Made, Money, ProductRow, Refused

log = logging.getLogger(__name__)

EXTERNAL_IDS_A_LOOK_UP = 100  # OpenAPI: external.id, maxItems
PAGE = 1000  # OpenAPI: limit, maximum
MOST_OFFERS = 10_000_000  # of one seller; the largest have a tenth of it


class Offers:
    """The offers of one account. `listed` is how many the seller's whole list had when it was last read."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session
        self.listed: int | None = None

    def find(self, external_ids: Iterable[str]) -> dict[str, list[FoundOffer]]:
        """All offers of the seller, in any state, that carry one of `external_ids` (at most 100).

        The list lags behind writes (#2914): absence means "not known to the list yet". Raises as ApiSession.get.
        """
        wanted = list(external_ids)
        found: dict[str, list[FoundOffer]] = {}
        known: set[str] = set()
        offset = 0
        while True:
            page, total = self.page(offset, {"external.id": wanted})
            new = [offer for offer in page if offer.offer_id not in known]
            for offer in new:
                if offer.external_id is not None:
                    found.setdefault(offer.external_id, []).append(offer)
            known.update(offer.offer_id for offer in new)
            offset += len(page)
            if not new or offset >= total:  # a list that repeats itself has no end
                return found

    def page(
        self, offset: int, filters: Mapping[str, str | Sequence[str]] | None = None
    ) -> tuple[list[FoundOffer], int]:
        """A page of the seller's list, and how many offers the whole list has. Raises as ApiSession.get."""
        params: dict[str, Any] = {**(filters or {}), "limit": PAGE, "offset": offset}
        answer = self._session.get("/sale/offers", params)
        with understanding(answer):
            total = min(int(answer.data.get("totalCount") or 0), MOST_OFFERS)
            found = [found_offer(offer) for offer in answer.data["offers"]]
        if not filters:
            self.listed = total
        return found, total

    def look(self, offer_id: str) -> FoundOffer | None:
        """One offer as the list would show it if it did not lag; None when Allegro does not know it.

        Raises as ApiSession.get.
        """
        answer = self._read(offer_id, PATIENCE)
        if answer is None:
            return None
        with understanding(answer):
            return found_offer(answer.data)

    def edit(
        self, offer_id: str, *, price: Money | None = None, stock: int | None = None, status: str | None = None
    ) -> Made | Accepted | Refused | Busy | None:
        """Change an offer; `status` is ACTIVE or ENDED. A stock of 0 ends an active one.

        Made: it is done, unless Allegro named another status than asked for. Accepted: `follow` it. None: Allegro
        does not know the offer. Raises as ApiSession.get, but for Rejected.
        """
        try:
            answer = self._session.patch(_path(offer_id), new_values(price, stock, status))
        except Rejected as error:
            if error.status == 404:
                return None
            if error.status == 409:
                return Busy(error.trace_id)
            return _refusal(error)
        return _accepted(answer, offer_id) if answer.status == 202 else _made(answer)

    def delete(self, offer_id: str) -> Refused | None:
        """Delete a draft; None when it is gone. Only drafts can be deleted. Raises as ApiSession.get."""
        try:
            self._session.delete(f"/sale/offers/{quote(offer_id, safe='')}")
        except Rejected as error:
            return None if error.status == 404 else _refusal(error)
        except Forbidden as error:
            offer = self.get(offer_id)  # what is forbidden: everything, or only to delete this one?
            if offer is None or offer.status == "INACTIVE":
                raise
            return Refused("rejected", {"reason": "allegro"}, error_words(error.facts["errors"]), offer.trace_id)
        return None

    def create(self, row: ProductRow, ids: Mapping[str, str]) -> Made | Accepted | Refused:
        """Send one draft; `ids` are the row's defaults on this account.

        Raises as ApiSession.post, but for Rejected; ServerTrouble also when the answer names no offer.
        """
        try:
            answer = self._session.post("/sale/product-offers", draft(row, ids))
        except Rejected as error:
            return self._refused(row, error)
        return _accepted(answer) if answer.status == 202 else _made(answer)

    def get(self, offer_id: str, *, patience: float = PATIENCE) -> Made | None:
        """One offer as it is now; None when Allegro does not know it. Raises as ApiSession.get."""
        answer = self._read(offer_id, patience)
        return _made(answer) if answer else None

    def _read(self, offer_id: str, patience: float) -> Answer | None:
        try:
            return self._session.get(_path(offer_id), patience=patience)
        except Rejected as error:
            if error.status == 404:
                return None
            raise

    def follow(self, accepted: Accepted, *, patience: float) -> Made | Accepted | Refused | None:
        """How far an operation is. 303 says that it ended, not how: the offer itself is asked then (#9335).

        The address is built on our own base, since Location has had odd ports and paths (#5712). Allegro forgets
        operations after about a week (#8997): then the offer itself tells whether it came about. None when Allegro
        knows neither.
        """
        if accepted.offer_id is None or accepted.operation is None:
            return self._without_operation(accepted, patience)
        path = f"{_path(accepted.offer_id)}/operations/{quote(accepted.operation, safe='')}"
        try:
            answer = self._session.get(path, patience=patience)
        except Rejected as error:
            if error.status == 404:
                return self._without_operation(accepted, patience)
            if error.status == 422:
                return Refused("rejected", {"reason": "allegro"}, error_words(error.errors), error.trace_id)
            raise
        finished = answer.status == 303 or _operation_status(answer) == "COMPLETED"
        if not finished:
            return Accepted(accepted.offer_id, accepted.operation, answer.retry_after, answer.trace_id)
        offer = self.get(accepted.offer_id, patience=patience)
        return offer if offer is not None else accepted  # the offer itself may come a moment later

    def _without_operation(self, accepted: Accepted, patience: float) -> Made | None:
        return self.get(accepted.offer_id, patience=patience) if accepted.offer_id else None

    def _refused(self, row: ProductRow, error: Rejected) -> Refused:
        refusal = _refusal(error)
        if refusal.code != "product_ambiguous":
            return refusal
        products = self._candidates(row, found_products(error.errors))
        return replace(refusal, facts={**refusal.facts, "products": products})

    def _candidates(self, row: ProductRow, ids: list[str]) -> list[dict[str, str]]:
        """The products that fit a code, with their names where the catalogue tells them."""
        params: dict[str, str] = {"phrase": row.gtin or "", "mode": "GTIN", "language": "pl-PL"}
        names: dict[str, str] = {}
        try:
            answer = self._session.get("/sale/products", params)
            with understanding(answer):
                names = {str(product["id"]): str(product.get("name") or "") for product in answer.data["products"]}
        except (ApiError, AccountError) as error:  # the ids alone are answer enough
            log.info("candidates for %s: %s", row.gtin, error)
        return [{"id": product, "name": names.get(product, "")} for product in ids or names]


def _path(offer_id: str) -> str:
    return f"/sale/product-offers/{quote(offer_id, safe='')}"


def _refusal(error: Rejected) -> Refused:
    return Refused(refusal_code(error.errors), {"reason": "allegro"}, error_words(error.errors), error.trace_id)


def _accepted(answer: Answer, offer_id: str | None = None) -> Accepted:
    """A 202; it must name the offer or the operation, unless the offer is known already."""
    data = answer.data if isinstance(answer.data, dict) else {}
    operation = _last_segment(answer.location)
    offer_id = offer_id or (str(data["id"]) if data.get("id") else _offer_in(answer.location))
    if offer_id is None and operation is None:
        raise ServerTrouble("answer_unusable", status=202, trace_id=answer.trace_id)
    return Accepted(offer_id, operation, answer.retry_after, answer.trace_id)


def _made(answer: Answer) -> Made:
    with understanding(answer):
        validation = answer.data.get("validation") or {}
        errors = error_words(validation.get("errors") or [])
        if not answer.data["id"]:
            raise ValueError(answer.data["id"])
        found = found_offer(answer.data)
        return Made(found.offer_id, found.status, errors, answer.trace_id, found.price, found.stock)


def _operation_status(answer: Answer) -> str | None:
    operation = answer.data.get("operation") if isinstance(answer.data, dict) else None
    return operation.get("status") if isinstance(operation, dict) else None


def _last_segment(location: str | None) -> str | None:
    """The operation id out of `…/sale/product-offers/{offerId}/operations/{operationId}`."""
    segments = _segments(location)
    return segments[-1] if segments else None


def _offer_in(location: str | None) -> str | None:
    segments = _segments(location)
    return segments[-3] if len(segments) >= 3 and segments[-2] == "operations" else None


def _segments(location: str | None) -> list[str]:
    try:
        return [segment for segment in urlsplit(location or "").path.split("/") if segment]
    except ValueError:  # no address at all
        return []
