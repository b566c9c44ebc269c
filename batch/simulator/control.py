"""The control door `/_control/…`: what tests and the demo do to the simulator from another process, as JSON.

GET    state | offers?seller=LOGIN | orders?seller=LOGIN | requests?since=N
POST   sellers {login, business, dictionaries} | tokens {login, expires_in} | products {gtin, name, outcome, variants}
       orders {seller, lines, …} | faults {trouble, …} | clock {advance} | device {user_code, login} | reset {}
       offers {seller, offers: number or list of {gtin, external_id, price, stock, status}}
PATCH  orders {seller, id, …} | settings | limits | lifetimes {name: value} | offers {id, changes}
DELETE faults | offers?id=ID
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from batch.simulator.clock import stamp
from batch.simulator.log import Exchange, Log
from batch.simulator.oauth import describe
from batch.simulator.offers import add_offers, change
from batch.simulator.orders import add_order, change_order
from batch.simulator.state import Seller, World
from batch.simulator.views import render
from batch.simulator.wire import Answer, Call, Json, Refused, Route, problem

JSON = "application/json"


def routes(log: Log) -> tuple[Route, ...]:
    """The resources of the door; `log` is what `requests` shows."""

    def requests(call: Call) -> Answer:
        return _answer([describe_exchange(exchange) for exchange in log.since(int(call.ask("since", "0")))])

    return (
        Route("GET", "/_control/state", _state),
        Route("GET", "/_control/offers", _offers),
        Route("POST", "/_control/offers", _add_offers),
        Route("PATCH", "/_control/offers", _edit_offer),
        Route("DELETE", "/_control/offers", _remove_offer),
        Route("GET", "/_control/requests", requests),
        Route("GET", "/_control/orders", _orders),
        Route("POST", "/_control/orders", _add_order),
        Route("PATCH", "/_control/orders", _change_order),
        Route("POST", "/_control/sellers", _add_seller),
        Route("POST", "/_control/tokens", _issue_tokens),
        Route("POST", "/_control/products", _add_products),
        Route("POST", "/_control/faults", _add_fault),
        Route("DELETE", "/_control/faults", _clear_faults),
        Route("POST", "/_control/clock", _advance),
        Route("POST", "/_control/device", _decide_device),
        Route("POST", "/_control/reset", _reset),
        Route("PATCH", "/_control/settings", _turn(lambda world: world.settings)),
        Route("PATCH", "/_control/limits", _turn(lambda world: world.limits)),
        Route("PATCH", "/_control/lifetimes", _turn(lambda world: world.lifetimes)),
    )


def describe_exchange(exchange: Exchange) -> Json:
    """An exchange as JSON."""
    return {**asdict(exchange), "when": stamp(exchange.when)}


def describe_state(world: World) -> Json:
    """Counts, sellers with their dictionaries, limits, settings, waiting faults."""
    return {
        "now": stamp(world.clock.now()),
        "sellers": {
            seller.login: {
                "id": seller.id,
                "business": seller.business,
                "offers": len(seller.offers),
                "drafts": seller.drafts,
                "orders": len(seller.orders),
                "dictionaries": {
                    kind: [asdict(entry) for entry in entries] for kind, entries in seller.dictionaries.items()
                },
            }
            for seller in world.sellers.values()
        },
        "published_by_accident": world.published_by_accident,
        "renewals": world.tokens.renewals,
        "refused_by_limits": dict(world.meter.refused),
        "most_parallel": world.meter.most_parallel,
        "limits": asdict(world.limits),
        "settings": asdict(world.settings),
        "lifetimes": asdict(world.lifetimes),
        "faults": [asdict(fault) for fault in world.faults.waiting],
    }


def _answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, body, media_type=JSON)


def _state(call: Call) -> Answer:
    return _answer(describe_state(call.world))


def _offers(call: Call) -> Answer:
    return _answer([render(offer) for offer in _seller(call).offers.values()])


def _orders(call: Call) -> Answer:
    return _answer(list(_seller(call).orders.values()))


def _add_order(call: Call) -> Answer:
    asked = call.json()
    return _answer(add_order(call.world, call.world.sellers[asked.pop("seller")], **asked), 201)


def _change_order(call: Call) -> Answer:
    asked = call.json()
    return _answer(change_order(call.world, call.world.sellers[asked.pop("seller")], asked.pop("id"), **asked))


def _seller(call: Call) -> Seller:
    seller = call.world.sellers.get(call.ask("seller"))
    if seller is None:
        raise Refused(404, problem("SellerNotFound", "No such seller"))
    return seller


def _add_offers(call: Call) -> Answer:
    asked = call.json()
    return _answer(add_offers(call.world, call.world.sellers[asked["seller"]], asked["offers"]), 201)


def _edit_offer(call: Call) -> Answer:
    asked = call.json()
    offer = call.world.offers[asked["id"]]
    change(call.world, offer, asked["changes"])
    return _answer(render(offer))


def _remove_offer(call: Call) -> Answer:
    call.world.remove_offer(call.world.offers[call.ask("id")])
    return Answer(204)


def _add_seller(call: Call) -> Answer:
    seller = call.world.add_seller(**call.json())
    return _answer({"id": seller.id, "login": seller.login}, 201)


def _issue_tokens(call: Call) -> Answer:
    asked = call.json()
    seller = call.world.sellers[asked["login"]]
    pair = call.world.tokens.issue(asked.get("client_id", "demo"), seller.id, asked.get("expires_in"))
    return _answer(describe(pair), 201)


def _add_products(call: Call) -> Answer:
    return _answer([asdict(product) for product in call.world.catalogue.add(**call.json())], 201)


def _add_fault(call: Call) -> Answer:
    return _answer(asdict(call.world.faults.add(**call.json())), 201)


def _clear_faults(call: Call) -> Answer:
    call.world.faults.clear()
    return Answer(204)


def _advance(call: Call) -> Answer:
    call.world.clock.advance(float(call.json()["advance"]))
    return _state(call)


def _decide_device(call: Call) -> Answer:
    asked = call.json()
    login = asked.get("login", "")
    seller_id = call.world.sellers[login].id if login else ""
    return _answer({"decided": call.world.tokens.decide_device(asked["user_code"], seller_id)})


def _reset(call: Call) -> Answer:
    call.world.reset()
    return _state(call)


def _turn(knobs_of: Callable[[World], Any]) -> Callable[[Call], Answer]:
    def turn(call: Call) -> Answer:
        knobs, asked = knobs_of(call.world), call.json()
        unknown = asked.keys() - {field.name for field in fields(knobs)}
        if unknown:
            raise Refused(422, problem("UnknownSetting", f"There is no {', '.join(sorted(unknown))}"))
        for name, value in asked.items():
            setattr(knobs, name, value)
        return _answer(asdict(knobs))

    return turn
