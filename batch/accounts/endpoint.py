"""POST /auth/oauth/token: the refresh token goes in, a checked pair comes out, or an error that says what is certain.

An answer that got lost is no disaster: Allegro accepts the old refresh token for 60 seconds after its first use
(#4136). So the same request is sent again at once, while there is time. Everything that may pass by itself (429,
5xx, no answer, an answer that is no JSON) is an ApiError; only `invalid_grant` means that the token is dead.
Allegro repeats the refresh token in `error_description`, so no text of an answer goes into an error or the log.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import NewConnectionError

from batch.accounts.token_file import is_secret
from batch.errors import AccountError, ApiError, Forbidden, NoAnswer, ServerTrouble, TooMany

PATIENCE = timedelta(seconds=45)
"""No attempt begins later than this after the first: below the 60 seconds with room for a slow connection."""

WAITS = (0.5, 1, 2, 4, 8)
"""Seconds between the attempts; a `Retry-After` that fits into PATIENCE overrules them."""

TIMEOUT = (5, 10)
"""Seconds to connect and to wait for the next byte; Allegro answers in less than one."""

MAX_BYTES = 50_000
"""A pair has 4 KB."""

MAX_LIFE = 10 * 365 * 86_400

log = logging.getLogger(__name__)


class RefreshRefused(Exception):
    """`invalid_grant`: this refresh token is dead. Whether a person must log in is for the caller to find out."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A pair as Allegro issued it. `issued_at` and `expires_at` are UTC by Allegro's clock, or ours if it sent none."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where one environment's tokens are issued. `secret` is asked only when a token is renewed."""

    auth_url: str
    client_id: str
    secret: Callable[[], str] = field(repr=False)
    session: requests.Session = field(repr=False)
    clock: Callable[[], datetime] = field(repr=False)
    sleep: Callable[[float], None] = field(repr=False)

    def refresh(self, refresh_token: str) -> Grant:
        """The next pair for `refresh_token`.

        Raises RefreshRefused; AccountError client_refused (client_id, error) or Forbidden token_forbidden;
        TooMany, ServerTrouble or NoAnswer when it did not recover in time; SettingsError when the secret is missing.
        """
        credentials = HTTPBasicAuth(self.client_id.encode(), self.secret().encode())
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        begun = self.clock()
        for wait in (*WAITS, math.inf):
            try:
                return self._ask(form, credentials)
            except ApiError as error:
                pause = wait if error.retry_after is None else max(wait, error.retry_after)
                if self.clock() - begun + timedelta(seconds=min(pause, MAX_LIFE)) > PATIENCE:
                    raise
                log.warning("token endpoint: %s; the same request again in %.1f s", error.code, pause)
            self.sleep(pause)
        raise AssertionError  # pragma: no cover  (the last wait is infinite, so the loop has returned or raised)

    def _ask(self, form: dict[str, str], credentials: HTTPBasicAuth) -> Grant:
        asked_at = self.clock()
        try:
            with self.session.post(
                f"{self.auth_url}/auth/oauth/token",
                data=form,
                auth=credentials,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = _json(body_of(response, self.clock))
        except requests.RequestException as error:
            sent = not _never_left(error)
        else:
            return self._read(response, answer, asked_at)
        raise NoAnswer("token_no_answer", sent=sent, host=self.auth_url)  # out here: without the request as its context

    def _read(self, response: requests.Response, answer: dict[str, Any], asked_at: datetime) -> Grant:
        """What the answer means: a Grant, or the error that `refresh` documents."""
        status, error = response.status_code, answer.get("error")
        facts: dict[str, Any] = {"status": status, "trace_id": response.headers.get("trace-id"), "host": self.auth_url}
        if status == 200:
            grant = parse_grant(answer, _date(response.headers.get("Date")) or asked_at)
            if grant is None:
                raise ServerTrouble("token_answer_invalid", **facts)
            return grant
        if status in {400, 401} and error == "invalid_grant":
            raise RefreshRefused
        if status in {400, 401} and error in _CLIENT_ERRORS:
            raise AccountError("client_refused", client_id=self.client_id, host=self.auth_url, error=error)
        if status == 403:
            raise Forbidden("token_forbidden", host=self.auth_url)
        retry_after = _retry_after(response.headers.get("Retry-After"), asked_at)
        if status == 429:
            raise TooMany("token_too_many", retry_after=retry_after, **facts)
        raise ServerTrouble("token_trouble", retry_after=retry_after, **facts)


_CLIENT_ERRORS = {
    "access_denied",
    "invalid_client",
    "invalid_request",
    "invalid_scope",
    "unauthorized",
    "unauthorized_client",
    "unsupported_grant_type",
}
"""What OAuth says about the application rather than the token. Anything else may be an echo, or pass by itself."""


def parse_grant(answer: Mapping[str, Any], issued_at: datetime) -> Grant | None:
    """The pair in `answer`, whose lifetime may be a number or its digits; None when something is missing."""
    access_token, refresh_token, life = (answer.get(key) for key in ("access_token", "refresh_token", "expires_in"))
    if isinstance(life, str) and re.fullmatch(r"[0-9]{1,10}", life):
        life = int(life)
    if not isinstance(life, int) or isinstance(life, bool) or not 0 < life <= MAX_LIFE:
        return None
    if not (is_secret(access_token) and is_secret(refresh_token)):
        return None
    return Grant(access_token, refresh_token, issued_at, issued_at + timedelta(seconds=life))


def body_of(response: requests.Response, clock: Callable[[], datetime]) -> bytes:
    """The body; blank when it is longer than MAX_BYTES or takes longer than one more TIMEOUT."""
    body, begun = bytearray(), clock()
    for byte in response.iter_content(1):  # byte by byte, or a server that drips would hold us for ever
        body += byte
        if len(body) > MAX_BYTES or clock() - begun > timedelta(seconds=TIMEOUT[1]):
            return b""
    return bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        answer = json.loads(body)
        if isinstance(answer, dict):
            return answer
    return {}


def _date(header: str | None) -> datetime | None:
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(header or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None


def _retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds until another attempt is welcome; the header gives seconds or a date."""
    if header and re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return float(header)
    moment = _date(header)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _never_left(error: requests.RequestException) -> bool:
    """Whether the connection was never made, so that the refresh token is certainly unused."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)
