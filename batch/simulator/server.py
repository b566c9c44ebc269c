"""The HTTP side: one aiohttp server on loopback, in a thread of its own, and the trouble on the wire.

Each call goes through the same five steps: log, fault, gate, resource, answer. Rules run one at a time
under the world's lock; waiting (latency, slow faults) happens outside it. A call whose client has gone
is carried out all the same, as at Allegro.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from socket import socket

from aiohttp import web

from batch.simulator import commands, control, dictionaries, gate, listing, oauth, offers, orders, products
from batch.simulator.faults import OUTCOMES, Fault, Trouble
from batch.simulator.log import CRASHED, Exchange, Log
from batch.simulator.state import World
from batch.simulator.wire import Answer, Call, Refused, Route, problem

API: tuple[Route, ...] = (
    *offers.ROUTES,
    *listing.ROUTES,
    *commands.ROUTES,
    *products.ROUTES,
    *dictionaries.ROUTES,
    *orders.ROUTES,
)
LOGIN_PATHS = ("/auth/", "/skojarz-aplikacje")
LONGEST_LINE = 128 * 1024
"""Bytes; 100 external ids of 100 characters, which the list of offers takes, are up to 60,000."""
BLOCKED_PAGE = "<!DOCTYPE html><html><body><h1>You have been blocked</h1><p>Zostałeś zablokowany.</p></body></html>"


class Server:
    """Serves a world on the given sockets until `stop`."""

    def __init__(self, world: World, log: Log, sockets: Sequence[socket]) -> None:
        self._world = world
        self._log = log
        self._sockets = sockets
        self._door = control.routes(log)
        self._started = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="allegro-simulator", daemon=True)
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Serve; returns when calls are answered."""
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Close all connections and end the thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()  # whoever waits in `start` must not wait for ever

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._converse)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, max_line_size=LONGEST_LINE)
        await runner.setup()
        for listening in self._sockets:
            await web.SockSite(runner, listening, backlog=512).start()
        self._started.set()
        await self._stopping.wait()
        await runner.cleanup()

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        call = Call(
            world=self._world,
            method=request.method,
            path=request.path,
            query=list(request.query.items()),
            headers=request.headers,
            text=(await request.read()).decode("utf-8", "replace"),
            base_url=f"http://{request.host}",
        )
        if call.path.startswith("/_control/"):
            return _response(self._control(call))
        with self._world.lock:
            exchange, fault = self._notice(call)
        try:
            answer = await self._answer(call, fault)
        except Exception:
            exchange.fault = CRASHED
            raise
        if answer is not None:
            answer = replace(answer, headers={**answer.headers, "trace-id": secrets.token_hex(8)})
            exchange.status, exchange.answer = answer.status, answer.text()
            exchange.answer_headers = {**answer.headers, "Content-Type": answer.media_type}
        return await _send(request, answer, fault)

    def _control(self, call: Call) -> Answer:
        try:
            return self._dispatch(call, self._door)
        except (KeyError, TypeError, ValueError) as error:
            return Answer(422, {"error": repr(error)}, media_type=control.JSON)

    def _notice(self, call: Call) -> tuple[Exchange, Fault | None]:
        """Log a call and find the fault that waits for it."""
        pair = self._world.tokens.whose(gate.bearer(call)) or self._world.tokens.renewed_by(call.text)
        seller = self._world.seller_by_id(pair.seller_id) if pair else None
        login = seller.login if seller else ""
        fault = self._world.faults.pick(call.method, call.path, login)
        exchange = Exchange(
            number=self._log.next_number(),
            when=self._world.clock.now(),
            method=call.method,
            path=call.path,
            query=list(call.query),
            headers=dict(call.headers),
            body=call.text,
            seller=login,
            fault=fault.trouble if fault else "",
        )
        self._log.add(exchange)
        return exchange, fault

    async def _answer(self, call: Call, fault: Fault | None) -> Answer | None:
        """What the client gets; None when its connection is cut."""
        if fault is None:
            return await self._process(call)
        instead = _before(call, fault)
        if instead is not None or fault.trouble is Trouble.CUT_BEFORE:
            return instead
        if fault.trouble is Trouble.SLOW_BEFORE:
            await asyncio.sleep(fault.seconds)
        outcome = str(fault.trouble) if fault.trouble in OUTCOMES else ""
        answer = await self._process(replace(call, outcome=outcome))
        if fault.trouble is Trouble.SLOW_AFTER:
            await asyncio.sleep(fault.seconds)
        return _after(answer, fault)

    async def _process(self, call: Call) -> Answer:
        """Gate and resource, then the latency; the call counts as running all the while."""
        if call.path.startswith(LOGIN_PATHS):
            answer = self._dispatch(call, oauth.ROUTES)
            await asyncio.sleep(self._world.settings.latency)
            return answer
        language = gate.language(call)
        try:
            with self._world.lock:
                call = gate.enter(call)
        except Refused as refused:
            return refused.answer(language)
        answer = Answer(500)
        try:
            answer = self._dispatch(call, API)
            await asyncio.sleep(self._world.settings.latency)
        finally:
            with self._world.lock:
                gate.leave(call, failed=answer.status >= 400 and answer.status != 429)
        return answer

    def _dispatch(self, call: Call, routes: tuple[Route, ...]) -> Answer:
        try:
            with self._world.lock:
                self._world.catch_up()
                return gate.dispatch(call, routes, media_types=routes is API)
        except Refused as refused:
            return refused.answer(gate.language(call))


def _before(call: Call, fault: Fault) -> Answer | None:
    """The answer to a call that is not carried out, if it gets one."""
    if fault.trouble is Trouble.EXPIRED:
        call.world.tokens.expire_access(gate.bearer(call))
    if fault.trouble is Trouble.REVOKED:
        call.world.tokens.revoke_session(gate.bearer(call))
    if fault.trouble is Trouble.UNAUTHORIZED:
        return Refused(401, auth_error="invalid_token", detail="Access token expired").answer("")
    if fault.trouble is Trouble.BLOCKED:
        return Answer(403, BLOCKED_PAGE, media_type="text/html; charset=utf-8")
    if fault.trouble is Trouble.REDIRECT:
        return Answer(307, None, {"Location": fault.location})
    return _status(fault) if fault.trouble is Trouble.STATUS_BEFORE else None


def _after(answer: Answer, fault: Fault) -> Answer | None:
    """What becomes of the answer to a call that was carried out."""
    if fault.trouble is Trouble.CUT_AFTER:
        return None
    if fault.trouble is Trouble.STATUS_AFTER:
        return _status(fault)
    if fault.trouble is Trouble.MALFORMED:
        return replace(answer, body=answer.text()[:-1] + ",,")
    if fault.trouble is Trouble.OVERSIZED:
        return replace(answer, body=json.dumps({"padding": "x" * fault.size}))
    return answer


def _status(fault: Fault) -> Answer:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    code = "TooManyRequestsException" if fault.status == 429 else "InternalServerError"
    return Refused(fault.status, problem(code, "Scripted by a fault"), headers=headers).answer("en-US")


async def _send(request: web.Request, answer: Answer | None, fault: Fault | None) -> web.StreamResponse:
    if answer is None:
        _cut(request)
        return web.Response()
    if fault is None or fault.trouble is not Trouble.TRUNCATED:
        return _response(answer)
    whole = answer.text().encode()
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = len(whole)
    with suppress(ConnectionResetError):  # the client has gone
        await response.prepare(request)
        await response.write(whole[: len(whole) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _cut(request: web.Request) -> None:
    """Break the connection as a lost network does: without a word."""
    if request.transport is not None:
        request.transport.abort()


def _response(answer: Answer) -> web.Response:
    body = answer.text().encode()
    return web.Response(status=answer.status, headers=_headers(answer), body=body or None)


def _headers(answer: Answer) -> dict[str, str]:
    return {**answer.headers, "Content-Type": answer.media_type} if answer.body is not None else dict(answer.headers)
