"""What the browser shows after a login: `templates/link/page.html`, which a user may change, in the user's language."""

from __future__ import annotations

import html
import logging
from pathlib import Path

import jinja2

from batch.accounts.loopback import Pages
from batch.messages import Catalogue

log = logging.getLogger(__name__)


def link_pages(templates: Path, words: Catalogue) -> Pages:
    """The pages by name; the facts are listed on them under their names in the catalogue.

    A template that was changed and no longer works costs its looks, never the login.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)

    def page(name: str, **facts: str) -> str:
        text = words.explain(name)
        listed = [(words.say(f"link_fact_{fact}"), value) for fact, value in facts.items()]
        try:
            template = environment.from_string((templates / "link" / "page.html").read_text("utf-8"))
            return template.render(page=name, language=words.language, text=text, facts=listed)
        except (OSError, ValueError, jinja2.TemplateError):
            log.exception("the page could not be made from its template")
            return f"<!doctype html><title>{html.escape(text.title)}</title><p>{html.escape(str(text))}"

    return page
