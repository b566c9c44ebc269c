"""The account's own price lists, policies, responsible producers and persons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from batch.allegro.session import ApiSession, understanding
from batch.model import DictionaryEntry


@dataclass(frozen=True, slots=True)
class Source:
    """Where a kind of entry is read: path, key of the list in the answer, and how it is paged (0 = not at all)."""

    path: str
    key: str
    page: int = 0
    largest_offset: int = 0


# Page sizes and offsets as in the OpenAPI file; an offset of 59 at most leaves the after-sales lists two pages.
SOURCES = {
    "shipping_rates": Source("/sale/shipping-rates", "shippingRates"),
    "return_policy": Source("/after-sales-service-conditions/return-policies", "returnPolicies", 60, 59),
    "implied_warranty": Source("/after-sales-service-conditions/implied-warranties", "impliedWarranties", 60, 59),
    "warranty": Source("/after-sales-service-conditions/warranties", "warranties", 60, 59),
    "responsible_producer": Source("/sale/responsible-producers", "responsibleProducers", 1000, 50_000),
    "responsible_person": Source("/sale/responsible-persons", "responsiblePersons", 1000, 50_000),
}


def read_dictionary(session: ApiSession, kind: str) -> list[DictionaryEntry]:
    """All entries of one kind (a key of SOURCES), in Allegro's order. Raises as ApiSession.get."""
    source = SOURCES[kind]
    entries: dict[str, DictionaryEntry] = {}
    offset = 0
    while True:
        params = {"limit": source.page, "offset": offset} if source.page else None
        answer = session.get(source.path, params)
        with understanding(answer):
            page = [_entry(kind, entry) for entry in answer.data[source.key]]
        for entry in page:
            entries.setdefault(entry.id, entry)
        following = min(offset + len(page), source.largest_offset)
        if len(page) < source.page or following <= offset:
            return list(entries.values())
        offset = following


def _entry(kind: str, data: dict[str, Any]) -> DictionaryEntry:
    features = data.get("features") or {}
    special = data.get("isFulfillment") or features.get("isFulfillment") or features.get("managedByAllegro")
    return DictionaryEntry(kind, str(data.get("name") or ""), str(data["id"]), common=not special)
