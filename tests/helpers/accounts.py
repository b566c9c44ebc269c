"""What the tests of tokens share: a clock that waits in no time, a station, and its token file."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from batch.accounts.endpoint import TokenEndpoint
from batch.accounts.tokens import TokenStore, open_tokens
from batch.model import Account
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
    session: requests.Session = field(default_factory=requests.Session)
    own: Path | None = None
    """Its own folder; without one the spool lies in `folder` under the station's name."""

    @property
    def path(self) -> Path:
        return self.folder / "shop.allegro.token"

    @property
    def spool(self) -> Path:
        return self.own or self.folder / f"spool-{self.name}"

    def endpoint(self) -> TokenEndpoint:
        return TokenEndpoint(
            self.allegro.url, CLIENT_ID, lambda: self.secret, self.session, self.clock, self.clock.sleep
        )

    def store(self, *, token_file: str | None = None, **options: Any) -> TokenStore:
        account = Account(name="shop", environment="simulator", token_file=token_file, active=True, row=5)
        options.setdefault("refresh_tokens", True)
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
        self.path.write_text(json.dumps(fields), encoding="utf-8")
        return fields

    def read(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return fields


def wait_until(condition: Any, seconds: float = 20) -> None:
    """Poll until `condition()` holds; a test that hangs says where."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
