"""Offers at Allegro: looking them up, making drafts, following operations."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from batch.allegro.payloads import draft, error_words, found_offer, found_products, refusal_code
from batch.allegro.retry import PATIENCE
from batch.allegro.session import Answer, ApiSession, understanding
from batch.errors import AccountError, ApiError, Rejected, ServerTrouble
from batch.model import Accepted, FoundOffer, Made, ProductRow, Refused

log = logging.getLogger(__name__)

EXTERNAL_IDS_A_LOOK_UP = 100  # OpenAPI: external.id, maxItems
PAGE = 1000  # OpenAPI: limit, maximum


class Offers:
    """The offers of one account."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    def find(self, external_ids: Iterable[str]) -> dict[str, list[FoundOffer]]:
        """All offers of the seller, in any state, that carry one of `external_ids` (at most 100).

        The list lags behind writes (#2914): absence means "not known to the list yet". Raises as ApiSession.get.
        """
        wanted = list(external_ids)
        found: dict[str, list[FoundOffer]] = {}
        offset = 0
        while True:
            params: dict[str, Any] = {"external.id": wanted, "limit": PAGE, "offset": offset}
            answer = self._session.get("/sale/offers", params)
            with understanding(answer):
                page = [found_offer(offer) for offer in answer.data["offers"]]
                total = int(answer.data.get("totalCount") or 0)
            for offer in page:
                if offer.external_id is not None:
                    found.setdefault(offer.external_id, []).append(offer)
            offset += len(page)
            if not page or offset >= total:
                return found

    def create(self, row: ProductRow, ids: Mapping[str, str]) -> Made | Accepted | Refused:
        """Send one draft; `ids` are the row's defaults on this account.

        Raises as ApiSession.post, but for Rejected; ServerTrouble also when the answer names no offer.
        """
        try:
            answer = self._session.post("/sale/product-offers", draft(row, ids))
        except Rejected as error:
            return self._refused(row, error)
        if answer.status == 202:
            data = answer.data if isinstance(answer.data, dict) else {}
            operation = _last_segment(answer.location)
            if not data.get("id") and operation is None:
                raise ServerTrouble("answer_unusable", status=202, trace_id=answer.trace_id)
            offer_id = str(data["id"]) if data.get("id") else _offer_in(answer.location)
            return Accepted(offer_id, operation, answer.retry_after, answer.trace_id)
        return _made(answer)

    def get(self, offer_id: str, *, patience: float = PATIENCE) -> Made | None:
        """One offer as it is now; None when Allegro does not know it. Raises as ApiSession.get."""
        try:
            return _made(self._session.get(f"/sale/product-offers/{quote(offer_id, safe='')}", patience=patience))
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
        path = (
            f"/sale/product-offers/{quote(accepted.offer_id, safe='')}/operations/{quote(accepted.operation, safe='')}"
        )
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
        code = refusal_code(error.errors)
        facts: dict[str, Any] = {"reason": "allegro"}
        if code == "product_ambiguous":
            facts["products"] = self._candidates(row, found_products(error.errors))
        return Refused(code, facts, error_words(error.errors), error.trace_id)

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


def _made(answer: Answer) -> Made:
    with understanding(answer):
        validation = answer.data.get("validation") or {}
        publication = answer.data.get("publication") or {}
        errors = error_words(validation.get("errors") or [])
        if not answer.data["id"]:
            raise ValueError(answer.data["id"])
        return Made(str(answer.data["id"]), str(publication.get("status") or ""), errors, answer.trace_id)


def _operation_status(answer: Answer) -> str | None:
    operation = answer.data.get("operation") if isinstance(answer.data, dict) else None
    return operation.get("status") if isinstance(operation, dict) else None


def _last_segment(location: str | None) -> str | None:
    """The operation id out of `…/sale/product-offers/{offerId}/operations/{operationId}`."""
    segments = [s for s in urlsplit(location or "").path.split("/") if s]
    return segments[-1] if segments else None


def _offer_in(location: str | None) -> str | None:
    segments = [s for s in urlsplit(location or "").path.split("/") if s]
    return segments[-3] if len(segments) >= 3 and segments[-2] == "operations" else None
