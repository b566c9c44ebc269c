"""The simulator's list of orders without sockets: a session that asks it, while things happen between two calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from batch.allegro.session import Answer
from batch.simulator.clock import Clock
from batch.simulator.limits import Limits
from batch.simulator.orders import listing
from batch.simulator.settings import Settings
from batch.simulator.state import Seller, World
from batch.simulator.wire import Call

SELLER = "e-sklep1"


class OrderList:
    """A seller's orders at a clock that stands still until it is moved. As a session it answers `get`.

    `between` is called before each page is read.
    """

    def __init__(self) -> None:
        self.time = Clock(speed=0, start=datetime(2026, 11, 2, 8, tzinfo=UTC))
        self.world = World(seed=1, clock=self.time, limits=Limits(), settings=Settings())
        self.seller: Seller = self.world.sellers[SELLER]
        self.between: Callable[[], None] = lambda: None
        self.calls: list[dict[str, Any]] = []

    @property
    def clock(self) -> Clock:
        """As a session has one."""
        return self.time

    def get(self, path: str, params: Mapping[str, str | int | Sequence[str]] | None = None, **_: Any) -> Answer:
        """One page, as ApiSession.get gives it."""
        assert path == "/order/checkout-forms"
        query = [(name, str(value)) for name, value in (params or {}).items()]
        self.calls.append(dict(query))
        self.between()
        call = Call(self.world, "GET", path, query, {}, "", "", found_seller=self.seller)
        answer = listing(call)
        return Answer(answer.status, answer.body, "trace")
