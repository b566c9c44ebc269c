"""All benchmarks by one command: `python -m tests.bench [--full] [--only PART …] [--json FILE]`.

Prints a table and writes JSON. A short form by default, a few minutes; `--full` takes 1,000, 10,000 and 100,000 rows,
and hours, because Allegro's own limit makes 100,000 drafts last forty minutes. Nothing fails here: figures depend on
the machine and on what else it does, so they are for people to judge.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import bench_workbook, cost, drafts, orders, updates, workers
from tests.helpers.postgres import why_not

SIZES = (1000, 10_000, 100_000)
LARGE = 100_000
WORKBOOK_TARGETS = {
    bench_workbook.READ: 1.5,
    bench_workbook.WRITE_ALL: 5,
    bench_workbook.WRITE_SOME: 3,
    bench_workbook.READ_AND_WRITE: 1 / 5,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `at_most` is the target for `times`, or for `value` where there is no reference."""

    what: str
    rows: int
    value: float
    unit: str
    reference: float | None = None
    at_most: float | None = None

    @property
    def times(self) -> float | None:
        """The value as a multiple of its reference."""
        return self.value / self.reference if self.reference else None

    def line(self) -> str:
        """The figure as a line of the table."""
        judged = self.value if self.times is None else self.times
        kept = "" if self.at_most is None else "yes" if judged <= self.at_most else "NO"
        times = "" if self.times is None else f"{self.times:.2f}"
        target = "" if self.at_most is None else f"{self.at_most:.2f}"
        return f"{self.what:46} {self.rows:>7} {self.value:>10.3f} {self.unit:8} {times:>7} {target:>7} {kept}"


def start_up(folder: Path, *, full: bool) -> Iterator[Figure]:
    shown, imported = cost.start_up(folder)
    yield Figure("--help, against importing requests", 0, shown, "s CPU", imported, 2)


def memory(folder: Path, *, full: bool) -> Iterator[Figure]:
    for rows in SIZES if full else (LARGE,):
        used = cost.check_of(folder / str(rows), rows)
        yield Figure("check: most memory", rows, used.megabytes, "MB", at_most=400)
        yield Figure("check: processor time", rows, used.cpu_seconds, "s CPU")


def cpu(folder: Path, *, full: bool) -> Iterator[Figure]:
    for rows in SIZES if full else (2000,):
        for job in ("drafts", "updates"):
            run, check, bare = (1000 * seconds / rows for seconds in cost.run_and_bare_loop(folder, job, rows))
            yield Figure(f"{job}: a row, against bare requests", rows, run, "ms CPU", bare, 1.5)
            yield Figure(f"{job}: of that beyond a dry run", rows, run - check, "ms CPU", bare)


def workbook(folder: Path, *, full: bool) -> Iterator[Figure]:
    for rows in SIZES if full else (10_000,):
        for what, seconds, reference in bench_workbook.measure(folder / f"{rows}.xlsx", rows):
            yield Figure(what, rows, seconds, "s CPU", reference, WORKBOOK_TARGETS.get(what))


def make_drafts(folder: Path, *, full: bool) -> Iterator[Figure]:
    for rows, sellers in [*((rows, 1) for rows in (SIZES if full else SIZES[:1])), (1000, 4)]:
        here = folder / f"{rows}-{sellers}"
        here.mkdir()
        found = drafts.measure(here, rows=rows, sellers=sellers, latency=0.08)
        of = f"drafts, {sellers} sellers" if sellers > 1 else "drafts"
        yield Figure(f"{of}: the run, against the limit", rows, found["seconds"], "s", found["limit_seconds"])
        sending = 100 * found["limit_seconds"] / found["sending_only_%"]
        yield Figure(f"{of}: sending, against the limit", rows, sending, "s", found["limit_seconds"], 1 / 0.97)
        yield Figure(f"{of}: answers 429", rows, found["429"], "", at_most=0)


def update(folder: Path, *, full: bool) -> Iterator[Figure]:
    for rows in SIZES if full else (1000,):
        here = folder / str(rows)
        here.mkdir()
        found = updates.measure(here, offers=rows, times=1, latency=0.08, command_seconds=2, named=True)
        most = updates.MOST_TIME if rows >= 10_000 else None  # start-up outweighs a short run
        limit = found["limit_seconds"]
        yield Figure("updates: with Allegro, against the limit", rows, found["with_allegro"], "s", limit, most)
        yield Figure("updates: the run, against the limit", rows, found["seconds"], "s", limit)
        yield Figure("updates: requests for a change", rows, found["requests_per_change"], "",
                     at_most=updates.MOST_REQUESTS)  # fmt: skip
        yield Figure("updates: answers 429", rows, found["429"], "", at_most=0)


def export_orders(folder: Path, *, full: bool) -> Iterator[Figure]:
    for count in SIZES[:2] if full else (1000,):
        here = folder / str(count)
        here.mkdir()
        for found in orders.measure(here, count):
            if "job" in found:
                yield Figure(f"orders, {found['job']}: for 1,000", count, found["cpu_seconds_per_1000"], "s CPU")
                yield Figure(f"orders, {found['job']}: most memory", count, found["MB"], "MB")


def queued(folder: Path, *, full: bool) -> Iterator[Figure]:
    if reason := why_not():
        sys.stdout.write(f"workers: not measured, since {reason}\n")
        return
    rows, per_minute = 5000 if full else 600, 1800
    found = workers.shared_limit(rows, workers=3, per_minute=per_minute, kill=full)
    sent = found["rows"] / found["rows_per_second"]
    yield Figure(
        "workers: three send, against the limit", rows, sent, "s", sent * found["of_allowed_%"] / 100, 1 / 0.95
    )
    for what in ("duplicates", "lost", "429"):
        yield Figure(f"workers: {what}", rows, found[what], "", at_most=0)


PARTS: dict[str, Callable[..., Iterator[Figure]]] = {
    "start": start_up,
    "memory": memory,
    "cpu": cpu,
    "workbook": workbook,
    "drafts": make_drafts,
    "updates": update,
    "orders": export_orders,
    "workers": queued,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE")
    options = parser.parse_args()
    figures = []
    sys.stdout.write(f"{'':46} {'rows':>7} {'value':>10} {'unit':8} {'times':>7} {'at most':>7} kept\n")
    for part in options.only:
        with tempfile.TemporaryDirectory() as folder:
            for figure in PARTS[part](Path(folder), full=options.full):
                sys.stdout.write(figure.line() + "\n")
                sys.stdout.flush()
                figures.append({**asdict(figure), "times": figure.times})
    options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
