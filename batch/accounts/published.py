"""A station that never renews: it reads the access token which the main station keeps fresh (variant b).

It holds no refresh token and writes nothing, so it cannot lock the others out. The source is a token file or an
address (`accounts.NAME.token_url`): a file or https. The main station writes that file after each renewal.
"""

from __future__ import annotations

import contextlib
import json
import logging
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from batch.accounts.decide import MARGIN, Owner, expired
from batch.accounts.endpoint import BROKEN, TIMEOUT, body_of
from batch.accounts.token_file import (
    Token,
    TokenFormatError,
    access_only,
    check_replaceable,
    iso,
    parse_token,
    read_token,
    reason,
    replace_file,
)
from batch.errors import AccountError, LoginNeeded, NoAnswer, ServerTrouble

LOOKS = 6
LOOK_EVERY = 3
"""Look that often, that many seconds apart: the main station needs a moment to renew and publish."""

log = logging.getLogger(__name__)


class Published:
    """The access token of one account on a station that never renews. Not thread-safe: `TokenStore` is."""

    owes = False
    unpublished = None
    renews = False

    def __init__(
        self,
        place: str,
        read: Callable[[], Token],
        owner: Owner,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        *,
        local: bool,
    ) -> None:
        self.place = place
        self._read = read
        self._owner = owner
        self._sleep = sleep
        self._local = local
        self.now = clock

    def peek(self) -> Token | None:
        """The token there now; None when the network would have to be asked."""
        return self.load() if self._local else None

    def load(self) -> Token:
        """The token there now. Raises what reading raises, and what `Owner.check` raises."""
        return self._owner.check(access_only(self._read()), self.place)

    def replace(self, rejected: str | None, margin: timedelta = MARGIN) -> Token:  # noqa: ARG002  (not ours to say)
        """A token that has not expired and is not `rejected`; waits briefly for the main station.

        Raises LoginNeeded token_not_renewed_here (path) when it has not come.
        """
        for look in range(LOOKS):
            if look:
                self._sleep(LOOK_EVERY)
            token = self.load()
            if token.access_token != rejected and not expired(token, self.now()):
                return token
        raise LoginNeeded("token_not_renewed_here", path=self.place)


def file_of_url(url: str) -> Path | None:
    """The file that a `file://` address names, drive letters and shares included; None for other addresses."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    host = "" if parts.netloc == "localhost" else parts.netloc
    return Path(url2pathname(f"//{host}{parts.path}" if host else parts.path))


def fetch(url: str, session: requests.Session) -> Token:
    """The token at the https address `url`; no redirect is followed.

    Raises NoAnswer or ServerTrouble token_url_trouble (place, status); AccountError token_url_refused
    (place, status); LoginNeeded token_broken (path, field).
    """
    place = bare(url)
    try:
        with session.get(url, timeout=TIMEOUT, allow_redirects=False, stream=True) as response:
            status, content = response.status_code, body_of(response)
    except BROKEN:
        status, content = None, b""
    if status is None:
        raise NoAnswer("token_url_trouble", sent=True, place=place)
    if status == 429 or status >= 500:
        raise ServerTrouble("token_url_trouble", status=status, place=place)
    if status != 200:
        raise AccountError("token_url_refused", place=place, status=status)
    try:
        return parse_token(content)
    except TokenFormatError as error:
        broken = str(error)
    raise LoginNeeded("token_broken", path=place, field=broken)


def bare(url: str) -> str:
    """The address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def is_published(token: Token, path: Path | None) -> bool:
    """Whether the published file has this access token; also true where none is wanted."""
    if path is None:
        return True
    with contextlib.suppress(AccountError):
        return read_token(path).access_token == token.access_token
    return False


def holds_key(path: Path) -> bool:
    """Whether a file holds a refresh token: it is the token file of some account, and no place to publish."""
    with contextlib.suppress(AccountError):
        return read_token(path).refresh_token is not None
    return False


def publish(token: Token, path: Path | None) -> None:
    """Write the file for other stations, without the refresh token. Called under the lock of the token file.

    The file is its owner's alone at first; rights that a person then gives to others are kept. A failure is
    logged, not raised: this station works, and the next start tries again.
    """
    if path is None or is_published(token, path):
        return
    fields = {
        "access_token": token.access_token,
        "expires_at": iso(token.expires_at),
        "environment": token.environment,
        "login": token.login,
    }
    try:
        check_replaceable(path)
        if holds_key(path):
            raise AccountError("token_file_other", path=str(path))
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
        replace_file(path, (json.dumps(fields, indent=2) + "\n").encode("ascii"), mode=mode)
    except (OSError, AccountError) as error:
        log.warning("%s: the access token could not be published: %s", path, reason(error))
