"""Who may do what: codes, token pairs with single-use refresh tokens, devices. Rules only, no HTTP.

A refresh token works once, and for 60 seconds more after its first use, so that a lost answer can be
asked for again (#4136). Each renewal kills the previous access token (#5202). In one respect this is
stricter than Allegro is known to be: a second renewal with the same token also kills the pair that the
first one gave, so that two stations that renew at the same time notice it here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from batch.simulator.clock import Clock

SCOPES = (
    "allegro:api:profile:read allegro:api:sale:offers:read allegro:api:sale:offers:write "
    "allegro:api:sale:settings:read allegro:api:orders:read"
)
SESSIONS_PER_SELLER = 20


class TokenRefused(Exception):
    """The token endpoint answers 400 with `error` and `error_description`."""

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.description = description


@dataclass
class Lifetimes:
    """Seconds of simulated time; may be changed while the simulator runs."""

    access_token: int = 43199
    refresh_token: int = 90 * 24 * 3600
    refresh_grace: float = 60.0
    code: float = 10.0
    device_code: int = 3600
    device_interval: int = 5


@dataclass(slots=True)
class Pair:
    """An access and a refresh token that were issued together."""

    access: str
    refresh: str
    session: str
    seller_id: str
    client_id: str
    access_until: float
    refresh_until: float
    expires_in: int
    used_at: float | None = None
    access_dead: bool = False
    successor: Pair | None = None


@dataclass(slots=True)
class Code:
    """An authorization code on its way to the token endpoint."""

    client_id: str
    seller_id: str
    redirect_uri: str
    challenge: str
    until: float


@dataclass(slots=True)
class Device:
    """A device that waits for a person's consent. `seller_id` None: not yet; "": refused."""

    device_code: str
    user_code: str
    client_id: str
    until: float
    seller_id: str | None = None
    polled_at: float | None = None


@dataclass
class Tokens:
    """All codes and tokens that were ever issued."""

    clock: Clock
    lifetimes: Lifetimes
    renewals: int = 0
    _by_access: dict[str, Pair] = field(default_factory=dict)
    _by_refresh: dict[str, Pair] = field(default_factory=dict)
    _codes: dict[str, Code] = field(default_factory=dict)
    _devices: dict[str, Device] = field(default_factory=dict)
    _sessions: dict[str, list[str]] = field(default_factory=dict)

    def code(self, client_id: str, seller_id: str, redirect_uri: str, challenge: str) -> str:
        """A single-use code for the redirect after consent."""
        code = secrets.token_urlsafe(24)
        until = self.clock.monotonic() + self.lifetimes.code
        self._codes[code] = Code(client_id, seller_id, redirect_uri, challenge, until)
        return code

    def by_code(self, client_id: str, code: str, redirect_uri: str, verifier: str) -> Pair:
        """Exchange a code. A code that was made with a challenge needs its verifier, others must not bring one."""
        found = self._codes.pop(code, None)
        if found is None or found.client_id != client_id or found.until < self.clock.monotonic():
            raise TokenRefused("invalid_grant", f"Invalid authorization code: {code}")
        if found.redirect_uri != redirect_uri:
            raise TokenRefused("invalid_grant", "Redirect URI mismatch.")
        if found.challenge != (_challenge(verifier) if verifier else ""):
            raise TokenRefused("invalid_grant", "Code verifier does not match the code challenge.")
        return self.issue(client_id, found.seller_id)

    def issue(self, client_id: str, seller_id: str, expires_in: int | None = None) -> Pair:
        """A new session of a seller; the oldest one dies when there are too many."""
        session = secrets.token_hex(8)
        sessions = self._sessions.setdefault(seller_id, [])
        sessions.append(session)
        if len(sessions) > SESSIONS_PER_SELLER:
            self._end(sessions.pop(0))
        return self._pair(session, seller_id, client_id, expires_in)

    def renew(self, client_id: str, refresh: str) -> Pair:
        """A new pair for a refresh token. Raises TokenRefused, echoing the token as Allegro does."""
        pair, now = self._by_refresh.get(refresh), self.clock.monotonic()
        too_late = pair and pair.used_at is not None and now > pair.used_at + self.lifetimes.refresh_grace
        if pair is None or pair.client_id != client_id or too_late or pair.refresh_until < now:
            raise TokenRefused("invalid_grant", f"Invalid refresh token: {refresh}")
        pair.used_at = now if pair.used_at is None else pair.used_at
        pair.access_dead = True
        if pair.successor:
            self._kill(pair.successor)
        pair.successor = self._pair(pair.session, pair.seller_id, client_id, None)
        self.renewals += 1
        return pair.successor

    def whose(self, access: str) -> Pair | None:
        """The pair of an access token that is valid now."""
        pair = self._by_access.get(access)
        if pair is None or pair.access_dead or pair.access_until < self.clock.monotonic():
            return None
        return pair

    def renewed_by(self, form: str) -> Pair | None:
        """The pair that a request for its successor names."""
        return self._by_refresh.get(dict(parse_qsl(form)).get("refresh_token", ""))

    def knows(self, access: str) -> bool:
        """Whether this access token was issued here, valid or not."""
        return access in self._by_access

    def expire_access(self, access: str) -> None:
        """Kill one access token; its refresh token stays."""
        if access in self._by_access:
            self._by_access[access].access_dead = True

    def revoke_session(self, access: str) -> None:
        """Kill every token that was issued since the login that this access token comes from."""
        if access in self._by_access:
            self._end(self._by_access[access].session)

    def revoke(self, seller_id: str) -> None:
        """Kill every token of a seller, as a changed password does."""
        for session in self._sessions.pop(seller_id, []):
            self._end(session)

    def device(self, client_id: str) -> Device:
        """Start the device flow."""
        letters = secrets.randbelow(10**9)
        until = self.clock.monotonic() + self.lifetimes.device_code
        device = Device(secrets.token_urlsafe(24), f"{letters:09d}", client_id, until)
        self._devices[device.device_code] = device
        return device

    def decide_device(self, user_code: str, seller_id: str) -> bool:
        """A person answers for a device; "" refuses. False when no such device waits."""
        for device in self._devices.values():
            if device.user_code == user_code.replace(" ", "") and device.seller_id is None:
                device.seller_id = seller_id
                return True
        return False

    def by_device(self, client_id: str, device_code: str) -> Pair:
        """Poll for a device. Raises TokenRefused until the person consented, and after the one success."""
        device, now = self._devices.get(device_code), self.clock.monotonic()
        if device is None or device.client_id != client_id or device.until < now:
            raise TokenRefused("Invalid device code")
        hurried = device.polled_at is not None and now < device.polled_at + self.lifetimes.device_interval - 0.5
        device.polled_at = now
        if hurried:
            raise TokenRefused("slow_down")
        if device.seller_id is None:
            raise TokenRefused("authorization_pending")
        del self._devices[device_code]
        if not device.seller_id:
            raise TokenRefused("access_denied")
        return self.issue(client_id, device.seller_id)

    def _pair(self, session: str, seller_id: str, client_id: str, expires_in: int | None) -> Pair:
        now = self.clock.monotonic()
        seconds = self.lifetimes.access_token if expires_in is None else expires_in
        claims = {"user_name": seller_id, "client_id": client_id, "scope": SCOPES.split(), "allegro_api": True}
        claims["exp"] = int(self.clock.now().timestamp()) + seconds
        pair = Pair(
            access=_token(claims),
            refresh=_token({**claims, "ati": secrets.token_hex(16)}),
            session=session,
            seller_id=seller_id,
            client_id=client_id,
            access_until=now + seconds,
            refresh_until=now + self.lifetimes.refresh_token,
            expires_in=seconds,
        )
        self._by_access[pair.access] = self._by_refresh[pair.refresh] = pair
        return pair

    def _end(self, session: str) -> None:
        for pair in self._by_refresh.values():
            if pair.session == session:
                pair.access_dead, pair.refresh_until = True, float("-inf")

    def _kill(self, pair: Pair) -> None:
        pair.access_dead, pair.refresh_until = True, float("-inf")
        if pair.successor:
            self._kill(pair.successor)


def _token(claims: dict[str, Any]) -> str:
    """A token that looks like Allegro's: a JWT, with a signature that nobody can check."""
    parts = [{"alg": "RS256", "typ": "JWT"}, {**claims, "jti": secrets.token_hex(16)}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, secrets.token_urlsafe(64)])


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
