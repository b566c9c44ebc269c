"""A seller's desk for tests: a folder with a workbook, `batch.yaml` and token files, linked to a simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import yaml

from batch import pipeline
from batch.clock import SystemClock
from batch.messages import catalogue
from batch.model import Job
from batch.report import Summary
from batch.settings import load_settings
from batch.simulator import Simulator
from batch.validate.cells import text_of
from batch.workbook.read import read_workbook
from batch.workbook.template import write_template
from batch.world import NoProgress, World, short_id
from tests.helpers.journals import journal_url

ACCOUNT = "e-sklep1"
MADE_TO_HOLD_SECRETS = (".token", ".access.json", "batch.yaml")
DEFAULTS = [{"account": "e-sklep1", "shipping_rates": "Kurier i automaty"}]


@dataclass
class Shop:
    """One seller's folder. `run` starts the real program in a process of its own; its clock runs `times` as fast."""

    folder: Path
    simulator: Simulator
    accounts: Sequence[str] = ("e-sklep1", "e-sklep2")
    times: float = 1
    secret: str = "demo"
    forked: bool = True  # runs skip the loading of the program; not for benchmarks
    workbook: Path = field(init=False)

    def __post_init__(self) -> None:
        self.workbook = self.folder / "Oferty.xlsx"
        self.simulator.add_application("demo", self.secret, "Demo")
        self.write_settings()
        for account in self.accounts:
            self.link(account)

    def write_settings(self, *, limits: Mapping[str, int] | None = None, **more: Any) -> None:
        """`batch.yaml` for the simulator; the journal is that of the folder."""
        url = self.simulator.url
        environment = {
            "auth_url": url,
            "api_url": url,
            "client_id": "demo",
            "client_secret": self.secret,
            "app_name": "Demo",
            "info_url": "https://example.com",
            "limits": dict(limits or {}),
        }
        settings = {
            "language": "pl",
            "environments": {"simulator": environment},
            "journal": journal_url(self.folder),
            **more,
        }
        (self.folder / "batch.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def link(self, account: str, *, login: str | None = None, expires_in: int | None = None) -> None:
        """The token file that linking the account leaves behind."""
        answer = self.simulator.issue_tokens(login or account, expires_in=expires_in)
        now = datetime.now(UTC)
        token = {
            "access_token": answer["access_token"],
            "refresh_token": answer["refresh_token"],
            "expires_at": (now + timedelta(seconds=answer["expires_in"])).isoformat(),
            "refreshed_at": now.isoformat(),
            "environment": "simulator",
            "login": login or account,
            "user_id": "1",
            "generation": 1,
        }
        (self.folder / f"{account}.allegro.token").write_text(json.dumps(token), encoding="utf-8")

    def fill(self, products: Sequence[Mapping[str, Any]], **tables: Sequence[Mapping[str, Any]]) -> None:
        """Write the workbook anew. `account` of a product is e-sklep1 unless it is given."""
        self.workbook.unlink(missing_ok=True)
        rows: dict[str, Any] = {
            "Accounts": [{"account": name, "environment": "simulator"} for name in self.accounts],
            "Defaults": DEFAULTS,
            **tables,
            "Products": [{"account": ACCOUNT, **product} for product in products],
        }
        write_template(self.workbook, "pl", rows=rows)

    def command(self, *arguments: str) -> list[str]:
        """The command line of a run on the workbook."""
        program = ["batch"] if self.times == 1 else ["tests.helpers.hurried", str(self.times)]
        return [sys.executable, "-m", *program, arguments[0], str(self.workbook), *arguments[1:]]

    def environment(self) -> dict[str, str]:
        """The environment of a user whose data and state lie in the folder."""
        homes = {"XDG_DATA_HOME": str(self.folder / "data"), "XDG_STATE_HOME": str(self.folder / "state")}
        return {**os.environ, **homes, "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(
        self, *arguments: str, timeout: float = 120, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the workbook, e.g. `run("run", "--only", "drafts")`, in `folder` where that matters."""
        if self.forked and folder is None and hasattr(os, "fork"):
            # A process of its own all the same, without loading the program anew.
            from tests.helpers.kill_at import forks_of  # noqa: PLC0415  (it knows Shop)

            ended = forks_of(self.times).run(self, *arguments, seconds=timeout)
            return subprocess.CompletedProcess(self.command(*arguments), ended.returncode, ended.stdout, ended.stderr)
        process = self.start(*arguments, folder=folder)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(self, *arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
        """Start a command on the workbook; the caller waits for it with `communicate`."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    @staticmethod
    def wait_for(happened: Callable[[], object], *, timeout: float = 60) -> None:
        """Wait until something has happened."""
        deadline = time.monotonic() + timeout
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def drafts(self, *arguments: str, timeout: float = 120) -> dict[str, Any]:
        """`run --only drafts --json …`, its summary."""
        done = self.run("run", "--only", "drafts", "--json", *arguments, timeout=timeout)
        assert done.stdout, done.stderr
        summary: dict[str, Any] = json.loads(done.stdout)
        assert summary["exit_code"] == done.returncode, done.stderr
        return summary

    def table(self, name: str) -> list[dict[str, Any]]:
        """The filled rows of a table: text by column key, and the row number as `_row`."""
        table = read_workbook(self.workbook, tables=[name]).tables[name]
        return [{"_row": row[0]} | {key: text_of(table.value(row, key)) for key in table.columns} for row in table.rows]

    def leaks(self, *outputs: str) -> list[str]:
        """Where a secret is told: in `outputs`, or in any file but those that are made to hold secrets.

        Secrets are the client's, all tokens ever issued, and what was ever sent to the token endpoint for tokens.
        """
        tokens = self.simulator.world.tokens
        sent = [parse_qs(e.body) for e in self.simulator.requests if e.path == "/auth/oauth/token"]
        keys = ("code", "code_verifier", "device_code", "refresh_token")
        secrets = {self.secret, *tokens._by_access, *tokens._by_refresh}
        secrets |= {value for form in sent for key in keys for value in form.get(key, [])}
        places = {f"output {number}": text.encode() for number, text in enumerate(outputs)}
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        places |= {file.name: _unpacked(file) for file in files if not file.name.endswith(MADE_TO_HOLD_SECRETS)}
        return [name for name, content in places.items() if any(secret.encode() in content for secret in secrets)]

    def offers(self, account: str = ACCOUNT) -> list[dict[str, Any]]:
        """What the simulator holds for a seller."""
        return self.simulator.offers(account)


def fetch_orders(shop: Shop, *, jobs: frozenset[Job] = frozenset({Job.ORDERS}), **asked: Any) -> Summary:
    """One run in this process: real sockets and files, without the second that a new interpreter takes."""
    request = pipeline.Request(
        shop.workbook, load_settings(shop.folder / "batch.yaml"), catalogue("pl"), jobs=jobs, **asked
    )
    return pipeline.run(request, World(SystemClock(), shop.folder / "data", short_id, NoProgress()))


def _unpacked(file: Path) -> bytes:
    """What is in a file; of a workbook, in all its parts."""
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as package:
        return b"".join(package.read(name) for name in package.namelist())
