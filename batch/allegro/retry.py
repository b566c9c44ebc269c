"""May a request be sent again, and after how long? Pure questions.

What was certainly not processed may always be sent again: 429, and a connection that never came about.
An unknown fate (5xx, a broken connection) allows it for calls that come to the same when made twice; a POST of an
offer has to be looked up first, because Allegro makes two offers of two POSTs (#13278).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from batch.errors import ApiError, NoAnswer, ServerTrouble, TooMany

LONGEST_WAIT = 60.0  # seconds between two attempts
SHORTEST_WAIT = 1.0  # a Retry-After of 0 must not mean a thousand requests while our patience lasts
PATIENCE = 180.0  # seconds for all attempts at one request
PATIENCE_WITHOUT_NETWORK = 60.0  # nobody home: the user's cable is likelier than Allegro's trouble


def may_send_again(error: ApiError, *, safe: bool) -> bool:
    """Whether the same request may be sent again. `safe` requests do no harm when made twice."""
    if isinstance(error, TooMany) or (isinstance(error, NoAnswer) and not error.sent):
        return True
    return safe and isinstance(error, (ServerTrouble, NoAnswer))


_PASSING = re.compile(
    r"internal|unavailable|timeout|timed.?out|try.?again|in.?progress|being.?(processed|edited)|locked|conflict"
    r"|concurrent|too.?many",
    re.IGNORECASE,
)


def is_passing(codes: Iterable[str]) -> bool:
    """Whether the failure of a command's task may pass by itself, by Allegro's error codes.

    They are not documented; users tell of tasks that failed once and went well a minute later (#3110).
    """
    return any(_PASSING.search(code) for code in codes)


def seconds_to_wait(attempt: int, *, retry_after: float | None, jitter: float) -> float:
    """The pause before attempt number `attempt` + 1 (the first attempt is 1); `jitter` is random in 0..1.

    Allegro's own Retry-After wins; else it doubles from one second, less up to a quarter, so that several
    workers do not come back all at once.
    """
    if retry_after is not None:
        return min(max(retry_after, SHORTEST_WAIT), LONGEST_WAIT)
    return float(min(2.0 ** (attempt - 1), LONGEST_WAIT)) * (1 - jitter / 4)


def patience_with(error: ApiError, patience: float) -> float:
    """Seconds that all attempts together may take."""
    if isinstance(error, NoAnswer) and not error.sent:
        return min(patience, PATIENCE_WITHOUT_NETWORK)
    return patience
