"""Logging in: the consent page, the token endpoint, and the pages for a device without a browser.

The pages are as plain as can be: a choice of the simulator's sellers and two buttons.
"""

from __future__ import annotations

import base64
import binascii
import html
import ipaddress
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

from batch.simulator.state import Application, World
from batch.simulator.tokens import SCOPES, Pair, TokenRefused
from batch.simulator.wire import Answer, Call, Json, Refused, Route

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
PAGE = """<!doctype html><html lang="pl"><meta charset="utf-8"><title>{title}</title>
<body style="font-family: sans-serif; max-width: 30em; margin: 4em auto"><h1>{title}</h1>{content}</body></html>"""
CONSENT = """<form method="post" action="{action}">{hidden}
<p>Aplikacja <b>{name}</b> prosi o dostęp do Twojego konta w symulatorze Allegro.</p>
<p><label>Konto: <select name="login">{options}</select></label></p>
<p><button name="decision" value="allow">Zezwól</button>
<button name="decision" value="deny">Odmów</button></p></form>"""


def authorize(call: Call) -> Answer:
    """GET /auth/oauth/authorize: the consent page, or straight back when the seller has consented before."""
    asked = dict(call.query)
    application = _check_authorization(call.world, asked)
    known = call.world.settings.auto_consent
    if known and asked.get("prompt") != "confirm":
        return _back_with_code(call.world, asked, known)
    return _page("Logowanie", _consent_form(call.world, "/auth/oauth/authorize", asked, application.name))


def decide(call: Call) -> Answer:
    """POST /auth/oauth/authorize: a person pressed a button on the consent page."""
    asked = dict(parse_qsl(call.text))
    _check_authorization(call.world, asked)
    if asked.get("decision") == "allow" and asked.get("login") in call.world.sellers:
        return _back_with_code(call.world, asked, asked["login"])
    return _back(asked, {"error": "access_denied", "error_description": "The user refused access"})


def _check_authorization(world: World, asked: dict[str, str]) -> Application:
    """The application that asks. Refuses with a page, since the address to go back to is not to be trusted."""
    application = world.applications.get(asked.get("client_id", ""))
    if application is None:
        raise _refused_page("unknown client_id")
    if asked.get("response_type") != "code":
        raise _refused_page("response_type must be code")
    if not _registered(asked.get("redirect_uri", ""), application):
        raise _refused_page("redirect_uri is not registered")
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        raise _refused_page("code_challenge_method must be S256")
    return application


def _registered(redirect_uri: str, application: Application) -> bool:
    """Whether it is a registered address, on localhost with any port (#4300), and no private IP (#2737)."""
    asked = urlsplit(redirect_uri)
    if asked.scheme not in {"http", "https"} or asked.fragment or not asked.hostname or _private(asked.hostname):
        return False
    for uri in application.redirect_uris:
        known = urlsplit(uri)
        same_port = known.port == asked.port or known.hostname == "localhost"
        same_place = (known.scheme, known.hostname, known.path.rstrip("/")) == (
            asked.scheme,
            asked.hostname,
            asked.path.rstrip("/"),
        )
        if same_port and same_place:
            return True
    return False


def _private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def _back_with_code(world: World, asked: dict[str, str], login: str) -> Answer:
    seller_id = world.sellers[login].id
    code = world.tokens.code(asked["client_id"], seller_id, asked["redirect_uri"], asked.get("code_challenge", ""))
    return _back(asked, {"code": code})


def _back(asked: dict[str, str], said: dict[str, str]) -> Answer:
    if "state" in asked:
        said = {**said, "state": asked["state"]}
    target = asked["redirect_uri"]
    return Answer(302, None, {"Location": f"{target}{'&' if '?' in target else '?'}{urlencode(said)}"})


def token(call: Call) -> Answer:
    """POST /auth/oauth/token: a code, a refresh token or a device code becomes a pair of tokens."""
    form = _form(call)
    grants: dict[str, Callable[[], Pair]] = {
        "authorization_code": lambda: _by_code(call, form),
        "refresh_token": lambda: call.world.tokens.renew(_basic_client(call), form.get("refresh_token", "")),
        DEVICE_GRANT: lambda: call.world.tokens.by_device(_basic_client(call), form.get("device_code", "")),
    }
    grant = grants.get(form.get("grant_type", ""))
    try:
        if grant is None:
            raise TokenRefused("unsupported_grant_type", "Unsupported grant type")
        return Answer(200, describe(grant()), media_type=JSON)
    except TokenRefused as refused:
        raise Refused(400, auth_error=refused.error, detail=refused.description) from None


def _form(call: Call) -> dict[str, str]:
    """What was asked for, in the query or in a form. Refuses bodies of another kind with 400."""
    content_type = call.headers.get("Content-Type", "").split(";")[0]
    if call.text and content_type != "application/x-www-form-urlencoded":
        raise Refused(400, auth_error="invalid_request", detail="The body must be a form")
    return {**dict(call.query), **dict(parse_qsl(call.text))}


def _by_code(call: Call, form: dict[str, str]) -> Pair:
    verifier = form.get("code_verifier", "")
    if verifier and not 43 <= len(verifier) <= 128:
        raise TokenRefused("invalid_request", "code_verifier must have from 43 to 128 characters")
    with_secret = "Authorization" in call.headers or not verifier
    client_id = _basic_client(call) if with_secret else form.get("client_id", "")
    return call.world.tokens.by_code(client_id, form.get("code", ""), form.get("redirect_uri", ""), verifier)


def _basic_client(call: Call) -> str:
    """The client id that proved itself with its secret. Refuses with 401."""
    scheme, _, encoded = call.headers.get("Authorization", "").partition(" ")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        client_id = secret = ""
    application = call.world.applications.get(client_id)
    if scheme.lower() != "basic" or application is None or application.client_secret != secret:
        raise Refused(401, auth_error="invalid_client", detail="Bad client credentials")
    return client_id


def describe(pair: Pair) -> Json:
    """A pair as the token endpoint gives it."""
    return {
        "access_token": pair.access,
        "token_type": "bearer",
        "refresh_token": pair.refresh,
        "expires_in": pair.expires_in,
        "scope": SCOPES,
        "allegro_api": True,
        "jti": pair.access.rpartition(".")[2][:36],
    }


def device(call: Call) -> Answer:
    """POST /auth/oauth/device: codes for a machine without a browser. One number comes as text, as Allegro may."""
    form = _form(call)
    client_id = _basic_client(call)
    if form.get("client_id") != client_id:
        raise Refused(400, auth_error="invalid_request", detail="client_id is missing")
    waiting = call.world.tokens.device(client_id)
    if call.world.settings.auto_consent:
        seller_id = call.world.sellers[call.world.settings.auto_consent].id
        call.world.tokens.decide_device(waiting.user_code, seller_id)
    page = f"{call.base_url}/skojarz-aplikacje"
    body = {
        "device_code": waiting.device_code,
        "user_code": waiting.user_code,
        "expires_in": str(call.world.lifetimes.device_code),
        "interval": call.world.lifetimes.device_interval,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?code={waiting.user_code}",
    }
    return Answer(200, body, media_type=JSON)


def device_page(call: Call) -> Answer:
    """GET /skojarz-aplikacje: where a person types the code that the device shows."""
    field = f'<p><label>Kod: <input name="code" value="{html.escape(call.ask("code"))}"></label></p>'
    form = _consent_form(call.world, "/skojarz-aplikacje", {}, "na urządzeniu")
    return _page("Kod urządzenia", form.replace("<p>", f"{field}<p>", 1))


def decide_device(call: Call) -> Answer:
    """POST /skojarz-aplikacje: the person's answer."""
    form = dict(parse_qsl(call.text))
    seller = call.world.sellers.get(form.get("login", ""))
    allowed = seller.id if seller and form.get("decision") == "allow" else ""
    if not call.world.tokens.decide_device(form.get("code", ""), allowed):
        raise _refused_page("unknown code")
    return _page("Gotowe", "<p>Możesz wrócić do aplikacji.</p>")


def _consent_form(world: World, action: str, asked: dict[str, str], name: str) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(key)}" value="{html.escape(value)}">' for key, value in asked.items()
    )
    options = "".join(f"<option>{html.escape(login)}</option>" for login in world.sellers)
    return CONSENT.format(action=action, hidden=hidden, name=html.escape(name), options=options)


def _page(title: str, content: str, status: int = 200) -> Answer:
    return Answer(status, PAGE.format(title=html.escape(title), content=content), media_type=HTML)


class _RefusedPage(Refused):
    """A refusal for a person's eyes."""

    def answer(self, language: str) -> Answer:  # noqa: ARG002  (the page is short enough for everybody)
        return _page("Błąd", f"<p>{html.escape(self.detail)}</p>", self.status)


def _refused_page(reason: str) -> Refused:
    return _RefusedPage(400, auth_error="invalid_request", detail=reason)


ROUTES = (
    Route("GET", "/auth/oauth/authorize", authorize),
    Route("POST", "/auth/oauth/authorize", decide),
    Route("POST", "/auth/oauth/token", token),
    Route("POST", "/auth/oauth/device", device),
    Route("GET", "/skojarz-aplikacje", device_page),
    Route("POST", "/skojarz-aplikacje", decide_device),
)
