"""The simulator as an object: start it, give it sellers and trouble, look at what it was asked.

with Simulator() as simulator:
    simulator.add_seller("e-sklep3")
    tokens = simulator.issue_tokens("e-sklep3")
    requests.get(simulator.url + "/me", …)
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Self

from batch.simulator.catalogue import Product
from batch.simulator.clock import Clock
from batch.simulator.control import describe_state
from batch.simulator.faults import FaultScript
from batch.simulator.limits import Limits
from batch.simulator.log import Exchange, Log
from batch.simulator.oauth import describe
from batch.simulator.offers import add_offers, change
from batch.simulator.orders import add_order, change_order
from batch.simulator.server import Server
from batch.simulator.settings import Settings
from batch.simulator.state import Application, Entry, Seller, World
from batch.simulator.tokens import Lifetimes
from batch.simulator.views import render
from batch.simulator.wire import Json


class Simulator:
    """Allegro on `url`, once started. All methods may be called from any thread.

    `settings`, `limits` and `lifetimes` may be changed at any time. Two sellers, `e-sklep1` and `e-sklep2`, and the
    application `demo` (secret `demo`, name `Demo`) are there from the start.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        port: int = 0,
        clock: Clock | None = None,
        latency: float = 0.0,
        limits: Limits | None = None,
        settings: Settings | None = None,
        log_size: int = 10_000,
    ) -> None:
        self.port = port
        self.settings = settings or Settings()
        self.settings.latency = latency or self.settings.latency
        self.world = World(seed=seed, clock=clock or Clock(), limits=limits or Limits(), settings=self.settings)
        self._log = Log(log_size)
        self._server: Server | None = None

    def start(self) -> Self:
        """Listen on 127.0.0.1 and, where the system has it, on ::1. Raises OSError when the port is taken."""
        sockets = _listen(self.port)
        self.port = sockets[0].getsockname()[1]
        self._server = Server(self.world, self._log, sockets)
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening; everything is remembered, and `start` goes on at the same port."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Both `auth_url` and `api_url`."""
        return f"http://localhost:{self.port}"

    @property
    def clock(self) -> Clock:
        """Simulated time."""
        return self.world.clock

    @property
    def limits(self) -> Limits:
        """What is let through."""
        return self.world.limits

    @property
    def lifetimes(self) -> Lifetimes:
        """How long tokens and codes live."""
        return self.world.lifetimes

    @property
    def faults(self) -> FaultScript:
        """Scripted trouble: `faults.add(Trouble.CUT_AFTER, method="POST")`."""
        return self.world.faults

    @property
    def requests(self) -> list[Exchange]:
        """What was asked and answered, oldest first."""
        with self.world.lock:
            return self._log.since()

    def state(self) -> Json:
        """Counts, sellers, limits, settings; the same as `GET /_control/state`."""
        with self.world.lock:
            return describe_state(self.world)

    def reset(self) -> None:
        """Forget offers, tokens, faults, exchanges and added sellers."""
        with self.world.lock:
            self.world.reset()
            self._log.clear()

    def add_seller(
        self, login: str, *, business: bool = True, dictionaries: Mapping[str, Iterable[str | Entry]] | None = None
    ) -> Seller:
        """A new seller; `dictionaries` gives the entries of a `Kind`, by name or as `Entry`."""
        with self.world.lock:
            return self.world.add_seller(login, business=business, dictionaries=dictionaries)

    def add_application(
        self, client_id: str, client_secret: str, name: str, redirect_uris: Iterable[str] = ("http://localhost",)
    ) -> None:
        """Register an application; `name` must stand in its User-Agent."""
        with self.world.lock:
            application = Application(client_id, client_secret, name, tuple(redirect_uris))
            self.world.applications[client_id] = application

    def issue_tokens(self, login: str, *, client_id: str = "demo", expires_in: int | None = None) -> Json:
        """Tokens of a seller who has just linked the application, in the shape of the token endpoint."""
        with self.world.lock:
            return describe(self.world.tokens.issue(client_id, self.world.sellers[login].id, expires_in))

    def revoke(self, login: str) -> None:
        """Kill all tokens of a seller, as a changed password does."""
        with self.world.lock:
            self.world.tokens.revoke(self.world.sellers[login].id)

    def approve_device(self, user_code: str, login: str) -> None:
        """Consent to what a device asks for, as a person on the verification page does."""
        with self.world.lock:
            self.world.tokens.decide_device(user_code, self.world.sellers[login].id)

    def add_product(self, gtin: str, **details: Any) -> list[Product]:
        """Put products with this GTIN into the catalogue; `details` as of `Catalogue.add`."""
        with self.world.lock:
            return self.world.catalogue.add(gtin, **details)

    def offers(self, login: str) -> list[Json]:
        """A seller's offers as `GET /sale/product-offers/{offerId}` shows them, oldest first."""
        with self.world.lock:
            self.world.catch_up()
            return [render(offer) for offer in self.world.sellers[login].offers.values()]

    def add_offers(self, login: str, offers: int | Iterable[Mapping[str, Any]]) -> list[str]:
        """Offers that are simply there, without a call: so many, or one for each mapping with any of `gtin`,
        `external_id`, `price` ("12.30"), `stock`, `status`. Returns their ids."""
        with self.world.lock:
            return add_offers(self.world, self.world.sellers[login], offers)

    def edit_offer(self, offer_id: str, changes: Json) -> None:
        """Change an offer behind the application's back, by a merge patch. Raises Refused as PATCH would."""
        with self.world.lock:
            self.world.catch_up()
            change(self.world, self.world.offers[offer_id], changes)

    def remove_offer(self, offer_id: str) -> None:
        """Take an offer away behind the application's back."""
        with self.world.lock:
            self.world.catch_up()
            self.world.remove_offer(self.world.offers[offer_id])

    def add_order(self, login: str, lines: Iterable[Json] = ({},), **parts: Any) -> Json:
        """A new order of a seller, as `orders.add_order` describes it; returned as Allegro shows it."""
        with self.world.lock:
            return add_order(self.world, self.world.sellers[login], lines, **parts)

    def change_order(self, login: str, order_id: str, **parts: Any) -> Json:
        """Change an order as a merge patch does; it gets a new revision."""
        with self.world.lock:
            return change_order(self.world, self.world.sellers[login], order_id, **parts)

    def cancel_order(self, login: str, order_id: str) -> Json:
        """The buyer takes an order back."""
        return self.change_order(login, order_id, status="CANCELLED")

    def orders(self, login: str) -> list[Json]:
        """A seller's orders as Allegro shows them, oldest first."""
        with self.world.lock:
            return list(self.world.sellers[login].orders.values())


def serve_forever(port: int = 0, seed: int = 0, announce: Callable[[str], None] = lambda _url: None) -> None:
    """Serve until Ctrl+C; `announce` is told the address first. Raises OSError when the port is taken."""
    with Simulator(port=port, seed=seed) as simulator, suppress(KeyboardInterrupt):
        announce(simulator.url)
        while True:
            time.sleep(60)  # on Windows, Ctrl+C ends a sleep but not a wait for an event


def _listen(port: int) -> list[socket.socket]:
    """Sockets on both loopback addresses with the same port, since `localhost` may mean either."""
    for _ in range(20):
        first = _bind(socket.AF_INET, "127.0.0.1", port)
        try:
            return [first, _bind(socket.AF_INET6, "::1", first.getsockname()[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]  # a system without IPv6
            first.close()
            if port:
                raise
    msg = "no port is free on both loopback addresses"
    raise OSError(errno.EADDRINUSE, msg)


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
