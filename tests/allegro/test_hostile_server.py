"""What a server may send instead of an answer: each call ends soon, in an error of ours, within its memory.

The sockets are real; behind them is a server that says what the case wants.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from batch.accounts.endpoint import TokenEndpoint
from batch.accounts.published import fetch
from batch.allegro import session as session_module
from batch.allegro.http import new_http
from batch.allegro.session import ApiSession
from batch.errors import ApiError, BatchError
from batch.simulator import Simulator
from tests.allegro.conftest import session_with

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MEGABYTE = b" " * 2**20
PACKED = gzip.compress(MEGABYTE * 80, 1)


class Server:
    """Answers every connection by what `say` sends until it is told to end."""

    def __init__(self, say: Callable[[Server, socket.socket], None]) -> None:
        self._say = say
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.asked: list[bytes] = []
        self.over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._converse, args=(self._listening.accept()[0],), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.asked.append(connection.recv(65536))
            self._say(self, connection)

    def close(self) -> None:
        self.over.set()
        self._listening.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Server, socket.socket], None]], Server]]:
    """Starts servers."""
    with contextlib.ExitStack() as servers:

        def start(say: Callable[[Server, socket.socket], None]) -> Server:
            server = Server(say)
            servers.callback(server.close)
            return server

        yield start


def once(data: bytes) -> Callable[[Server, socket.socket], None]:
    return lambda _, connection: connection.sendall(data)


def endless(first: bytes, again: bytes, pause: float = 0) -> Callable[[Server, socket.socket], None]:
    def say(server: Server, connection: socket.socket) -> None:
        connection.sendall(first)
        while not server.over.wait(pause):
            connection.sendall(again)

    return say


def with_length(body: bytes, *headers: str) -> bytes:
    return OK + "".join(f"{h}\r\n" for h in headers).encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


HOSTILE = {
    "a header now and then": endless(OK, b"X-A: b\r\n", 0.1),
    "a byte of a header now and then": endless(OK + b"X-A: ", b"b", 0.1),
    "a byte now and then": endless(OK + b"Content-Length: 9999\r\n\r\n", b" ", 0.1),
    "a chunk now and then": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.1),
    "a body without end": endless(OK + b"\r\n", MEGABYTE),
    "chunks without end": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + MEGABYTE + b"\r\n"),
    "headers without end": endless(OK, b"X-A: b\r\n"),
    "a header without end": endless(OK + b"X-A: ", b"b" * 65536),
    "packed a thousandfold": once(with_length(PACKED, "Content-Encoding: gzip")),
    "packed twice": once(with_length(gzip.compress(PACKED), "Content-Encoding: gzip, gzip")),
    "not packed at all": once(with_length(b"{}", "Content-Encoding: gzip")),
    "two lengths": once(OK + b"Content-Length: 2, 3\r\n\r\n{}"),
    "a negative length": once(OK + b"Content-Length: -5\r\n\r\n{"),
    "a chunk of a negative length": once(OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n"),
    "a length that is none": once(OK + b"Content-Length: many\r\n\r\n{"),
    "only an interim answer": once(b"HTTP/1.1 102 Processing\r\n\r\n"),
    "an interim answer before the final one": once(b"HTTP/1.1 103 Early Hints\r\n\r\n" + with_length(b"{}")),
    "no HTTP": once(b"220 mail.example ESMTP\r\n"),
    "nothing": once(b""),
    "a status that is none": once(b"HTTP/1.1 999999 OK\r\n\r\n"),
    "nested without end": once(with_length(b'{"a":' * 100_000)),
    "a number of a million digits": once(with_length(b'{"id": ' + b"9" * 1_000_000 + b"}")),
    "text in no encoding": once(with_length(b'{"id": "\xff\xfe"}')),
    "halves of characters": once(with_length(b'{"id": "\xed\xa0\x80"}')),
}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer must be complete after a second."""
    monkeypatch.setattr(session_module, "READ_SECONDS", 0.5)
    for module in ("endpoint", "published"):
        monkeypatch.setattr(f"batch.accounts.{module}.TIMEOUT", (5, 0.5))


class RealTime:
    """Time as it passes, but nobody waits."""

    slept = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def api(server: Server, simulator: Simulator) -> ApiSession:
    session = session_with(simulator)
    session.clock = RealTime()
    session.api_url = server.url
    return session


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("case", HOSTILE)
def test_an_answer_that_is_none_ends_in_an_error(case: str, serve: Callable[..., Server], simulator: Simulator) -> None:
    """Of the API; a POST, which is sent once."""
    session = api(serve(HOSTILE[case]), simulator)
    tracemalloc.start()
    try:
        with pytest.raises(ApiError):
            session.post("/sale/product-offers", {})
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("case", HOSTILE)
def test_an_answer_of_the_token_endpoint_that_is_none(case: str, serve: Callable[..., Server]) -> None:
    """The refresh token is tried again while there is time, then the account waits; nobody is told to log in."""
    server, clock = serve(HOSTILE[case]), RealTime()

    def now() -> datetime:
        return datetime.fromtimestamp(time.time() + clock.slept, UTC)

    def sleep(_: float) -> None:
        clock.sleep(20)  # three attempts are enough to see

    endpoint = TokenEndpoint(server.url, "demo", lambda: "secret", new_http(), now, sleep)
    with pytest.raises(ApiError) as caught:
        endpoint.refresh("refresh-token-never-told")
    assert "never-told" not in str(caught.value)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_published_token_that_is_none(case: str, serve: Callable[..., Server]) -> None:
    """Read over the network."""
    with pytest.raises(BatchError):
        fetch(serve(HOSTILE[case]).url + "/a.json", new_http())


REDIRECTS = [301, 302, 303, 307, 308]


@pytest.mark.parametrize("status", REDIRECTS)
def test_no_token_travels_to_another_place(status: int, serve: Callable[..., Server], simulator: Simulator) -> None:
    """Wherever an answer points to, also down to plain http: nobody is asked there, for anything."""
    elsewhere = serve(once(with_length(b'{"id": "1", "login": "x"}')))
    location = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}/x\r\nContent-Length: 0\r\n\r\n".encode()
    server = serve(once(location))
    session = api(server, simulator)
    for ask in (lambda: session.get("/me"), lambda: session.post("/sale/product-offers", {})):
        with contextlib.suppress(ApiError):
            assert ask().status == 303
    endpoint = TokenEndpoint(server.url, "demo", lambda: "secret", new_http(), session.clock.now, lambda _: None)
    for call in (
        lambda: endpoint.exchange_code("c", "u", "v"),
        lambda: endpoint.poll_device("d"),
        endpoint.start_device,
    ):
        with pytest.raises(ApiError):
            call()
    with pytest.raises(BatchError):
        fetch(server.url + "/token.json", new_http())
    assert len(server.asked) >= 6
    assert elsewhere.asked == []
