"""Knobs of the simulator: how slow it is, what it hides, where its limits of offers lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Settings:
    """Knobs that may be turned while the simulator runs."""

    latency: float = 0.0
    """Real seconds before each answer."""
    index_lag: float = 0.0
    """Simulated seconds until a new offer is in the list."""
    list_lag: float = 0.0
    """Simulated seconds until the list shows a change of an offer."""
    command_polls: int = 0
    """So many polls find a command unfinished, however long it takes."""
    command_seconds: float = 0.2
    """A command takes at least so long (simulated); half of its tasks are done after half of it."""
    edit_seconds: float = 0.0
    """A PATCH takes so long (simulated) and is answered 202; 0: it is done at once and answered 200."""
    activation_seconds: float = 0.0
    """So long (simulated) an offer that goes live is ACTIVATING."""
    operation_polls: int = 2
    """So many polls answer 202 before an operation ends."""
    operation_seconds: float = 0.0
    """An operation takes at least so long (simulated)."""
    retry_after: int = 1
    """Seconds in the header of a 202."""
    pending_visible: bool = True
    """Whether an offer can be seen while its first operation runs."""
    offers_per_product: int = 5
    max_drafts: int = 20_000
    orders_moving: int = 0
    """After each page of orders, so many of the orders on it change."""
    orders_reversed: bool = False
    """Pages of orders come the wrong way round."""
    orders_stale: bool = False
    """An order that changes stays in the list with its old revision too."""
    auto_consent: str = ""
    """The login that has consented before: `authorize` redirects at once, and a device has its consent."""
