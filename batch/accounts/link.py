"""Linking an account: a person consents at Allegro, in the browser here or on another device; we get the first pair.

In the browser: authorization code with PKCE (S256 is all Allegro knows) and a state that only this login has. The
code lives 10 seconds, so it is exchanged at once. On a computer without a browser: the device flow.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from batch.accounts.endpoint import Grant, GrantRefused, TokenEndpoint
from batch.accounts.loopback import Loopback, Pages
from batch.errors import ApiError, LoginNeeded

PATIENCE = timedelta(minutes=5)
"""So long a person may take in the browser."""

LOOK_EVERY = 0.2  # seconds, so that Ctrl+C works on Windows too
SLOWER = 5  # seconds more between two questions each time Allegro says slow_down (RFC 8628)


@dataclass(frozen=True, slots=True)
class Login:
    """A login that Allegro has granted; `show` tells the person's browser what became of it: a page and its facts."""

    grant: Grant
    show: Callable[..., None]


@contextlib.contextmanager
def by_browser(
    endpoint: TokenEndpoint, port: int, pages: Pages, show_address: Callable[[str], None]
) -> Iterator[Login]:
    """Log in through the browser: `show_address` gets the address to open.

    Raises UsageError of `Loopback`; LoginNeeded link_denied, link_refused (error), link_timeout (minutes),
    link_code_refused; what `TokenEndpoint.exchange_code` raises.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    with Loopback(port, state, pages) as loopback:
        show_address(_address(endpoint, loopback.redirect_uri, state, verifier))
        came = _wait(loopback, endpoint)
        if "code" not in came:
            denied = came["error"] == "access_denied"
            loopback.show("link_page_denied" if denied else "link_page_failed")
            raise LoginNeeded("link_denied") if denied else LoginNeeded("link_refused", error=_word(came["error"]))
        try:
            grant = endpoint.exchange_code(came["code"], loopback.redirect_uri, verifier)
        except GrantRefused:
            raise LoginNeeded("link_code_refused") from None
        yield Login(grant, loopback.show)


@contextlib.contextmanager
def by_device(endpoint: TokenEndpoint, show_code: Callable[[str, str], None]) -> Iterator[Login]:
    """Log in on any other device: `show_code` gets the address to open there and the code as a person reads it.

    Raises LoginNeeded link_denied, link_code_expired; what `TokenEndpoint.start_device` raises.
    """
    device = endpoint.start_device()
    show_code(device.address, spaced(device.user_code))
    until = endpoint.clock() + timedelta(seconds=device.expires_in)
    interval = float(device.interval)
    while endpoint.clock() < until:
        endpoint.sleep(interval)
        try:
            grant = endpoint.poll_device(device.device_code)
        except GrantRefused as refused:
            if refused.error == "access_denied":
                raise LoginNeeded("link_denied") from None
            if refused.error not in {"authorization_pending", "slow_down"}:
                break
            interval += SLOWER if refused.error == "slow_down" else 0
        except ApiError as error:  # passes by itself, and the code lives for an hour
            interval = max(interval, error.retry_after or 0)
        else:
            yield Login(grant, _nobody_looks)
            return
    raise LoginNeeded("link_code_expired")


def spaced(user_code: str) -> str:
    """`123456789` -> `123 456 789`, as it is read aloud and typed."""
    return " ".join(re.findall(".{1,3}", user_code))


def _address(endpoint: TokenEndpoint, redirect_uri: str, state: str, verifier: str) -> str:
    """Where the person consents. `prompt=confirm` shows which login it is even to one who consented before."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": endpoint.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "prompt": "confirm",
        "code_challenge_method": "S256",
        "code_challenge": challenge,
    }
    return f"{endpoint.auth_url}/auth/oauth/authorize?{urlencode(query)}"


def _wait(loopback: Loopback, endpoint: TokenEndpoint) -> dict[str, str]:
    until = endpoint.clock() + PATIENCE
    while endpoint.clock() < until:
        came = loopback.came(LOOK_EVERY)
        if came is not None:
            return came
    raise LoginNeeded("link_timeout", minutes=int(PATIENCE.total_seconds() // 60))


def _word(error: str) -> str:
    """An error code fit to be shown; the address may hold anything."""
    return error if re.fullmatch("[a-z_]{1,40}", error) else "?"


def _nobody_looks(page: str, **facts: str) -> None:
    """There is no browser here."""
