"""What the rest of the program asks for an access token: `TokenStore`, one an account, shared by its threads.

It holds the token in memory, so that not every request reads a share, and asks its source for another one when
the clock says so or when Allegro rejected it (401). Which source it is, a station that renews or one that only
reads, is decided once, in `open_tokens`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from batch.accounts.decide import MARGIN, Owner, expired, renewal_due
from batch.accounts.endpoint import TokenEndpoint
from batch.accounts.published import Published, bare, fetch, file_of_url, holds_key
from batch.accounts.renewal import Renewal
from batch.accounts.spool import Spool
from batch.accounts.token_file import Token, read_token
from batch.accounts.token_place import TokenFile, token_place
from batch.errors import AccountError, ApiError, BatchError, SettingsError
from batch.model import Account

PAUSE = timedelta(seconds=30)
"""After a failure the same answer is given for so long: a dozen threads must not each knock for a minute."""

log = logging.getLogger(__name__)


def open_tokens(
    account: Account,
    endpoint: TokenEndpoint,
    *,
    folder: Path,
    spool_folder: Path,
    refresh_tokens: bool,
    token_url: str | None = None,
    publish: Path | None = None,
    login: str | None = None,
    database: str | None = None,
) -> TokenStore:
    """The tokens of `account`; nothing is read yet.

    `folder` is that of the workbook, `login` the login linked in an earlier run, if known, `database` the journal's,
    where that is on a server. `refresh_tokens`, `token_url` and `publish` are the settings of those names. Raises
    AccountError token_source_unset (account) on a station that does not renew and has neither file nor address;
    SettingsError publish_is_token_file (path), tokens_need_database (account).
    """
    owner = Owner(account.environment, login)
    place = token_place(account, folder, database)
    if refresh_tokens:
        own = isinstance(place, TokenFile) and publish is not None and _same_file(publish, place.path)
        if publish is not None and (own or holds_key(publish)):
            raise SettingsError("publish_is_token_file", path=str(publish))
        return TokenStore(Renewal(place, owner, endpoint, Spool(spool_folder), publish))
    clock, sleep, session = endpoint.clock, endpoint.sleep, endpoint.session
    if account.token_file and account.token_file.strip():
        return TokenStore(Published(place.name, place.read, owner, clock, sleep, local=True))
    if not token_url:
        raise AccountError("token_source_unset", account=account.name)
    file = file_of_url(token_url)
    if file is not None:
        return TokenStore(Published(str(file), lambda: read_token(file), owner, clock, sleep, local=True))
    return TokenStore(Published(bare(token_url), lambda: fetch(token_url, session), owner, clock, sleep, local=False))


@dataclass(frozen=True, slots=True)
class TokenState:
    """How an account's tokens stand, for a table: `code` names a sentence of the catalogue, `facts` fill it."""

    code: str
    login: str | None = None
    valid_until: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """Where tokens come from: `Renewal` or `Published`, which document the methods."""

    place: str
    renews: bool

    @property
    def owes(self) -> bool: ...
    @property
    def unpublished(self) -> Path | None: ...
    def now(self) -> datetime: ...
    def peek(self) -> Token | None: ...
    def load(self) -> Token: ...
    def replace(self, rejected: str | None, margin: timedelta) -> Token: ...


class TokenStore:
    """The access token of one account for one run. Safe to use from several threads."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._mutex = threading.RLock()
        self._token: Token | None = None
        self._trouble: BatchError | None = None
        self._quiet_until = datetime.min.replace(tzinfo=UTC)
        self._save_again_at = self._quiet_until

    def current(self, margin: timedelta = MARGIN) -> Token:
        """A token that Allegro should accept, renewed first when less than `margin` is left.

        When that fails while the old one has time left, the old one serves on. Raises LoginNeeded and other
        AccountErrors when a person must act, ApiError when Allegro or the network must recover.
        """
        with self._mutex:
            token = self._loaded()
            return self._another(token, None, margin) if renewal_due(token, self._source.now(), margin) else token

    def renew(self, rejected: str) -> Token:
        """A token other than `rejected`, which Allegro answered with 401.

        One that another thread or station has renewed meanwhile is taken; at most one renewal a run happens for
        this reason, then LoginNeeded token_rejected. Raises like `current`.
        """
        with self._mutex:
            token = self._loaded()
            return self.current() if token.access_token != rejected else self._another(token, rejected)

    def renew_now(self) -> Token:
        """A newer token, although the one here may still be good ("Odnów tokeny").

        Raises like `current`, and AccountError renewal_switched_off (path) on a station that does not renew.
        """
        if not self._source.renews:
            raise AccountError("renewal_switched_off", path=self._source.place)
        with self._mutex:
            return self._another(self._loaded(), self._loaded().access_token)

    @property
    def owes(self) -> bool:
        """Whether the newest tokens could not be put where other computers look for them."""
        return self._source.owes or self._source.unpublished is not None

    def state(self) -> TokenState:
        """How the tokens stand, by the clock and the file alone: nothing is sent, nothing is changed.

        Raises the AccountError with which the last try to renew them ended.
        """
        if isinstance(self._trouble, AccountError):
            raise self._trouble
        facts = {"path": self._source.place}
        with self._mutex:
            try:
                token = self._source.peek() or self._token  # what is far away is not asked just to tell its state
            except AccountError as error:
                return TokenState(_STATE_OF.get(error.code, "tokens_unreadable"), facts={**facts, **error.facts})
            now = self._source.now()
        if token is None:
            return TokenState("tokens_remote", facts=facts)
        if self._source.owes:
            return TokenState("tokens_owed", token.login, token.expires_at, facts)
        if self._source.unpublished is not None:
            published = {"path": str(self._source.unpublished)}
            return TokenState("tokens_unpublished", token.login, token.expires_at, published)
        left, renewable = not expired(token, now), token.refresh_token is not None
        return TokenState(_STATES[self._source.renews, left, renewable], token.login, token.expires_at, facts)

    def _loaded(self) -> Token:
        """The token in memory; tries now and then to put into the file what could not be saved."""
        if self._token is None:
            self._token = self._source.load()
        elif self._source.owes and self._source.now() >= self._save_again_at:
            self._save_again_at = self._source.now() + PAUSE
            with contextlib.suppress(BatchError):  # still out of reach
                self._token = self._source.load()
        return self._token

    def _another(self, token: Token, rejected: str | None, margin: timedelta = MARGIN) -> Token:
        now = self._source.now()
        usable = rejected is None and not expired(token, now)
        if now < self._quiet_until:
            if usable:
                return token
            if self._trouble is not None:
                raise self._trouble
        try:
            self._token = self._source.replace(rejected, margin)
        except BatchError as error:
            log.warning("%s: no newer token: %s", self._source.place, error)
            pause = isinstance(error, ApiError) and error.retry_after
            self._trouble = error
            self._quiet_until = self._source.now() + max(PAUSE, timedelta(seconds=pause or 0))
            if usable:
                return token
            raise
        self._trouble = None
        if renewal_due(self._token, self._source.now()):  # the main station is late; do not ask at each request
            self._quiet_until = now + PAUSE
        return self._token


_STATE_OF = {
    "token_missing": "tokens_missing",
    "token_broken": "tokens_broken",
    "token_other_environment": "tokens_foreign",
    "token_other_login": "tokens_foreign",
}
_STATES = {  # this station renews, time left, refresh token there
    (True, True, True): "tokens_ok",
    (True, True, False): "tokens_ok_last",
    (True, False, True): "tokens_expired_renewable",
    (True, False, False): "tokens_expired",
    (False, True, False): "tokens_ok",
    (False, False, False): "tokens_expired_elsewhere",
}


def _same_file(one: Path, other: Path) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))
