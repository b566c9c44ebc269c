"""One account's requests to Allegro's API: headers, token, limits of size and time, errors as types.

Redirects are never followed: the 303 of a finished operation would look like an offer (#9335), and a token
must not travel to another host. Answers are read through a cap, within a deadline. Nothing secret is logged.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import requests
import urllib3

from batch.allegro import retry
from batch.allegro.allowance import Limit
from batch.allegro.http import connections, new_http
from batch.allegro.pace import (
    OTHER_CHANGES_PER_HOUR,
    OWN_LEASE,
    PRICE_CHANGES_PER_HOUR,
    SUSPECTED_BLOCK,
    Budget,
    Lanes,
    Ledger,
)
from batch.clock import Clock
from batch.errors import (
    ApiError,
    BatchError,
    Forbidden,
    LoginNeeded,
    NoAnswer,
    Rejected,
    ServerTrouble,
    TokenTrouble,
    TooMany,
)

PUBLIC = "application/vnd.allegro.public.v1+json"
BETA = "application/vnd.allegro.beta.v1+json"
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
SURE_SECONDS = 5.0  # so long after a call was decided on, the seller is taken to be ours still
MAX_ANSWER_BYTES = 64 * 1024 * 1024
BROKEN = (urllib3.exceptions.HTTPError, OSError, ValueError)
"""What a call that comes to nothing raises; ValueError is a header that cannot be sent, or a chunk of -5 bytes."""
LANGUAGES = {"pl": "pl-PL", "en": "en-US"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A success (2xx) or a 303. `data` is the parsed JSON, None for an empty body."""

    status: int
    data: Any
    trace_id: str | None
    location: str | None = None
    retry_after: float | None = None


@contextmanager
def understanding(answer: Answer) -> Iterator[None]:
    """An answer of another shape than Allegro documents is trouble of the server, not a bug of ours."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ServerTrouble("answer_unusable", status=answer.status, trace_id=answer.trace_id) from error


class AccessTokens(Protocol):
    """Where an account's access token comes from."""

    def access_token(self) -> str:
        """A token that is valid now. Raises LoginNeeded, or ApiError when it cannot be renewed just now."""

    def replace(self, rejected: str) -> str:
        """Another token than `rejected`, which Allegro refused. Raises as `access_token`."""


@dataclass
class Traffic:
    """What the budgets of one account are: all requests of its client id, its own writes, and the offers that its
    commands change, by the hour's limit they are under.

    In its `line` one write at a time waits for its turn in `requests`, so that sellers take turns there.
    """

    requests: Budget
    writes: Budget
    price_changes: Budget
    other_changes: Budget
    lanes: Lanes
    line: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(
        cls,
        ledger: Ledger,
        clock: Clock,
        seller: str,
        requests: Budget,
        *,
        writes_per_minute: int = 2490,
        writes_per_hour: int = 74_700,
        changes_per_minute: int = 9000,
    ) -> Traffic:
        """The budgets of `seller` as the ledger has them, below those `requests` it shares with other sellers."""

        def changes(kind: str, per_hour: int) -> Budget:
            limit = Limit(changes_per_minute, per_hour, kind=kind, heavy=True)
            return Budget(ledger, clock, f"changes of {seller}", limit)

        limit = Limit(writes_per_minute, writes_per_hour)
        return cls(
            requests=requests,
            writes=Budget(ledger, clock, f"writes of {seller}", limit, lease=OWN_LEASE),
            price_changes=changes("price", PRICE_CHANGES_PER_HOUR),
            other_changes=changes("other", OTHER_CHANGES_PER_HOUR),
            lanes=Lanes(per_minute=writes_per_minute),
        )

    def take(self, budget: Budget | None, weight: int) -> None:
        """Wait for the turn of a request, which only asks when it has no budget of its own."""
        if budget is None:
            self.requests.take(asking=True)
            return
        budget.take(weight)
        with self.line:
            self.requests.take()

    def charge(self, budget: Budget | None) -> None:
        """A request failed, and failures weigh more (#13528)."""
        for charged in (self.requests, budget):
            if charged is not None:
                charged.charge()

    def hold(self, seconds: float) -> None:
        """Nothing is written for this long."""
        for budget in (self.writes, self.price_changes, self.other_changes):
            budget.hold(seconds)

    def refused(self, seconds: float) -> None:
        """There was too much, of this seller or of its whole client id; the answer does not tell which (#10696).

        So other sellers are held for a moment only. Those of a blocked client id soon get the same answer.
        """
        self.hold(seconds)
        self.requests.hold(min(seconds, SUSPECTED_BLOCK))


@dataclass
class ApiSession:
    """All calls of one account. Safe to use from several threads.

    `still_ours` raises JournalError when another run may be at work on this seller by now. It is asked before a write
    that had to wait: what was decided on may have been looked up and sent by the other one meanwhile.
    """

    api_url: str
    account: str
    user_agent: str
    language: str
    tokens: AccessTokens
    traffic: Traffic
    clock: Clock
    http: requests.Session = field(default_factory=new_http)
    jitter: Callable[[], float] = random.random
    still_ours: Callable[[], None] = lambda: None

    def get(
        self,
        path: str,
        params: Mapping[str, str | int | Sequence[str]] | None = None,
        *,
        patience: float = retry.PATIENCE,
    ) -> Answer:
        """A call that changes nothing; repeated through passing trouble for `patience` seconds at most.

        Raises Rejected, TooMany, ServerTrouble, NoAnswer, LoginNeeded, Forbidden.
        """
        return self._persist("GET", path, params=params, safe=True, patience=patience)

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """A call that makes something; sent again only when it was certainly not processed.

        Raises as `get`. After ServerTrouble or NoAnswer with `sent` it may have been processed; after JournalError it
        was not.
        """
        return self._persist("POST", path, body=body, safe=False, patience=retry.PATIENCE)

    def patch(self, path: str, body: Mapping[str, Any]) -> Answer:
        """A change to values that do not depend on those before, so that sending it twice does no harm.

        Raises as `get`.
        """
        return self._persist("PATCH", path, body=body, safe=True, patience=retry.PATIENCE)

    def delete(self, path: str) -> Answer:
        """Raises as `get`; Rejected with 404 may mean that an earlier attempt did it."""
        return self._persist("DELETE", path, safe=True, patience=retry.PATIENCE)

    def command(self, method: str, path: str, body: Mapping[str, Any], *, budget: Budget, changes: int) -> Answer:
        """A PUT or POST that carries an id of ours, by which Allegro knows it again: sent again through trouble.

        `changes`, the number of offers it changes, is what it takes from `budget`. Raises as `get`; Rejected with
        409 means that it is there already. After JournalError an earlier attempt may have come through.
        """
        media_type = BETA if method == "POST" else PUBLIC
        call = {"body": body, "media_type": media_type, "budget": budget, "weight": changes}
        return self._persist(method, path, safe=True, patience=retry.PATIENCE, **call)

    def ease(self, seconds: float) -> None:
        """Allegro is in trouble: nothing is written for this long, then one at a time until it answers again.

        Only this seller is held: the requests of the client id are shared with accounts that may be well.
        """
        self.traffic.lanes.narrow()
        self.traffic.hold(seconds)

    def _persist(self, method: str, path: str, *, safe: bool, patience: float, **call: Any) -> Answer:
        started = self.clock.monotonic()
        attempt, lost = 0, False
        if method != "GET":
            call["sure_until"] = started + SURE_SECONDS
        while True:
            attempt += 1
            begun = self.clock.monotonic()
            try:
                return self._with_token(method, path, **call)
            except BatchError as error:
                lost = error.lost = lost or error.lost
                if not isinstance(error, ApiError):
                    raise
                if isinstance(error, TooMany):
                    self.traffic.lanes.halve(begun=begun, now=self.clock.monotonic())
                wait = retry.seconds_to_wait(attempt, retry_after=error.retry_after, jitter=self.jitter())
                now = self.clock.monotonic()
                over = (now - started) + wait + (now - begun)  # should the next attempt take as long as this one
                if not retry.may_send_again(error, safe=safe) or over > retry.patience_with(error, patience):
                    raise
                log.info("%s %s: %s, again in %.1f s", method, path, error.code, wait)
                if isinstance(error, TooMany):
                    self.traffic.refused(wait)
                self.clock.sleep(wait)

    def _with_token(self, method: str, path: str, **call: Any) -> Answer:
        token = self._token(self.tokens.access_token)
        answer = self._once(method, path, token=token, **call)
        if answer is None:
            answer = self._once(method, path, token=self._token(self.tokens.replace, token), **call)
        if answer is None:
            raise LoginNeeded("login_needed", account=self.account)
        return answer

    def _token(self, source: Callable[..., str], *rejected: str) -> str:
        try:
            return source(*rejected)
        except ApiError as error:  # the token endpoint's trouble says nothing about the call it was for
            raise TokenTrouble(error.code, **{**error.facts, "account": self.account}) from error

    def _once(
        self,
        method: str,
        path: str,
        *,
        token: str,
        params: Any = None,
        body: Any = None,
        media_type: str = PUBLIC,
        budget: Budget | None = None,
        weight: int = 1,
        sure_until: float = math.inf,
    ) -> Answer | None:
        """One request; None when Allegro does not accept the token."""
        headers = {
            "Accept": media_type,
            "Accept-Encoding": "gzip, deflate",
            "Accept-Language": LANGUAGES[self.language],
            "Authorization": f"Bearer {token}",
            "User-Agent": self.user_agent,
        }
        data = None
        if body is not None:
            headers["Content-Type"] = media_type
            data = json.dumps(body, ensure_ascii=False).encode()
        target = f"{path}?{urlencode(params, doseq=True)}" if params else path
        traffic = self.traffic
        if budget is None and method != "GET":
            budget = traffic.writes
        with traffic.lanes.lane(asking=budget is None):
            traffic.take(budget, weight)
            begun = self.clock.monotonic()
            if begun > sure_until:
                self.still_ours()
            status, answer_headers, content = self._exchange(f"{method} {path}", method, target, data, headers)
            traffic.lanes.answered(self.clock.monotonic() - begun)
        log.debug("%s %s -> %s (trace-id %s)", method, path, status, answer_headers.get("trace-id"))
        if status == 401:
            return None
        if status >= 400:
            traffic.charge(budget)
        return self._understand(status, answer_headers, content, f"{method} {path}")

    def _exchange(
        self, call: str, method: str, target: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            response = self.pool.urlopen(
                method,
                urlsplit(self.api_url).path + target,
                body=data,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            )
            try:
                if response.status < 200:  # interim (102, 103): the final answer is still to come on this connection
                    raise NoAnswer("no_answer", sent=True, call=call, reason=f"HTTP {response.status}")
                content = self._read(response, call)
            except BaseException:
                response.close()  # what else comes through this connection belongs to no call
                raise
            response.release_conn()
        except BROKEN as error:
            raise NoAnswer("no_answer", sent=_was_sent(error), call=call, reason=type(error).__name__) from error
        else:
            return response.status, response.headers, content

    @functools.cached_property
    def pool(self) -> urllib3.HTTPConnectionPool:
        """The connections to Allegro."""
        return connections(self.http, self.api_url)

    def _read(self, response: urllib3.BaseHTTPResponse, call: str) -> bytes:
        content = bytearray()
        while chunk := response.read1(65536, decode_content=True):  # what is there, not waiting for so many bytes
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise ServerTrouble("answer_unusable", status=response.status, call=call)
        return bytes(content)

    def _understand(self, status: int, headers: Mapping[str, str], content: bytes, call: str) -> Answer:
        trace_id = headers.get("trace-id")
        facts: dict[str, Any] = {"status": status, "trace_id": trace_id, "call": call}
        try:
            data = _json(content) if content.strip() else None
        except (ValueError, RecursionError):
            data = _UNREADABLE
        if status < 300 or status == 303:
            if data is _UNREADABLE:
                raise ServerTrouble("answer_unusable", **facts)
            return Answer(status, data, trace_id, headers.get("location"), _seconds(headers.get("retry-after")))
        errors = data.get("errors") if isinstance(data, dict) else None
        errors = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
        if status == 403:
            raise Forbidden("forbidden", account=self.account, errors=errors, trace_id=trace_id)
        if status == 429:
            retry_after = _seconds(headers.get("retry-after"))
            raise TooMany("rate_limited", errors=errors, retry_after=retry_after, **facts)
        if 400 <= status < 500:
            raise Rejected("call_refused", errors=errors, **facts)
        raise ServerTrouble("server_trouble", errors=errors, retry_after=_seconds(headers.get("retry-after")), **facts)


_UNREADABLE = object()
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # of a character outside the basic plane, as JSON may write it


def _json(content: bytes) -> Any:
    """What an answer says, every text of it fit to be written again. Raises ValueError or RecursionError."""
    data = json.loads(content.decode("utf-8-sig"))
    if _HALF.search(content):  # alone, it cannot be written into any file or database
        text = json.dumps(data, ensure_ascii=False).encode("utf-16", "surrogatepass")
        data = json.loads(text.decode("utf-16", "replace"))
    return data


def _was_sent(error: Exception) -> bool:
    """False only when it is certain that no byte of the request arrived."""
    return not isinstance(error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; the form with a date is not used by Allegro and is ignored."""
    try:
        seconds = float(header) if header is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < 86_400 else None
