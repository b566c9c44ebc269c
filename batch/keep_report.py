"""The report of a run as files: a folder a run with `report.html` and `results.xlsx`; old folders go.

By the time there is a report, offers have been made: trouble with it becomes a note of the run, never its end.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import logging
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from batch.messages import Catalogue
from batch.report import Summary
from batch.run_report import FailedRows, RunReport, failed_rows, make_report
from batch.setup import templates_folder
from batch.workbook.read import TableData

log = logging.getLogger(__name__)

PAGE, FAILED = "report.html", "results.xlsx"
RUNS_KEPT = 50
RUN_NAME = re.compile(r"(?:plan-)?(?:undo-)?(\d{8}-\d{6}-\w+)")


def keep_report(summary: Summary, products: TableData, words: Catalogue, runs: Path) -> Summary:
    """Write the report into the run's own folder in `runs`; the summary then names the page, or says why not."""
    try:
        page = make_report(summary, words)
        path = write_report(runs / summary.run, page, failed_rows(summary.results, products), words)
        prune(runs)
    except Exception as error:  # (the templates are the user's to edit, so anything may be wrong with them)
        log.exception("no report")
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return dataclasses.replace(summary, notes=[*summary.notes, words.say("report_failed", reason=reason)])
    return dataclasses.replace(summary, report=str(path))


def write_report(folder: Path, report: RunReport, failed: FailedRows, words: Catalogue) -> Path:
    """Write the files of one run; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    if failed.rows:
        from batch.workbook import schema  # noqa: PLC0415  (a third of a second that a run without failures saves)
        from batch.workbook.rows_book import write_rows  # noqa: PLC0415

        sheet = schema.PRODUCTS.sheet[words.language]
        write_rows(folder / FAILED, sheet, failed.columns, failed.rows, words.language)
    (folder / PAGE).write_text(render(report, words), encoding="utf-8", newline="\n")
    return folder / PAGE


def render(report: RunReport, words: Catalogue) -> str:
    """The page. It may run its own script and use its own style, and load nothing: what got past escaping is inert."""
    import jinja2  # noqa: PLC0415  (50 ms that `--help` does not need)
    import markupsafe  # noqa: PLC0415

    folder = templates_folder() / "report"
    style, script = ((folder / name).read_text("utf-8") for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined, autoescape=True
    )
    environment.filters["zip_unique"] = _zip_unique
    return environment.get_template("page.html").render(
        report=report,
        say=words.say,
        language=words.language,
        policy=policy,
        style=markupsafe.Markup(style),  # noqa: S704  (a file of the program)
        script=markupsafe.Markup(script),  # noqa: S704  (a file of the program)
    )


def prune(runs: Path, keep: int = RUNS_KEPT) -> None:
    """Remove the folders of all but the newest `keep` runs. Anything else there is left alone."""
    named = [(found[1], folder) for folder in runs.iterdir() if (found := RUN_NAME.fullmatch(folder.name))]
    for _, folder in sorted(named, reverse=True)[keep:]:
        shutil.rmtree(folder, ignore_errors=True)


def _zip_unique(keys: Iterable[Any], words: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Each key with its word, once, for the choices of a filter."""
    yield from dict(zip(keys, words, strict=True)).items()


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
