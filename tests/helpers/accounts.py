"""What the tests of tokens share: a clock that waits in no time, a station, and its token file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from batch.accounts.endpoint import TokenEndpoint
from batch.accounts.token_place import TokenPlace, token_place
from batch.accounts.tokens import TokenStore, open_tokens
from batch.allegro.http import new_http
from batch.database.database import open_database
from batch.database.tables import tokens
from batch.model import Account
from tests.helpers.postgres import shared_server
from tests.helpers.token_endpoint import CLIENT_ID, CLIENT_SECRET, AllegroTokens


@dataclass
class Clock:
    """The real time plus what was slept or set; sleeping takes no time."""

    offset: timedelta = timedelta()
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.offset += timedelta(seconds=seconds)


@dataclass
class Station:
    """A computer with a workbook folder (perhaps shared), a folder of its own, and one account `shop`."""

    allegro: AllegroTokens
    folder: Path
    name: str = "pc1"
    clock: Clock = field(default_factory=Clock)
    secret: str = CLIENT_SECRET
    session: requests.Session = field(default_factory=new_http)
    own: Path | None = None
    """Its own folder; without one the spool lies in `folder` under the station's name."""
    database: str | None = None
    """The address of the database that keeps its tokens; without one they are in `folder`."""

    @property
    def path(self) -> Path:
        return self.folder / "shop.allegro.token"

    @property
    def account(self) -> Account:
        token_file = None if self.database is None else f"db:{self.folder}"  # as in a folder, each has its own
        return Account(name="shop", environment="simulator", token_file=token_file, active=True, row=5)

    @property
    def place(self) -> TokenPlace:
        return token_place(self.account, self.folder, self.database)

    @property
    def spool(self) -> Path:
        return self.own or self.folder / f"spool-{self.name}"

    def endpoint(self) -> TokenEndpoint:
        return TokenEndpoint(
            self.allegro.url, CLIENT_ID, lambda: self.secret, self.session, self.clock, self.clock.sleep
        )

    def store(self, *, token_file: str | None = None, **options: Any) -> TokenStore:
        account = replace(self.account, token_file=token_file or self.account.token_file)
        options = {"refresh_tokens": True, "database": self.database, **options}
        return open_tokens(account, self.endpoint(), folder=self.folder, spool_folder=self.spool, **options)

    def write(self, *, left: float = -60, **changed: Any) -> dict[str, Any]:
        """A token file with Allegro's present pair that has `left` seconds to live; what was written."""
        fields = {
            "access_token": self.allegro.access_token,
            "refresh_token": self.allegro.refresh_token,
            "expires_at": (self.clock() + timedelta(seconds=left)).isoformat(),
            "environment": "simulator",
            "login": "seller",
            "user_id": "123",
            "generation": 7,
            **changed,
        }
        self.write_text(json.dumps(fields))
        return fields

    def write_text(self, text: str | None) -> None:
        """Put this in place of the pair, whatever it is; None: take away what is there."""
        if self.database is not None:
            with self._connected() as connection:
                connection.execute(tokens.delete().where(tokens.c.name == self.account.token_row))
                if text is not None:
                    connection.execute(tokens.insert().values(name=self.account.token_row, content=text))
        elif text is None:
            self.path.unlink()
        else:
            self.path.write_text(text, encoding="utf-8")

    def read(self) -> dict[str, Any]:
        if self.database is None:
            text = self.path.read_text(encoding="utf-8")
        else:
            with self._connected() as connection:
                query = sa.select(tokens.c.content).where(tokens.c.name == self.account.token_row)
                text = connection.execute(query).scalar_one()
        fields: dict[str, Any] = json.loads(text)
        return fields

    def vanish(self) -> None:
        """From now on nobody gets at the pair: the share is not there, or the database."""
        if self.database is None:
            self.folder.rename(self.folder.with_name("away"))
        else:
            shared_server().cut_off(sa.make_url(self.database).database or "")

    def come_back(self) -> None:
        """All is as it was before `vanish`."""
        if self.database is None:
            self.folder.with_name("away").rename(self.folder)
        else:
            shared_server().let_in(sa.make_url(self.database).database or "")

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """Somebody else's connection to the database."""
        assert self.database is not None
        with open_database(self.database, poolclass=sa.NullPool).begin() as connection:
            yield connection


def wait_until(condition: Any, seconds: float = 20) -> None:
    """Poll until `condition()` holds; a test that hangs says where."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
