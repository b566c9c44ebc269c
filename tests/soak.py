"""Runs over several workbooks in all weathers, killed at random.

`python -m tests.soak [--rows 20000] [--kills 300] [--seed 1] [--database postgresql]`

Drafts are made, offers changed, published and ended, and now and then a run is taken back, while the simulator shows
every fault it knows at rates that change every few seconds, and the process is killed by SIGKILL at random moments.
Then come two runs in fine weather. Prints its figures as JSON, and exits with 1 unless those of `PROMISES` are all 0.
`--steps` kills one small run that changes offers in every way, and its undo, at each of its steps instead; the tests
take some of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from batch.report import status_of
from batch.simulator import Clock, Limits, Settings, Simulator, Trouble, catalogue
from batch.simulator.faults import Fault
from batch.simulator.log import CRASHED, Exchange, Log
from tests.helpers.journals import POSTGRESQL, SQLITE, journals_in
from tests.helpers.kill_at import Forks
from tests.helpers.killed_updates import effects, kill_at_every_step
from tests.helpers.postgres import sharing
from tests.helpers.shop import Shop

TICK = 0.05  # seconds between two looks whether the machine stood still
TIMES = 20  # as fast as the clock on the wall go all clocks; a minute of waiting takes three seconds
WORKERS = 2  # workbooks that are run at the same time
DESKS = 8  # workbooks
SELLERS_A_DESK = 2
FIRST_DRAFT = 1_000_000  # number of its product
RUN = ("run", "--only", "drafts", "--only", "updates", "--force")
FEW = 500  # rows, for which a machine is quick enough even at the hurried clock
CALM_RUN = 900.0  # seconds for a run that is not killed
STATUSES = (500, 502, 503, 504)
PROMISES = (
    "duplicates", "lost", "wrongly_blamed", "published_by_accident", "changes_with_another_effect", "unanswered",
    "wrongly_sent_to_log_in", "broken_runs", "simulator_crashes",
)  # fmt: skip
NOT_BLAMED = frozenset({"login_needed", "forbidden", "server_trouble", "rate_limited", "not_sent"})
"""Codes of failed rows that say that it was not the row's fault."""

Held = tuple[str, int, str]  # price, stock, status


@dataclass
class Desk:
    """One seller's workbook, and what it asks for. Each version of it asks for higher prices and stocks."""

    shop: Shop
    offers: list[tuple[str, str]]  # account and offer, of the rows that change an offer
    drafts: list[tuple[str, str]]  # account and EAN
    version: int = 0
    shown: int = 0  # so many of the drafts have a row by now

    def refill(self, share: float) -> None:
        """The next version of the workbook, with rows for this share of the drafts."""
        self.version += 1
        self.shown = max(self.shown, round(share * len(self.drafts)))
        self.shop.fill(
            [
                *({"account": a, "offer_id": o, **self.cells(n)} for n, (a, o) in enumerate(self.offers)),
                *({"account": a, "ean": e, **self.cells(n)} for n, (a, e) in self._shown()),
            ],
            Defaults=[{"account": account} for account in self.shop.accounts],
        )

    def cells(self, n: int) -> dict[str, Any]:
        """What row `n` asks for now. One row in 25 of those with an offer ends and publishes it in turns."""
        price, stock = 10 + self.version + n % 90 / 100, self.version + n % 3 + 1
        turn = self.version % 3 if n % 25 == 7 and n < len(self.offers) else None
        match turn:
            case 0:
                return {"action": "zakończ"}
            case 1:
                return {"price": price, "stock": stock, "action": "aktywuj"}
            case 2:
                return {"price": price, "stock": 0}
        return {"price": price, "stock": stock}

    def _shown(self) -> Iterator[tuple[int, tuple[str, str]]]:
        # A draft's row has a place of its own, so that it does not end anything.
        return zip(itertools.count(len(self.offers)), self.drafts[: self.shown], strict=False)

    @property
    def rows(self) -> int:
        return len(self.offers) + self.shown

    def lost(self, simulator: Simulator) -> list[str]:
        """The rows that are not at Allegro as the workbook asks for."""
        held = {offer["id"]: offer for account in self.shop.accounts for offer in simulator.offers(account)}
        made = {offer["external"]["id"]: offer for offer in held.values()}
        wrong = [o for n, (_, o) in enumerate(self.offers) if not self._as_asked(held.get(o), self.cells(n), "ACTIVE")]
        return wrong + [e for n, (_, e) in self._shown() if not self._as_asked(made.get(e), self.cells(n), "INACTIVE")]

    @staticmethod
    def _as_asked(offer: dict[str, Any] | None, cells: dict[str, Any], status: str) -> bool:
        if offer is None:
            return False
        ended = cells.get("action") == "zakończ" or cells["stock"] == 0
        if offer["publication"]["status"] != ("ENDED" if ended else status):
            return False
        asked = f"{cells.get('price', 0):.2f}", cells.get("stock")
        return "price" not in cells or asked == (offer["sellingMode"]["price"]["amount"], offer["stock"]["available"])


class Watch(Log):
    """Looks at every exchange as it comes, so that none has to be kept for long."""

    def __init__(self) -> None:
        super().__init__(3000)
        self.undoing: set[str] = set()
        """The sellers for whom a run is being taken back."""
        self.newest: dict[tuple[str, str, str], float] = {}
        self.another_effect: list[str] = []
        self.crashes = 0
        self.calls: Counter[str] = Counter()

    def add(self, exchange: Exchange) -> None:
        self.calls[exchange.method] += 1
        if len(self._exchanges) == self._exchanges.maxlen:
            self.judge(self._exchanges[0])
        if exchange.seller and exchange.seller not in self.undoing:  # without one, its token is not accepted
            for offer, what, value in effects(exchange):
                self._set(exchange, offer, what, value)
        super().add(exchange)

    def _set(self, exchange: Exchange, offer: str, what: str, value: object) -> None:
        """A value that a run of ours, not an undo, sends: never an older one after a newer one."""
        if what not in {"price", "stock"} or not float(str(value)):
            return
        key = (exchange.seller, offer, what)
        if float(str(value)) < self.newest.get(key, 0):
            self.another_effect.append(f"{exchange.when} {key}: {value} after {self.newest[key]}")
        self.newest[key] = float(str(value))

    def judge(self, exchange: Exchange) -> None:
        """Look at the answer, which comes later than the request."""
        if "USED_FOR_ANOTHER" in exchange.answer:
            self.another_effect.append(f"{exchange.when} {exchange.seller} {exchange.path}: {exchange.answer}")
        self.crashes += exchange.fault == CRASHED

    def finish(self) -> None:
        """Look at those that are still kept."""
        for exchange in self._exchanges:
            self.judge(exchange)
        self.clear()


class Weather:
    """Faults at rates that change every few seconds, until `clear`."""

    def __init__(self, simulator: Simulator, seed: int) -> None:
        self._simulator, self._dice = simulator, random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._change_again_and_again)
        self.hits: Counter[str] = Counter()

    def begin(self) -> None:
        self._thread.start()

    def clear(self) -> None:
        """Fine weather from now on; Allegro works on what had come to rest."""
        self._over.set()
        self._thread.join()
        self._change(0)
        for offer in self._simulator.world.offers.values():
            offer.operation = None
        self._simulator.settings.index_lag = self._simulator.settings.list_lag = 0

    def _change_again_and_again(self) -> None:
        while not self._over.is_set():
            self._change(self._dice.choice((0, 0.5, 2, 2, 5)))
            if self._over.wait(self._dice.uniform(2, 6)):
                return
            if not self._dice.randrange(6):
                self._simulator.stop()
                self._over.wait(self._dice.uniform(0.2, 1.5))
                self._simulator.start()
                self.hits["refused connections"] += 1

    def _change(self, storm: float) -> None:
        world, settings, dice = self._simulator.world, self._simulator.settings, self._dice
        with world.lock:
            own = [fault for fault in world.faults.waiting if not fault.seller]
            for fault in own:
                self.hits[fault.trouble] += fault.hits
                world.faults.waiting.remove(fault)
            for operation in world.operations.values():
                operation.polls_left = min(operation.polls_left, 0)
                offer = world.offers.get(operation.offer_id)
                if offer is not None and operation.creates and not dice.randrange(3):
                    offer.operation = None  # it ends, whether somebody asks or not
            for command in world.commands.values():
                if command.outcome == Trouble.COMMAND_NEVER_ENDS:
                    command.outcome = ""
            settings.index_lag, settings.list_lag = dice.uniform(0, 20), dice.uniform(0, 10)
            settings.latency = dice.choice((0, 0.005, 0.03))
            for trouble, rate, details in self._faults() if storm else ():
                world.faults.add(trouble, count=None, probability=min(rate * storm * dice.random(), 1), **details)

    def _faults(self) -> Iterator[tuple[Trouble, float, dict[str, Any]]]:
        """Every kind of trouble, how often, and its details."""
        dice = self._dice
        offers = (Trouble.OFFER_INCOMPLETE, Trouble.OFFER_SLOW, Trouble.OFFER_NEVER_ENDS, Trouble.OPERATION_VANISHES,
                  Trouble.WRONG_LOCATION)  # fmt: skip
        commands = (Trouble.TASK_BUSY, Trouble.TASK_ERROR, Trouble.COMMAND_VANISHES, Trouble.COMMAND_FORGOTTEN,
                    Trouble.COMMAND_NEVER_ENDS)  # fmt: skip
        for trouble in dice.sample(offers, len(offers)):
            yield trouble, 0.04, {}
        for trouble in dice.sample(commands, len(commands)):
            yield trouble, 0.1, {}
        rest: list[tuple[Trouble, float, dict[str, Any]]] = [
            (Trouble.CUT_BEFORE, 0.01, {}),
            (Trouble.CUT_AFTER, 0.01, {}),
            (Trouble.SLOW_BEFORE, 0.005, {"seconds": dice.uniform(0.1, 1.8)}),
            (Trouble.SLOW_AFTER, 0.005, {"seconds": dice.uniform(0.1, 1.8)}),
            (Trouble.STATUS_BEFORE, 0.01, {"status": dice.choice(STATUSES)}),
            (Trouble.STATUS_AFTER, 0.01, {"status": dice.choice(STATUSES)}),
            (Trouble.STATUS_BEFORE, 0.01, {"status": 429, "retry_after": dice.choice(("", "1", "7", "3600"))}),
            (Trouble.TRUNCATED, 0.005, {}),
            (Trouble.MALFORMED, 0.005, {}),
            (Trouble.OVERSIZED, 0.003, {"size": dice.choice((100, 100, 70_000_000))}),
            (Trouble.REDIRECT, 0.001, {"location": "http://127.0.0.1:9/elsewhere"}),
            (Trouble.BLOCKED, 0.0005, {}),
        ]
        yield from dice.sample(rest, len(rest))


@dataclass
class Soak:
    """The whole ordeal of one simulator and its desks."""

    simulator: Simulator
    watch: Watch
    weather: Weather
    desks: list[Desk]
    kills: int
    dice: random.Random
    commands: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    seen_twice: set[tuple[str, str]] = field(default_factory=set)
    published: set[tuple[str, str]] = field(default_factory=set)
    details: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    started: float = field(default_factory=time.monotonic)
    over: threading.Event = field(default_factory=threading.Event)
    stall: float = 0.0  # seconds for which this machine stood still; of the hurried clock these are many more

    def go(self) -> dict[str, Any]:
        """Its figures."""
        for desk in self.desks:
            desk.refill(0.1)
        self.weather.begin()
        threading.Thread(target=self._notice_stalls, daemon=True).start()
        threads = [
            threading.Thread(target=self._work, args=(self.desks[n::WORKERS], random.Random(self.dice.random())))
            for n in range(min(WORKERS, len(self.desks)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.weather.clear()
        stormy = time.monotonic() - self.started
        with ThreadPoolExecutor(WORKERS) as pool:
            last = list(pool.map(self._last_runs, self.desks))
        self.watch.finish()
        self.over.set()
        return {
            "rows": sum(desk.rows for desk in self.desks),
            "kills": self.figures["kills"],
            "duplicates": len(self.seen_twice),
            "lost": self.figures["lost"],
            "wrongly_blamed": self.figures["wrongly_blamed"],
            "published_by_accident": len(self.published) + self.simulator.world.published_by_accident,
            "changes_with_another_effect": len(self.watch.another_effect),
            "unanswered": self.figures["unanswered"],
            "wrongly_sent_to_log_in": self.figures["wrongly_sent_to_log_in"],
            "broken_runs": self.figures["broken_runs"],
            "simulator_crashes": self.watch.crashes,
            "finished": self.figures["finished"],
            "versions": sum(desk.version for desk in self.desks),
            "commands": dict(self.commands),
            "requests": dict(self.watch.calls),
            "renewals": self.simulator.world.tokens.renewals,
            "faults": dict(self.weather.hits),
            "codes": dict(self.codes),
            "minutes": round(stormy / 60, 1),
            "longest_stall": round(self.stall, 2),
            "last_runs": last,
            "details": [*self.details, *self.watch.another_effect],
        }

    def _notice_stalls(self) -> None:
        before = time.monotonic()
        while not self.over.wait(TICK):
            now = time.monotonic()
            self.stall, before = max(self.stall, now - before - TICK), now

    def _work(self, desks: list[Desk], dice: random.Random) -> None:
        """Run after run on these workbooks, until all have been killed often enough."""
        with Forks(times=TIMES) as forks:
            while self.figures["kills"] < self.kills:
                for desk in desks:
                    if not dice.randrange(3):
                        desk.refill(min(self.figures["kills"] / self.kills + 0.1, 1))
                    self._run(forks, desk, dice, undo=not dice.randrange(12))

    def _run(self, forks: Forks, desk: Desk, dice: random.Random, *, undo: bool) -> None:
        seconds = dice.uniform(0.1, 0.4 + desk.rows / 600) if dice.randrange(12) else CALM_RUN
        arguments = ("undo", "last") if undo else RUN
        with self._one_token_dies(desk, dice), self._undoing(desk) if undo else nullcontext():
            ended = forks.run(desk.shop, *arguments, "--json", seconds=seconds)
        killed = ended.returncode == -signal.SIGKILL
        with self.lock:
            self.figures["kills" if killed else "finished"] += 1
            self.commands[arguments[0]] += 1
            self._look(desk)
            if not killed:
                self._check(desk, ended.returncode, ended.stdout, ended.stderr, undo=undo)
            done = self.figures["kills"]
        if killed and done % 20 == 0:
            print(f"{done} kills, {(time.monotonic() - self.started) / 60:.1f} min", file=sys.stderr, flush=True)

    @contextmanager
    def _one_token_dies(self, desk: Desk, dice: random.Random) -> Iterator[None]:
        """A 401 in the middle for one account, now and then; a second one in a run would be a matter for a person."""
        fault, waiting = None, self.simulator.faults.waiting
        if not dice.randrange(3):
            trouble = dice.choice((Trouble.EXPIRED, Trouble.UNAUTHORIZED))
            fault = Fault(trouble, seller=dice.choice(desk.shop.accounts), skip=dice.randrange(50))
            with self.simulator.world.lock:
                waiting.insert(0, fault)
        yield
        if fault is not None:
            with self.simulator.world.lock:
                waiting.remove(fault)
                self.weather.hits[fault.trouble] += fault.hits

    @contextmanager
    def _undoing(self, desk: Desk) -> Iterator[None]:
        self.watch.undoing |= set(desk.shop.accounts)
        yield
        # What a killed undo sent last may not have been read yet; a call that comes after it is answered after it.
        with suppress(requests.ConnectionError):  # stopped: nothing is on its way
            requests.get(f"{self.simulator.url}/_control/state", timeout=60)
        self.watch.undoing -= set(desk.shop.accounts)

    def _look(self, desk: Desk) -> None:
        """What is at Allegro twice, or published though it is a draft's."""
        drafts = {ean for _, ean in desk.drafts}
        with self.simulator.world.lock:
            for account in desk.shop.accounts:
                for name, offers in self.simulator.world.sellers[account].by_external.items():
                    if len(offers) > 1 and (account, name) not in self.seen_twice:
                        self.seen_twice.add((account, name))
                        self.details.append(f"{account} {name}: {len(offers)} offers: {', '.join(offers)}")
                    if name in drafts and any(offer.status != "INACTIVE" for offer in offers.values()):
                        self.published.add((account, name))

    def _check(self, desk: Desk, code: int, stdout: str, stderr: str, *, undo: bool) -> None:
        """What a run that came to its end says."""
        if undo and code == 2:
            return  # no run has changed anything yet
        if code not in {0, 3, 4} or not stdout:
            self.figures["broken_runs"] += 1
            self.details.append(f"exit {code}: {stderr[-600:]}")
            return
        summary = json.loads(stdout)
        counts: dict[str, int] = summary["counts"]
        self.codes.update(counts)
        wrong = {c: n for c, n in counts.items() if status_of(c) == "failed" and c not in NOT_BLAMED}
        self.figures["wrongly_blamed"] += sum(wrong.values())
        if wrong:
            told = [r["message"] for r in desk.shop.table("Results") if r["code"] in wrong][-3:]
            self.details.append(f"{summary['run']}: {wrong} {told}")
        if any(account["state"] == "login_needed" for account in summary["accounts"].values()):
            self.figures["wrongly_sent_to_log_in"] += 1
            self.details.append(f"{summary['run']}: {stderr[-600:]}")
        if not undo and sum(counts.values()) != desk.rows:
            self.figures["unanswered"] += abs(desk.rows - sum(counts.values()))
            self.details.append(f"{summary['run']}: {counts} of {desk.rows} rows")

    def _last_runs(self, desk: Desk) -> list[dict[str, int]]:
        """Everything wants something new, and gets it in two runs; those of many rows by the clock on the wall."""
        told: list[dict[str, int]] = []
        desk.refill(1)
        with Forks(times=TIMES if desk.rows < FEW else 1) as forks:
            for _ in range(2):
                ended = forks.run(desk.shop, *RUN, "--json", seconds=CALM_RUN)
                with self.lock:
                    self._check(desk, ended.returncode, ended.stdout, ended.stderr, undo=False)
                told.append(json.loads(ended.stdout or "{}").get("counts", {}))
        lost = desk.lost(self.simulator)
        rows = [row for row in desk.shop.table("Products") if row["status"][:1] not in {"✔", "–", "⚠"}]
        with self.lock:
            self._look(desk)
            self.figures["lost"] += len(lost)
            self.figures["unanswered"] += len(rows)
            self.details += [f"lost: {name}" for name in lost[:5]]
            self.details += [f"unanswered: {row}" for row in rows[:5]]
        return told


def soak(folder: Path, *, rows: int, kills: int, seed: int, desks: int = DESKS) -> dict[str, Any]:
    """The figures of one soak: so many rows over so many workbooks of two sellers each."""
    settings = Settings(command_seconds=1, operation_polls=1)
    unlimited = Limits(10**6, 10**8, 10**6, 10**6, 10**6, 10**8, 10**8)
    simulator = Simulator(seed=seed, clock=Clock(speed=TIMES), settings=settings, limits=unlimited)
    watch = simulator._log = Watch()
    with simulator:
        simulator.lifetimes.refresh_grace = 3600  # a user starts anew at once; here other runs come between
        simulator.lifetimes.access_token = 30 * 86_400
        made = [_desk(folder / f"{n}", simulator, n, rows // desks) for n in range(desks)]
        dice = random.Random(seed)
        weather = Weather(simulator, dice.randrange(10**6))
        return Soak(simulator, watch, weather, made, kills, dice).go()


def _desk(folder: Path, simulator: Simulator, number: int, rows: int) -> Desk:
    folder.mkdir()
    accounts = [f"sklep{number}-{n}" for n in range(SELLERS_A_DESK)]
    offers: list[tuple[str, str]] = []
    drafts: list[tuple[str, str]] = []
    for place, account in enumerate(accounts):
        simulator.add_seller(account)
        numbers = range(place * rows, place * rows + rows // 2 // SELLERS_A_DESK)
        there = [{"gtin": catalogue.gtin(n), "status": "ACTIVE"} for n in numbers]
        offers += [(account, offer) for offer in simulator.add_offers(account, there)]
        drafts += [(account, catalogue.gtin(FIRST_DRAFT + n)) for n in numbers]
    shop = Shop(folder, simulator, accounts=accounts, times=TIMES)
    limits = {"offer_writes_per_minute": 10**6, "offer_writes_per_hour": 10**8, "requests_per_minute": 10**6,
              "changes_per_minute": 10**6}  # fmt: skip
    shop.write_settings(limits=limits)
    random.Random(number).shuffle(drafts)  # those of both accounts come into the workbook side by side
    return Desk(shop, offers, drafts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--database", choices=[SQLITE, POSTGRESQL], default=SQLITE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, journals_in(options.database), sharing():
        if options.steps:
            figures: dict[str, Any] = {"moments": kill_at_every_step(Path(folder))}
        else:
            figures = soak(Path(folder), rows=options.rows, kills=options.kills, seed=options.seed)
    print(json.dumps(figures, ensure_ascii=False, indent=1))
    sys.exit(any(figures.get(promise) for promise in PROMISES))


if __name__ == "__main__":
    main()
