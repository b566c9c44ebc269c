"""The page on `http://localhost:PORT` that Allegro sends the browser back to, with a code or with a refusal.

Allegro takes `localhost` as an address to return to, but no 127.0.0.1 (#2737); a browser may mean either loopback
address by it, so both are listened on. The browser is answered only when it is known what became of the login, so
that the page says how it ended. A request without our `state` is none of ours: it gets a page of its own, and we
go on waiting.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import queue
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from batch.errors import UsageError

ANSWER_SECONDS = 90.0  # the exchange of the code, and who it was; then the browser is told to look at the console
SENT_SECONDS = 3.0  # for the page to reach the browser

Pages = Callable[..., str]
"""A page's name and its facts -> HTML."""


class Loopback:
    """Listens until it leaves the `with` block; a browser that still waits is then told that it did not work."""

    def __init__(self, port: int, state: str, pages: Pages) -> None:
        self.redirect_uri = f"http://localhost:{port}"
        self._port = port
        self._state = state.encode()
        self._pages = pages
        self._came: queue.Queue[dict[str, str]] = queue.Queue()
        self._final: str | None = None
        self._ready, self._asked, self._sent = threading.Event(), threading.Event(), threading.Event()
        self._servers: list[ThreadingHTTPServer] = []

    def __enter__(self) -> Self:
        """Raises UsageError link_port_busy (port) or link_port_failed (port, reason)."""
        try:
            for place in self._places():
                self._servers.append(_server(*place, self))
        except OSError as error:
            for server in self._servers:
                server.server_close()
            code = "link_port_busy" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "link_port_failed"
            raise UsageError(code, port=self._port, reason=error.strerror or str(error)) from error
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.show("link_page_failed")
        if self._asked.is_set():
            self._sent.wait(SENT_SECONDS)
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def came(self, seconds: float) -> dict[str, str] | None:
        """The query that the browser came back with (`code` or `error`); None when none has in so many seconds."""
        with contextlib.suppress(queue.Empty):
            return self._came.get(timeout=seconds)
        return None

    def show(self, page: str, **facts: Any) -> None:
        """What the browser that came back is told. The first time counts."""
        if not self._ready.is_set():
            self._final = self._pages(page, **facts)
            self._ready.set()

    def answer(self, path: str) -> tuple[int, str]:
        """Status and page for a request; waits for `show` when it is the one that Allegro sent."""
        try:
            place = urlsplit(path)
        except ValueError:  # `//[`
            return 404, ""
        if place.path not in {"", "/"}:
            return 404, ""
        asked = dict(parse_qsl(place.query))
        ours = hmac.compare_digest(asked.get("state", "").encode(), self._state)
        if not ours or not ("code" in asked or "error" in asked):
            return 400, self._pages("link_page_foreign")
        if not self._asked.is_set():  # a page that is loaded again waits for the same answer
            self._asked.set()
            self._came.put(asked)
        self._ready.wait(ANSWER_SECONDS)
        return 200, self._final or self._pages("link_page_console")

    def told(self) -> None:
        """The browser has its page."""
        if self._ready.is_set():
            self._sent.set()

    def _places(self) -> list[tuple[socket.AddressFamily, str, int]]:
        places = [(socket.AF_INET, "127.0.0.1", self._port)]
        return [*places, (socket.AF_INET6, "::1", self._port)] if _has_ipv6() else places


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def _server(family: socket.AddressFamily, host: str, port: int, page: Loopback) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        address_family = family
        allow_reuse_address = os.name == "posix"  # on Windows it would let two programs share the port
        daemon_threads = True
        block_on_close = False  # browsers keep spare connections open

        def handle_error(self, *_: Any) -> None:
            """A browser that hangs up is no matter."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 30  # a connection on which nothing is asked

        def do_GET(self) -> None:
            status, html = page.answer(self.path)
            content = html.encode()
            self.send_response_only(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
            if status == 200:
                page.told()

        def log_message(self, *_: Any) -> None:
            """The address holds the code."""

    return Server((host, port), Handler)


_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
