"""Words in, words out: arguments, progress, errors -> advice, exit codes. No decision about offers is made here.

Human text goes to stderr, data to stdout. Help texts come from the catalogue in the language asked for, so
they are put into the finished command tree instead of the functions' docstrings.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batch.errors import AccountError, BatchError
from batch.messages import LANGUAGES, Catalogue, catalogue
from batch.model import Job

if TYPE_CHECKING:
    from batch.pipeline import Request
    from batch.report import Summary

DEFAULT_LANGUAGE = "pl"
ROWS_SHOWN = 20
DEMO_ROWS = 20
TOKENS_NEED_A_PERSON = {
    "tokens_missing", "tokens_broken", "tokens_foreign", "tokens_unreadable", "tokens_expired",
    "tokens_expired_elsewhere",
}  # fmt: skip

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


class Language(StrEnum):
    """What `--lang` takes."""

    PL = "pl"
    EN = "en"


WorkbookArgument = Annotated[Path, typer.Argument(metavar="WORKBOOK")]
LangOption = Annotated[Language | None, typer.Option("--lang")]
ConfigOption = Annotated[Path | None, typer.Option("--config")]
AccountOption = Annotated[list[str] | None, typer.Option("--account")]
OnlyOption = Annotated[list[Job] | None, typer.Option("--only")]
JsonOption = Annotated[bool, typer.Option("--json")]
AnywayOption = Annotated[bool, typer.Option("--anyway")]


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER")] = Path("demo"),
    rows: Annotated[int, typer.Option("--rows", min=1)] = DEMO_ROWS,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch.demo import show

    words = _words(lang, config)
    with _progress() as progress:
        summary = show(folder, rows, words, progress)
    _print_summary(summary, words)
    _say(words.say("demo_done", workbook=summary.workbook))


@app.command()
def init(workbook: WorkbookArgument, lang: LangOption = None, config: ConfigOption = None) -> None:
    from batch.setup import create_workbook

    words = _words(lang, None)
    settings = create_workbook(workbook, config, words.language)
    _say(words.say("init_done", workbook=workbook, settings=settings))


@app.command()
def run(
    workbook: WorkbookArgument,
    only: OnlyOption = None,
    account: AccountOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
    wait: Annotated[float | None, typer.Option("--wait", min=0, max=86_400)] = None,
    force: Annotated[bool, typer.Option("--force")] = False,
    anyway: AnywayOption = False,
    as_json: JsonOption = False,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch import pipeline
    from batch.world import system_world

    request = _request(
        workbook,
        lang,
        config,
        jobs=frozenset(only or ()),
        accounts=frozenset(account or ()),
        dry_run=dry_run,
        wait_seconds=wait,
        force=force,
        anyway=anyway,
    )
    with _explaining(request.words, "nothing_was_sent"), _progress() as progress:
        summary = pipeline.run(request, system_world(progress))
    _print_summary(summary, request.words, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(summary.as_json(), ensure_ascii=False))
    raise typer.Exit(summary.exit_code)


@app.command()
def check(
    workbook: WorkbookArgument,
    only: OnlyOption = None,
    account: AccountOption = None,
    anyway: AnywayOption = False,
    as_json: JsonOption = False,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    run(
        workbook, only, account, dry_run=True, wait=None, force=False, anyway=anyway, as_json=as_json, lang=lang,
        config=config,
    )  # fmt: skip


@app.command()
def tokens(
    workbook: WorkbookArgument,
    refresh: Annotated[bool, typer.Option("--refresh")] = False,
    account: AccountOption = None,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch import pipeline
    from batch.world import NoProgress, system_world

    request = _request(workbook, lang, config, accounts=frozenset(account or ()))
    with _explaining(request.words):
        states = pipeline.show_tokens(request, system_world(NoProgress()), refresh=refresh)
    for name, state in states.items():
        cells = pipeline.token_cells(state, request.words)
        until = cells.get("valid_until")
        line = {"account": name, "login": cells.get("login"), "state": cells["token_state"]}
        typer.echo(request.words.say("token_line", until=until and f"{until.astimezone():%Y-%m-%d %H:%M}", **line))
    errors = [state for state in states.values() if isinstance(state, BatchError)]
    unusable = any(getattr(state, "code", "") in TOKENS_NEED_A_PERSON for state in states.values())
    raise typer.Exit(3 if unusable else _exit_code(errors))


@app.command()
def dictionaries(
    workbook: WorkbookArgument, account: AccountOption = None, lang: LangOption = None, config: ConfigOption = None
) -> None:
    from batch import pipeline
    from batch.world import NoProgress, system_world

    request = _request(workbook, lang, config, accounts=frozenset(account or ()))
    with _explaining(request.words):
        results = pipeline.fetch_dictionaries(request, system_world(NoProgress()))
    for name, result in results.items():
        if isinstance(result, BatchError):
            _say(f"{name}: {_explain(result, request.words)}")
        else:
            typer.echo(request.words.say("dictionaries_line", account=name, count=result))
    raise typer.Exit(_exit_code([result for result in results.values() if isinstance(result, BatchError)]))


@app.command()
def simulator(
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 0,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch.simulator import serve_forever

    words = _words(lang, config)
    serve_forever(port=port, seed=seed, announce=lambda url: typer.echo(words.say("simulator_at", url=url)))


# --- start and end


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 (bug), 2 (nothing was done), 3 (log in again), 4 (some rows failed)."""
    for stream in (sys.stdout, sys.stderr):  # a Polish Windows console is cp852 and knows no ✔
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    arguments = sys.argv[1:] if arguments is None else arguments
    words = catalogue(_language_of(arguments))
    command = _with_help(typer.main.get_command(app), words)
    try:
        command(arguments, prog_name="python -m batch")
    except BatchError as error:
        _say(words.say("error_line", text=_explain(error, words)))
        sys.exit(2)
    except Exception:
        logging.getLogger(__name__).exception("bug")
        _say(words.say("error_bug", log=_log_file()))
        sys.exit(1)


def _language_of(arguments: list[str]) -> str:
    """The language asked for, before the arguments are understood: help and mistakes are in it too."""
    for position, argument in enumerate(arguments):
        value = argument.removeprefix("--lang=") if argument.startswith("--lang=") else None
        if argument == "--lang" and position + 1 < len(arguments):
            value = arguments[position + 1]
        if value in LANGUAGES:
            return value
    return DEFAULT_LANGUAGE


def _with_help(command: Any, words: Catalogue) -> Any:
    command.help = words.say("command_app")
    for name, part in command.commands.items():
        part.help = part.short_help = words.say(f"command_{name}")
        for parameter in part.params:
            if parameter.name != "help":
                parameter.help = words.say(f"option_{parameter.name}")
    return command


def _request(workbook: Path, lang: Language | None, config: Path | None, **asked: Any) -> Request:
    """The request, its settings read; from here on there is a log file."""
    from batch.pipeline import Request
    from batch.settings import find_settings, load_settings

    _start_log()
    settings = load_settings(find_settings(workbook, config))
    words = catalogue(str(lang or settings.language or DEFAULT_LANGUAGE))
    return Request(workbook=workbook, settings=settings, words=words, **asked)


def _words(lang: Language | None, config: Path | None) -> Catalogue:
    """The texts for a command that needs no settings but takes its language from them where they are named."""
    _start_log()
    if lang is None and config is not None:
        from batch.settings import load_settings

        return catalogue(load_settings(config).language or DEFAULT_LANGUAGE)
    return catalogue(str(lang or DEFAULT_LANGUAGE))


@contextmanager
def _explaining(words: Catalogue, *afterwards: str) -> Iterator[None]:
    """Expected errors become a sentence in the user's language, further sentences, and exit code 2."""
    try:
        yield
    except BatchError as error:
        logging.getLogger(__name__).info("stopped: %s", error)
        _say(words.say("error_line", text=_explain(error, words)))
        for key in afterwards:
            _say(words.say(key))
        raise typer.Exit(2) from None


def _exit_code(errors: list[BatchError]) -> int:
    if any(isinstance(error, AccountError) for error in errors):
        return 3
    return 4 if errors else 0


# --- saying things


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _explain(error: BatchError, words: Catalogue) -> str:
    return str(words.explain(error.code, **error.facts))


def _print_summary(summary: Summary, words: Catalogue, *, as_json: bool = False) -> None:
    """What came of a run, for people; with `as_json` stdout is left to the JSON object."""
    from batch.report import status_cell, status_of

    for result in summary.results:
        if status_of(result["code"]) == "planned":
            facts = {"title": words.title(result["code"]), "price": result["new_price"], "stock": result["new_stock"]}
            typer.echo(words.say("plan_row", **{**result, **facts}), err=as_json)
    troubled = [r for r in summary.results if status_of(r["code"]) in {"failed", "doubt"}]
    for result in troubled[:ROWS_SHOWN]:
        _say(f"✖ {result['message']}")
    if len(troubled) > ROWS_SHOWN:
        _say(words.say("summary_more", count=len(troubled) - ROWS_SHOWN))
    _say(words.say("summary_run", run=summary.run))
    for code, count in summary.counts.items():
        _say(f"  {status_cell(code, words)} – {words.title(code)}: {count}")
    if not summary.counts and not summary.orders:
        _say(words.say("summary_nothing"))
    for note in summary.notes:
        _say(note)
    if troubled or summary.exit_code:
        _say(words.say("log_is_at", log=_log_file()))
    if summary.delivered:
        _say(words.say("summary_where", path=summary.workbook))


def _progress() -> Any:
    from batch.progress import progress

    return progress()


def _log_file() -> Path:
    from platformdirs import user_state_path

    from batch.world import APP

    return user_state_path(APP, appauthor=False) / "batch.log"


def _start_log() -> None:
    from batch.log import start_log

    start_log(_log_file())
