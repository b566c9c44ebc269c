"""Every call the tool makes, in every trouble: `python -m tests.faults [--at-once 3] [--only WORDS]`.

One case is a call, a fault and whether it passes or lasts. The real program runs into it, with a second account beside
that has no trouble; then it runs once more without any. `expected` says how the run in trouble ends: the state of the
account and the exit code. What must be so in every case is in `Case.check` and `Case.check_healed`. Prints the cases
that did not come out so, and exits with 1 if there are any. The tests take some of the cases (`sample`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from batch.simulator import Clock, Settings, Simulator, Trouble, catalogue
from tests.helpers.kill_at import Ended, Forks
from tests.helpers.killed_updates import Held, effects
from tests.helpers.shop import ACCOUNT, Shop

TIMES, HURRIED = 40, 150  # as fast as the clock on the wall; the second where minutes are waited in vain
TOO_SLOW = 1.0  # seconds; longer than anybody waits for an answer at these speeds
WELL = "e-sklep2"
OFFER = "/sale/product-offers"
TOKEN = "/auth/oauth/token"


# --- calls


@dataclass(frozen=True)
class Call:
    """A call, and the job in which it is made. When trouble with it lasts, it `stops` the account, or does not."""

    job: str
    method: str
    path: str
    stops: bool = True
    skip: int = 0
    lag: float = 0  # of the list, in the seller's seconds, so that reports are read

    @property
    def is_login(self) -> bool:
        return self.path.startswith("/auth/")


COMMANDS = {"price": "price-change", "quantity": "quantity-change", "publication": "publication"}
CALLS: dict[str, Call] = {
    "token renewal": Call("run", "POST", TOKEN),
    "shipping rates": Call("run", "GET", "/sale/shipping-rates"),
    "list of offers": Call("run", "GET", "/sale/offers"),
    "list of offers, looking on": Call("run", "GET", "/sale/offers", stops=False, skip=2),
    "new draft": Call("run", "POST", OFFER),
    "operation": Call("run", "GET", f"{OFFER}/[^/]+/operations/.*", stops=False),
    "offer": Call("run", "GET", f"{OFFER}/[^/]+", stops=False),
    "edit": Call("run", "PATCH", f"{OFFER}/[^/]+"),
    **{f"{name} command": Call("run", "PUT", f"/sale/offer-{path}-commands/.*") for name, path in COMMANDS.items()},
    "bulk command": Call("run", "POST", "/sale/offer-bulk-modification-commands"),
    **{
        f"{name} report": Call("run", "GET", f"/sale/offer-{path}-commands/.*", stops=False, lag=90)
        for name, path in {**COMMANDS, "bulk": "bulk-modification"}.items()
    },
    "orders": Call("run", "GET", "/order/checkout-forms"),
    "candidates": Call("ambiguous", "GET", "/sale/products", stops=False),
    "undo: list of offers": Call("undo", "GET", "/sale/offers"),
    "undo: delete": Call("undo", "DELETE", "/sale/offers/[^/]+"),
    "undo: commands": Call("undo", "PUT|POST", "/sale/offer-.*-commands.*"),
    "undo: edit": Call("undo", "PATCH", f"{OFFER}/[^/]+"),
    "dictionaries: rates": Call("dictionaries", "GET", "/sale/shipping-rates"),
    "dictionaries: policies": Call("dictionaries", "GET", "/after-sales-service-conditions/.*"),
    "dictionaries: responsible": Call("dictionaries", "GET", "/sale/responsible-.*"),
    "tokens: renewal": Call("tokens", "POST", TOKEN),
    "link: device": Call("link", "POST", "/auth/oauth/device"),
    "link: me": Call("link", "GET", "/me"),
}


# --- faults


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the first `count` calls, or with all (None), and what that does to the account."""

    troubles: tuple[tuple[str, dict[str, Any]], ...]
    count: int | None = 1
    state: str = "ok"
    processed: bool = False  # the call has its effect, though its answer is lost
    wanted: str = ""  # the only calls it is for; "" is all

    @property
    def times(self) -> float:
        slow = any(trouble.startswith("slow") for trouble, _ in self.troubles)
        return HURRIED if self.count is None and not slow else TIMES


def fault(trouble: str, *, count: int | None = 1, state: str = "ok", processed: bool = False, **more: Any) -> Fault:
    return Fault(((trouble, more),), count, state, processed)


AFTER = {"processed": True}
FOR_EVER = {"count": None, "state": "server_trouble"}
STATUSES = tuple(("status_before", {"status": status}) for status in (500, 501, 502, 503))
FAULTS: dict[str, Fault] = {
    "cut before": fault("cut_before", count=2),
    "cut before, for ever": fault("cut_before", **FOR_EVER),
    "cut after": fault("cut_after", count=2, **AFTER),
    "cut after, for ever": fault("cut_after", **FOR_EVER, **AFTER),
    "slow": fault("slow_before", seconds=TOO_SLOW, **AFTER),
    "slow, for ever": fault("slow_after", seconds=TOO_SLOW, **FOR_EVER, **AFTER),
    "truncated": fault("truncated", count=2, **AFTER),
    "truncated, for ever": fault("truncated", **FOR_EVER, **AFTER),
    "malformed": fault("malformed", count=2, **AFTER),
    "malformed, for ever": fault("malformed", **FOR_EVER, **AFTER),
    "429": fault("status_before", count=3, status=429),
    "429, Retry-After": fault("status_before", count=2, status=429, retry_after="7"),
    "429, for ever": fault("status_before", count=None, status=429, state="rate_limited"),
    "429, Retry-After an hour": fault(
        "status_before", count=None, status=429, retry_after="3600", state="rate_limited"
    ),
    "500-503": Fault(STATUSES),
    "503, for ever": fault("status_before", status=503, **FOR_EVER),
    "503 after, for ever": fault("status_after", status=503, **FOR_EVER, **AFTER),
    "HTML 403": fault("blocked", count=None, state="forbidden"),
    "401 in the middle": fault("unauthorized"),
    "401, for ever": fault("unauthorized", count=None, state="login_needed"),
    "token expired": fault("expired"),
    "token revoked": fault("revoked", state="login_needed"),
}
SPECIAL: dict[str, tuple[str, Fault]] = {
    "index lag, answers cut": ("new draft", fault("cut_after", count=None, **AFTER)),
    "an operation that never ends": ("new draft", fault("never_ends")),
    "an operation that vanishes": ("new draft", fault("operation_vanishes")),
    "Location is odd": ("new draft", fault("wrong_location", count=2)),
    **{
        f"{name}: {what}": (f"{name} command", fault(trouble))
        for name in (*COMMANDS, "bulk")
        for what, trouble in {
            "a task fails for the moment": "task_busy",
            "a task meets trouble": "task_error",
            "the command vanishes": "command_vanishes",
            "the command is forgotten": "command_forgotten",
            "the command never ends": "command_never_ends",
        }.items()
    },
}
NOT_THERE = "refused connection"
LAGGING = 40.0  # seconds of the seller's time until the list shows a new offer


def expected(call: Call, fault: Fault) -> tuple[str, int]:
    """The state of the account, and the exit code, after the run in trouble."""
    state = fault.state
    if call.job == "ambiguous":
        return "ok", 4  # its row waits for the user's choice all the same
    if call.is_login:  # an endpoint that does not recover: nobody has to log in, unless it says so
        trouble = {"forbidden": "server_trouble", "login_needed": "server_trouble"}
        state = trouble.get(state, state) if fault.troubles[0][0] != "revoked" else state
    elif not call.stops and state in {"server_trouble", "rate_limited"}:
        state = "ok"
    elif call.path == OFFER and fault.processed:
        state = "ok"  # the drafts are found
    return state, {"ok": 0, "forbidden": 3, "login_needed": 3}.get(state, 4)


# --- the desk


ACTIVE, DRAFT = ("10.00", 5, "ACTIVE"), ("20.00", 1, "INACTIVE")
CHANGES: list[tuple[dict[str, Any], Held, Held, Held]] = [  # cells, before, after, after an undo
    *[({"price": 11, "stock": 6}, ACTIVE, ("11.00", 6, "ACTIVE"), ACTIVE)] * 25,  # for commands of one value
    ({"price": 12, "stock": 7}, ACTIVE, ("12.00", 7, "ACTIVE"), ACTIVE),  # for the bulk command
    ({"price": 13}, ACTIVE, ("13.00", 5, "ACTIVE"), ACTIVE),
    ({"stock": 0}, ACTIVE, ("10.00", 0, "ENDED"), ACTIVE),
    ({"action": "zakończ"}, ACTIVE, ("10.00", 5, "ENDED"), ACTIVE),
    ({"action": "aktywuj"}, ("10.00", 5, "INACTIVE"), ("10.00", 5, "ACTIVE"), ("10.00", 5, "ENDED")),
]
DRAFTS = [catalogue.gtin(1000), catalogue.gtin(1001), catalogue.SLOW]
DONE = re.compile("[✔–⚠]")
NOT_BLAMED = {"forbidden", "login_needed", "server_trouble", "rate_limited", "not_sent", "in_doubt", "draft_pending",
              "update_pending"}  # fmt: skip


@dataclass
class Case:
    """One case on a desk of its own."""

    name: str
    call: Call
    fault: Fault
    folder: Path
    forks: Mapping[float, Forks]

    def play(self) -> None:
        """Raises AssertionError where it does not come out as it must."""
        settings = Settings(command_seconds=1, edit_seconds=1, operation_polls=1)
        with Simulator(clock=Clock(speed=self.fault.times), settings=settings) as self.simulator:
            self.simulator.lifetimes.refresh_grace = 3600  # hurried, the next run comes later than a user's would
            self._prepare()
            self._let_it_happen()
            self.check(self._run(self.fault.times))
            self._heal()
            self.check_healed(self._run(TIMES))

    # --- before

    def _prepare(self) -> None:
        simulator = self.simulator
        self.shop = Shop(self.folder, simulator, times=self.fault.times, secret="never-to-be-told")  # noqa: S106
        if self.call.job == "ambiguous":
            self.shop.fill([{"ean": catalogue.AMBIGUOUS, "price": 20, "stock": 1}])
            return
        offers = [
            {"gtin": catalogue.gtin(n + 1), "price": p, "stock": s, "status": t}
            for n, (_, (p, s, t), *_) in enumerate(CHANGES)
        ]
        self.ids = simulator.add_offers(ACCOUNT, offers)
        drafts = [{"ean": ean, "price": 20, "stock": 1} for ean in DRAFTS]
        changes = [{"offer_id": o, **cells} for o, (cells, *_) in zip(self.ids, CHANGES, strict=True)]
        self.shop.fill([*changes, *drafts, {"account": WELL, "ean": catalogue.gtin(2000), "price": 20, "stock": 1}])
        for account in (ACCOUNT, WELL):
            simulator.add_order(account)
        if self.call.job == "undo":
            assert self.forks[TIMES].run(self.shop, "run", "--force").returncode == 0
            self.undone_run = self.shop.table("Results")[-1]["run"]
        if self.name.startswith("token renewal"):
            self._age_token()

    def _age_token(self) -> None:
        file = self.shop.folder / f"{ACCOUNT}.allegro.token"
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        file.write_text(json.dumps({**json.loads(file.read_text()), "expires_at": hour_ago.isoformat()}))

    def _let_it_happen(self) -> None:
        settings, call = self.simulator.settings, self.call
        settings.list_lag = call.lag
        settings.auto_consent = ACCOUNT if call.job == "link" else ""
        if self.name.startswith("index lag"):
            settings.index_lag = LAGGING
        if self.fault is REFUSED:
            self.simulator.stop()
        for trouble, details in self.fault.troubles:
            if trouble == "revoked" and call.is_login:
                self.simulator.revoke(ACCOUNT)
                continue
            seller = "" if call.is_login or call.job == "link" else ACCOUNT
            common = {"path": call.path, "skip": call.skip, "count": self.fault.count, "seller": seller}
            for method in call.method.split("|"):
                self.simulator.faults.add(trouble, method=method, **common, **details)

    def _run(self, times: float) -> Ended:
        arguments = {
            "run": ["run", "--force", "--json"],
            "ambiguous": ["run", "--json"],
            "undo": ["undo", getattr(self, "undone_run", ""), "--json"],
            "dictionaries": ["dictionaries"],
            "tokens": ["tokens", "--refresh"],
            "link": ["link", ACCOUNT, "--device"],
        }[self.call.job]
        return self.forks[times].run(self.shop, *arguments)

    # --- after

    def check(self, ended: Ended) -> None:
        """What the run in trouble leaves behind."""
        state, code = expected(self.call, self.fault)
        assert ended.returncode == code, (ended.returncode, code, ended.stdout, ended.stderr[-2000:])
        assert self.shop.leaks(ended.stdout, ended.stderr) == []
        if "--json" not in ended.stdout and not ended.stdout.startswith("{"):
            return
        summary = json.loads(ended.stdout)
        assert summary["exit_code"] == code
        assert summary["accounts"][ACCOUNT]["state"] == state, (state, summary)
        if self.call.job == "ambiguous":
            assert summary["counts"] == {"product_ambiguous": 1}
            return
        well = 0 if self.fault is REFUSED else 1
        assert (summary["accounts"][WELL]["state"] == "ok") is bool(well), "one account's trouble is not the other's"
        self._check_once()
        results = [row for row in self.shop.table("Results") if row["run"] == summary["run"]]
        blamed = [row for row in results if row["status"][0] in "✖❓" and row["code"] not in NOT_BLAMED]
        assert blamed == []
        if self.call.job == "run":
            assert sum(summary["counts"].values()) == len(CHANGES) + len(DRAFTS) + 1, summary["counts"]
            assert all(row["status"] for row in self.shop.table("Products"))
            told = {row["account"]: row for row in self.shop.table("Orders")}
            assert not well or WELL in told
            assert state != "ok" or ACCOUNT in told or self.call.path.startswith("/order")

    def _check_once(self) -> None:
        """No draft twice, none published."""
        offers = self.shop.offers()
        names = Counter(offer["external"]["id"] for offer in offers)
        assert [name for name, count in names.items() if count > 1] == []
        drafts = [offer for offer in offers if offer["external"]["id"] in DRAFTS]
        assert {offer["publication"]["status"] for offer in drafts} <= {"INACTIVE"}

    def _heal(self) -> None:
        if self.fault is REFUSED:
            self.simulator.start()
        world = self.simulator.world
        with world.lock:
            world.faults.clear()
            for operation in world.operations.values():
                operation.polls_left = min(operation.polls_left, 0)
            for command in world.commands.values():
                if command.outcome == Trouble.COMMAND_NEVER_ENDS:
                    command.outcome = ""
        if self.fault.state == "login_needed" and self.call.job != "link":
            self.shop.link(ACCOUNT)

    def check_healed(self, ended: Ended) -> None:
        """The next run finishes everything, and does nothing twice."""
        assert ended.returncode == (4 if self.call.job == "ambiguous" else 0), (ended.stdout, ended.stderr[-2000:])
        assert self.shop.leaks(ended.stdout, ended.stderr) == []
        match self.call.job:
            case "run" | "undo":
                self._check_once()
                self._check_offers()
            case "dictionaries":
                kinds = Counter(row["account"] for row in self.shop.table("Dictionaries"))
                assert kinds == {ACCOUNT: 10, WELL: 9}, kinds
            case "tokens" | "link":
                file = json.loads((self.shop.folder / f"{ACCOUNT}.allegro.token").read_text())
                assert self.simulator.world.tokens.whose(file["access_token"]), "the token in the file is no good"

    def _check_offers(self) -> None:
        undo = self.call.job == "undo"
        held = {
            o["id"]: (o["sellingMode"]["price"]["amount"], o["stock"]["available"], o["publication"]["status"])
            for o in self.shop.offers()
        }
        for offer_id, (cells, _, after, undone) in zip(self.ids, CHANGES, strict=True):
            assert held.pop(offer_id) == (undone if undo else after), cells
        assert list(held.values()) == ([] if undo else [DRAFT] * len(DRAFTS))
        rows = self.shop.table("Products")
        assert all(DONE.match(row["status"]) for row in rows), [row for row in rows if not DONE.match(row["status"])]
        drafts = [row for row in rows if row["ean"] in DRAFTS]
        assert [bool(row["offer_id"]) for row in drafts] == [not undo] * len(DRAFTS)
        sold = Counter(row["account"] for row in self.shop.table("Orders") if row["line_id"] == "delivery")
        assert undo or sold == {ACCOUNT: 1, WELL: 1}, sold
        sent: dict[tuple[str, str], set[object]] = {}
        for exchange in self.simulator.requests:
            for offer, what, value in effects(exchange):
                sent.setdefault((offer, what), set()).add(value)
        assert undo or all(len(values) == 1 for values in sent.values()), sent


REFUSED = Fault((), None, "server_trouble")


# --- the table


def cases() -> dict[str, tuple[Call, Fault]]:
    """All of them, by name."""
    table = {
        f"{call}: {name}": (CALLS[call], FAULTS[name])
        for call, name in itertools.product(CALLS, FAULTS)
        if _makes_sense(CALLS[call], name)
    }
    table |= {name: (CALLS[call], fault) for name, (call, fault) in SPECIAL.items()}
    jobs = {call.job: call for call in CALLS.values() if call.job != "ambiguous"}
    return table | {f"{job}: {NOT_THERE}": (call, REFUSED) for job, call in jobs.items()}


def _makes_sense(call: Call, name: str) -> bool:
    """There is no access token yet where it is asked for; a person's login cannot be revoked before it is there."""
    tokens = name in {"401 in the middle", "token expired", "token revoked"}
    return not (tokens and call.is_login and (call.job == "link" or name != "token revoked"))


def sample(size: int, seed: int) -> Iterator[str]:
    """So many cases, in which each call and each fault comes as often as can be."""
    names = list(cases())
    random.Random(seed).shuffle(names)
    used: Counter[str] = Counter()
    for _ in range(size):
        best = min(names, key=lambda name: sum(used[part] for part in name.split(": ", 1)))
        names.remove(best)
        used.update(best.split(": ", 1))
        yield best


def play(name: str, forks: Mapping[float, Forks]) -> str:
    """Play a case; what was wrong with it, or ""."""
    call, fault = cases()[name]
    with tempfile.TemporaryDirectory() as folder:
        try:
            Case(name, call, fault, Path(folder), forks).play()
        except Exception:  # noqa: BLE001  (whatever it is, it is the case's result)
            return traceback.format_exc()
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    local = threading.local()
    names = [name for name in cases() if options.only in name]

    def one(name: str) -> str:
        if not hasattr(local, "forks"):
            local.forks = {times: Forks(times=times).__enter__() for times in (TIMES, HURRIED)}
        why = play(name, local.forks)
        if why:
            print(f"--- {name}\n{why}", file=sys.stderr, flush=True)
        return why

    begun = time.monotonic()
    with ThreadPoolExecutor(options.at_once) as pool:
        results = dict(zip(names, pool.map(one, names), strict=True))
    failed = [name for name, why in results.items() if why]
    figures = {"cases": len(names), "passed": len(names) - len(failed), "failed": failed}
    print(json.dumps({**figures, "minutes": round((time.monotonic() - begun) / 60, 1)}, ensure_ascii=False, indent=1))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
