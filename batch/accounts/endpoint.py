"""POST /auth/oauth/token and /device: a one-time key goes in, a checked pair comes out, or an error that is certain.

An answer that got lost is no disaster: Allegro accepts the old refresh token for 60 seconds after its first use
(#4136). So the same request is sent again at once, while there is time. Everything that may pass by itself (429,
5xx, no answer, an answer that is no JSON) is an ApiError; only `invalid_grant` means that the key is dead.
Allegro repeats the refresh token in `error_description`, so no text of an answer goes into an error or the log.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.exceptions import HTTPError, NewConnectionError

from batch.accounts.token_file import is_secret
from batch.errors import AccountError, ApiError, Forbidden, NoAnswer, ServerTrouble, TooMany

PATIENCE = timedelta(seconds=45)
"""No attempt begins later than this after the first: below the 60 seconds with room for a slow connection."""

CODE_PATIENCE = timedelta(seconds=8)
"""The same for an authorization code, which lives 10 seconds."""

WAITS = (0.5, 1, 2, 4, 8)
"""Seconds between the attempts, the last again and again; a `Retry-After` that fits into PATIENCE overrules them."""

TIMEOUT: tuple[float, float] = (5, 10)
"""Seconds to connect and to wait for the next byte; Allegro answers in less than one."""

BROKEN = (requests.RequestException, HTTPError, ValueError)
"""What a connection or an answer that breaks off raises; ValueError is that of a chunk of a negative length."""

MAX_BYTES = 50_000
"""A pair has 4 KB."""

MAX_LIFE = 10 * 365 * 86_400
UNKNOWN_LIFE = 3600  # seconds; a whole pair is never thrown away for want of its lifetime

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class GrantRefused(Exception):
    """What was offered for tokens is no good, for now or for ever: `error` as in OAuth, one of those we know.

    Whether a person must log in is for the caller to find out.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Grant:
    """A pair as Allegro issued it. `issued_at` and `expires_at` are UTC by Allegro's clock, or ours if it sent none."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person types at `address` (`user_code`), and what we ask with meanwhile, every `interval` seconds."""

    user_code: str
    device_code: str = field(repr=False)
    address: str
    expires_in: int
    interval: int


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where one environment's tokens are issued. `secret` is asked only when it is needed."""

    auth_url: str
    client_id: str
    secret: Callable[[], str] = field(repr=False)
    session: requests.Session = field(repr=False)
    clock: Callable[[], datetime] = field(repr=False)
    sleep: Callable[[float], None] = field(repr=False)

    def refresh(self, refresh_token: str) -> Grant:
        """The next pair for `refresh_token`.

        Raises GrantRefused; AccountError client_refused (client_id, error); TooMany, ServerTrouble or NoAnswer when it
        did not recover in time; SettingsError when the secret is missing. A blocked address, too, is ServerTrouble
        (token_forbidden): it passes by itself, and nobody has to log in.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        basic = self._basic()
        try:
            return self._persist(PATIENCE, lambda: self._grant(form, basic))
        except Forbidden as error:
            blocked = ServerTrouble(error.code, **error.facts)
        raise blocked

    def exchange_code(self, code: str, redirect_uri: str, verifier: str) -> Grant:
        """The first pair after a login in the browser. With PKCE the verifier stands in for the secret.

        Raises as `refresh`, but for a blocked address Forbidden token_forbidden.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.client_id,
            "code_verifier": verifier,
        }
        return self._persist(CODE_PATIENCE, lambda: self._grant(form, _NO_CREDENTIALS))

    def start_device(self) -> DeviceCode:
        """Begin the login of a computer without a browser. Raises as `exchange_code`, but no GrantRefused."""
        basic = self._basic()
        return self._persist(PATIENCE, lambda: self._device(basic))

    def poll_device(self, device_code: str) -> Grant:
        """The first pair, once the person has consented; asks once. Raises as `exchange_code`.

        GrantRefused has one of DEVICE_REFUSALS; "" is an answer 400 that we do not know, after which nothing comes.
        """
        form = {"grant_type": DEVICE_GRANT, "device_code": device_code}
        return self._grant(form, self._basic(), DEVICE_REFUSALS)

    def _basic(self) -> AuthBase:
        return HTTPBasicAuth(self.client_id.encode(), self.secret().encode())

    def _persist(self, patience: timedelta, ask: Callable[[], _T]) -> _T:
        begun, waits = self.clock(), itertools.chain(WAITS, itertools.repeat(WAITS[-1]))
        while True:
            try:
                return ask()
            except ApiError as error:
                wait = next(waits)
                pause = wait if error.retry_after is None else max(wait, error.retry_after)
                if self.clock() - begun + timedelta(seconds=min(pause, MAX_LIFE)) > patience:
                    raise
                log.warning("token endpoint: %s; the same request again in %.1f s", error.code, pause)
            self.sleep(pause)

    def _grant(
        self, form: dict[str, str], auth: AuthBase, refusals: frozenset[str] = frozenset({"invalid_grant"})
    ) -> Grant:
        reply = self._post("token", form, auth, refusals)
        return parse_grant(reply.answer, answered_at(reply.headers) or reply.asked_at, **reply.facts)

    def _device(self, auth: AuthBase) -> DeviceCode:
        reply = self._post("device", {"client_id": self.client_id}, auth, frozenset())
        answer = reply.answer
        address = answer.get("verification_uri_complete") or answer.get("verification_uri")
        device_code = answer.get("device_code")
        user_code = re.sub(r"[\s-]", "", str(answer.get("user_code", "")))
        expires_in, interval = whole(answer.get("expires_in")), whole(answer.get("interval")) or DEVICE_INTERVAL
        if expires_in is None or not (is_secret(user_code) and is_secret(device_code) and is_secret(address)):
            raise ServerTrouble("token_answer_invalid", **reply.facts)
        return DeviceCode(user_code, device_code, address, expires_in, interval)

    def _post(self, place: str, form: dict[str, str], auth: AuthBase, refusals: frozenset[str]) -> _Reply:
        """One request. What comes back is a success; anything else raises what `refresh` documents."""
        asked_at = self.clock()
        try:
            with self.session.post(
                f"{self.auth_url}/auth/oauth/{place}",
                data=form,
                auth=auth,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = _json(body_of(response))
        except BROKEN as error:
            sent = not _never_left(error)
        else:
            reply = _Reply(response.status_code, answer, response.headers, asked_at, self.auth_url)
            self._check(reply, refusals)
            return reply
        raise NoAnswer("token_no_answer", sent=sent, host=self.auth_url)  # out here: without the request as its context

    def _check(self, reply: _Reply, refusals: frozenset[str]) -> None:
        status, error = reply.status, reply.answer.get("error")
        if status == 200:
            return
        if status in {400, 401} and error in refusals:
            raise GrantRefused(str(error))
        if status in {400, 401} and error in _CLIENT_ERRORS:
            raise AccountError("client_refused", client_id=self.client_id, host=self.auth_url, error=error)
        if status == 400 and refusals is DEVICE_REFUSALS:
            raise GrantRefused("")
        if status == 403:
            raise Forbidden("token_forbidden", host=self.auth_url)
        retry_after = _retry_after(reply.headers.get("Retry-After"), reply.asked_at)
        if status == 429:
            raise TooMany("token_too_many", retry_after=retry_after, **reply.facts)
        raise ServerTrouble("token_trouble", retry_after=retry_after, **reply.facts)


DEVICE_REFUSALS = frozenset(
    {"authorization_pending", "slow_down", "access_denied", "invalid_grant", "expired_token", "Invalid device code"}
)
"""What the endpoint says to a device before, instead of and after the pair; the last one is written like that."""

DEVICE_INTERVAL = 5
"""Seconds between two questions where Allegro names none (RFC 8628)."""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    answer: dict[str, Any] = field(repr=False)
    headers: Mapping[str, str]
    asked_at: datetime
    host: str

    @property
    def facts(self) -> dict[str, Any]:
        return {"status": self.status, "trace_id": self.headers.get("trace-id"), "host": self.host}


class _NoCredentials(AuthBase):
    """Instead of None, with which `requests` would send what a .netrc file holds for the host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


_NO_CREDENTIALS = _NoCredentials()


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


def parse_grant(answer: Mapping[str, Any], issued_at: datetime, **facts: Any) -> Grant:
    """The pair in `answer`, whose lifetime may be a number or its digits, or left out (RFC 6749, 5.1).

    A lifetime that makes no sense counts as left out: the pair is good all the same. Raises ServerTrouble
    token_answer_invalid (`facts`: host, and what else is known) when something else is missing.
    """
    access_token, refresh_token = answer.get("access_token"), answer.get("refresh_token")
    life = whole(answer.get("expires_in")) or UNKNOWN_LIFE
    if not (is_secret(access_token) and is_secret(refresh_token)):
        raise ServerTrouble("token_answer_invalid", **facts)
    return Grant(access_token, refresh_token, issued_at, issued_at + timedelta(seconds=life))


def whole(value: Any) -> int | None:
    """Seconds, as a number or its digits (Allegro may send either); None for anything but a sensible one."""
    digits = isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value)
    if digits or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_LIFE else None


def body_of(response: requests.Response) -> bytes:
    """The body; blank when it is longer than MAX_BYTES."""
    body = bytearray()
    for part in response.iter_content(4096):
        body += part
        if len(body) > MAX_BYTES:
            return b""
    return bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        answer = json.loads(body)
        if isinstance(answer, dict):
            return answer
    return {}


def answered_at(headers: Mapping[str, str]) -> datetime | None:
    """The server's clock when it answered (UTC, whole seconds), if it said so."""
    return _date(headers.get("Date"))


def _date(header: str | None) -> datetime | None:
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(header or "")
        moment + timedelta(seconds=MAX_LIFE)  # at the end of the calendar there is no room for a lifetime
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None


def _retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds until another attempt is welcome; the header gives seconds or a date."""
    if header and re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return float(header)
    moment = _date(header)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _never_left(error: Exception) -> bool:
    """Whether the connection was never made, so that the refresh token is certainly unused."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)
