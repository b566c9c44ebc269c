"""The disk is full, the folder read-only or gone, the workbook open, the clock wrong, a second PC at the same workbook.

In the middle of a run, with real disks: mounted ones, where the tests run as the superuser. What has been sent is told
or owed, no file is damaged, and the next run leaves every row with its offer, once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch import pipeline
from batch.clock import Clock, SystemClock
from batch.errors import BatchError, JournalError, WorkbookError
from batch.messages import catalogue as words
from batch.model import Job, Outcome
from batch.report import Summary
from batch.settings import load_settings
from batch.simulator import Simulator, catalogue
from batch.world import NoProgress, World, short_id
from tests.helpers.at_once import wait_at_once
from tests.helpers.shop import ACCOUNT, Shop

ROWS = 32  # more than there are threads, so that some are not begun when something happens
Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts on a folder what the arguments say, as the command does; skips where that cannot be."""
    mounted: list[Path] = []

    def mount(folder: Path, *options: str | Path) -> None:
        if not hasattr(os, "geteuid") or os.geteuid() or not shutil.which("mount"):
            pytest.skip("only the superuser of a Linux can mount disks")
        folder.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *options, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", folder], capture_output=True, check=False)


def small_disk(mount: Mount, folder: Path, megabytes: int) -> None:
    mount(folder, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs")


def fill_up(folder: Path) -> None:
    """Leave no byte of the disk free."""
    with (folder / "films").open("wb", buffering=0) as films:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    films.write(bytes(size))
            except OSError:
                continue


@dataclass
class Disturbed(NoProgress):
    """Somebody who does something once so many rows have their answer."""

    disturb: Callable[[], object]
    rows: int = 3
    lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, outcome: Outcome) -> None:
        with self.lock:
            self.rows -= 1
            if self.rows == 0:
                self.disturb()


@dataclass
class Pc:
    """A PC with a folder of its own; its workbook lies on a share."""

    shop: Shop
    own: Path
    clock: Clock = field(default_factory=SystemClock)

    def run(self, disturb: Callable[[], object] | None = None, **asked: Any) -> Summary:
        """A run for drafts and orders, disturbed in its middle."""
        settings = load_settings(self.shop.folder / "batch.yaml").model_copy(update={"journal": None})
        request = pipeline.Request(
            self.shop.workbook, settings, words("pl"), jobs=frozenset({Job.DRAFTS, Job.ORDERS}), **asked
        )
        progress = Disturbed(disturb) if disturb else NoProgress()
        return pipeline.run(request, World(self.clock, self.own, short_id, progress))

    def refused(self, **asked: Any) -> BatchError:
        """Why a run does not even begin."""
        with pytest.raises((WorkbookError, JournalError)) as caught:
            self.run(**asked)
        return caught.value


def pc_with(simulator: Simulator, share: Path, own: Path, *, clock: Clock | None = None) -> Pc:
    for folder in (share, own):
        folder.mkdir(exist_ok=True)
    shop = Shop(share, simulator, accounts=[ACCOUNT])
    shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(ROWS)])
    for _ in range(3):
        simulator.add_order(ACCOUNT)
    return Pc(shop, own, clock or SystemClock())


def said(summary: Summary) -> str:
    return "\n".join(summary.notes)


def check_all_done(pc: Pc) -> None:
    """One more run: every row has its offer, once; every order is there, once; nothing is left lying about."""
    assert pc.run().exit_code == 0
    offers = {offer["external"]["id"]: offer["id"] for offer in pc.shop.offers()}
    assert len(pc.shop.offers()) == len(offers) == ROWS
    rows = pc.shop.table("Products")
    assert {row["ean"]: row["offer_id"] for row in rows} == offers
    assert {row["status"][0] for row in rows} <= {"✔", "–"}
    lines = Counter((row["order_id"], row["line_id"]) for row in pc.shop.table("Orders"))
    assert (len({order for order, _ in lines}), max(lines.values())) == (3, 1)
    told = Counter(row["external_id"] or row["ean"] for row in pc.shop.table("Results") if row["code"] in MADE)
    assert told.keys() == offers.keys()
    assert list(pc.shop.folder.glob("*.tmp")) == list(pc.shop.folder.glob(".*.tmp")) == []


MADE = {"draft_created", "draft_found"}


# --- full disks


def test_the_journals_disk_fills_up(tmp_path: Path, simulator: Simulator, mount: Mount) -> None:
    """Nothing more is sent without an intent; what was made is in the workbook, and the user is told what to do."""
    small_disk(mount, tmp_path / "own", 8)
    pc = pc_with(simulator, tmp_path / "share", tmp_path / "own")
    summary = pc.run(lambda: fill_up(pc.own))
    assert summary.exit_code == 4
    assert summary.counts.keys() <= {"draft_created", "not_sent"}
    assert summary.counts["draft_created"] == len(pc.shop.offers()) < ROWS
    assert "Dziennik programu nie działa" in said(summary)
    assert [row["status"][0] for row in pc.shop.table("Products")].count("✔") == len(pc.shop.offers())
    (pc.own / "films").unlink()
    check_all_done(pc)


@pytest.mark.slow
def test_the_journals_disk_is_full_from_the_start(tmp_path: Path, simulator: Simulator, mount: Mount) -> None:
    """Nothing is sent."""
    small_disk(mount, tmp_path / "own", 8)
    pc = pc_with(simulator, tmp_path / "share", tmp_path / "own")
    fill_up(pc.own)
    assert pc.refused().code == "journal_unusable"
    assert simulator.requests == []
    (pc.own / "films").unlink()
    check_all_done(pc)


@pytest.mark.slow
def test_the_workbooks_disk_fills_up(tmp_path: Path, simulator: Simulator, mount: Mount) -> None:
    """The workbook stays as it was, byte by byte; the answers wait in the journal."""
    small_disk(mount, tmp_path / "share", 32)
    pc = pc_with(simulator, tmp_path / "share", tmp_path / "own")
    before = pc.shop.workbook.read_bytes()
    summary = pc.run(lambda: fill_up(pc.shop.folder))
    assert (summary.exit_code, summary.counts) == (4, {"draft_created": ROWS})
    assert "następny przebieg wpisze je do skoroszytu" in said(summary)
    assert pc.shop.workbook.read_bytes() == before
    (pc.shop.folder / "films").unlink()
    check_all_done(pc)


def test_the_only_disk_fills_up(tmp_path: Path, simulator: Simulator, mount: Mount) -> None:
    """Neither workbook nor journal can be written: what was made is found at Allegro by the next run."""
    small_disk(mount, tmp_path / "all", 32)
    pc = pc_with(simulator, tmp_path / "all" / "share", tmp_path / "all" / "own")
    before = pc.shop.workbook.read_bytes()
    summary = pc.run(lambda: fill_up(tmp_path / "all"))
    assert summary.exit_code == 4
    assert "Wyników nie dało się nigdzie zapisać" in said(summary)
    assert pc.shop.workbook.read_bytes() == before
    assert 0 < len(pc.shop.offers()) < ROWS
    (tmp_path / "all" / "films").unlink()
    check_all_done(pc)


# --- folders that cannot be written, or are gone


def test_a_share_that_becomes_read_only(tmp_path: Path, simulator: Simulator, mount: Mount) -> None:
    """Exit 4 and the answers wait; the next run is refused before anything is sent, or told to go on anyway."""
    pc = pc_with(simulator, tmp_path / "share", tmp_path / "own")
    before = pc.shop.workbook.read_bytes()

    def close() -> None:
        mount(pc.shop.folder, "--bind", pc.shop.folder)
        subprocess.run(["mount", "-o", "remount,bind,ro", pc.shop.folder], check=True)

    summary = pc.run(close)
    assert (summary.exit_code, summary.counts) == (4, {"draft_created": ROWS})
    assert "następny przebieg wpisze je do skoroszytu" in said(summary)
    sent = len(simulator.requests)
    assert pc.refused().code in {"workbook_lock_failed", "workbook_read_only", "folder_read_only"}
    assert len(simulator.requests) == sent
    assert pc.run(anyway=True).exit_code == 0
    assert pc.shop.workbook.read_bytes() == before
    subprocess.run(["umount", "-l", pc.shop.folder], check=True)
    check_all_done(pc)


@pytest.mark.parametrize("how", ["unmounted", "moved away"])
def test_a_share_that_goes_away(tmp_path: Path, simulator: Simulator, mount: Mount, how: str) -> None:
    """Exit 4 and the answers wait. While it is away nothing can begin; once it is back, they are written."""
    server, share = tmp_path / "server", tmp_path / "share"
    if how == "unmounted":
        server.mkdir()
        mount(share, "--bind", server)
    pc = pc_with(simulator, share, tmp_path / "own")

    def go() -> None:
        if how == "unmounted":
            subprocess.run(["umount", "-l", share], check=True)
        else:
            share.rename(server)

    settings = (share / "batch.yaml").read_text()
    summary = pc.run(go)
    assert (summary.exit_code, summary.counts) == (4, {"draft_created": ROWS})
    assert "następny przebieg wpisze je do skoroszytu" in said(summary)
    share.mkdir(exist_ok=True)
    (share / "batch.yaml").write_text(settings)  # the settings are on the PC, the workbook is not
    assert pc.refused().code == "workbook_missing"
    (share / "batch.yaml").unlink()
    if how == "unmounted":
        mount(share, "--bind", server)
    else:
        shutil.rmtree(share)
        server.rename(share)
    check_all_done(pc)


def test_a_workbook_that_is_opened_meanwhile(tmp_path: Path, simulator: Simulator) -> None:
    """Somebody opens it on another PC: it is left alone until it is closed."""
    pc = pc_with(simulator, tmp_path / "share", tmp_path / "own")
    before, owner = pc.shop.workbook.read_bytes(), pc.shop.folder / ".~lock.Oferty.xlsx#"
    summary = pc.run(lambda: owner.write_text(",Anna,pc-2,25.11.2026 10:00,file:///home;"))
    assert (summary.exit_code, summary.counts) == (4, {"draft_created": ROWS})
    assert "jest otwarty" in said(summary)
    assert "Anna" in said(summary)
    assert pc.shop.workbook.read_bytes() == before
    assert pc.refused().code == "workbook_open"
    owner.unlink()
    check_all_done(pc)


# --- clocks


class WrongClock(SystemClock):
    """A clock that is wrong by `off`, which may change."""

    def __init__(self, off: timedelta) -> None:
        self.off = off

    def now(self) -> datetime:
        return super().now() + self.off


@pytest.mark.parametrize("days", [-1, 400])
def test_a_clock_that_is_set_right(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """A run by a wrong clock with answers lost, set right in its middle: nobody waits for days, all is made once."""
    slept = wait_at_once(monkeypatch)
    clock = WrongClock(timedelta(days=days))
    pc = pc_with(simulator, tmp_path / "share", tmp_path / "own", clock=clock)
    simulator.faults.add("cut_after", method="POST", path="/sale/product-offers", skip=1, count=3)
    simulator.faults.add("cut_before", method="GET", path="/sale/offers", skip=1, count=None)

    def set_right() -> None:
        clock.off = timedelta()

    assert pc.run(set_right).exit_code == 4
    simulator.faults.clear()
    slept.clear()
    check_all_done(pc)
    assert sum(slept) < 600  # the lag of the list, not the days


def test_intents_from_the_future_are_not_waited_for(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A draft whose answer was lost before the clock was set back by a day is sent again after a minute."""
    slept = wait_at_once(monkeypatch)
    clock = WrongClock(timedelta(days=1))
    pc = pc_with(simulator, tmp_path / "share", tmp_path / "own", clock=clock)
    simulator.faults.add("cut_before", method="POST", path="/sale/product-offers", skip=3, count=None)
    simulator.faults.add("cut_before", method="GET", path="/sale/offers", skip=1, count=None)
    assert pc.run().exit_code == 4
    clock.off = timedelta()
    simulator.faults.clear()
    slept.clear()
    check_all_done(pc)
    assert sum(slept) < 600


# --- two PCs


def test_two_pcs_take_turns_at_one_workbook(tmp_path: Path, simulator: Simulator) -> None:
    """What the one made, the other finds, though each has a journal of its own; orders are not told twice."""
    first = pc_with(simulator, tmp_path / "share", tmp_path / "first")
    second = Pc(first.shop, tmp_path / "second")
    simulator.faults.add("blocked", method="POST", path="/sale/product-offers", skip=4, count=None)
    assert first.run().exit_code == 3
    simulator.faults.clear()
    before = len(first.shop.offers())
    assert second.run().counts == {"draft_created": ROWS - before} | {"skipped": before}
    check_all_done(second)
    check_all_done(first)


@pytest.mark.slow
def test_two_pcs_at_once(tmp_path: Path, simulator: Simulator) -> None:
    """The second is refused with the name of the run and of the PC that is at work; the first goes on."""
    first = pc_with(simulator, tmp_path / "share", tmp_path / "first")
    first.shop.write_settings(station={"name": "PC w biurze"})
    second = Pc(first.shop, tmp_path / "second")
    refusals: list[BatchError] = []
    summary = first.run(lambda: refusals.append(second.refused()))
    assert [error.code for error in refusals] == ["workbook_busy"]
    told = str(words("pl").explain(refusals[0].code, **refusals[0].facts))
    assert f"{summary.run} (PC w biurze)" in told
    assert summary.counts == {"draft_created": ROWS}
    check_all_done(second)
