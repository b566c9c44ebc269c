"""Every call the tool makes, in every trouble: `python -m tests.faults [--at-once 3] [--only WORDS]`.

One case is a call, a fault and whether it passes or lasts. The real program runs into it, with a second account beside
that has no trouble; then it runs once more without any. `expected` says how the run in trouble ends: the state of the
account and the exit code. What must be so in every case is in `Desk._check` and `Desk._check_healed`. Prints the cases
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from batch.simulator import Clock, Settings, Simulator, Trouble, catalogue
from tests.helpers.kill_at import Ended, Forks
from tests.helpers.killed_updates import Held, effects
from tests.helpers.shop import Shop

TIMES = 20  # as fast as the clock on the wall
TOO_SLOW = 1.8  # seconds; longer than anybody waits for an answer at this speed
WELL = "zdrowe"  # the account without trouble
ACCOUNTS = 12  # cases played in one run at most
RATES = "Cennik podstawowy"
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
    lag: float = 0  # of the list, in the seller's seconds, so that reports are read

    @property
    def is_login(self) -> bool:
        return self.path.startswith("/auth/")


COMMANDS = {"price": "price-change", "quantity": "quantity-change", "publication": "publication"}
CALLS: dict[str, Call] = {
    "token renewal": Call("run", "POST", TOKEN),
    "shipping rates": Call("run", "GET", "/sale/shipping-rates"),
    "list of offers": Call("run", "GET", "/sale/offers"),
    "new draft": Call("run", "POST", OFFER),
    "operation": Call("run", "GET", f"{OFFER}/[^/]+/operations/.*", stops=False),
    "offer": Call("run", "GET", f"{OFFER}/[^/]+", stops=False),
    "edit": Call("run", "PATCH", f"{OFFER}/[^/]+"),
    **{f"{name} command": Call("run", "PUT", f"/sale/offer-{path}-commands/.*") for name, path in COMMANDS.items()},
    "bulk command": Call("run", "POST", "/sale/offer-bulk-modification-commands"),
    **{
        f"{name} report": Call("run", "GET", f"/sale/offer-{path}-commands/.*", stops=False, lag=600)
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
    lag: float = 0  # seconds of the seller's time until the list shows a new offer


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
    "index lag, answers cut": ("new draft", Fault((("cut_after", {}),), None, processed=True, lag=40)),
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


def expected(call: Call, fault: Fault) -> tuple[str, int]:
    """The state of the account, and the exit code, after the run in trouble."""
    state, trouble = fault.state, fault.troubles[0][0] if fault.troubles else ""
    if call.job == "ambiguous" and trouble != "revoked":
        return "ok", 4  # its row waits for the user's choice all the same
    if trouble == "malformed" and (call.method == "DELETE" or "-commands" in call.path):
        state = "ok"  # sent again, they are answered 404 and 409, which are understood without their words
    elif trouble == "truncated" and call.method == "DELETE":
        state = "ok"  # an answer without a body
    elif call.path == "/me" and trouble in {"unauthorized", "expired"}:
        state = "login_needed"  # it cannot be renewed, since it is in no file yet
    elif call.is_login and trouble not in {"", "revoked"}:
        # An endpoint that does not recover: nobody has to log in, but for the one who is about to.
        passing = {"login_needed"} if call.job == "link" else {"login_needed", "forbidden"}
        state = "server_trouble" if state in passing else state
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
class Desk:
    """One workbook with an account for each of the cases, all of which end in the same exit code, and one that is well.

    `cases`: calls and faults by the name of the account.
    """

    cases: Mapping[str, tuple[Call, Fault]]
    folder: Path
    forks: Forks

    def __post_init__(self) -> None:
        self.call, self.fault = next(iter(self.cases.values()))
        self.job = self.call.job
        self.wrong: dict[str, str] = {}

    def play(self) -> dict[str, str]:
        """What did not come out as it must, by account; "" for what concerns all of them."""
        settings = Settings(command_seconds=1, edit_seconds=1, operation_polls=1)
        with Simulator(clock=Clock(speed=TIMES), settings=settings) as self.simulator:
            self.simulator.lifetimes.refresh_grace = 3600  # hurried, the next run comes later than a user's would
            self._prepare()
            self._let_it_happen()
            ended = self._run()
            with self._noting(""):
                self._check(ended)
            self._heal()
            ended = self._run()
            with self._noting(""):
                self._check_healed(ended)
        return self.wrong

    @contextmanager
    def _noting(self, account: str) -> Iterator[None]:
        try:
            yield
        except AssertionError:
            self.wrong[account] = self.wrong.get(account, "") + traceback.format_exc(limit=-2)

    # --- before

    def _prepare(self) -> None:
        simulator, accounts = self.simulator, [*self.cases, WELL]
        for account in accounts:
            simulator.add_seller(account)
        self.shop = Shop(self.folder, simulator, accounts=accounts, times=TIMES, secret="never-to-be-told")
        rows: list[dict[str, Any]] = [{"account": WELL, **self._draft(catalogue.gtin(2000))}]
        self.ids: dict[str, list[str]] = {}
        for account in self.cases:
            if self.job == "ambiguous":
                rows.append({"account": account, **self._draft(catalogue.AMBIGUOUS)})
                continue
            offers = [
                {"gtin": catalogue.gtin(n + 1), "price": p, "stock": s, "status": t}
                for n, (_, (p, s, t), *_) in enumerate(CHANGES)
            ]
            self.ids[account] = simulator.add_offers(account, offers)
            changes = zip(self.ids[account], CHANGES, strict=True)
            rows += [{"account": account, "offer_id": offer, **cells} for offer, (cells, *_) in changes]
            rows += [{"account": account, **self._draft(ean)} for ean in DRAFTS]
        for account in accounts:
            simulator.add_order(account)
        self.shop.fill(rows, Defaults=[{"account": account, "shipping_rates": RATES} for account in accounts])
        if self.job == "undo":
            assert self.forks.run(self.shop, "run", "--force").returncode == 0
            self.undone_run = self.shop.table("Results")[-1]["run"]

    @staticmethod
    def _draft(ean: str) -> dict[str, Any]:
        return {"ean": ean, "price": 20, "stock": 1}

    def _let_it_happen(self) -> None:
        settings = self.simulator.settings
        settings.list_lag, settings.index_lag = self.call.lag, self.fault.lag
        if self.fault is REFUSED:
            self.simulator.stop()
        for account, (call, fault) in self.cases.items():
            if call is CALLS["token renewal"]:
                self._age_token(account)
            for trouble, details in fault.troubles:
                if trouble == "revoked" and call.is_login:
                    self.simulator.revoke(account)
                    continue
                seller = "" if self.job == "link" else account
                common = {"path": call.path, "count": fault.count, "seller": seller}
                for method in call.method.split("|"):
                    self.simulator.faults.add(trouble, method=method, **common, **details)
        settings.auto_consent = next(iter(self.cases)) if self.job == "link" else ""

    def _age_token(self, account: str) -> None:
        file = self.shop.folder / f"{account}.allegro.token"
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        file.write_text(json.dumps({**json.loads(file.read_text()), "expires_at": hour_ago.isoformat()}))

    def _run(self) -> Ended:
        arguments = {
            "run": ["run", "--force", "--json"],
            "ambiguous": ["run", "--json"],
            "undo": ["undo", getattr(self, "undone_run", ""), "--json"],
            "dictionaries": ["dictionaries"],
            "tokens": ["tokens", "--refresh"],
            "link": ["link", next(iter(self.cases)), "--device"],
        }[self.job]
        return self.forks.run(self.shop, *arguments)

    # --- after

    def _check(self, ended: Ended) -> None:
        """What the run in trouble leaves behind."""
        code = expected(self.call, self.fault)[1]
        assert ended.returncode == code, (ended.returncode, code, ended.stdout, ended.stderr[-2000:])
        assert self.shop.leaks(ended.stdout, ended.stderr) == []
        if not ended.stdout.startswith("{"):
            return
        summary = json.loads(ended.stdout)
        assert summary["exit_code"] == code
        well = summary["accounts"][WELL]
        assert (well["state"] == "ok") is (self.fault is not REFUSED), (
            "one account's trouble is not the other's",
            well,
        )
        results = [row for row in self.shop.table("Results") if row["run"] == summary["run"]]
        products, orders = self.shop.table("Products"), {row["account"] for row in self.shop.table("Orders")}
        for account, (call, fault) in self.cases.items():
            with self._noting(account):
                state, told = expected(call, fault)[0], summary["accounts"][account]
                assert told["state"] == state, (state, told)
                if self.job == "ambiguous":
                    assert told["counts"] == {"product_ambiguous": 1}
                    continue
                self._check_once(account)
                mine = [row for row in results if row["account"] == account]
                assert [r for r in mine if r["status"][0] in "✖❓" and r["code"] not in NOT_BLAMED] == []
                if self.job == "run":
                    assert sum(told["counts"].values()) == len(CHANGES) + len(DRAFTS), told
                    assert all(row["status"] for row in products if row["account"] == account)
                    assert state != "ok" or account in orders or call.path.startswith("/order")

    def _check_once(self, account: str) -> None:
        """No draft twice, none published."""
        offers = self.shop.offers(account)
        names = Counter(offer["external"]["id"] for offer in offers)
        assert [name for name, count in names.items() if count > 1] == []
        drafts = [offer for offer in offers if offer["external"]["id"] in DRAFTS]
        assert {offer["publication"]["status"] for offer in drafts} <= {"INACTIVE"}

    def _heal(self) -> None:
        if self.fault is REFUSED:
            self.simulator.start()
        world = self.simulator.world
        world.clock.advance(self.call.lag)
        with world.lock:
            world.faults.clear()
            for operation in world.operations.values():
                operation.polls_left = min(operation.polls_left, 0)
            for command in world.commands.values():
                if command.outcome == Trouble.COMMAND_NEVER_ENDS:
                    command.outcome = ""
        for account, (_, fault) in self.cases.items():
            if fault.state == "login_needed" and self.job != "link":
                self.shop.link(account)

    def _check_healed(self, ended: Ended) -> None:
        """The next run finishes everything, and does nothing twice."""
        assert ended.returncode == (4 if self.job == "ambiguous" else 0), (ended.stdout, ended.stderr[-2000:])
        assert self.shop.leaks(ended.stdout, ended.stderr) == []
        entries = Counter(row["account"] for row in self.shop.table("Dictionaries"))
        sold = Counter(row["account"] for row in self.shop.table("Orders") if row["line_id"] == "delivery")
        products = self.shop.table("Products")
        sent: dict[str, dict[tuple[str, str], set[object]]] = {}
        for exchange in self.simulator.requests:
            for offer, what, value in effects(exchange):
                sent.setdefault(exchange.seller, {}).setdefault((offer, what), set()).add(value)
        for account in self.cases:
            with self._noting(account):
                match self.job:
                    case "run":
                        assert sold[account] == 1
                        assert all(len(values) == 1 for values in sent[account].values()), sent[account]
                        self._check_offers(account, products)
                    case "undo":
                        self._check_offers(account, products)
                    case "dictionaries":
                        assert entries[account] == 9
                    case "tokens" | "link":
                        file = json.loads((self.shop.folder / f"{account}.allegro.token").read_text())
                        assert self.simulator.world.tokens.whose(file["access_token"]), "the token in the file is dead"

    def _check_offers(self, account: str, products: list[dict[str, Any]]) -> None:
        self._check_once(account)
        undo = self.job == "undo"
        held = {
            o["id"]: (o["sellingMode"]["price"]["amount"], o["stock"]["available"], o["publication"]["status"])
            for o in self.shop.offers(account)
        }
        for offer_id, (cells, _, after, undone) in zip(self.ids[account], CHANGES, strict=True):
            assert held.pop(offer_id) == (undone if undo else after), cells
        assert list(held.values()) == ([] if undo else [DRAFT] * len(DRAFTS))
        rows = [row for row in products if row["account"] == account]
        assert [row for row in rows if not DONE.match(row["status"])] == []
        assert [bool(row["offer_id"]) for row in rows if row["ean"]] == [not undo] * len(DRAFTS)


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
    if call.is_login and name.startswith("slow"):  # its time limits do not go with the clock; tests/accounts has it
        return False
    tokens = name in {"401 in the middle", "token expired", "token revoked"}
    return not (tokens and call.is_login and (call.job == "link" or name != "token revoked"))


def sample(size: int, runs: int, seed: int) -> Iterator[str]:
    """So many cases, played in so many runs, in which each call and each fault comes as often as can be."""
    table = cases()
    names = list(table)
    random.Random(seed).shuffle(names)
    used: Counter[str] = Counter()
    begun: Counter[tuple[object, ...]] = Counter()

    def worth(name: str) -> tuple[bool, int]:
        group = _together(name, *table[name])
        possible = begun[group] % ACCOUNTS or len(begun) < runs
        return not possible, sum(used[part] for part in name.rsplit(": ", 1))

    for _ in range(size):
        best = min(names, key=worth)
        names.remove(best)
        used.update(best.rsplit(": ", 1))
        begun[_together(best, *table[best])] += 1
        yield best


def _together(name: str, call: Call, fault: Fault) -> tuple[object, ...]:
    """What is the same for cases that can be played in one run."""
    alone = name if call.job == "link" or fault is REFUSED else ""
    return call.job, call.lag, fault.lag, expected(call, fault)[1], alone


def play(names: Iterable[str], forks: Callable[[], Forks], *, at_once: int = 1) -> dict[str, str]:
    """Play cases, those together whose runs end alike; what was wrong with each, or ""."""
    table = cases()
    together: dict[tuple[object, ...], list[str]] = {}
    for name in names:
        together.setdefault(_together(name, *table[name]), []).append(name)
    groups = [group[n : n + ACCOUNTS] for group in together.values() for n in range(0, len(group), ACCOUNTS)]

    def play_group(group: list[str]) -> dict[str, str]:
        accounts = {f"konto{n}": name for n, name in enumerate(group)}
        with tempfile.TemporaryDirectory() as folder:
            try:
                desk = Desk({account: table[name] for account, name in accounts.items()}, Path(folder), forks())
                wrong = desk.play()
            except Exception:  # noqa: BLE001  (whatever it is, it is the cases' result)
                wrong = {"": traceback.format_exc()}
        return {name: wrong.get(account, wrong.get("", "")) for account, name in accounts.items()}

    with ThreadPoolExecutor(at_once) as pool:
        return {name: why for result in pool.map(play_group, groups) for name, why in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    local = threading.local()

    begun = time.monotonic()
    with ExitStack() as stack:

        def forks() -> Forks:
            if not hasattr(local, "forks"):
                local.forks = stack.enter_context(Forks(times=TIMES))
            running: Forks = local.forks
            return running

        results = play([name for name in cases() if options.only in name], forks, at_once=options.at_once)
    failed = {name: why for name, why in results.items() if why}
    for name, why in failed.items():
        print(f"--- {name}\n{why}", file=sys.stderr)
    figures = {"cases": len(results), "passed": len(results) - len(failed), "failed": list(failed)}
    print(json.dumps({**figures, "minutes": round((time.monotonic() - begun) / 60, 1)}, ensure_ascii=False, indent=1))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
