"""The jobs about the accounts themselves: linking them, their tokens, their dictionaries."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from batch import report
from batch.account_run import STOPS
from batch.accounts.endpoint import TokenEndpoint
from batch.accounts.link import Login
from batch.accounts.renewal import write_new
from batch.accounts.tokens import TokenState, TokenStore
from batch.allegro.dictionaries import SOURCES, read_dictionary
from batch.allegro.profile import read_profile
from batch.connect import Connector, open_ledger
from batch.deliver import account_cells
from batch.errors import AccountError, ApiError, BatchError, LoginNeeded, SettingsError, UsageError, WorkbookError
from batch.messages import Catalogue
from batch.model import Account, DictionaryEntry
from batch.run import Request, accounts_of, active
from batch.settings import Environment
from batch.workbook.desk import open_desk
from batch.workbook.lock import hold_workbook
from batch.workbook.patch import BodyRow, SetBody, SetCells
from batch.workbook.read import WorkbookData
from batch.workbook.values import local
from batch.world import World

log = logging.getLogger(__name__)


def fetch_dictionaries(request: Request, world: World) -> dict[str, BatchError | int]:
    """Read every active account's dictionaries into the table `Dictionaries`.

    Gives the number of entries by account, or what stopped it (its earlier entries stay). Raises WorkbookError,
    SettingsError or UsageError.
    """
    with (
        hold_workbook(request.workbook, name=request.by("dictionaries")),
        open_desk(request.workbook, world.clock) as desk,
        open_ledger(request.settings, world) as ledger,
    ):
        desk.check_writable(growing=("Dictionaries",))
        book = desk.read(("Accounts", "Dictionaries"))
        accounts = accounts_of(book, request)
        connector = Connector(request.settings, request.workbook, request.words.language, world, ledger)
        entries: dict[str, list[DictionaryEntry]] = {}
        results: dict[str, BatchError | int] = {}
        for account in active(accounts, request):
            try:
                session = connector.connect(account).session
                entries[account.name] = [entry for kind in SOURCES for entry in read_dictionary(session, kind)]
                results[account.name] = len(entries[account.name])
            except STOPS as error:
                results[account.name] = error

        def changes(now: WorkbookData) -> list[SetCells | SetBody]:
            body = report.dictionary_rows(now.tables["Dictionaries"], list(accounts), entries, request.words)
            return [SetBody("Dictionaries", [BodyRow(source, values) for source, values in body])]

        desk.update(book, changes)
        return results


def show_tokens(request: Request, world: World, *, refresh: bool) -> dict[str, TokenState | BatchError]:
    """How the tokens of every active account stand, also written beside the accounts; `refresh` renews them first.

    Raises WorkbookError, SettingsError or UsageError.
    """
    with hold_workbook(request.workbook, name=request.by("tokens")), open_desk(request.workbook, world.clock) as desk:
        book = desk.read(("Accounts",))
        accounts = accounts_of(book, request)
        connector = Connector(request.settings, request.workbook, request.words.language, world)
        states: dict[str, TokenState | BatchError] = {}
        cells = {}
        for account in active(accounts, request):
            try:
                if refresh:
                    connector.tokens(account).renew_now()
                states[account.name] = connector.token_state(account)
            except STOPS as error:
                states[account.name] = error
            cells[account.name] = token_cells(states[account.name], request.words)
        try:
            desk.update(book, lambda now: [SetCells("Accounts", account_cells(now, cells))])
        except WorkbookError as error:  # what the console says is the answer; the sheet has it after the next run
            log.info("the states of the tokens are not in the workbook: %s", error)
        return states


def token_stores(request: Request, world: World) -> dict[str, TokenStore]:
    """The tokens of every active account that this station keeps fresh; nothing is asked or changed yet.

    An account whose tokens cannot be kept as it is set up is left out: its run says why. Raises WorkbookError,
    SettingsError or UsageError.
    """
    accounts = accounts_of(_read_table(request, world, "Accounts"), request)
    connector = Connector(request.settings, request.workbook, request.words.language, world)
    stores: dict[str, TokenStore] = {}
    for account in active(accounts, request) if request.settings.station.refresh_tokens else ():
        with suppress(AccountError, SettingsError):
            stores[account.name] = connector.tokens(account)
    return stores


@dataclass(frozen=True, slots=True)
class Linked:
    """An account that was linked, and what is to be said about it.

    `before` is the login that the workbook named, if it was another one. `unwritten` is why the workbook does not
    have the account's columns, `unrenewable` why the tokens cannot be renewed later.
    """

    login: str
    place: str
    valid_until: datetime
    before: str | None = None
    unwritten: BatchError | None = None
    unrenewable: SettingsError | None = None


def link_account(
    request: Request,
    world: World,
    account_name: str,
    log_in: Callable[[TokenEndpoint, Environment], AbstractContextManager[Login]],
    may_replace: Callable[[LoginNeeded, str], bool],
) -> Linked:
    """Log in as `account_name`, and keep the tokens in its token file.

    `log_in` is the way to do so; `may_replace` is asked, with what is wrong and the new login, before the tokens of
    another login or environment are replaced. Raises UsageError, SettingsError, WorkbookError, AccountError or
    ApiError, and the token file is then as it was.
    """
    book = _read_table(request, world, "Accounts")
    account = accounts_of(book, replace(request, accounts=frozenset({account_name})))[account_name]
    connector = Connector(request.settings, request.workbook, request.words.language, world)
    environment = request.settings.environment(account.environment)
    if not request.settings.station.refresh_tokens:
        raise SettingsError("link_switched_off")
    connector.tokens(account)  # whether the settings can work at all
    place = connector.token_place(account)
    place.check()
    with log_in(connector.endpoint(account), environment) as login:
        profile = read_profile(connector.session_with(account, login.grant.access_token))
        keep = functools.partial(
            write_new,
            place,
            login.grant,
            environment=account.environment,
            login=profile.login,
            user_id=profile.user_id,
            spool=connector.spool,
            publish_to=request.settings.account(account.name).publish,
        )
        try:
            token = keep()
        except LoginNeeded as foreign:
            login.show("link_page_console")
            if not may_replace(foreign, profile.login):
                raise UsageError("link_not_replaced", login=profile.login, **foreign.facts) from None
            token = keep(replace_foreign=True)
        until = f"{local(token.expires_at):%Y-%m-%d %H:%M}"
        facts = {"account": account.name, "login": profile.login, "environment": account.environment, "until": until}
        login.show("link_page_done", **facts)
    state = TokenState("tokens_ok", token.login, token.expires_at)
    other = account.login is not None and account.login.casefold() != profile.login.casefold()
    return Linked(
        login=profile.login,
        place=place.name,
        valid_until=token.expires_at,
        before=account.login if other else None,
        unwritten=_write_account(request, world, account.name, token_cells(state, request.words)),
        unrenewable=_secret_trouble(environment),
    )


def _write_account(request: Request, world: World, account: str, cells: dict[str, Any]) -> BatchError | None:
    """Fill an account's output columns; what is in the way, if anything."""
    try:
        with hold_workbook(request.workbook, name=request.by("link")), open_desk(request.workbook, world.clock) as desk:
            book = desk.read(("Accounts",))
            desk.update(book, lambda now: [SetCells("Accounts", account_cells(now, {account: cells}))])
    except BatchError as error:
        log.info("the account's columns are not in the workbook: %s", error)
        return error
    return None


def _secret_trouble(environment: Environment) -> SettingsError | None:
    try:
        environment.read_secret()
    except SettingsError as error:
        return error
    return None


def _read_table(request: Request, world: World, table: str) -> WorkbookData:
    """One table of the workbook, which is not held for longer."""
    with open_desk(request.workbook, world.clock) as desk:
        return desk.read((table,))


def state_cells(connector: Connector, account: Account, words: Catalogue) -> dict[str, Any]:
    """The output cells of an account, however its tokens stand."""
    try:
        return token_cells(connector.token_state(account), words)
    except (AccountError, ApiError, SettingsError) as error:
        return token_cells(error, words)


def token_cells(state: TokenState | BatchError, words: Catalogue) -> dict[str, Any]:
    """The output cells of `Accounts`."""
    if isinstance(state, BatchError):
        return {"token_state": str(words.explain(state.code, **state.facts))}
    cells: dict[str, Any] = {"token_state": words.say(state.code, **state.facts)}
    if state.login:
        cells |= {"login": state.login, "valid_until": state.valid_until}
    return cells
