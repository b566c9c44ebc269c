"""The one catalogue of everything a user reads, in Polish and English.

Each YAML file beside this module holds one subject (codes of rows, errors of workbooks, of accounts …),
so that no file is everybody's. An entry is either a sentence a language

    run_started:
      pl: Przebieg {{ run }}
      en: Run {{ run }}

or, for a code, a title, what is wrong (`message`) and what to do (`advice`):

    ean_missing:
      pl: {title: Brak EAN, message: Komórka jest pusta., advice: Wpisz kod kreskowy.}
      en: {title: No EAN, message: The cell is blank., advice: Enter the barcode.}

Texts are jinja2 templates over the facts of the event; a missing fact is a bug and raises.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LANGUAGES = ("pl", "en")


@dataclass(frozen=True, slots=True)
class Explanation:
    """The three parts of a code's text, filled in."""

    title: str
    message: str
    advice: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.message, self.advice) if part)


@functools.cache
def entries() -> dict[str, dict[str, Any]]:
    """All entries of all files by key. Raises ValueError when two files define the same key."""
    loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # six times faster where libyaml is there
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        for key, entry in (yaml.load(path.read_bytes(), loader) or {}).items():  # noqa: S506  (both are safe loaders)
            if key in found:
                msg = f"{path.name}: {key!r} is defined in another file too"
                raise ValueError(msg)
            found[key] = entry
    return found


class Catalogue:
    """The texts in one language. Safe to use from several threads."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._templates: dict[str, Any] = {}
        self._lock = threading.Lock()

    def say(self, key: str, /, **facts: Any) -> str:
        """The sentence `key`, filled with `facts`. KeyError when there is no such sentence."""
        return self._fill(entries()[key][self.language], facts)

    def explain(self, code: str, /, **facts: Any) -> Explanation:
        """Title, message and advice of `code`, filled with `facts`."""
        parts = entries()[code][self.language]
        return Explanation(*(self._fill(parts.get(part, ""), facts) for part in ("title", "message", "advice")))

    def title(self, code: str) -> str:
        """The short name of a code, for lists and counts."""
        return str(entries()[code][self.language]["title"])

    def _fill(self, source: str, facts: dict[str, Any]) -> str:
        if "{" not in source:
            return source
        with self._lock:
            template = self._templates.get(source)
            if template is None:
                template = self._templates[source] = _environment().from_string(source)
        return str(template.render(facts))


@functools.cache
def _environment() -> Any:
    import jinja2  # noqa: PLC0415  (50 ms that `--help` does not need)

    return jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  (plain text, no HTML)


@functools.cache
def catalogue(language: str) -> Catalogue:
    """The catalogue in `language`, which is one of LANGUAGES."""
    if language not in LANGUAGES:
        msg = f"no texts in {language!r}"
        raise ValueError(msg)
    return Catalogue(language)
