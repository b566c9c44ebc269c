"""Defaults given by name become ids of one account's own dictionaries. Pure.

Allegro takes names too, but a name may exist twice, and a wrong one would be refused row by row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from batch.model import DictionaryEntry, NamedDefault, OfferDefaults, Problem
from batch.workbook.schema import DICTIONARY_KINDS, heading_key

KINDS = tuple(choice.code for choice in DICTIONARY_KINDS)
# Allegro fills these in by itself: the only entry, else the one named "default" (tutorial, table of defaults).
CHOSEN_BY_ALLEGRO = ("shipping_rates", "return_policy", "implied_warranty")
NAMES_SHOWN = 10

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ResolvedDefaults:
    """The ids behind one set of defaults on one account, or what is wrong with it."""

    ids: dict[str, str]
    problems: tuple[Problem, ...]


def resolve(
    defaults: OfferDefaults,
    account: str,
    dictionary: Callable[[str], Sequence[DictionaryEntry]],
    kind_word: Callable[[str], str],
) -> ResolvedDefaults:
    """The ids of `defaults` on `account`. `dictionary` gives the account's entries of a kind, read when needed.

    Problems: `default_unknown` (no such name, or several), `default_missing` (Allegro would have to choose and
    cannot), and those the cells had already.
    """
    ids: dict[str, str] = {}
    problems = list(defaults.problems)
    for kind in KINDS:
        named: NamedDefault | None = getattr(defaults, kind)
        if named is None:
            if kind in CHOSEN_BY_ALLEGRO:
                problems += _check_choice(kind, dictionary(kind), defaults, kind_word)
        elif _UUID.fullmatch(named.text):
            ids[kind] = named.text
        else:
            found = _matches(dictionary(kind), named.text)
            if len(found) == 1:
                ids[kind] = found[0].id
            else:
                problems.append(_unknown(named, account, found, dictionary(kind)))
    return ResolvedDefaults(ids, tuple(problems))


def kinds_needed(defaults: OfferDefaults) -> set[str]:
    """The dictionaries that `resolve` will ask for."""
    return {
        kind
        for kind in KINDS
        if (
            kind in CHOSEN_BY_ALLEGRO if (named := getattr(defaults, kind)) is None else not _UUID.fullmatch(named.text)
        )
    }


def _matches(entries: Sequence[DictionaryEntry], text: str) -> list[DictionaryEntry]:
    by_id = [e for e in entries if e.id == text]
    exact = [e for e in entries if e.name.strip() == text]
    return by_id or exact or [e for e in entries if heading_key(e.name) == heading_key(text)]


def _unknown(
    named: NamedDefault, account: str, found: list[DictionaryEntry], entries: Sequence[DictionaryEntry]
) -> Problem:
    facts: dict[str, Any] = {"account": account, "reason": "ambiguous" if found else "name"}
    facts["names"] = [f"{e.name} ({e.id})" for e in found] if found else [e.name for e in entries][:NAMES_SHOWN]
    return Problem("default_unknown", named.cell, named.text, facts)


def _check_choice(
    kind: str, entries: Sequence[DictionaryEntry], defaults: OfferDefaults, kind_word: Callable[[str], str]
) -> list[Problem]:
    common = [e for e in entries if e.common]
    if len(common) == 1 or any(heading_key(e.name) == "default" for e in common):
        return []
    if not common and kind != "shipping_rates":  # private sellers have no policies and need none
        return []
    cell = defaults.cells.get(kind)
    names = [e.name for e in common][:NAMES_SHOWN]
    return [Problem("default_missing", cell, "", {"kind": kind_word(kind), "names": names})]
