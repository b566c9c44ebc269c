"""Allegro's token endpoint in small, over a real socket: rotation, the 60-second grace, and scripted trouble.

It serves from threads of this process; other processes reach it by `url`. One login is enough for tests of renewal.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

GRACE = 60.0
CLIENT_ID, CLIENT_SECRET = "client-1", "client-secret-XYZ"


class AllegroTokens:
    """State of the endpoint. `script` holds what happens to the next requests; when it is empty they are served.

    A script entry is a status (429, 500 …), `"before"` (the connection is cut, nothing happened), `"after"` (the pair
    was renewed, then the connection is cut), `"half"` (the answer breaks off), or a dictionary: its `answer` replaces
    the JSON, its `headers` are added, its `status` and `delay` (seconds after the renewal) count.
    """

    def __init__(self) -> None:
        self.url = ""
        self.lock = threading.Lock()
        self.script: list[Any] = []
        self.lifetime: Any = 43199
        self.clock_offset = 0.0  # what Allegro's clock is ahead of ours
        self.serial = 0
        self.renewals = 0
        self.requests = 0
        self.refused: list[str] = []
        self.secrets: set[str] = {CLIENT_SECRET}
        self.refresh_token = ""
        self.access_token = ""
        self.spent: dict[str, float] = {}  # old refresh token -> when it was first used
        self.age = 0.0  # seconds added to the endpoint's clock, to let the grace run out
        self.dripped = 0
        self.issue()

    def issue(self) -> dict[str, Any]:
        """A new pair, as after a login or a renewal."""
        self.serial += 1
        self.access_token = f"access.SECRET.{self.serial}"
        self.refresh_token = f"refresh.SECRET.{self.serial}"
        self.secrets |= {self.access_token, self.refresh_token}
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "token_type": "bearer",
            "expires_in": self.lifetime,
            "scope": "allegro:api:profile:read",
            "jti": "x",
        }

    def renew(self, refresh_token: str) -> tuple[int, dict[str, Any]]:
        now = time.monotonic() + self.age
        first_use = self.spent.get(refresh_token)
        if refresh_token == self.refresh_token:
            self.spent[refresh_token] = now
        elif first_use is None or now - first_use > GRACE:
            self.refused.append(refresh_token)
            return 400, {"error": "invalid_grant", "error_description": f"Invalid refresh token: {refresh_token}"}
        self.renewals += 1
        return 200, self.issue()

    def handle(self, header: str, form: dict[str, list[str]]) -> tuple[int, dict[str, Any], dict[str, Any] | str | int]:
        with self.lock:
            self.requests += 1
            step = self.script.pop(0) if self.script else {}
            if isinstance(step, int):
                return step, {"error": "trouble", "error_description": form.get("refresh_token", [""])[0]}, step
            if step == "before":
                return 0, {}, step
            if isinstance(step, dict) and step.get("refuse"):
                return 429, {}, step
            basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
            if header != f"Basic {basic}":
                return 401, {"error": "invalid_client", "error_description": "Bad client credentials"}, step
            status, answer = self.renew(form.get("refresh_token", [""])[0])
            return status, answer, step


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tokens: AllegroTokens

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        status, answer, step = self.tokens.handle(self.headers.get("Authorization", ""), form)
        if step in ("before", "after"):
            self.close_connection = True
            return
        extra: dict[str, Any] = step if isinstance(step, dict) else {}
        time.sleep(extra.get("delay", 0))
        while "wait" in extra and not extra["wait"]:
            time.sleep(0.01)
        extra.get("before_answer", lambda: None)()
        time.sleep(extra.get("delay_after", 0))
        body = extra.get("answer", answer)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response_only(extra.get("status", status))
        headers = {
            "Date": self.date_time_string(),
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **extra.get("headers", {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if "drip" in extra:
            self._drip(content, extra["drip"])
        else:
            self.wfile.write(content[: len(content) // 2] if step == "half" else content)
        self.close_connection = self.close_connection or step == "half"

    def _drip(self, content: bytes, pause: Callable[[], None]) -> None:
        for at in range(len(content)):
            try:
                self.wfile.write(content[at : at + 1])
                self.wfile.flush()
            except OSError:
                return
            self.tokens.dripped += 1
            pause()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.tokens.clock_offset)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is part of the tests."""


@contextmanager
def token_endpoint() -> Iterator[AllegroTokens]:
    """The endpoint on a free loopback port until the block ends."""
    tokens = AllegroTokens()
    handler = type("Handler", (_Handler,), {"tokens": tokens})
    with _Server(("127.0.0.1", 0), handler) as server:
        tokens.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield tokens
        finally:
            server.shutdown()
            thread.join()
