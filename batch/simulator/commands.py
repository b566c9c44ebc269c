"""Changes of many offers under an id the sender chose: price, quantity, publication, and the bulk command (beta).

Accepted is not applied: a command is answered 201 with zeros everywhere, as is its first poll while nothing is
done; its tasks are worked off while it ages (and, if asked for, is polled), and each of them may fail. Of Allegro's
ways to change a price only the fixed one is known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from batch.simulator.clock import stamp
from batch.simulator.faults import Trouble
from batch.simulator.forms import array, moment, nullable, obj, one_of, text, whole, wrong
from batch.simulator.gate import language, too_many
from batch.simulator.state import Command, Offer, Task, World
from batch.simulator.wire import BETA, Answer, Call, Json, Refused, Route, localised, problem, refuse

BULK = "bulk-modification"
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
PASSING = {
    Trouble.TASK_BUSY: problem("OFFER_IS_BEING_PROCESSED", "The offer is being processed, try again later"),
    Trouble.TASK_ERROR: problem("INTERNAL_SERVER_ERROR", "An unexpected error occurred"),
}


# --- forms

OFFER_ID = text(1, 20, r"\d+")
CRITERIA = array(
    obj(
        {"type": one_of("CONTAINS_OFFERS"), "offers": array(obj({"id": OFFER_ID}, "id"), 1, 1000)},
        "type",
        "offers",
    ),
    1,
    1,
)
MONEY = obj(
    {"amount": text(pattern=r"\d{1,9}(\.\d{1,2})?"), "currency": text(pattern="[A-Z]{3}")}, "amount", "currency"
)
PRICE = obj(
    {"type": one_of("FIXED_PRICE"), "marketplaceId": nullable(one_of("allegro-pl")), "price": MONEY}, "type", "price"
)
PUBLICATION = obj({"action": one_of("ACTIVATE", "END"), "scheduledFor": moment}, "action")


def quantity(value: Any, path: str) -> Iterator[Json]:
    """A new stock, which must be positive, or a change of it."""
    fixed = isinstance(value, dict) and value.get("changeType") == "FIXED"
    number = whole(1 if fixed else -(2**31))
    yield from obj({"changeType": one_of("FIXED", "GAIN"), "value": number}, "changeType", "value")(value, path)


BODIES = {
    "price-change": obj({"modification": PRICE, "offerCriteria": CRITERIA}, "modification", "offerCriteria"),
    "quantity-change": obj({"modification": quantity, "offerCriteria": CRITERIA}, "modification", "offerCriteria"),
    "publication": obj({"publication": PUBLICATION, "offerCriteria": CRITERIA}, "publication", "offerCriteria"),
}
BULK_PRICE = obj({"changeType": one_of("FIXED"), "value": MONEY}, "changeType", "value")
BULK_BODY = obj(
    {
        "commandId": text(pattern=UUID),
        "modifications": array(
            obj(
                {"offerId": OFFER_ID, "prices": obj({"allegro-pl": BULK_PRICE}, "allegro-pl"), "stock": quantity},
                "offerId",
            ),
            1,
            25,
        ),
    },
    "commandId",
    "modifications",
)


# --- resources


def put(call: Call) -> Answer:
    """PUT /sale/offer-{kind}-commands/{commandId}: one change of up to 1000 offers."""
    kind, body = _kind(call), call.json()
    if not re.fullmatch(UUID, call.params["commandId"]):
        raise Refused(400, problem("VALIDATION_ERROR", "The command id must be a UUID", path="commandId"))
    refuse(list(BODIES[kind](body, "")))
    ids = dict.fromkeys(offer["id"] for offer in body["offerCriteria"][0]["offers"])
    if kind == "publication":
        change, part = {"action": body["publication"]["action"]}, "publication"
    elif kind == "price-change":
        change, part = {"price": body["modification"]["price"]}, "price"
    else:
        change, part = {"stock": body["modification"]}, "quantity"
    command = _register(call, kind, call.params["commandId"], body, [Task(offer_id, part, change) for offer_id in ids])
    return Answer(201, _summary(command))


def post_bulk(call: Call) -> Answer:
    """POST /sale/offer-bulk-modification-commands: up to 25 changes, of a price or a stock each."""
    body = call.json()
    refuse(list(BULK_BODY(body, "")))
    tasks = []
    for place, modification in enumerate(body["modifications"]):
        if ("prices" in modification) == ("stock" in modification):
            refuse([wrong(f"modifications[{place}]", "must change either prices or stock")])
        if "stock" in modification:
            tasks.append(Task(modification["offerId"], "stock", {"stock": modification["stock"]}))
        else:
            price = modification["prices"]["allegro-pl"]["value"]
            tasks.append(Task(modification["offerId"], "prices", {"price": price}))
    if len({(task.offer_id, task.part) for task in tasks}) < len(tasks):
        refuse([wrong("modifications", "an offer is changed twice in the same way")])
    return Answer(201, _summary(_register(call, BULK, body["commandId"], body, tasks)), media_type=BETA)


def read(call: Call) -> Answer:
    """GET of a command: how many of its tasks are done."""
    command = _own_command(call)
    answer = Answer(200, _summary(command))
    _polled(call.world, command)
    return answer


def read_tasks(call: Call) -> Answer:
    """GET of a command's tasks, 100 unless asked for more."""
    call.only("limit", "offset")
    limit, offset = call.number("limit", 100, 1, 1000), call.number("offset", 0, 0, 999)
    command = _own_command(call)
    shown = command.tasks if _begun(command) else []
    answer = Answer(200, {"tasks": [_report(task, command, call) for task in shown[offset : offset + limit]]})
    _polled(call.world, command)
    return answer


def _register(call: Call, kind: str, command_id: str, body: Json, tasks: list[Task]) -> Command:
    """Accept a command, unless its id was used before or it changes more offers than is allowed."""
    world, seller = call.world, call.seller
    command_id, written = command_id.lower(), json.dumps(body, sort_keys=True)
    known = world.commands.get(command_id)
    if known is not None:
        same = (known.seller, known.kind, known.text) == (seller, kind, written)
        code = "COMMAND_ID_ALREADY_USED" if same else "COMMAND_ID_USED_FOR_ANOTHER_CHANGE"
        raise Refused(409, problem(code, "Command id was already used"))
    hourly = "price_changes_per_hour" if kind in {"price-change", BULK} else "other_changes_per_hour"
    limit = world.meter.admit_changes(seller.login, hourly, len(tasks))
    if limit:
        raise too_many(world, limit)
    command = Command(
        id=command_id,
        kind=kind,
        seller=seller,
        text=written,
        created_at=world.clock.now(),
        accepted_at=world.clock.monotonic(),
        seconds=world.settings.command_seconds,
        polls=world.settings.command_polls,
        tasks=tasks,
        outcome=call.outcome,
    )
    world.commands[command_id] = command
    for share in (0.5, 1):
        world.later(command.seconds * share, lambda: _work(world, command))
    return command


def _own_command(call: Call) -> Command:
    command = call.world.commands.get(call.params["commandId"].lower())
    mine = command is not None and command.seller is call.seller and command.kind == _kind(call)
    if command is None or not mine or command.outcome in {Trouble.COMMAND_VANISHES, Trouble.COMMAND_FORGOTTEN}:
        raise Refused(404, problem("COMMAND_NOT_FOUND", "Command not found."))
    return command


def _kind(call: Call) -> str:
    return call.path.removeprefix("/sale/offer-").split("-commands", 1)[0]


def _begun(command: Command) -> bool:
    return command.polled > 0 or command.done > 0


def _polled(world: World, command: Command) -> None:
    command.polled += 1
    _work(world, command)


def _summary(command: Command) -> Json:
    statuses = [task.status for task in command.tasks] if _begun(command) else []
    return {
        "id": command.id,
        "createdAt": stamp(command.created_at),
        "completedAt": stamp(command.completed_at) if command.completed_at else None,
        "taskCount": {
            "total": len(statuses),
            "success": statuses.count("SUCCESS"),
            "failed": statuses.count("FAIL"),
        },
    }


def _report(task: Task, command: Command, call: Call) -> Json:
    about: Json = {"offer": {"id": task.offer_id}, "field": task.part}
    if command.kind == BULK:
        about = {"subject": {"offerId": task.offer_id, "field": task.part}}
    message = task.errors[0]["message"] if task.errors else ""
    return {**about, "status": task.status, "message": message, "errors": localised(task.errors, language(call))}


# --- what tasks do


def _work(world: World, command: Command) -> None:
    """Do as many tasks as the age of the command and the polls for it allow."""
    if command.outcome in {Trouble.COMMAND_VANISHES, Trouble.COMMAND_NEVER_ENDS}:
        return
    age = world.clock.monotonic() - command.accepted_at
    polled = command.polled if command.outcome != Trouble.COMMAND_FORGOTTEN else command.polls
    share = min(age / command.seconds if command.seconds else 1, polled / command.polls if command.polls else 1, 1)
    reached = int(len(command.tasks) * share)
    for place in range(command.done, reached):
        task = command.tasks[place]
        try:
            refuse([PASSING[Trouble(command.outcome)]] if place == 0 and command.outcome in PASSING else [])
            _apply(world, command.seller.offers.get(task.offer_id), task.change)
        except Refused as refused:
            task.status, task.errors = "FAIL", list(refused.problems)
        else:
            task.status = "SUCCESS"
    command.done = max(command.done, reached)
    if command.done == len(command.tasks) and command.completed_at is None:
        command.completed_at = world.clock.now()


def _apply(world: World, offer: Offer | None, change: Json) -> None:
    """Do one task. Refuses with 422 what fails."""
    if offer is None or not world.visible(offer):
        raise Refused(422, problem("OFFER_NOT_FOUND", "The offer does not exist."))
    if offer.operation is not None:
        raise Refused(422, problem("OFFER_IS_BEING_EDITED", "A previous edit of the offer is still being processed"))
    body, status = offer.body, offer.status
    if "action" in change:
        status = _new_status(offer, body, change["action"])
    elif status == "ENDED":
        raise Refused(422, problem("OFFER_ENDED", "An ended offer cannot be changed"))
    elif "price" in change:
        refuse(list(_price_problems(body, change["price"])))
        body["sellingMode"]["price"] = change["price"]
    else:
        amount = change["stock"]["value"]
        if change["stock"]["changeType"] == "GAIN":
            amount += body["stock"]["available"]
        refuse([wrong("stock.available", "must be positive")] if amount < 1 else [])
        body["stock"]["available"] = amount
    world.change_offer(offer, body, status)


def _new_status(offer: Offer, body: Json, action: str) -> str:
    if action == "END":
        refuse([problem("OFFER_NOT_ACTIVE", "A draft cannot be ended")] if offer.status == "INACTIVE" else [])
        return "ENDED"
    if offer.status in {"ACTIVE", "ACTIVATING"}:
        return offer.status
    refuse(offer.errors)
    refuse([] if body["stock"]["available"] else [wrong("stock.available", "must be positive")])
    return "ACTIVE"


def _price_problems(body: Json, price: Json) -> Iterable[Json]:
    if price["currency"] != body["sellingMode"]["price"]["currency"]:
        yield problem("CURRENCY_MISMATCH", "The currency is not that of the offer", path="price.currency")
    elif float(price["amount"]) < 1:
        yield problem("ConstraintViolationException.Price", "must be at least 1.00", path="price.amount")


def _routes() -> Iterator[Route]:
    yield Route("POST", f"/sale/offer-{BULK}-commands", post_bulk, BETA)
    for kind in (*BODIES, BULK):
        path = f"/sale/offer-{kind}-commands/{{commandId}}"
        yield Route("GET", path, read)
        yield Route("GET", f"{path}/tasks", read_tasks)
        if kind != BULK:
            yield Route("PUT", path, put)


ROUTES = tuple(_routes())
