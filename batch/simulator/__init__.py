"""Allegro in miniature: a real HTTP server on loopback, for the demo and the tests.

It imports nothing else of this package's parent, so that one misreading of the API cannot agree with
itself, and it is stricter than Allegro wherever strictness shows a mistake of ours.

    clock.py         simulated time: faster than real time, or jumping
    wire.py          what a call, an answer, a route and a refusal are
    catalogue.py     products by GTIN and by id, made up on demand; GTINs that stand for trouble
    tokens.py        codes, token pairs, devices: rules without HTTP
    limits.py        how many calls are let through
    faults.py        scripted trouble
    settings.py      knobs: latency, lag of the list, how operations go on
    state.py         the world: sellers, dictionaries, offers, operations
    forms.py         forms that parts of a JSON body can have
    checks.py        what the body of an offer may hold
    defaults.py      what Allegro adds to a new offer
    views.py         how an offer looks from outside
    log.py           every exchange, for tests to look at
    gate.py          token, User-Agent, media types, limits: before any resource
    oauth.py         resources: logging in
    offers.py        resources: offers and their operations
    listing.py       resources: the seller's list of offers
    commands.py      resources: changes of many offers, their tasks
    products.py      resources: the catalogue
    orders.py        resources: orders, and how they come about and change
    dictionaries.py  resources: price lists, policies, producers, /me
    control.py       resources: the control door for other processes
    server.py        the HTTP server, and trouble on the wire
    simulator.py     START HERE: the object that tests and the demo hold

A new part of the API is a new file with `ROUTES`, named in `server.API`.
"""

from batch.simulator.clock import Clock
from batch.simulator.faults import Trouble
from batch.simulator.limits import Limits
from batch.simulator.settings import Settings
from batch.simulator.simulator import Simulator, serve_forever
from batch.simulator.state import Entry, Kind

__all__ = ["Clock", "Entry", "Kind", "Limits", "Settings", "Simulator", "Trouble", "serve_forever"]
