"""Runs handed over to workers: a real PostgreSQL, the simulator, and real processes where it is about processes."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from batch import pipeline
from batch.clock import SystemClock
from batch.hand_over import Collected, collect, queue_run
from batch.job_queue import living_workers
from batch.messages import catalogue
from batch.model import Job
from batch.parallel import each
from batch.queued_run import PartDone, load_run
from batch.report import Summary
from batch.run import Request, open_journal
from batch.settings import load_settings
from batch.simulator import Simulator
from batch.simulator import catalogue as products
from batch.worker import MOST_ATTEMPTS, Rounds, Worker
from batch.world import NoProgress, World, short_id
from tests.helpers.journals import POSTGRESQL, journal_url, journals_in, why_no
from tests.helpers.postgres import Server
from tests.helpers.shop import Shop
from tests.helpers.workers import worker_of


@pytest.fixture
def shop(tmp_path: Path, simulator: Simulator) -> Iterator[Shop]:
    """A shop whose journal lies in PostgreSQL."""
    if reason := why_no(POSTGRESQL):
        pytest.skip(reason)
    with journals_in(POSTGRESQL):
        yield Shop(tmp_path, simulator, secret="client-secret-never-to-be-told")


@dataclass
class Heard:
    """What a worker told."""

    parts: list[dict[str, int]] = field(default_factory=list)
    done_parts: list[PartDone] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)

    def begun(self, run: str, part: Any) -> None:
        self.parts.append(dict(part))

    def done(self, run: str, part: PartDone) -> None:
        self.done_parts.append(part)

    def told(self, summary: Summary) -> None:
        self.summaries.append(summary)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


def world_of(shop: Shop) -> World:
    return World(SystemClock(), shop.folder / "data", short_id, NoProgress())


def asked(shop: Shop, **more: Any) -> Request:
    """Drafts and changes of the shop's workbook."""
    jobs = more.pop("jobs", frozenset({Job.DRAFTS, Job.UPDATES}))
    return Request(shop.workbook, load_settings(shop.folder / "batch.yaml"), catalogue("pl"), jobs=jobs, **more)


def queue(shop: Shop, **more: Any) -> str:
    """Hand a run over; its name."""
    return queue_run(asked(shop, **more), world_of(shop)).run


def fetch(shop: Shop) -> Collected:
    return collect(asked(shop), world_of(shop))


def a_worker(shop: Shop) -> tuple[Worker, Heard]:
    heard = Heard()
    return Worker(load_settings(shop.folder / "batch.yaml"), world_of(shop), heard), heard


def work_off(shop: Shop, run: str, *, parts: Sequence[int] | None = None, earlier: int = 0) -> Heard:
    """Do these parts of a run in this process, or all of them."""
    one, heard = a_worker(shop)
    station = one.settings.station.name
    for part in parts or range(1, len(parts_of(shop, run))):
        one.work_on_part(run, part, station, earlier)
    return heard


def parts_of(shop: Shop, run: str) -> list[dict[str, int]]:
    """The parts of a run, as they lie in the database."""
    with open_journal(load_settings(shop.folder / "batch.yaml"), world_of(shop)) as journal:
        return load_run(journal.queued_run(run) or "").parts


def drafts(count: int, account: str = "e-sklep1", **cells: Any) -> list[dict[str, Any]]:
    """Rows that make drafts."""
    return [{"ean": products.gtin(n), "price": 20, "stock": 1, "account": account, **cells} for n in range(count)]


def codes(shop: Shop) -> Counter[str]:
    return Counter(row["code"] for row in shop.table("Results"))


def test_a_queued_run_is_worked_off_by_a_worker_and_collected(shop: Shop) -> None:
    """Commands as users type them. Ctrl+C lets the account under way be finished and begins no other."""
    shop.write_settings(limits={"offer_writes_per_minute": 600})
    shop.fill([*drafts(12), *drafts(12, "e-sklep2"), {"ean": "5900000000001", "price": 1, "stock": 1}])
    queued = shop.run("run", "--queue", "--json", "--only", "drafts")
    assert queued.returncode == 0, queued.stderr
    told = json.loads(queued.stdout)
    assert (told["exit_code"], told["counts"]) == (0, {"ean_invalid": 1})
    assert not made(shop)
    with worker_of(shop, "--concurrency", "1") as process:
        shop.wait_for(lambda: made(shop) >= 3)
        assert living(shop) == 1
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert "Żywe procesy robocze (worker): 0." in shop.run("doctor").stdout
    assert made(shop) == 12
    assert parts_done(shop, told["run"]) == 1
    work_off(shop, told["run"])
    collected = shop.run("collect", "--json")
    summary = json.loads(collected.stdout)
    assert summary["exit_code"] == collected.returncode == 4
    assert summary["run"] == told["run"]
    assert summary["counts"] == {"draft_created": 24, "ean_invalid": 1}
    assert Path(summary["report"]).is_file()
    assert codes(shop) == {"draft_created": 24, "ean_invalid": 1}
    assert all(row["login"] and row["token_state"] for row in shop.table("Accounts"))
    content = shop.workbook.read_bytes()
    again = shop.run("collect")
    assert again.returncode == 0
    assert shop.workbook.read_bytes() == content
    assert not shop.leaks(queued.stderr, collected.stdout, collected.stderr)
    assert not [secret for secret in (shop.secret, *shop.simulator.world.tokens._by_access) if secret in dump_of(shop)]


def living(shop: Shop) -> int:
    """How many workers live, as doctor counts them."""
    with open_journal(load_settings(shop.folder / "batch.yaml"), world_of(shop)) as journal:
        return journal.on_driver(living_workers)


def made(shop: Shop) -> int:
    """How many drafts there are."""
    return sum(len(shop.offers(account)) for account in shop.accounts)


def parts_done(shop: Shop, run: str) -> int:
    """How many parts of a run workers have answered."""
    return int(select(shop, f"SELECT count(*) FROM queued_answers WHERE run = '{run}' AND part > 0")[0][0])


def wait_for(happened: Callable[[], object]) -> None:
    """Wait until something has happened that is not asked for in vain without cost."""
    Shop.wait_for(lambda: happened() or time.sleep(0.3))


def select(shop: Shop, query: str) -> Sequence[Any]:
    engine = sa.create_engine(journal_url(shop.folder), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.exec_driver_sql(query).all()


def dump_of(shop: Shop) -> str:
    """All that the queue holds."""
    tables = ("procrastinate_jobs", "queued_runs", "queued_answers")
    return "".join(str(row) for table in tables for row in select(shop, f"SELECT * FROM {table}"))


@pytest.mark.slow
def test_a_killed_worker_is_noticed_and_its_account_taken_over(shop: Shop) -> None:
    """Workers that queue the workbook themselves; SIGKILL in the middle: nothing twice, nothing lost or unanswered."""
    shop.write_settings(limits={"offer_writes_per_minute": 600})
    shop.fill(drafts(40))
    every = [str(shop.workbook), "--every", "1h"]
    with worker_of(shop, *every, dead_after=3) as first:
        shop.wait_for(lambda: made(shop) >= 5)
        with worker_of(shop, *every, dead_after=3):
            first.kill()
            assert made(shop) < 40
            wait_for(lambda: codes(shop) == {"draft_created": 40})
    assert max(Counter(offer["external"]["id"] for offer in shop.offers()).values()) == 1
    assert [row["status"] for row in shop.table("Products")] == ["✔ gotowe"] * 40


def test_answers_come_account_by_account(shop: Shop) -> None:
    """What is done can be collected while the rest is under way, and stays when that comes; each row is listed once."""
    shop.fill([*drafts(2), *drafts(3, "e-sklep2")])
    run = queue(shop)
    assert fetch(shop) == Collected([], {run: {"e-sklep1": 2, "e-sklep2": 3}})
    work_off(shop, run, parts=[2])
    first = fetch(shop)
    assert [summary.counts for summary in first.summaries] == [{"draft_created": 3}]
    assert first.under_way == {run: {"e-sklep1": 2}}
    assert fetch(shop) == Collected([], {run: {"e-sklep1": 2}})
    work_off(shop, run, parts=[1])
    second = fetch(shop)
    assert [summary.counts for summary in second.summaries] == [{"draft_created": 5}]
    assert not second.under_way
    assert Counter(row["account"] for row in shop.table("Results")) == {"e-sklep1": 2, "e-sklep2": 3}
    assert fetch(shop) == Collected()


def test_the_next_ordinary_run_writes_the_answers_too(shop: Shop) -> None:
    """And what came of the queued run can still be asked for."""
    shop.fill(drafts(2))
    run = queue(shop)
    work_off(shop, run)
    later = pipeline.run(asked(shop), world_of(shop))
    assert later.counts == {"draft_found": 2}
    told = [fetch(shop).summaries, fetch(shop).summaries]
    assert [summary.counts for summary in told[0]] == [{"draft_created": 2}]
    assert not told[1]
    assert [row["run"] for row in shop.table("Results")] == [run, run, later.run, later.run]


def test_a_part_is_done_once(shop: Shop) -> None:
    """A worker that was taken for dead, or whose last word was lost, changes nothing any more."""
    shop.fill(drafts(2))
    run = queue(shop)
    work_off(shop, run)
    assert not work_off(shop, run).parts
    fetch(shop)
    one, heard = a_worker(shop)
    one.work_on_part(run, 1, one.settings.station.name, 0)
    assert not heard.parts
    assert len(shop.offers()) == 2


def test_an_open_workbook_is_collected_when_it_is_closed(shop: Shop) -> None:
    """Nothing is lost meanwhile, and the file is left alone."""
    shop.fill(drafts(1))
    run = queue(shop)
    work_off(shop, run)
    content = shop.workbook.read_bytes()
    owner = shop.workbook.with_name(f"~${shop.workbook.name}")
    owner.write_bytes(b"\x04Anna".ljust(165))
    refused = shop.run("collect")
    assert refused.returncode == 2
    assert shop.workbook.read_bytes() == content
    owner.unlink()
    assert [summary.counts for summary in fetch(shop).summaries] == [{"draft_created": 1}]
    assert codes(shop) == {"draft_created": 1}


def test_a_bug_is_tried_again_and_then_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are answered, the asker hears of it, and the next run does the work."""
    shop.fill(drafts(2))
    run = queue(shop)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "work_on", broken)
        for earlier in range(MOST_ATTEMPTS - 1):
            with pytest.raises(ZeroDivisionError):
                work_off(shop, run, earlier=earlier)
        work_off(shop, run, earlier=MOST_ATTEMPTS - 1)
    (summary,) = fetch(shop).summaries
    assert (summary.counts, summary.exit_code) == ({"not_sent": 2}, 4)
    assert any("kilka razy" in note for note in summary.notes)
    assert pipeline.run(asked(shop), world_of(shop)).counts == {"draft_created": 2}


def test_a_part_that_kills_its_workers_is_not_tried_for_ever(shop: Shop) -> None:
    """Each death counts as an attempt."""
    shop.fill(drafts(2))
    run = queue(shop)
    assert not work_off(shop, run, earlier=MOST_ATTEMPTS).parts
    assert [summary.counts for summary in fetch(shop).summaries] == [{"not_sent": 2}]
    assert not shop.offers()


def test_an_account_that_a_worker_cannot_use_is_the_askers_to_mend(shop: Shop) -> None:
    """A worker without the account's tokens says so; the other account is done."""
    shop.fill([*drafts(2), *drafts(1, "e-sklep2")])
    run = queue(shop)
    (shop.folder / "e-sklep1.allegro.token").unlink()
    work_off(shop, run)
    (summary,) = fetch(shop).summaries
    assert (summary.counts, summary.exit_code) == ({"draft_created": 1, "login_needed": 2}, 3)
    assert summary.states == {"e-sklep1": "login_needed", "e-sklep2": "ok"}


def test_the_limit_of_ended_offers_is_the_whole_runs(shop: Shop) -> None:
    """Accounts that together end more than a run may are looked at together, as in an ordinary run."""
    offers = {a: shop.simulator.add_offers(a, [{"status": "ACTIVE"}] * 12) for a in ("e-sklep1", "e-sklep2")}
    shop.fill([{"account": a, "offer_id": o, "stock": 0} for a in offers for o in offers[a]])
    run = queue(shop)
    assert parts_of(shop, run)[1:] == [{"e-sklep1": 12, "e-sklep2": 12}]
    work_off(shop, run)
    assert [summary.counts for summary in fetch(shop).summaries] == [{"end_refused": 24}]
    assert len(parts_of(shop, queue(shop, force=True))[1:]) == 2


def test_orders_are_fetched_by_workers(shop: Shop) -> None:
    """They reach the sheet and their files by collect, once; those that stand there are known to the worker."""
    for _ in range(3):
        shop.simulator.add_order("e-sklep1")
    shop.fill([])
    for new in (3, 1):
        run = queue(shop, jobs=frozenset({Job.ORDERS}))
        work_off(shop, run)
        (summary,) = fetch(shop).summaries
        assert summary.orders is not None
        assert (summary.orders.orders, summary.orders.new) == (new, new)
        assert list((shop.folder / "data" / "orders" / run).iterdir())
        shop.simulator.add_order("e-sklep1")
    assert len({row["order_id"] for row in shop.table("Orders")}) == 4


@pytest.mark.parametrize("arguments", [["run", "--queue"], ["collect"]])
def test_a_journal_of_one_pc_has_no_queue(shop: Shop, arguments: list[str]) -> None:
    """Exit 2, with what to set."""
    shop.write_settings(journal=f"sqlite:///{shop.folder / 'journal.sqlite'}")
    shop.fill(drafts(1))
    done = shop.run(*arguments)
    assert done.returncode == 2
    assert "postgresql+psycopg://" in done.stderr


def test_a_plan_is_not_queued(shop: Shop) -> None:
    """It is made at once, so the two options exclude each other."""
    shop.fill(drafts(1))
    assert shop.run("run", "--queue", "--dry-run").returncode == 2


def test_a_refused_workbook_is_not_queued(shop: Shop) -> None:
    """What an ordinary run refuses before it sends anything is refused here."""
    shop.fill(drafts(1), Settings=[{"key": "max_price_change", "value": "dużo"}])
    done = shop.run("run", "--queue")
    assert done.returncode == 2
    assert not any(select(shop, "SELECT name FROM queued_runs"))


def test_workers_with_the_same_workbook_queue_it_once(shop: Shop) -> None:
    """Whoever comes first; the answers are written when all are there, and the next run waits for its time."""
    shop.fill([*drafts(2), *drafts(2, "e-sklep2")])
    heard = Heard()
    told = heard.summaries
    hour = timedelta(hours=1)
    rounds = [Rounds([shop.workbook], hour, lambda _: asked(shop), world_of(shop), heard) for _ in range(2)]
    each(rounds, lambda one: one.look_at(shop.workbook), threads=2)
    (queued,) = told
    work_off(shop, queued.run, parts=[1])
    each(rounds, lambda one: one.look_at(shop.workbook), threads=2)
    assert not codes(shop)
    work_off(shop, queued.run, parts=[2])
    each(rounds, lambda one: one.look_at(shop.workbook), threads=2)
    assert codes(shop) == {"draft_created": 4}
    assert [summary.run for summary in told] == [queued.run] * 2
    rounds[0].every = timedelta(0)
    rounds[0].look_at(shop.workbook)
    assert len({summary.run for summary in told}) == 2


def test_workers_go_on_when_the_database_comes_back(
    tmp_path: Path, simulator: Simulator, request: pytest.FixtureRequest
) -> None:
    """A server that is stopped in the middle of an account ends no worker; the account is done once it is back."""
    if reason := why_no(POSTGRESQL):
        pytest.skip(reason)
    if request.config.getoption("databases") == "short":
        pytest.skip("has a server of its own; run by python -m tests.team")
    with tempfile.TemporaryDirectory(prefix="batch-postgres-") as folder:  # pytest's own cannot be entered by its user
        server = Server(Path(folder))
        server.start()
        try:
            shop = Shop(tmp_path, simulator)
            shop.write_settings(limits={"offer_writes_per_minute": 600}, journal=server.make("journal"))
            shop.fill(drafts(30))
            queue(shop)
            with worker_of(shop, dead_after=3) as process:
                shop.wait_for(lambda: made(shop) >= 5)
                server.stop()
                server.start()
                wait_for(lambda: fetch(shop).summaries)
                assert process.poll() is None
        finally:
            server.stop()
    assert codes(shop) == {"draft_created": 30}
    assert max(Counter(offer["external"]["id"] for offer in shop.offers()).values()) == 1
