"""Outcomes -> what people read: the cells of `Products`, the rows of `Results`, the summary. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from batch.messages import Catalogue, Explanation, entries
from batch.model import Action, CellRef, DictionaryEntry, Outcome, Problem
from batch.sum_orders import OrderFigures
from batch.validate.cells import CellError, parse_gtin, text_of
from batch.workbook import schema
from batch.workbook.read import Row, TableData

ERRORS_SHOWN = 10
QUIET = frozenset({"offer_unchanged", "skipped", "account_inactive", "undone"})
"""Codes that are counted and marked in `Products`, but not listed in `Results`."""

ResultRow = dict[str, Any]
"""One row of `Results` by column key: text, int, Decimal, aware datetime or None."""

_ACTIONS = {"planned_create": "create", "planned_update": "update", "planned_publish": "publish", "planned_end": "end",
            "offer_updated": "update", "update_pending": "update", "offer_published": "publish",
            "offer_ended": "end"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reporter:
    """Turns the outcomes of one run into cells."""

    run: str
    words: Catalogue
    products: TableData
    offer_url: Mapping[str, str]  # account -> address of its offers, ending in /

    def results(self, outcomes: Iterable[Outcome], time: datetime) -> list[ResultRow]:
        """The `Results` rows of all outcomes, in the order of the sheet."""
        rows = {row[0]: row for row in self.products.rows}
        return [self.result(outcome, rows.get(outcome.row), time) for outcome in sorted(outcomes, key=lambda o: o.row)]

    def result(self, outcome: Outcome, row: Row | None, time: datetime) -> ResultRow:
        """The `Results` row of an outcome; `row` is its row of `Products`, None where that is gone (undo)."""
        keys = ("account", "ean", "external_id", "action")
        typed = {key: text_of(self.products.value(row, key)) if row else "" for key in keys}
        offer_id = outcome.offer_id
        return {
            "run": self.run,
            "time": time,
            "account": typed["account"] or outcome.account,
            "row": outcome.row or None,
            "ean": typed["ean"],
            "external_id": outcome.external_id or typed["external_id"],
            "action": self._action(outcome, typed["action"]),
            "status": status_cell(outcome.code, self.words),
            "code": outcome.code,
            "message": message(outcome, self.words),
            "offer_id": offer_id,
            "link": self.offer_url[outcome.account] + offer_id
            if offer_id and outcome.account in self.offer_url
            else None,
            "old_price": outcome.old_price.amount if outcome.old_price else None,
            "new_price": outcome.new_price.amount if outcome.new_price else None,
            "old_stock": outcome.old_stock,
            "new_stock": outcome.new_stock,
            "trace_id": outcome.trace_id,
        }

    def _action(self, outcome: Outcome, typed: str) -> str:
        code = _ACTIONS.get(outcome.code) or (outcome.action if outcome.action not in {None, Action.AUTO} else None)
        if code is None:
            return typed or self.words.say("action_auto")
        return schema.word(schema.ACTIONS, code, self.words.language)


def product_cells(result: ResultRow) -> dict[str, Any]:
    """The cells of `Products` that answer a row; the message on one line, so that rows keep their height."""
    one_line = " • ".join(result["message"].splitlines())
    cells = {"status": result["status"], "message": one_line, "updated_at": result["time"]}
    if result["code"] == "undone":
        cells["offer_id"] = None
    elif result["offer_id"]:
        cells["offer_id"] = result["offer_id"]
    return cells


def status_of(code: str) -> str:
    """done, warning, pending, failed, skipped, doubt or planned."""
    return str(entries()[code]["status"])


def status_cell(code: str, words: Catalogue) -> str:
    """The sign and its word: `✔ gotowe`."""
    key = f"status_{status_of(code)}"
    return f"{entries()[key]['sign']} {words.say(key)}"


def message(outcome: Outcome, words: Catalogue) -> str:
    """What happened, where, what to do, and Allegro's own words."""
    if outcome.problems:
        lines = [
            _place(problem.cell, problem.value) + str(words.explain(problem.code, **_facts(outcome, problem)))
            for problem in outcome.problems
        ]
    else:
        text = str(_explain(outcome, words))
        is_trouble = status_of(outcome.code) in {"failed", "doubt"}
        lines = [(_place(outcome.cell, outcome.value) if is_trouble else "") + text]
    for text, code in outcome.errors[:ERRORS_SHOWN]:
        lines.append(words.say("allegro_says", text=text, code=code))
    if outcome.trace_id and (outcome.errors or status_of(outcome.code) == "failed"):
        lines.append(f"trace-id: {outcome.trace_id}")
    return "\n".join(lines)


def advice(outcome: Outcome, words: Catalogue) -> str:
    """What to do about a row, by its first problem."""
    problem = outcome.problems[0] if outcome.problems else None
    return _explain(outcome, words, problem).advice


def _explain(outcome: Outcome, words: Catalogue, problem: Problem | None = None) -> Explanation:
    """The texts of a row's code, or of what is behind it."""
    return words.explain(outcome.facts.get("why", outcome.code), **_facts(outcome, problem))


def _facts(outcome: Outcome, problem: Problem | None = None) -> dict[str, Any]:
    """What the texts of a row, or of one of its problems, are filled with."""
    about = problem or outcome
    base = {"account": outcome.account, "offer_id": outcome.offer_id, "external_id": outcome.external_id}
    return {**base, "value": about.value, **about.facts}


def _place(cell: CellRef | None, value: object) -> str:
    if cell is None:
        return ""
    return f"{cell} „{value}”: " if value not in {None, ""} else f"{cell}: "


# --- placing answers into a workbook that may have changed since it was read


def place(results: Iterable[ResultRow], products: TableData) -> dict[int, ResultRow]:
    """The results of one run beside their rows of `products` as the table is now; those whose row is gone are left out.

    Rows are known by account and external id; where that was changed meanwhile, by account and EAN.
    """
    placed: dict[int, ResultRow] = {}
    waiting = list(results)
    for of_row, of_result in ((_row_identity, _identity), (_row_product, _product)):
        free: dict[tuple[str, str], dict[int, None]] = {}
        for row in products.rows:
            if row[0] not in placed:
                free.setdefault(of_row(products, row), {})[row[0]] = None
        for moved in (False, True):  # those that stayed first, so that no other takes their place
            left = []
            for result in waiting:
                key = of_result(result)
                rows = free.get(key, {})
                number = result["row"] if not moved else next(iter(rows), None) if key[1] else None
                if number in rows:
                    del rows[number]
                    placed[number] = result
                else:
                    left.append(result)
            waiting = left
    return placed


def _row_identity(products: TableData, row: Row) -> tuple[str, str]:
    account, external_id, product_id = (
        text_of(products.value(row, key)) for key in ("account", "external_id", "product_id")
    )
    return account, external_id or _code(products.value(row, "ean")) or product_id


def _identity(result: ResultRow) -> tuple[str, str]:
    return result["account"], result["external_id"] or _code(result["ean"])


def _row_product(products: TableData, row: Row) -> tuple[str, str]:
    return text_of(products.value(row, "account")), _code(products.value(row, "ean"))


def _product(result: ResultRow) -> tuple[str, str]:
    return result["account"], _code(result["ean"])


def _code(ean: object) -> str:
    """An EAN however it is written; what is none, as it is written."""
    try:
        return parse_gtin(ean)
    except CellError:
        return text_of(ean)


def kept_result_rows(
    table: TableData, *, keep: int, without: Collection[tuple[str, str]] = (), drop_plans: bool
) -> list[int]:
    """The sheet rows of `Results` that stay beside new ones, so that the newest `keep` runs are there.

    `drop_plans`: the new rows are a dry run's; they replace the previous dry run's, and every real run stays.
    `without`: (run, account) of the new rows, in whose place they come.
    """
    new = {run for run, _ in without}
    parts = [(text_of(table.value(row, "run")), text_of(table.value(row, "account"))) for row in table.rows]
    found = sorted(dict.fromkeys(run for run, _ in parts if run not in new), key=_when)  # the user may have sorted them
    runs, plans = [run for run in found if not is_plan(run)], [run for run in found if is_plan(run)]
    room = len(runs) if drop_plans else max(keep - len(new), 0)  # a dry run takes no real run's place
    kept = {*new, *(runs[-room:] if room else [])}
    if not drop_plans and plans and keep and (len(runs) < keep or _when(plans[-1]) > _when(runs[-keep])):
        kept.add(plans[-1])
    return [row[0] for row, part in zip(table.rows, parts, strict=True) if part[0] in kept and part not in without]


def dictionary_rows(
    table: TableData, accounts: Sequence[str], entries_of: Mapping[str, Sequence[DictionaryEntry]], words: Catalogue
) -> list[tuple[int | None, dict[str, Any]]]:
    """The new body of `Dictionaries`: (sheet row an entry stands in already or None, its cells).

    Sorted by kind, then account, because the dropdowns take a kind's entries as one block. An account that could
    not be asked keeps its entries; one that is no longer in the workbook loses them.
    """
    kinds = {choice.code: choice.words[words.language] for choice in schema.DICTIONARY_KINDS}
    rows: list[tuple[int, int, int | None, dict[str, Any]]] = []
    at: dict[tuple[str, str | None, str], int] = {}
    for row in table.rows:
        account, kind, name, id_ = (text_of(table.value(row, key)) for key in ("account", "kind", "name", "id"))
        code = schema.choose(schema.DICTIONARY_KINDS, kind)
        at[account, code, id_] = row[0]
        if account in accounts and account not in entries_of and code is not None:
            cells = {"account": account, "kind": kinds[code], "name": name, "id": id_}
            rows.append((list(kinds).index(code), accounts.index(account), row[0], cells))
    for account, entries_here in entries_of.items():
        for entry in entries_here:
            cells = {"account": account, "kind": kinds[entry.kind], "name": entry.name, "id": entry.id}
            place_of = at.get((account, entry.kind, entry.id))
            rows.append((list(kinds).index(entry.kind), accounts.index(account), place_of, cells))
    return [(source, cells) for _, _, source, cells in sorted(rows, key=lambda row: row[:2])]


def run_name(now: datetime, suffix: str, *, dry_run: bool, undo: bool = False) -> str:
    """A name that sorts by time and is easy to type: 20261124-133005-k3f, after `undo-` or a dry run's `plan-`."""
    name = f"{now:%Y%m%d-%H%M%S}-{suffix}"
    name = f"undo-{name}" if undo else name
    return f"plan-{name}" if dry_run else name


def is_listed(result: Mapping[str, Any]) -> bool:
    """Whether a result has a row in `Results`: there is something to say about it. An undoing tells all it did."""
    return result["code"] not in QUIET or "undo-" in result["run"]


def _when(run: str) -> str:
    """The moment in a run's name, which it sorts by."""
    return run.removeprefix("plan-").removeprefix("undo-")[:15]


def is_plan(run: str) -> bool:
    """Whether a run was a dry run."""
    return run.startswith("plan-")


# --- answers as JSON, for the journal


def to_json(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Results as plain JSON data."""
    return [{key: _plain(value) for key, value in result.items()} for result in results]


def from_json(data: Sequence[Mapping[str, Any]], table: schema.Table = schema.RESULTS) -> list[ResultRow]:
    """The opposite of `to_json`, for rows of `table`."""
    return [{key: _typed(table.column(key).kind, value) for key, value in result.items()} for result in data]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _typed(kind: schema.Kind, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if kind is schema.Kind.DATETIME:
        return datetime.fromisoformat(value)
    if kind in {schema.Kind.MONEY, schema.Kind.INTEGER, schema.Kind.NUMBER}:
        try:
            return Decimal(value)
        except InvalidOperation:  # a word in a column of numbers, such as `zw.`
            return value
    return value


# --- summary


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run. `states`: account -> `ok` or the code of what stopped it; `notes` are sentences for people.

    `failed_late` says that the answers could not be written although the run had begun, `delivered` that they stand
    in the workbook. `orders` are the figures of the orders job, None without it; `report` is the path of the run's
    page.
    """

    run: str
    started: datetime
    finished: datetime
    workbook: str
    outcomes: Sequence[Outcome]
    states: Mapping[str, str]
    results: Sequence[ResultRow] = ()
    notes: Sequence[str] = ()
    failed_late: bool = False
    delivered: bool = True
    report: str | None = None
    orders: OrderFigures | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many rows got each code."""
        return count(self.outcomes)

    @property
    def exit_code(self) -> int:
        """0 all done, 4 some rows failed or answers wait in the journal, 3 a person must log in."""
        lost = self.failed_late or (self.orders is not None and self.orders.unreadable)
        return exit_code(self.outcomes, self.states.values()) or (4 if lost else 0)

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        by_account: dict[str, list[Outcome]] = {account: [] for account in self.states}
        for outcome in self.outcomes:
            if outcome.account in by_account:
                by_account[outcome.account].append(outcome)
        return {
            "run": self.run,
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat(),
            "exit_code": self.exit_code,
            "counts": self.counts,
            "accounts": {
                account: {"counts": count(outcomes), "state": self.states[account]}
                for account, outcomes in by_account.items()
            },
            "workbook": self.workbook,
            "report": self.report,
        }


def count(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many rows got each code, in the catalogue's order."""
    counted = Counter(outcome.code for outcome in outcomes)
    return {code: counted[code] for code in entries() if code in counted}


def exit_code(outcomes: Iterable[Outcome], states: Iterable[str]) -> int:
    """0 all done, 4 some rows failed, are in doubt or were not sent, 3 (wins over 4) a person must log in."""
    if any(state in {"login_needed", "forbidden"} for state in states):
        return 3
    failed = any(status_of(code) in {"failed", "doubt"} for code in {outcome.code for outcome in outcomes})
    return 4 if failed or any(state != "ok" for state in states) else 0
