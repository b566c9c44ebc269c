"""Allegro's answers made hostile: every answer that the tool reads, with something else in it than Allegro documents.

What comes of it is a value that can be written, or an error that says so; never a bug, never questions without end.
The true answers are the simulator's, recorded once over a real connection.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, TypeVar

import pytest

from batch.accounts.endpoint import _json, parse_grant
from batch.allegro.session import ApiSession
from batch.errors import AccountError, ApiError
from batch.export import OrderOptions, export_order
from batch.order_files import csv_line, epp_line
from batch.simulator import Simulator, catalogue
from batch.workbook.values import written_form
from tests.allegro.conftest import LOGIN, session_with
from tests.fuzz.mutate import TEXTS, json_of
from tests.helpers.at_once import at_home, call, wait_at_once
from tests.helpers.calls import Call, calls
from tests.helpers.shop import Shop

MOST_QUESTIONS = 400  # what the tool asks in one reading of a few offers
Raw = tuple[int, Mapping[str, str], bytes]
_Session = TypeVar("_Session", bound=ApiSession)


@dataclass
class Recording(ApiSession):
    """A session that remembers what came."""

    heard: list[Raw] = field(default_factory=list)

    def _exchange(self, *asked: Any) -> Raw:
        status, headers, content = super()._exchange(*asked)
        self.heard.append((status, dict(headers), content))
        return status, headers, content


@dataclass
class Replaying(ApiSession):
    """A session that hears what was recorded, in its order, the last answer again and again."""

    heard: list[Raw] = field(default_factory=list)
    random: Random = field(default_factory=Random)
    asked: int = 0
    mutated: dict[int, Raw] = field(default_factory=dict)

    def _exchange(self, *_: Any) -> Raw:
        self.asked += 1
        assert self.asked < MOST_QUESTIONS, "asks without end"
        at = min(self.asked, len(self.heard)) - 1
        if at not in self.mutated:
            self.mutated[at] = _mutated(self.random, self.heard[at])
        return self.mutated[at]


def _mutated(random: Random, raw: Raw) -> Raw:
    status, headers, content = raw
    if not random.randrange(6):
        status = random.choice((200, 201, 202, 204, 301, 303, 307, 400, 403, 404, 409, 422, 429, 500, 599))
    if not random.randrange(6):
        name = random.choice(("Location", "Retry-After", "trace-id"))
        headers = {**headers, name: random.choice(TEXTS), name.lower(): random.choice(TEXTS)}
    if random.randrange(5):
        content = json_of(random, content.decode()).encode("utf-8", "surrogatepass")
    return status, {name.lower(): value for name, value in headers.items()}, content


def _like(session: ApiSession, kind: type[_Session], **more: Any) -> _Session:
    return kind(**{part.name: getattr(session, part.name) for part in fields(session)}, **more)


@functools.cache
def _recorded() -> tuple[ApiSession, dict[str, tuple[Call, list[Raw]]]]:
    """A session, and the simulator's true answers to every reading."""
    found = {}
    with Simulator() as simulator:
        plain = session_with(simulator)
        for name, read in calls(simulator).items():
            session = _like(plain, Recording)
            read(session)
            found[name] = (read, session.heard)
    return plain, found


def answer(random: Random, folder: Path) -> str:
    """One reading of answers that are not what they should be; `read`, or the code of the error."""
    plain, readings_of = _recorded()
    read, heard = random.choice(list(readings_of.values()))
    session = _like(plain, Replaying, heard=heard, random=random)
    try:
        result = read(session)
    except (ApiError, AccountError) as error:
        check_sound(error.facts)
        str(error).encode()
        return error.code
    check_sound(result)
    for order in getattr(result, "orders", ()):
        exported = export_order(order, LOGIN, OrderOptions(), "pl", is_new=True)
        for row in exported.rows:
            csv_line(row.values()).encode()
            epp_line(row.values())
            for value in row.values():
                written_form(value, date_style=True, since_1904=False)
    return "read"


def check_sound(value: Any) -> None:
    """What is handed on can be written: into the journal, a cell, a file, another request."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, Decimal):
        assert value.is_finite()
        assert abs(value.adjusted()) < 40, f"{value!r} takes {abs(value.adjusted())} digits to write"
    elif isinstance(value, datetime):
        assert value.tzinfo is not None
    elif isinstance(value, int):
        assert abs(value) < 2**63, "no database takes that"
    elif is_dataclass(value):
        for each in fields(value):
            inner = getattr(value, each.name)
            check_sound(inner)
            if each.name in {"stock", "status"} and inner is not None:
                assert isinstance(inner, int if each.name == "stock" else str | int), f"{each.name} is {inner!r}"
    elif isinstance(value, Mapping):
        check_sound([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for inner in value:
            check_sound(inner)


def job(random: Random, folder: Path) -> str:
    """A whole run, in which some of the answers are not what they should be, and a run after it.

    Several threads ask, so that a seed does not quite name a case. Whatever is answered: no bug, no question without
    end, and nothing goes live that nobody asked for.
    """
    with Simulator(log_size=10_000) as simulator, pytest.MonkeyPatch.context() as patch:
        at_home(folder, patch)
        wait_at_once(patch)
        shop = Shop(folder, simulator, accounts=["e-sklep1"])
        offers = [{"external_id": f"a{n}", "gtin": catalogue.gtin(n), "price": "10.00", "stock": 1} for n in range(3)]
        simulator.add_offers("e-sklep1", [{**offer, "status": "INACTIVE"} for offer in offers])
        simulator.add_order("e-sklep1", messageToSeller="=1+1")
        new = [{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in (10, 11)]
        changed = [{"ean": catalogue.gtin(n), "external_id": f"a{n}", "price": 11, "stock": 2 + n} for n in range(3)]
        shop.fill([*new, *changed])
        truly, lock = ApiSession._exchange, Lock()

        def untrue(session: ApiSession, *asked: Any) -> Raw:
            raw = truly(session, *asked)
            with lock:
                return _mutated(random, raw) if random.random() < 0.2 else raw

        with patch.context() as lying:
            lying.setattr(ApiSession, "_exchange", untrue)
            code = _quietly(shop)
        again = _quietly(shop)
        assert {code, again} <= {0, 3, 4}
        assert len(simulator.requests) < 5 * MOST_QUESTIONS, "asks without end"
        assert {offer["publication"]["status"] for offer in shop.offers()} == {"INACTIVE"}, "published by accident"
        return f"exit {code}, then {again}"


def _quietly(shop: Shop) -> int:
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = call("run", shop.workbook)
    log = shop.folder / "state" / "allegro-batch" / "batch.log"
    assert code != 1, log.read_text("utf-8")[-3000:]
    assert "Traceback" not in said.getvalue(), said.getvalue()
    return code


GRANT = '{"access_token": "a.b.c", "refresh_token": "d.e.f", "token_type": "bearer", "expires_in": 43199}'


def grant(random: Random, folder: Path) -> str:
    """One answer of the token endpoint."""
    content = json_of(random, GRANT).encode("utf-8", "surrogatepass")
    try:
        found = parse_grant(_json(content), datetime.now(UTC), host="h")
    except ApiError as error:
        return _without(error, "a.b.c")
    assert found.expires_at > found.issued_at
    found.access_token.encode("ascii")
    found.refresh_token.encode("ascii")
    return "read"


def _without(error: ApiError, secret: str) -> str:
    assert secret not in str(error)
    return error.code
