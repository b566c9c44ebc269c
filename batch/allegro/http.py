"""The connections to Allegro and to its token endpoint: whom they go through, and how long an answer may take.

A timeout of the system's is for the next byte, so a server that drips (its headers, too) would hold a run for
ever, and a refresh token beyond the 60 seconds in which it can be sent again (#4136). Here the whole of an answer has
a limit as well.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from batch.allegro.pace import MOST_LANES

WHOLE = 2
"""How many times the timeout for one byte an answer may take from its first byte to its last."""


class _TimelyBytes(io.RawIOBase):
    """What comes through a connection from now on, until the time for an answer is over: then TimeoutError."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw, self._connection = raw, connection
        self._patience = connection.gettimeout()
        self._until = time.monotonic() + WHOLE * (self._patience or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._patience:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._connection.settimeout(min(self._patience, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimelyAnswer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_TimelyBytes(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _TimelyAnswer


class _SecureConnection(HTTPSConnection):
    response_class = _TimelyAnswer


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS = {"http": _Pool, "https": _SecurePool}


class _Timely(HTTPAdapter):
    """Gives the whole of an answer a limit, through a proxy too."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager


class _Direct(_Timely):
    """Plain http is for this computer only, so a proxy of the system's must not get to see it, tokens included."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """As the adapter does, without proxies."""
        return super().send(request, *arguments, **{**options, "proxies": None})

    def get_connection_with_tls_context(self, request: Any, *arguments: Any, **options: Any) -> Any:
        """As the adapter does, without proxies."""
        return super().get_connection_with_tls_context(request, *arguments, **{**options, "proxies": None})


def new_http() -> requests.Session:
    """A session whose connections suffice for all lanes; it never retries by itself, and no answer takes for ever."""
    http = requests.Session()
    http.mount("https://", _Timely(pool_connections=2, pool_maxsize=MOST_LANES, max_retries=0))
    http.mount("http://", _Direct(pool_connections=2, pool_maxsize=MOST_LANES, max_retries=0))
    return http


def connections(http: requests.Session, url: str) -> urllib3.HTTPConnectionPool:
    """The connections of `http` to a host, with the proxy and the certificates that the system has for it.

    Looking for these and dressing up a call as requests does takes as long as the call itself. Raises what requests
    raises when there is no such host or file.
    """
    request = requests.Request("GET", url).prepare()
    found = http.merge_environment_settings(url, {}, None, None, None)
    adapter = http.get_adapter(url)
    assert isinstance(adapter, HTTPAdapter)
    pool = adapter.get_connection_with_tls_context(request, found["verify"], proxies=found["proxies"])
    assert isinstance(pool, urllib3.HTTPConnectionPool)
    adapter.cert_verify(pool, url, found["verify"], None)  # type: ignore[no-untyped-call]  # requests has no types there
    return pool
