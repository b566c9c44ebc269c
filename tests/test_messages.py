"""The catalogue: complete in both languages, and every code of the contract is in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import batch
from batch.messages import LANGUAGES, entries

# fmt: off
CODES = [
    "draft_created", "draft_found", "offer_updated", "offer_published", "offer_ended", "draft_incomplete",
    "draft_pending", "update_pending", "offer_unchanged", "skipped", "account_inactive", "undone", "planned_create",
    "planned_update", "planned_publish", "planned_end", "account_unknown", "ean_missing", "ean_invalid",
    "ean_mangled", "price_missing", "price_invalid", "price_too_low", "stock_missing", "stock_invalid",
    "profile_unknown", "default_missing", "default_unknown", "duplicate_row", "value_not_calculated",
    "action_unknown", "offer_missing", "price_change_refused", "end_refused", "product_not_found",
    "product_ambiguous", "parameters_missing", "limit_reached", "rejected", "login_needed", "forbidden",
    "server_trouble", "rate_limited", "not_sent", "in_doubt",
]
# fmt: on
SIGNS = {"done": "✔", "warning": "⚠", "pending": "⌚", "failed": "✖", "skipped": "–", "doubt": "❓", "planned": "→"}


def test_codes_are_those_of_the_contract() -> None:
    """No code is missing, none was invented."""
    assert sorted(key for key, entry in entries().items() if "status" in entry) == sorted(CODES)


def test_statuses_have_their_signs() -> None:
    """The sign is what users filter by."""
    assert {status: entries()[f"status_{status}"]["sign"] for status in SIGNS} == SIGNS


@pytest.mark.parametrize("key", sorted(entries()))
def test_entry_is_complete_in_both_languages(key: str) -> None:
    """The same parts, and the same facts asked for, in Polish and in English."""
    texts = {language: entries()[key][language] for language in LANGUAGES}
    shapes = {language: sorted(text) if isinstance(text, dict) else "sentence" for language, text in texts.items()}
    assert shapes["pl"] == shapes["en"]
    assert facts(texts["pl"]) == facts(texts["en"])


def facts(text: Any) -> set[str]:
    source = " ".join(text.values()) if isinstance(text, dict) else str(text)
    return {
        name.removesuffix("_pl").removesuffix("_en")
        for expression in re.findall(r"{[{%](.*?)[%}]}", source)
        for name in names(expression)
    }


def names(expression: str) -> list[str]:
    without_strings = re.sub(r"'[^']*'", "", expression)
    reserved = {
        "if",
        "elif",
        "else",
        "endif",
        "for",
        "in",
        "endfor",
        "not",
        "and",
        "or",
        "loop",
        "last",
        "join",
        "length",
    }
    return [name for name in re.findall(r"(?<![.|\w])[a-z_]+", without_strings) if name not in reserved]


def test_every_code_that_is_raised_has_its_text() -> None:
    """An error without words would be a bug shown to a user."""
    raised = set()
    for path in Path(batch.__file__).parent.rglob("*.py"):
        if "simulator" in path.parts:
            continue
        source = path.read_text("utf-8")
        raised |= set(
            re.findall(
                r"\b(?:(?:Workbook|Settings|Usage|Journal|Account)Error|Rejected|LoginNeeded|Forbidden|TooMany|ServerTrouble|NoAnswer)\(\s*\"([a-z_]+)\"",
                source,
            )
        )
    assert raised
    assert raised <= entries().keys()
