"""A station that renews tokens: one critical section from before the read until the new pair is on disk.

Allegro accepts each refresh token once, so two stations must never send the same one. The lock is that of the place,
the operating system's (flock, LockFileEx, also over SMB) or a row's: it ends with its process. Within it:
read the file, decide again, check that the result can be saved, call Allegro, save. A lock around the save alone
loses the pair whenever two stations start together.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable
from concurrent import futures
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from batch.accounts.decide import MARGIN, Owner, renewal_due, supersedes
from batch.accounts.endpoint import Grant, GrantRefused, TokenEndpoint
from batch.accounts.published import is_published, publish
from batch.accounts.spool import Spool
from batch.accounts.token_file import Token, reason
from batch.accounts.token_place import TokenPlace
from batch.errors import AccountError, LoginNeeded, TokenTrouble

SKEW_WORTH_A_WARNING = timedelta(minutes=2)

log = logging.getLogger(__name__)


class Renewal:
    """The tokens of one account on a station that renews them. Not thread-safe: `TokenStore` is."""

    def __init__(
        self, place: TokenPlace, owner: Owner, endpoint: TokenEndpoint, spool: Spool, publish_to: Path | None = None
    ) -> None:
        self.place = place.name
        self.renews = True
        self._place = place
        self._owner = owner
        self._endpoint = endpoint
        self._spool = spool
        self._publish_to = publish_to
        self._skew = timedelta()
        self._unsaved: Token | None = None
        self._unpublished = False
        self._renewed_on_demand = False

    def now(self) -> datetime:
        """The time by Allegro's clock, once an answer has told it."""
        return self._endpoint.clock() + self._skew

    @property
    def owes(self) -> bool:
        """Whether the newest pair could not be put into the token file yet."""
        return self._unsaved is not None

    @property
    def unpublished(self) -> Path | None:
        """The published file, if it could not be written."""
        return self._publish_to if self._unpublished else None

    def peek(self) -> Token:
        """The newest pair here, without changing anything. Raises like `read_token` and `Owner.check`."""
        held = self._held()
        newest = self._owed(held) or held
        if isinstance(newest, LoginNeeded):
            raise newest
        return newest

    def load(self) -> Token:
        """The newest pair here; what an earlier start owes to the token file, or to the published one, is made good."""
        token = self.peek()
        if not self.owes and self._spool.find(self._place.key) is None and is_published(token, self._publish_to):
            return token
        with self._place.locked():
            token = self._settle()
            self._publish(token)
            return token

    def replace(self, rejected: str | None, margin: timedelta = MARGIN) -> Token:
        """A token that lasts for `margin` and is not `rejected`, by another station's renewal or by our own.

        Raises LoginNeeded: what `read_token` and `Owner.check` raise, token_not_renewable (path),
        token_rejected (path), token_grant_dead (path); AccountError: tokens_locked (path), token_lock_failed and
        token_unwritable (path, reason), token_folder_missing, token_folder_synchronised (path, program); what
        `TokenEndpoint.refresh` raises.
        """
        self._place.check_lockable()
        with self._place.locked():
            token = self._settle()
            if renewal_due(token, self.now(), margin):
                return self._renew(token)
            if token.access_token != rejected:
                return token
            if self._renewed_on_demand:  # Allegro refuses even a fresh token: yet another would not help either
                raise LoginNeeded("token_rejected", path=self.place)
            token = self._renew(token)
            self._renewed_on_demand = True
            return token

    def _renew(self, token: Token) -> Token:
        if token.refresh_token is None:
            raise LoginNeeded("token_not_renewable", path=self.place)
        try:
            self._place.check_writable(token)
        except OSError as error:
            problem = reason(error)
        else:
            return _undisturbed(functools.partial(self._exchange, token, token.refresh_token))
        raise AccountError("token_unwritable", path=self.place, reason=problem)

    def _exchange(self, token: Token, refresh_token: str) -> Token:
        try:
            grant = self._endpoint.refresh(refresh_token)
        except GrantRefused:
            grant = None
        if grant is None:
            return self._look_again(token)
        self._skew = grant.issued_at - self._endpoint.clock()
        if abs(self._skew) > SKEW_WORTH_A_WARNING:
            log.warning("the clock of this computer is off by %s", -self._skew)
        log.info("%s: renewed, valid until %s", self.place, grant.expires_at)
        renewed = replace(
            token,
            access_token=grant.access_token,
            refresh_token=grant.refresh_token,
            expires_at=grant.expires_at,
            refreshed_at=grant.issued_at,
            generation=token.generation + 1,
        )
        token = self._save(renewed)
        self._publish(token)
        return token

    def _publish(self, token: Token) -> None:
        publish(token, self._publish_to)
        self._unpublished = not is_published(token, self._publish_to)

    def _look_again(self, refused: Token) -> Token:
        """The refresh token is dead: has another station, past a lock that does not work, put a newer pair here?"""
        token = self._settle()
        if token.refresh_token == refused.refresh_token:
            raise LoginNeeded("token_grant_dead", path=self.place)
        if renewal_due(token, self.now()) and token.refresh_token is not None:
            return self._exchange(token, token.refresh_token)
        return token

    # --- file and spool

    def _held(self) -> Token | LoginNeeded:
        """The file's pair, or why there is none (the spool may mend that). Raises when it is somebody else's."""
        try:
            token = self._place.read()
        except LoginNeeded as error:
            return error
        return self._owner.check(token, self.place)

    def _owed(self, held: Token | LoginNeeded) -> Token | None:
        """The newer pair that the file still lacks, from a save that failed or was cut short."""
        pairs = [pair for pair in (self._unsaved, self._spool.find(self._place.key)) if pair and self._owner.owns(pair)]
        newest = max(pairs, key=lambda pair: pair.generation, default=None)
        return newest if newest and (isinstance(held, LoginNeeded) or supersedes(newest, held)) else None

    def _settle(self) -> Token:
        """Under the lock: the newest pair, put into the file if it was not there."""
        held = self._held()
        owed = self._owed(held)
        if owed is not None:
            log.warning("%s: putting back generation %d, not saved by an earlier run", self.place, owed.generation)
            return self._save(owed)
        if isinstance(held, LoginNeeded):
            raise held
        self._settled(held)
        return held

    def _settled(self, held: Token) -> None:
        self._unsaved = None
        spooled = self._spool.find(self._place.key)
        if spooled and self._owner.owns(spooled) and not supersedes(spooled, held):
            self._spool.drop(self._place.key)

    def _save(self, token: Token) -> Token:
        """Put `token` into spool and file. What the file then holds: a newer pair there is never overwritten.

        A pair that cannot be saved is still good for this run, and stays owed.
        """
        self._unsaved = token
        try:
            self._spool.put(self._place.key, token)
        except OSError as error:
            log.warning("%s: no copy of the new tokens on this computer: %s", self.place, reason(error))
        try:
            held = self._held()
            if isinstance(held, LoginNeeded) or supersedes(token, held):
                held = self._place.replace(token)
        except (OSError, AccountError, TokenTrouble) as error:
            log.error("%s: the new tokens are not saved yet: %s", self.place, error)
            return token
        self._settled(held)
        return held


def _undisturbed(job: Callable[[], Token]) -> Token:
    """`job()` in a thread of its own, which Ctrl+C does not reach: it ends this function after the job is over.

    Not by a pool of threads: one that is interrupted while it starts its thread does not wait for it.
    """
    outcome: futures.Future[Token] = futures.Future()

    def work() -> None:
        if not outcome.set_running_or_notify_cancel():
            return
        try:
            outcome.set_result(job())
        except BaseException as error:  # noqa: BLE001  (whatever it is, it is the caller's)
            outcome.set_exception(error)

    try:
        threading.Thread(target=work).start()
        return outcome.result()
    finally:
        if not outcome.cancel():  # it has begun, or is over
            futures.wait([outcome])


def write_new(
    place: TokenPlace,
    grant: Grant,
    *,
    environment: str,
    login: str,
    user_id: str,
    spool: Spool,
    publish_to: Path | None = None,
    replace_foreign: bool = False,
) -> Token:
    """Put `grant` into `place` (or take it over), the first pair after a login.

    The generation goes on from what was there, so that no forgotten spool entry of another computer can replace the
    new pair. Raises LoginNeeded token_other_login or token_other_environment (path, found, expected) when the tokens
    there are somebody else's and `replace_foreign` does not allow it; the lock's errors; AccountError
    token_unwritable (path, reason); TokenTrouble. The place is then as it was.
    """
    with place.locked():
        held = _readable(place)
        if held and not replace_foreign:
            Owner(environment, login).check(held, place.name)
        before = [pair for pair in (held, spool.find(place.key)) if pair]
        token = Token(
            access_token=grant.access_token,
            refresh_token=grant.refresh_token,
            expires_at=grant.expires_at,
            environment=environment,
            refreshed_at=grant.issued_at,
            login=login,
            user_id=user_id,
            generation=1 + max((pair.generation for pair in before), default=0),
        )
        try:
            place.replace(token)
        except OSError as error:
            problem = reason(error)
        else:
            spool.drop(place.key)
            publish(token, publish_to)
            return token
    raise AccountError("token_unwritable", path=place.name, reason=problem)


def _readable(place: TokenPlace) -> Token | None:
    with contextlib.suppress(AccountError):
        return place.read()
    return None
