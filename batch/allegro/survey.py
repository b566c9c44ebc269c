"""What Allegro knows about an account's rows before anything is decided: offers and dictionaries, asked at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from batch.allegro.dictionaries import read_dictionary
from batch.allegro.offers import EXTERNAL_IDS_A_LOOK_UP, Offers
from batch.allegro.pace import MOST_LANES
from batch.allegro.session import ApiSession
from batch.model import DictionaryEntry, FoundOffer
from batch.parallel import each


@dataclass(frozen=True, slots=True)
class Survey:
    """`offers` by external id, `dictionaries` by kind."""

    offers: dict[str, list[FoundOffer]] = field(default_factory=dict)
    dictionaries: dict[str, list[DictionaryEntry]] = field(default_factory=dict)


def survey(
    session: ApiSession, external_ids: Sequence[str], known: Mapping[str, str], kinds: Collection[str]
) -> Survey:
    """Look up all `external_ids` and read the dictionaries of these `kinds`.

    `known`: external id -> offer id, offers the journal holds for made. Those that the list does not show are asked
    for one by one: the list lags behind, and an offer may have been deleted since. Raises as ApiSession.get.
    """
    result = Survey()
    offers = Offers(session)

    def look_up(block: Sequence[str]) -> None:
        result.offers.update(offers.find(block))

    def read(kind: str) -> None:
        result.dictionaries[kind] = read_dictionary(session, kind)

    def confirm(external_id: str) -> None:
        offer = offers.get(known[external_id])
        if offer is not None:
            result.offers[external_id] = [FoundOffer(offer.offer_id, external_id, offer.status, None, None)]

    step = EXTERNAL_IDS_A_LOOK_UP
    blocks = [external_ids[start : start + step] for start in range(0, len(external_ids), step)]
    questions: list[Callable[[], None]] = [functools.partial(read, kind) for kind in sorted(kinds)]
    questions += [functools.partial(look_up, block) for block in blocks]
    each(questions, lambda ask: ask(), threads=MOST_LANES)
    each([x for x in external_ids if x in known and x not in result.offers], confirm, threads=MOST_LANES)
    return result
