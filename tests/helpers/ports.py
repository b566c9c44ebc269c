"""A port for a server of a test."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

_OURS = range(20_000, 32_000)
"""Below the ports that systems give to connections by themselves (Linux: from 32,768, others: from 49,152), so that
no other test of the moment is given one of them before its server listens."""


def free_port() -> int:
    """A port that nobody listens on now."""
    for port in random.SystemRandom().sample(_OURS, 100):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")
