"""Scripted trouble: which calls go wrong, and how.

    simulator.faults.add(Trouble.CUT_AFTER, method="POST", path="/sale/product-offers", skip=3, count=2)

The first fault that matches a call applies to it; random ones are random in the same way for the same seed.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any


class Trouble(StrEnum):
    """What goes wrong. BEFORE: the call has no effect. AFTER: it has, and the answer is lost or late."""

    CUT_BEFORE = "cut_before"  # the connection breaks
    CUT_AFTER = "cut_after"
    SLOW_BEFORE = "slow_before"  # `seconds` of real time
    SLOW_AFTER = "slow_after"
    STATUS_BEFORE = "status_before"  # `status`, with `retry_after` if given
    STATUS_AFTER = "status_after"
    TRUNCATED = "truncated"  # half of the answer, then the connection breaks
    MALFORMED = "malformed"  # the answer is no JSON
    OVERSIZED = "oversized"  # the answer is `size` bytes long
    BLOCKED = "blocked"  # 403 with an HTML page (#4681)
    UNAUTHORIZED = "unauthorized"  # 401 although the token is valid
    EXPIRED = "expired"  # the access token dies, then 401
    REVOKED = "revoked"  # with it all tokens of the same login, then 401
    REDIRECT = "redirect"  # 307 to `location`
    OFFER_INCOMPLETE = "incomplete"  # POST product-offers as if its product had this outcome
    OFFER_SLOW = "slow"
    OFFER_SLOW_REFUSED = "slow_refused"
    OFFER_NEVER_ENDS = "never_ends"
    OPERATION_VANISHES = "operation_vanishes"  # 202, and the operation is unknown ever after
    WRONG_LOCATION = "wrong_location"  # 202 with a Location that only its last segment is right of (#5712)
    TASK_BUSY = "task_busy"  # the first task of a command fails, for a reason that passes
    TASK_ERROR = "task_error"  # the same, for trouble at Allegro
    COMMAND_VANISHES = "command_vanishes"  # 201, and then the command is unknown and never worked off
    COMMAND_FORGOTTEN = "command_forgotten"  # worked off, and then the command is unknown
    COMMAND_NEVER_ENDS = "command_never_ends"


NEW_OFFER = "POST /sale/product-offers"
NEW_COMMAND = (
    "PUT /sale/offer-(price-change|quantity-change|publication)-commands/[^/]+"
    "|POST /sale/offer-bulk-modification-commands"
)
OUTCOMES = {
    Trouble.OFFER_INCOMPLETE: NEW_OFFER,
    Trouble.OFFER_SLOW: NEW_OFFER,
    Trouble.OFFER_SLOW_REFUSED: NEW_OFFER,
    Trouble.OFFER_NEVER_ENDS: NEW_OFFER,
    Trouble.OPERATION_VANISHES: NEW_OFFER,
    Trouble.WRONG_LOCATION: NEW_OFFER,
    Trouble.TASK_BUSY: NEW_COMMAND,
    Trouble.TASK_ERROR: NEW_COMMAND,
    Trouble.COMMAND_VANISHES: NEW_COMMAND,
    Trouble.COMMAND_FORGOTTEN: NEW_COMMAND,
    Trouble.COMMAND_NEVER_ENDS: NEW_COMMAND,
}
"""Troubles of what becomes of a new offer or command, and the calls they are for; all others they pass by."""


@dataclass
class Fault:
    """Trouble for the calls that match."""

    trouble: Trouble
    method: str = ""
    """Blank is every method."""
    path: str = ".*"
    """A regular expression for the whole path."""
    seller: str = ""
    """A login; blank is every seller."""
    skip: int = 0
    """So many matching calls pass first."""
    count: int | None = 1
    """So many calls go wrong; None is all."""
    probability: float = 1.0
    seconds: float = 0.0
    status: int = 503
    retry_after: str = ""
    """Seconds or a date, as in the header; blank sends no such header."""
    location: str = ""
    size: int = 50_000_000
    hits: int = 0
    """How many calls went wrong so far."""


class FaultScript:
    """The faults that wait for their calls."""

    def __init__(self, seed: int, lock: AbstractContextManager[Any]) -> None:
        self._random = Random(seed)
        self._lock = lock
        self.waiting: list[Fault] = []

    def add(self, trouble: str, **details: Any) -> Fault:
        """Let matching calls go wrong; see `Fault` for the details. Returns the fault, whose `hits` count."""
        fault = Fault(Trouble(trouble), **details)
        with self._lock:
            self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        """No more trouble."""
        with self._lock:
            self.waiting.clear()

    def pick(self, method: str, path: str, seller: str) -> Fault | None:
        """The fault for this call, if any."""
        for fault in self.waiting:
            if self._strikes(fault, method, path, seller):
                fault.hits += 1
                return fault
        return None

    def _strikes(self, fault: Fault, method: str, path: str, seller: str) -> bool:
        if fault.method not in {"", method} or fault.seller not in {"", seller} or fault.count == fault.hits:
            return False
        if not re.fullmatch(OUTCOMES.get(fault.trouble, ".*"), f"{method} {path}"):
            return False
        if not re.fullmatch(fault.path, path):
            return False
        if fault.skip:
            fault.skip -= 1
            return False
        return fault.probability >= 1 or self._random.random() < fault.probability
