"""After every kind of failure: no token and no client secret in a log, an error, a repr or any file but the tokens'."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from batch.errors import BatchError
from batch.messages import LANGUAGES, catalogue
from tests.helpers.accounts import Station
from tests.helpers.token_endpoint import AllegroTokens

INVALID_GRANT = {"error": "invalid_grant", "error_description": "Invalid refresh token: refresh.SECRET.1"}


def use(pc: Station) -> Any:
    store = pc.store()
    rejected = store.current().access_token
    return store, store.renew(rejected)


FAILURES: dict[str, tuple[dict[str, Any], list[Any], Callable[[Station], Any]]] = {
    "renewed by the clock": ({}, [], use),
    "renewed after a 401": ({"left": 3600}, [], use),
    "connection cut": ({}, ["before"] * 50, use),
    "answer lost": ({}, ["after"] * 50, use),
    "answer broken off": ({}, ["half"] * 50, use),
    "429": ({}, [429] * 50, use),
    "500 with an echo": ({}, [500] * 50, use),
    "invalid_grant with an echo": ({}, [{"status": 400, "answer": INVALID_GRANT}] * 50, use),
    "error that is an echo": ({}, [{"status": 400, "answer": {"error": "refresh.SECRET.1"}}] * 50, use),
    "invalid_client": ({}, [{"status": 401, "answer": {"error": "invalid_client"}}] * 50, use),
    "blocked": ({}, [{"status": 403, "answer": b"refresh.SECRET.1"}] * 50, use),
    "redirect": ({}, [{"status": 302, "headers": {"Location": "/x?refresh.SECRET.1"}}] * 50, use),
    "answer without a pair": ({}, [{"answer": {"access_token": "access.SECRET.1"}}] * 50, use),
    "answer no JSON": ({}, [{"answer": b"refresh.SECRET.1"}] * 50, use),
    "foreign file": ({"environment": "sandbox"}, [], use),
    "field broken": ({"expires_at": "access.SECRET.1"}, [], use),
    "no refresh token": ({"refresh_token": None}, [], use),
    "not renewed here": ({}, [], lambda pc: pc.store(refresh_tokens=False, token_file=str(pc.path)).current()),
    "state": ({}, [], lambda pc: pc.store().state()),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_secret_leaves_the_token_file(
    pc: Station, allegro: AllegroTokens, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    changed, script, job = FAILURES[failure]
    caplog.set_level(logging.DEBUG)
    pc.write(**changed)
    allegro.script = script
    said = []
    try:
        said.append(repr(job(pc)))
    except BatchError as error:
        said += everything_in(error)
        said += [str(catalogue(language).explain(error.code, **error.facts)) for language in LANGUAGES]
    said += [repr(pc.endpoint()), caplog.text, *(repr(record.args) for record in caplog.records)]
    files = [path for path in pc.folder.rglob("*") if path.is_file() and path != pc.path]
    said += [path.read_text(encoding="utf-8") for path in files if path.parent != pc.spool]
    shown = [(secret, text) for secret in allegro.secrets for text in said if secret in text]
    assert shown == []
    assert len(caplog.records) > 0 or allegro.requests == 0, "the log was listened to"


def everything_in(error: BaseException | None) -> list[str]:
    """The traceback and, through all causes and contexts, what a debugger or an error reporter would show."""
    said = [] if error is None else traceback.format_exception(error)
    while error is not None:
        said += [repr(error), str(error), repr(vars(error)), repr(error.args)]
        error = error.__cause__ or error.__context__
    return said


def test_the_check_itself_sees_a_secret_in_a_context() -> None:
    try:
        try:
            raise ValueError("access.SECRET.1")
        except ValueError:
            raise BatchError("x") from None
    except BatchError as error:
        said = everything_in(error)
    assert any("access.SECRET.1" in text for text in said)
