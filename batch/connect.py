"""An account of the workbook -> a session that can talk to Allegro for it: settings, tokens and budgets joined."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from batch.accounts.endpoint import TokenEndpoint
from batch.accounts.spool import Spool
from batch.accounts.token_file import Token
from batch.accounts.token_place import TokenPlace, token_place
from batch.accounts.tokens import TokenState, TokenStore, open_tokens
from batch.allegro.allowance import Limit
from batch.allegro.http import new_http
from batch.allegro.pace import Budget
from batch.allegro.session import AccessTokens, ApiSession, Traffic
from batch.errors import AccountError, LoginNeeded, SettingsError
from batch.ledger import Ledger
from batch.model import Account
from batch.settings import Settings
from batch.world import World


def open_ledger(settings: Settings, world: World) -> Ledger:
    """Where the budgets are kept of all who share the journal. For `with`. Raises SettingsError."""
    return Ledger.of_journal(world.clock, settings.read_journal(), world.data_folder)


@dataclass(frozen=True, slots=True)
class Connection:
    """One account, connected. `seller` identifies the seller in the journal, whatever the workbook calls it."""

    session: ApiSession
    seller: str


@dataclass
class Connector:
    """Connects accounts. Accounts of one client id share its budget of requests. For many threads.

    Without a `ledger` nobody else knows what is taken from the budgets. `still_ours` is as a session wants it.
    """

    settings: Settings
    workbook: Path
    language: str
    world: World
    ledger: Ledger | None = None
    still_ours: Callable[[], None] = lambda: None
    _stores: dict[str, TokenStore] = field(default_factory=dict)
    _budgets: dict[str, Budget] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connect(self, account: Account) -> Connection:
        """A session for `account`, its token checked. Raises AccountError, SettingsError or ApiError."""
        store = self.tokens(account)
        token = store.current()
        seller = f"{self.settings.environment(account.environment).api_url} {token.login or account.name}"
        return Connection(self._session(account, seller, _AccessTokens(store)), seller)

    def session_with(self, account: Account, access_token: str) -> ApiSession:
        """A session for `account` with a token that is in no file yet. Raises SettingsError."""
        return self._session(account, account.name, _Given(access_token, account.name))

    def _session(self, account: Account, seller: str, tokens: AccessTokens) -> ApiSession:
        environment = self.settings.environment(account.environment)
        limits, clock = environment.limits, self.world.clock
        with self._lock:
            self.ledger = ledger = self.ledger or Ledger(clock)
            key = f"requests of {environment.api_url} {environment.client_id}"
            if key not in self._budgets:
                self._budgets[key] = Budget(ledger, clock, key, Limit(limits.requests_per_minute))
            requests = self._budgets[key]
        traffic = Traffic.open(
            ledger,
            clock,
            seller,
            requests,
            writes_per_minute=limits.offer_writes_per_minute,
            writes_per_hour=limits.offer_writes_per_hour,
            changes_per_minute=limits.changes_per_minute,
        )
        return ApiSession(
            api_url=environment.api_url,
            account=account.name,
            user_agent=environment.user_agent,
            language=self.language,
            tokens=tokens,
            traffic=traffic,
            clock=clock,
            still_ours=self.still_ours,
        )

    def tokens(self, account: Account) -> TokenStore:
        """The tokens of `account`, one store a run. Raises AccountError or SettingsError."""
        with self._lock:
            if account.name not in self._stores:
                self._stores[account.name] = self._open(account)
            return self._stores[account.name]

    def token_state(self, account: Account) -> TokenState:
        """How the tokens of `account` stand, without asking anybody. Raises AccountError or SettingsError."""
        return self.tokens(account).state()

    def unsaved(self) -> dict[str, TokenState]:
        """The accounts used so far whose newest tokens are not where other computers look for them."""
        return {name: store.state() for name, store in list(self._stores.items()) if store.owes}

    def offer_url(self, account: Account) -> str:
        """The address of an offer of `account`, without its number."""
        return f"{self.settings.environment(account.environment).auth_url}/oferta/"

    def endpoint(self, account: Account) -> TokenEndpoint:
        """Where the tokens of `account` come from. Raises SettingsError."""
        environment, clock = self.settings.environment(account.environment), self.world.clock
        return TokenEndpoint(
            auth_url=environment.auth_url,
            client_id=environment.client_id,
            secret=environment.read_secret,
            session=new_http(),
            clock=clock.now,
            sleep=clock.sleep,
        )

    def token_place(self, account: Account) -> TokenPlace:
        """Where the tokens of `account` lie. Raises SettingsError."""
        return token_place(account, self.folder, self.settings.read_shared_journal())

    @property
    def folder(self) -> Path:
        """The folder of the workbook."""
        return self.workbook.absolute().parent

    @property
    def spool(self) -> Spool:
        """Where new pairs are kept until their file has them."""
        return Spool(self.world.data_folder / "tokens")

    def _open(self, account: Account) -> TokenStore:
        if account.token_file_of:
            raise AccountError("token_file_shared", account=account.name, other=account.token_file_of)
        source = self.settings.account(account.name)
        return open_tokens(
            account,
            self.endpoint(account),
            folder=self.folder,
            spool_folder=self.spool.folder,
            refresh_tokens=self.settings.station.refresh_tokens,
            token_url=source.token_url.get_secret_value() if source.token_url else None,
            publish=source.publish,
            login=account.login,
            database=self.settings.read_shared_journal(),
        )


@dataclass(frozen=True, slots=True)
class _Given:
    """One access token and no other."""

    token: str = field(repr=False)
    account: str

    def access_token(self) -> str:
        return self.token

    def replace(self, rejected: str) -> str:  # noqa: ARG002  (there is no other one)
        raise LoginNeeded("login_needed", account=self.account)


@dataclass(frozen=True, slots=True)
class _AccessTokens:
    """A TokenStore as a session wants it."""

    store: TokenStore

    def access_token(self) -> str:
        return self._asked(self.store.current)

    def replace(self, rejected: str) -> str:
        return self._asked(functools.partial(self.store.renew, rejected))

    def _asked(self, ask: Callable[[], Token]) -> str:
        try:
            return ask().access_token
        except SettingsError as error:  # a secret that is not there stops this account, not the run
            raise AccountError(error.code, **error.facts) from error
