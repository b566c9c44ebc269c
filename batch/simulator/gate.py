"""What every API call must get right before its resource looks at it: token, User-Agent, media types, limits.

The User-Agent must be `AppName/Version (+https://info-page)` with the name registered for the client id
(required since July 2026, #13258); how Allegro refuses others is not documented, here it is a 403.
"""

from __future__ import annotations

import re
from dataclasses import replace

from batch.simulator.state import World
from batch.simulator.wire import LANGUAGES, Answer, Call, Refused, Route, problem

USER_AGENT = re.compile(r"([^/\s]+)/\S+ \(\+https?://\S+\)")


def bearer(call: Call) -> str:
    """The access token that came with a call, or ""."""
    scheme, _, token = call.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def enter(call: Call) -> Call:
    """Let a call in: it counts against the limits until `leave`. Raises Refused."""
    call = _authenticate(call)
    _check_user_agent(call)
    limit = call.world.meter.admit(call.client_id, call.seller.login, call.method, call.path)
    if limit:
        raise too_many(call.world, limit)
    return call


def too_many(world: World, limit: str) -> Refused:
    """What a call over a limit is answered."""
    wait = world.limits.retry_after
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return Refused(429, problem("TooManyRequestsException", f"Too many requests: {limit}"), headers=headers)


def leave(call: Call, *, failed: bool) -> None:
    """An admitted call is over."""
    call.world.meter.finish(call.client_id, call.seller.login, call.method, call.path, failed=failed)


def dispatch(call: Call, routes: tuple[Route, ...], *, media_types: bool = True) -> Answer:
    """Find the resource of a call and let it answer. Raises Refused."""
    found = [(route, params) for route in routes if (params := route.match(call.path)) is not None]
    if not found:
        raise Refused(404, problem("NotFound", f"No resource {call.path}"))
    for route, params in found:
        if route.method == call.method:
            if media_types:
                _check_media_types(call, route.media_type)
            return route.rule(replace(call, params=params))
    raise Refused(405, problem("MethodNotAllowed", f"{call.method} is not allowed on {call.path}"))


def language(call: Call) -> str:
    """The language of messages for people; English without a word."""
    wanted = call.headers.get("Accept-Language", "en-US")
    return wanted if wanted in LANGUAGES else "en-US"


def _authenticate(call: Call) -> Call:
    token = bearer(call)
    if not token:
        detail = "Full authentication is required to access this resource"
        raise Refused(401, auth_error="unauthorized", detail=detail)
    pair = call.world.tokens.whose(token)
    seller = call.world.seller_by_id(pair.seller_id) if pair else None
    if pair is None or seller is None:
        known = call.world.tokens.knows(token)
        detail = f"Access token expired: {token}" if known else "Cannot convert access token to JSON"
        raise Refused(401, auth_error="invalid_token", detail=detail)
    return replace(call, found_seller=seller, client_id=pair.client_id)


def _check_user_agent(call: Call) -> None:
    name = re.escape(_application_name(call.world, call.client_id))
    spaces_replaced = re.sub(r"\\ ", "[-_]", name)
    found = USER_AGENT.fullmatch(call.headers.get("User-Agent", ""))
    if not found or not re.fullmatch(spaces_replaced, found[1]):
        raise Refused(403, problem("UserAgentNotAccepted", "The User-Agent does not name the registered application"))


def _application_name(world: World, client_id: str) -> str:
    application = world.applications.get(client_id)
    return application.name if application else ""


def _check_media_types(call: Call, expected: str) -> None:
    accepted = {part.split(";")[0].strip() for part in call.headers.get("Accept", "").split(",")}
    if expected not in accepted:
        raise Refused(406, problem("NotAcceptableException", f"Accept must be {expected}"))
    content_type = call.headers.get("Content-Type", "").split(";")[0].strip()
    if call.method in {"POST", "PUT", "PATCH"} and content_type != expected:
        raise Refused(415, problem("UnsupportedMediaTypeException", f"Content-Type must be {expected}"))
    wanted = call.headers.get("Accept-Language")
    if wanted is not None and wanted not in LANGUAGES:
        raise Refused(400, problem("VALIDATION_ERROR", f"Accept-Language must be one of {', '.join(LANGUAGES)}"))
