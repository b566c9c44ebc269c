"""Every exchange the simulator had, for tests to look at and to hold against Allegro's OpenAPI file."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

CRASHED = "crashed"
"""In place of a fault: the simulator itself broke down over this call."""


@dataclass(slots=True)
class Exchange:
    """One request and what was answered. `status` None: the connection was cut."""

    number: int
    when: datetime
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: str
    seller: str = ""
    """The login whose valid token came with the request, or whose refresh token."""
    fault: str = ""
    status: int | None = None
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: str = ""


class Log:
    """The last `size` exchanges; `count` counts all of them."""

    def __init__(self, size: int) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=size)
        self.count = 0

    def add(self, exchange: Exchange) -> None:
        """Remember an exchange, from the moment its request is complete."""
        self._exchanges.append(exchange)

    def next_number(self) -> int:
        """The number of the next exchange, from 1."""
        self.count += 1
        return self.count

    def since(self, number: int = 0) -> list[Exchange]:
        """The exchanges after the one with this number."""
        return [exchange for exchange in self._exchanges if exchange.number > number]

    def clear(self) -> None:
        """Forget them; numbers go on."""
        self._exchanges.clear()
