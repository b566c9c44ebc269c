"""What Allegro knows about an account's rows before anything is decided: offers and dictionaries, asked at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from batch.allegro.dictionaries import read_dictionary
from batch.allegro.offers import EXTERNAL_IDS_A_LOOK_UP, PAGE, Offers
from batch.allegro.pace import MOST_LANES
from batch.allegro.session import ApiSession
from batch.errors import Forbidden
from batch.model import DictionaryEntry, FoundOffer
from batch.parallel import each


@dataclass(frozen=True, slots=True)
class Survey:
    """`offers` by external id, `held` by offer id, `dictionaries` by kind."""

    offers: dict[str, list[FoundOffer]] = field(default_factory=dict)
    held: dict[str, FoundOffer] = field(default_factory=dict)
    dictionaries: dict[str, list[DictionaryEntry]] = field(default_factory=dict)


def survey(
    session: ApiSession,
    external_ids: Sequence[str],
    known: Mapping[str, str],
    kinds: Collection[str],
    offer_ids: Collection[str] = (),
    is_current: Callable[[FoundOffer], bool] = lambda _: True,
) -> Survey:
    """Look up all `external_ids` and `offer_ids`, and read the dictionaries of these `kinds`.

    `is_current`: as in `holdings`.

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
        offer = offers.look(known[external_id])
        if offer is not None:
            result.offers[external_id] = [replace(offer, external_id=external_id)]

    step = EXTERNAL_IDS_A_LOOK_UP
    blocks = [external_ids[start : start + step] for start in range(0, len(external_ids), step)]
    questions: list[Callable[[], None]] = [functools.partial(read, kind) for kind in sorted(kinds)]
    questions += [functools.partial(look_up, block) for block in blocks]
    each(questions, lambda ask: ask(), threads=MOST_LANES)
    each([x for x in external_ids if x in known and x not in result.offers], confirm, threads=MOST_LANES)
    result.held.update(holdings(offers, offer_ids, is_current))
    return result


def holdings(
    offers: Offers, offer_ids: Collection[str], is_current: Callable[[FoundOffer], bool] = lambda _: True
) -> dict[str, FoundOffer]:
    """What Allegro holds of these offers of the seller; those it does not know are missing.

    The seller's list is read where it has fewer pages than there are offers to ask for, which are then those that
    it does not show. It cannot be asked for several offers by their ids (#13999). It lags behind (#2914), so an offer
    that it shows otherwise than by all we know it `is_current` is asked for, too. Raises as ApiSession.get.
    """
    found: dict[str, FoundOffer] = {}

    def keep(page: Iterable[FoundOffer]) -> None:
        found.update({offer.offer_id: offer for offer in page if offer.offer_id in wanted and is_current(offer)})

    def ask(offer_id: str) -> None:
        try:
            offer = offers.look(offer_id)
        except Forbidden as error:
            if not error.facts["errors"]:  # no word of Allegro's: the whole account is blocked
                raise
            return  # another seller's
        if offer is not None:
            found[offer_id] = offer

    wanted = set(offer_ids)
    if len(wanted) > 1:
        page, total = offers.page(0)
        keep(page)
        others = range(PAGE, total, PAGE)
        if len(others) < len(wanted) - len(found):
            each(others, lambda offset: keep(offers.page(offset)[0]), threads=MOST_LANES)
    each(sorted(wanted - found.keys()), ask, threads=MOST_LANES)
    return found
