"""The decisions about tokens, as pure functions of tokens and the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from batch.accounts.token_file import Token
from batch.errors import LoginNeeded

MARGIN = timedelta(minutes=5)
"""Renew when less is left: longer than any request with its repeats (3 minutes) and than most clocks are wrong,
and a hundredth of the 12 hours, since each renewal kills the token that other stations hold."""


def renewal_due(token: Token, now: datetime, margin: timedelta = MARGIN) -> bool:
    """Whether less than `margin` is left; of a token that lives only minutes, half its life is enough."""
    if token.refreshed_at is not None and token.expires_at > token.refreshed_at:
        margin = min(margin, (token.expires_at - token.refreshed_at) / 2)
    return token.expires_at - now < margin


def expired(token: Token, now: datetime) -> bool:
    """Whether Allegro accepts it no longer, by the clock."""
    return token.expires_at <= now


def supersedes(token: Token, held: Token) -> bool:
    """Whether `token` may take the place of `held` in the token file: an older pair is dead, or soon will be.

    One of a higher generation is older all the same where somebody has logged in anew since, into an empty place.
    """
    older, newer = token.refreshed_at, held.refreshed_at
    linked_since = older is not None and newer is not None and newer - older > MARGIN
    return token.generation > held.generation and not linked_since


class Owner:
    """Whose tokens an account uses. Where the login is not known from an earlier run, the first token sets it."""

    def __init__(self, environment: str, login: str | None = None) -> None:
        self.environment = environment
        self.login = login or None

    def check(self, token: Token, place: str) -> Token:
        """`token`, read at `place`, if it is this owner's.

        Raises LoginNeeded token_other_environment or token_other_login (path, found, expected).
        """
        mismatch = self._mismatch(token)
        if mismatch:
            kind, found, expected = mismatch
            raise LoginNeeded(f"token_other_{kind}", path=place, found=found, expected=expected)
        self.login = self.login or token.login
        return token

    def owns(self, token: Token) -> bool:
        """Whether `check` would let `token` pass."""
        return self._mismatch(token) is None

    def _mismatch(self, token: Token) -> tuple[str, str, str] | None:
        if token.environment.casefold() != self.environment.strip().casefold():
            return "environment", token.environment, self.environment
        if self.login and token.login and token.login.casefold() != self.login.strip().casefold():
            return "login", token.login, self.login
        return None
