"""Words in, words out: arguments, progress, errors -> advice, exit codes. No decision about offers is made here.

Human text goes to stderr, data to stdout. Help texts come from the catalogue in the language asked for, so
they are put into the finished command tree instead of the functions' docstrings.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batch.errors import AccountError, ApiError, BatchError, Forbidden, LoginNeeded, UsageError, WorkbookError
from batch.messages import LANGUAGES, Catalogue, catalogue
from batch.model import Job

if TYPE_CHECKING:
    from batch.accounts.endpoint import TokenEndpoint
    from batch.accounts.link import Login
    from batch.pipeline import Request
    from batch.queued_run import PartDone
    from batch.report import Summary
    from batch.settings import Environment
    from batch.world import World

DEFAULT_LANGUAGE = "pl"
ROWS_SHOWN = 20
INTERRUPTED = 130  # the exit code of programs that were ended by Ctrl+C
DEMO_ROWS = 20
PARTS_AT_ONCE = 4  # of a worker
TOKENS_NEED_A_PERSON = {
    "tokens_missing", "tokens_broken", "tokens_foreign", "tokens_unreadable", "tokens_expired",
    "tokens_expired_elsewhere",
}  # fmt: skip

LINK_EXIT_CODES = {LoginNeeded: 3, Forbidden: 3, ApiError: 4}

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


class Language(StrEnum):
    """What `--lang` takes."""

    PL = "pl"
    EN = "en"


class IfBusy(StrEnum):
    """What `--if-busy` takes."""

    LEAVE = "leave"
    WAIT = "wait"


class JournalAction(StrEnum):
    """What is to be done with the journal."""

    EXPORT = "export"
    IMPORT = "import"


WorkbookArgument = Annotated[Path, typer.Argument(metavar="WORKBOOK")]
LangOption = Annotated[Language | None, typer.Option("--lang")]
ConfigOption = Annotated[Path | None, typer.Option("--config")]
AccountOption = Annotated[list[str] | None, typer.Option("--account")]
OnlyOption = Annotated[list[Job] | None, typer.Option("--only")]
JsonOption = Annotated[bool, typer.Option("--json")]
DryRunOption = Annotated[bool, typer.Option("--dry-run")]
WaitOption = Annotated[float | None, typer.Option("--wait", min=0, max=86_400)]
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
    with _explaining(words), _progress() as progress:
        summary = show(folder, rows, words, progress)
    _print_summary(summary, words)
    _say(words.say("demo_done", workbook=summary.workbook))


@app.command()
def init(workbook: WorkbookArgument, lang: LangOption = None, config: ConfigOption = None) -> None:
    from batch.settings import FILE_NAME
    from batch.setup import create_workbook

    words, beside = _words(lang, None), config or workbook.absolute().parent / FILE_NAME
    with suppress(BatchError):  # settings that are not there yet, or broken, do not stand in the way
        words = _words(lang, beside)
    settings = create_workbook(workbook, config, words.language)
    _say(words.say("init_done", workbook=workbook, settings=settings))


@app.command()
def run(
    workbook: WorkbookArgument,
    only: OnlyOption = None,
    account: AccountOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = None,
    force: Annotated[bool, typer.Option("--force")] = False,
    anyway: AnywayOption = False,
    as_json: JsonOption = False,
    queue: Annotated[bool, typer.Option("--queue")] = False,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch import pipeline
    from batch.world import NoProgress, system_world

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
    if queue:
        with _explaining(request.words, "nothing_was_sent"), _team():
            if dry_run:
                raise UsageError("queue_dry_run")
            from batch.hand_over import queue_run

            queued = queue_run(request, system_world(NoProgress()))
        _print_summary(queued, request.words, as_json=as_json)
        if as_json:
            typer.echo(json.dumps(queued.as_json() | {"exit_code": 0}, ensure_ascii=False))
        return
    with _explaining(request.words, "nothing_was_sent"), _progress() as progress:
        summary = pipeline.run(request, system_world(progress))
    _end_run(summary, request.words, as_json=as_json)


@app.command()
def collect(
    workbook: WorkbookArgument, as_json: JsonOption = False, lang: LangOption = None, config: ConfigOption = None
) -> None:
    from batch.world import NoProgress, system_world

    request = _request(workbook, lang, config)
    words = request.words
    with _explaining(words), _team():
        from batch import hand_over

        collected = hand_over.collect(request, system_world(NoProgress()))
    for summary in collected.summaries:
        _print_summary(summary, words, as_json=as_json)
        if as_json:
            typer.echo(json.dumps(summary.as_json(), ensure_ascii=False))
    if collected.forgot:
        _say(_explain(collected.forgot, words))
        raise typer.Exit(4)
    if not collected.summaries:
        _say(words.say("collect_nothing"))
    for run, accounts in collected.under_way.items():
        for account, rows in accounts.items():
            _say(words.say("collect_under_way", run=run, account=account, rows=rows))
    codes = {summary.exit_code for summary in collected.summaries}
    raise typer.Exit(next((code for code in (3, 4) if code in codes), 0))


@app.command()
def worker(
    workbooks: Annotated[list[Path] | None, typer.Argument(metavar="[WORKBOOK]...")] = None,
    every: Annotated[str | None, typer.Option("--every")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=64)] = PARTS_AT_ONCE,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    import threading

    from batch import schedule as schedules
    from batch.settings import find_settings, load_settings
    from batch.world import NoProgress, system_world

    _start_log()
    settings = load_settings(find_settings(workbooks[0] if workbooks else None, config))
    words, world = catalogue(str(lang or settings.language or DEFAULT_LANGUAGE)), system_world(NoProgress())
    with _explaining(words), _team():
        from batch import worker as workers

        if bool(workbooks) != bool(every):
            raise UsageError("worker_every")
        listener = _Watched(words)
        one = workers.Worker(settings, world, listener)
        one.begin()
        _say(words.say("worker_begins", station=settings.station.name, concurrency=concurrency))
        make_request = partial(_request, lang=lang, config=config)
        rounds = workers.Rounds(workbooks or [], schedules.interval(every or "1h"), make_request, world, listener)
        with schedules.until_asked(lambda: _say(words.say("worker_ending"))) as stopped:
            round_thread = threading.Thread(target=rounds.go, args=(stopped,), daemon=True)
            round_thread.start()
            one.work(concurrency, stopped)
            round_thread.join()
        _say(words.say("worker_ended"))


class _Watched:
    """What a worker does, on the console."""

    def __init__(self, words: Catalogue) -> None:
        self._words = words

    def begun(self, run: str, part: Mapping[str, int]) -> None:
        _say(self._words.say("worker_part", run=run, accounts=part))

    def done(self, run: str, part: PartDone) -> None:
        from batch.report import count

        counts = {self._words.title(code): number for code, number in count(part.outcomes).items()}
        _say(self._words.say("worker_part_done", run=run, accounts=list(part.states), counts=counts))
        for note in part.notes:
            _say(note)

    def told(self, summary: Summary) -> None:
        _print_summary(summary, self._words)

    def failed(self, error: Exception) -> None:
        if isinstance(error, BatchError):
            _say(_explain(error, self._words))
        else:
            _say(self._words.say("error_bug", log=_log_file()))


@contextmanager
def _team() -> Iterator[None]:
    """What only a team needs is an extra of the installation."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"procrastinate", "psycopg", "psycopg_pool"}:
            raise
        raise UsageError("team_extra_missing", name=error.name) from error


@app.command()
def undo(
    workbook: WorkbookArgument,
    run: Annotated[str, typer.Argument(metavar="RUN")],
    account: AccountOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = None,
    anyway: AnywayOption = False,
    as_json: JsonOption = False,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch import pipeline
    from batch.world import system_world

    accounts = frozenset(account or ())
    request = _request(workbook, lang, config, accounts=accounts, dry_run=dry_run, wait_seconds=wait, anyway=anyway)
    with _explaining(request.words, "nothing_was_sent"), _progress() as progress:
        summary = pipeline.undo(request, run, system_world(progress))
    _end_run(summary, request.words, as_json=as_json)


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
    from batch.workbook.values import local
    from batch.world import NoProgress, system_world

    request = _request(workbook, lang, config, accounts=frozenset(account or ()))
    with _explaining(request.words):
        states = pipeline.show_tokens(request, system_world(NoProgress()), refresh=refresh)
    for name, state in states.items():
        cells = pipeline.token_cells(state, request.words)
        until = cells.get("valid_until")
        line = {"account": name, "login": cells.get("login"), "state": cells["token_state"]}
        typer.echo(request.words.say("token_line", until=until and f"{local(until):%Y-%m-%d %H:%M}", **line))
    errors = [state for state in states.values() if isinstance(state, BatchError)]
    unusable = any(getattr(state, "code", "") in TOKENS_NEED_A_PERSON for state in states.values())
    raise typer.Exit(3 if unusable else _exit_code(errors))


@app.command()
def link(
    workbook: WorkbookArgument,
    account_name: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    device: Annotated[bool, typer.Option("--device")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser")] = False,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch import pipeline
    from batch.accounts.link import PATIENCE, by_browser, by_device
    from batch.accounts.link_page import link_pages
    from batch.setup import templates_folder
    from batch.workbook.values import local
    from batch.world import NoProgress, system_world

    request = _request(workbook, lang, config)
    words = request.words

    def show_address(address: str) -> None:
        _say(words.say("link_open_yourself" if no_browser else "link_open"))
        typer.echo(address)
        _say(words.say("link_waiting", account=account_name, minutes=PATIENCE.seconds // 60))
        if not no_browser:
            _open_browser(address)

    def show_code(address: str, code: str) -> None:
        typer.echo(address)
        typer.echo(code)
        _say(words.say("link_device", account=account_name, code=code))

    def may_replace(foreign: BatchError, login: str) -> bool:
        return _agreed(words.say("link_question", **foreign.facts, login=login))

    def log_in(endpoint: TokenEndpoint, environment: Environment) -> AbstractContextManager[Login]:
        if device:
            return by_device(endpoint, show_code)
        return by_browser(endpoint, environment.redirect_port, link_pages(templates_folder(), words), show_address)

    with _explaining(words, exit_codes=LINK_EXIT_CODES):
        linked = pipeline.link_account(request, system_world(NoProgress()), account_name, log_in, may_replace)
    until = f"{local(linked.valid_until):%Y-%m-%d %H:%M}"
    _say(words.say("link_done"))
    _say(words.say("link_result", account=account_name, login=linked.login, path=linked.place, until=until))
    if linked.before:
        _say(words.say("link_other_than_before", before=linked.before))
    if linked.unrenewable:
        _say(words.say("link_without_secret", text=_explain(linked.unrenewable, words)))
    if linked.unwritten:
        _say(words.say("link_not_in_workbook", text=_explain(linked.unwritten, words), before=linked.before))


@app.command()
def schedule(
    workbook: WorkbookArgument,
    every: Annotated[str, typer.Option("--every")] = "15m",
    install: Annotated[bool, typer.Option("--install")] = False,
    remove: Annotated[bool, typer.Option("--remove")] = False,
    status: Annotated[bool, typer.Option("--status")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
    if_busy: Annotated[IfBusy, typer.Option("--if-busy")] = IfBusy.LEAVE,
    once: Annotated[bool, typer.Option("--once")] = False,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch import pipeline
    from batch import schedule as schedules
    from batch.clock import SystemClock
    from batch.workbook.lock import hold_workbook
    from batch.world import NoProgress, system_world

    request = _request(workbook, lang, config)
    words, clock, wait = request.words, SystemClock(), if_busy is IfBusy.WAIT

    @contextmanager
    def worlds() -> Iterator[World]:
        with _progress() as progress:
            yield system_world(progress)

    def failed(error: Exception) -> None:
        logger = logging.getLogger(__name__)
        if isinstance(error, BatchError):
            logger.error("a turn failed: %s", error)
            _say(_explain(error, words))
        else:
            logger.error("a turn failed: bug", exc_info=error)
            _say(words.say("error_bug", log=_log_file()))

    with _explaining(words):
        interval = schedules.interval(every)
        if install + remove + status + once > 1:
            raise UsageError("schedule_one_of")
        if install and not workbook.exists():
            raise WorkbookError("workbook_missing", path=str(workbook))
        if install or remove or status or dry_run:
            _system_schedule(request, interval, config, install=install, remove=remove, status=status, dry_run=dry_run)
            return
        pipeline.token_stores(request, system_world(NoProgress()))  # a workbook that cannot be read is said at once
        turns = schedules.Turns(
            lambda: _request(workbook, lang, config), worlds, lambda summary: _print_summary(summary, words), failed
        )
        with schedules.until_asked(lambda: _say(words.say("schedule_ending"))) as stopped, suppress(KeyboardInterrupt):
            if once:
                turns.margin += interval
                raise typer.Exit(schedules.when_free(turns.turn, clock, stopped, wait=wait))
            with ExitStack() as held:
                schedules.when_free(
                    lambda: held.enter_context(hold_workbook(workbook, by="schedule")), clock, stopped, wait=wait
                )
                _say(words.say("schedule_begins", every=every))
                schedules.repeat(turns, interval, clock, stopped, wait=wait)
        _say(words.say("schedule_ended"))


def _system_schedule(
    request: Request,
    every: timedelta,
    config: Path | None,
    *,
    install: bool,
    remove: bool,
    status: bool,
    dry_run: bool,
) -> None:
    """Register the schedule with the system's own scheduler, take it away, or ask for it; `dry_run` only shows how."""
    from batch import system_scheduler as system
    from batch.schedule import turn_command
    from batch.settings import find_settings
    from batch.settings_values import variable

    words, name, scheduler = request.words, system.task_name(request.workbook), system.system_scheduler()
    command = turn_command(request.workbook, find_settings(request.workbook, config), every, words.language)
    steps: list[system.Step]
    if install:
        steps = scheduler.install(system.Task(name, command, every))
    elif remove:
        steps = scheduler.remove(name)
    else:
        steps = [scheduler.status(name) if status else system.Run(command)]
    if dry_run:
        for step in steps:
            typer.echo(str(step))
        return
    there = scheduler.installed(name)
    if status:
        typer.echo(words.say("schedule_installed" if there is not None else "schedule_not_installed", name=name))
        if there:
            typer.echo(there)
    elif remove and there is None:
        _say(words.say("schedule_not_installed", name=name))
    else:
        system.take(steps)
        _say(words.say("schedule_removed" if remove else "schedule_installed", name=name))
        if install:
            written = [environment.client_secret for environment in request.settings.environments.values()]
            variables = [found for secret in written if secret and (found := variable(secret.get_secret_value()))]
            _say(words.say(f"schedule_note_{scheduler.kind}", variables=variables))


@app.command()
def doctor(
    workbook: Annotated[Path | None, typer.Argument(metavar="[WORKBOOK]")] = None,
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch.doctor import Level, examine, exit_code
    from batch.settings import find_settings, load_settings
    from batch.world import NoProgress, system_world

    language: str | None = lang
    with suppress(BatchError):  # what is wrong with the settings is a finding
        language = language or load_settings(find_settings(workbook, config)).language
    words = _words(Language(language) if language else None, None)
    findings = []
    for finding in examine(workbook, config, words, system_world(NoProgress())):
        findings.append(finding)
        typer.echo(f"{finding.level.value} {words.explain(finding.code, **finding.facts)}")
    wrong = sum(finding.level is Level.WRONG for finding in findings)
    _say(words.say("doctor_wrong", count=wrong) if wrong else words.say("doctor_good"))
    raise typer.Exit(exit_code(findings))


@app.command()
def journal(
    action: Annotated[JournalAction, typer.Argument(metavar="export|import")],
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    lang: LangOption = None,
    config: ConfigOption = None,
) -> None:
    from batch.move_journal import export_journal, import_journal
    from batch.settings import find_settings, load_settings
    from batch.world import NoProgress, system_world

    _start_log()
    settings = load_settings(find_settings(None, config))
    words = catalogue(str(lang or settings.language or DEFAULT_LANGUAGE))
    move = export_journal if action is JournalAction.EXPORT else import_journal
    with _explaining(words):
        count = move(settings, system_world(NoProgress()), file)
    _say(words.say(f"journal_{action}_done", count=count, path=file))


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
    gc.set_threshold(50_000, 50, 50)  # rows live to the end: cycles looked for among them take a sixth of a run
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
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            _say(words.say("error_interrupted"))
        raise
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
def _explaining(
    words: Catalogue, *afterwards: str, exit_codes: Mapping[type[BatchError], int] = MappingProxyType({})
) -> Iterator[None]:
    """Expected errors become a sentence in the user's language, further sentences, and an exit code, mostly 2."""
    try:
        yield
    except BatchError as error:
        logging.getLogger(__name__).info("stopped: %s", error)
        _say(words.say("error_line", text=_explain(error, words)))
        for key in afterwards:
            _say(words.say(key))
        codes = (code for kind, code in exit_codes.items() if isinstance(error, kind))
        raise typer.Exit(next(codes, 2)) from None


def _end_run(summary: Summary, words: Catalogue, *, as_json: bool) -> None:
    """Say what came of a run, and leave with its exit code."""
    _print_summary(summary, words, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(summary.as_json(), ensure_ascii=False))
    raise typer.Exit(summary.exit_code)


def _exit_code(errors: list[BatchError]) -> int:
    if any(isinstance(error, AccountError) for error in errors):
        return 3
    return 4 if errors else 0


def _open_browser(address: str) -> None:
    """In a thread of its own, since some browsers are waited for until they are closed."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _agreed(question: str) -> bool:
    """Ask, and read one line of the answer; where nobody can answer, that is a no."""
    typer.echo(question, err=True, nl=False)
    answer = sys.stdin.readline() if sys.stdin else ""
    if not answer:
        _say("")
    return answer.strip().casefold() in {"t", "tak", "y", "yes"}


# --- saying things


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _explain(error: BatchError, words: Catalogue) -> str:
    return str(words.explain(error.code, **error.facts))


def _print_summary(summary: Summary, words: Catalogue, *, as_json: bool = False) -> None:
    """What came of a run, for people; with `as_json` stdout is left to the JSON object."""
    from batch.report import QUIET, is_plan, status_cell, status_of

    for result in summary.results:
        if status_of(result["code"]) == "planned":
            typer.echo(words.say("plan_row", **{**result, "title": words.title(result["code"])}), err=as_json)
        elif is_plan(summary.run) and result["code"] in QUIET and result["code"] != "offer_unchanged":
            typer.echo(words.say("plan_skip", **result), err=as_json)
    troubled = [r for r in summary.results if status_of(r["code"]) in {"failed", "doubt"}]
    for result in troubled[:ROWS_SHOWN]:
        _say(f"✖ {result['message']}")
    if len(troubled) > ROWS_SHOWN:
        _say(words.say("summary_more", count=len(troubled) - ROWS_SHOWN))
    _say(words.say("summary_run", run=summary.run))
    for code, count in summary.counts.items():
        _say(f"  {status_cell(code, words)} – {words.title(code)}: {count}")
    if not summary.counts and not summary.orders and summary.delivered and not summary.exit_code:
        _say(words.say("summary_nothing"))
    for note in summary.notes:
        _say(note)
    if troubled or summary.exit_code:
        _say(words.say("log_is_at", log=_log_file()))
    if summary.delivered:
        _say(words.say("summary_where", path=summary.workbook))
    if summary.report:
        _say(words.say("summary_report", path=summary.report))


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
