"""How many calls Allegro lets through: per seller, per client id, and at the same time.

Numbers as confirmed by Allegro's staff (#12700, #13498, #9983); failed calls fill the bucket faster (#13528).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Limits:
    """May be changed while the simulator runs."""

    offer_writes_per_minute: int = 2490
    offer_writes_per_hour: int = 74_700
    offer_reads_per_minute: int = 3500
    requests_per_minute: int = 9000
    changes_per_minute: int = 9000
    """Offers changed by commands, of all kinds together, as are the next two: "for a user of the application"."""
    price_changes_per_hour: int = 150_000
    """By price and bulk commands."""
    other_changes_per_hour: int = 250_000
    """By quantity and publication commands."""
    parallel_per_seller: int = 12
    failed_weight: int = 2
    """What a call refused with 4xx or 5xx counts for; one refused with 429 counts nothing."""
    block_seconds: float = 60.0
    retry_after: int | None = None
    """Seconds in the `Retry-After` of a 429; None sends no such header."""


class Window:
    """The weight of the calls within the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls: deque[tuple[float, int]] = deque()
        self._total = 0

    def total(self, now: float) -> int:
        """What counts at `now`."""
        while self._calls and self._calls[0][0] <= now - self._seconds:
            self._total -= self._calls.popleft()[1]
        return self._total

    def add(self, now: float, weight: int) -> None:
        """Count a call."""
        self._calls.append((now, weight))
        self._total += weight


def _windows() -> dict[str, Window]:
    return {
        "offer_writes_per_minute": Window(60),
        "offer_writes_per_hour": Window(3600),
        "offer_reads_per_minute": Window(60),
        "changes_per_minute": Window(60),
        "price_changes_per_hour": Window(3600),
        "other_changes_per_hour": Window(3600),
    }


@dataclass
class Meter:
    """Lets calls in or not, and remembers how often it did not."""

    limits: Limits
    monotonic: Callable[[], float]
    refused: Counter[str] = field(default_factory=Counter)
    """How often each limit refused a call, by its name."""
    most_parallel: int = 0
    _sellers: dict[str, dict[str, Window]] = field(default_factory=dict)
    _clients: dict[str, Window] = field(default_factory=dict)
    _blocked_until: dict[str, float] = field(default_factory=dict)
    _running: Counter[str] = field(default_factory=Counter)

    def admit(self, client_id: str, seller: str, method: str, path: str) -> str:
        """Let a call in: "" and it counts, or the name of the limit that refuses it."""
        reason = self._refuse(client_id, seller, _kind(method, path))
        if reason:
            self.refused[reason] += 1
            return reason
        self._count(client_id, seller, _kind(method, path), 1)
        self._running[seller] += 1
        self.most_parallel = max(self.most_parallel, self._running[seller])
        return ""

    def finish(self, client_id: str, seller: str, method: str, path: str, *, failed: bool) -> None:
        """An admitted call is over."""
        self._running[seller] -= 1
        if failed and self.limits.failed_weight > 1:
            self._count(client_id, seller, _kind(method, path), self.limits.failed_weight - 1)

    def admit_changes(self, seller: str, hourly: str, count: int) -> str:
        """Let a command change `count` offers; answers as `admit`. `hourly` names the limit of its kind."""
        now, windows = self.monotonic(), self._windows(seller)
        for name in ("changes_per_minute", hourly):
            if windows[name].total(now) + count > getattr(self.limits, name):
                self.refused[name] += 1
                return name
        for name in ("changes_per_minute", hourly):
            windows[name].add(now, count)
        return ""

    def _windows(self, seller: str) -> dict[str, Window]:
        return self._sellers.setdefault(seller, _windows())

    def _refuse(self, client_id: str, seller: str, kind: str) -> str:
        now, limits = self.monotonic(), self.limits
        client = self._clients.setdefault(client_id, Window(60))
        windows = self._windows(seller)
        if now < self._blocked_until.get(client_id, 0.0):
            return "blocked"
        if client.total(now) >= limits.requests_per_minute:
            self._blocked_until[client_id] = now + limits.block_seconds
            return "requests_per_minute"
        if self._running[seller] >= limits.parallel_per_seller:
            return "parallel_per_seller"
        for name, counted, limit in (
            ("offer_writes_per_minute", "write", limits.offer_writes_per_minute),
            ("offer_writes_per_hour", "write", limits.offer_writes_per_hour),
            ("offer_reads_per_minute", "read", limits.offer_reads_per_minute),
        ):
            if kind == counted and windows[name].total(now) >= limit:
                return name
        return ""

    def _count(self, client_id: str, seller: str, kind: str, weight: int) -> None:
        now = self.monotonic()
        self._clients.setdefault(client_id, Window(60)).add(now, weight)
        windows = self._windows(seller)
        for name in ("offer_writes_per_minute", "offer_writes_per_hour") if kind == "write" else ():
            windows[name].add(now, weight)
        if kind == "read":
            windows["offer_reads_per_minute"].add(now, weight)


def _kind(method: str, path: str) -> str:
    if not path.startswith("/sale/product-offers"):
        return "other"
    if method in {"POST", "PATCH"}:
        return "write"
    return "read" if path.count("/") == 3 else "other"
