"""Is everything around the tool as it should be? Each finding says what is, and what to do about it.

Nothing is changed: one lock file is made beside each token file, and removed; the journal is opened as a run would.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from batch.accounts.endpoint import TIMEOUT, answered_at
from batch.accounts.lock_probe import probe_lock
from batch.accounts.renewal import SKEW_WORTH_A_WARNING
from batch.accounts.synchronised import synchronised_by
from batch.accounts.token_place import TokenFile, told_apart
from batch.allegro.http import new_http
from batch.allegro.session import PUBLIC
from batch.connect import Connector
from batch.errors import ApiError, BatchError, LoginNeeded
from batch.journal import Journal
from batch.messages import Catalogue
from batch.model import Account
from batch.run import open_journal
from batch.settings import Environment, Settings, find_settings, load_settings
from batch.settings_values import is_loopback
from batch.validate.accounts import read_accounts
from batch.workbook.read import read_workbook
from batch.world import World

SERVER_SKEW = timedelta(seconds=10)  # stations have a minute between them for what Allegro lists late
OLDEST_PYTHON = (3, 11)
PLACEHOLDERS = ("example.com", "example.org", "example.net")
NETWORK_FILE_SYSTEMS = {"9p", "afs", "ceph", "cifs", "davfs", "fuse.sshfs", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
DRIVE_REMOTE = 4  # of Windows' GetDriveTypeW


class Level(StrEnum):
    """How a finding is; the value is its sign."""

    GOOD = "✔"
    NOT_CHECKED = "–"
    WRONG = "✖"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `code` names its texts; `exit_code` counts when it is wrong."""

    level: Level
    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = 2


def examine(workbook: Path | None, config: Path | None, words: Catalogue, world: World) -> Iterator[Finding]:
    """Look at everything, one finding after the other. What cannot be looked at for want of another is said so."""
    yield _python()
    yield _excel()
    try:
        settings = load_settings(find_settings(workbook, config))
    except BatchError as error:
        optional = error.code == "settings_missing" and workbook is None and config is None
        yield Finding(Level.NOT_CHECKED, "doctor_no_settings") if optional else _wrong(error)
        return
    yield Finding(Level.GOOD, "doctor_settings")
    accounts: list[Account] | None = None
    if workbook is not None:
        try:
            table = read_workbook(workbook, tables=("Accounts",)).tables["Accounts"]
            found = told_apart(read_accounts(table, list(settings.environments)), workbook.absolute().parent)
            accounts = [account for account in found.values() if account.active]
            yield Finding(Level.GOOD, "doctor_workbook", {"path": str(workbook), "count": len(accounts)})
        except BatchError as error:
            yield _wrong(error)
    names = [account.environment for account in accounts] if accounts else settings.environments
    for name in dict.fromkeys(names):
        yield from _environment(name, settings.environment(name), settings, world)
    if workbook is None or accounts is None:
        yield Finding(Level.NOT_CHECKED, "doctor_no_workbook")
    else:
        yield from _token_places(accounts, Connector(settings, workbook, words.language, world))
    yield from _journal(settings, world)


def exit_code(findings: Iterable[Finding]) -> int:
    """3 when a person must log in, else 2 for what is to be set right here, else 4 for what may pass, or 0."""
    codes = {finding.exit_code for finding in findings if finding.level is Level.WRONG}
    return next((code for code in (3, 2, 4) if code in codes), 0)


def _wrong(error: BatchError) -> Finding:
    code = 3 if isinstance(error, LoginNeeded) else 4 if isinstance(error, ApiError) else 2
    return Finding(Level.WRONG, error.code, error.facts, code)


# --- this computer


def _python() -> Finding:
    facts = {"version": platform.python_version(), "needed": ".".join(map(str, OLDEST_PYTHON)), "path": sys.executable}
    good = sys.version_info >= OLDEST_PYTHON
    return Finding(Level.GOOD if good else Level.WRONG, "doctor_python" if good else "doctor_python_old", facts)


def _excel() -> Finding:
    """Excel and xlwings are for buttons and open workbooks; a closed one needs neither."""
    if os.name != "nt" and sys.platform != "darwin":
        return Finding(Level.NOT_CHECKED, "doctor_no_excel_here", {"system": platform.system()})
    if importlib.util.find_spec("xlwings") is None:
        return Finding(Level.WRONG, "doctor_xlwings_missing")
    return (
        Finding(Level.GOOD, "doctor_excel") if _excel_is_there() else Finding(Level.NOT_CHECKED, "doctor_excel_missing")
    )


def _excel_is_there() -> bool:
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415  (of Windows only)

        try:
            winreg.CloseKey(winreg.OpenKey(winreg.HKEY_CLASSES_ROOT, r"Excel.Application\CLSID"))
        except OSError:
            return False
        return True
    return Path("/Applications/Microsoft Excel.app").exists()


# --- an environment


def _environment(name: str, environment: Environment, settings: Settings, world: World) -> Iterator[Finding]:
    yield _user_agent(name, environment)
    if settings.station.refresh_tokens:
        try:
            environment.read_secret()
        except BatchError as error:
            yield _wrong(error)
    clocks = []
    for url, path in ((environment.auth_url, "/auth/oauth/authorize"), (environment.api_url, "/me")):
        finding, ahead = _reach(name, url, path, environment, world)
        yield finding
        clocks += [] if ahead is None else [ahead]
    if clocks:
        yield _clock(name, min(clocks, key=abs))


def _user_agent(name: str, environment: Environment) -> Finding:
    """Whether the page that Allegro's rules ask for can be a real one."""
    host = urlsplit(environment.info_url).hostname or ""
    made_up = host.endswith(PLACEHOLDERS) or is_loopback(host)
    real = not is_loopback(urlsplit(environment.api_url).hostname or "")
    facts = {"environment": name, "user_agent": environment.user_agent, "info_url": environment.info_url}
    if real and made_up:
        return Finding(Level.WRONG, "doctor_user_agent_placeholder", facts)
    return Finding(Level.GOOD, "doctor_user_agent", facts)


def _reach(name: str, url: str, path: str, environment: Environment, world: World) -> tuple[Finding, timedelta | None]:
    """Whether the host answers at all, and how far its clock is ahead of ours. No token goes there."""
    facts: dict[str, Any] = {"environment": name, "host": url}
    before = world.clock.now()
    try:
        with new_http().get(
            url + path,
            headers={"User-Agent": environment.user_agent, "Accept": PUBLIC},
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as response:
            status, told = response.status_code, answered_at(response.headers)
    except requests.RequestException as error:
        reason = type(error).__name__
        return Finding(Level.WRONG, "doctor_host_unreachable", {**facts, "reason": reason}, 4), None
    ahead = None if told is None else _ahead(told, before, world.clock.now())
    if status == 403:
        return Finding(Level.WRONG, "doctor_host_refuses", facts, 4), ahead
    if status >= 500:
        return Finding(Level.WRONG, "doctor_host_in_trouble", {**facts, "status": status}, 4), ahead
    return Finding(Level.GOOD, "doctor_host", facts), ahead


def _ahead(told: datetime, before: datetime, after: datetime) -> timedelta:
    """Their clock against ours, which read `before` and `after` around their answer."""
    return told - before if told < before else told - after if told > after else timedelta()


def _clock(name: str, ahead: timedelta) -> Finding:
    seconds = round(abs(ahead).total_seconds())
    facts = {"environment": name, "seconds": seconds, "late": ahead > timedelta()}
    good = abs(ahead) <= SKEW_WORTH_A_WARNING
    return Finding(Level.GOOD if good else Level.WRONG, "doctor_clock" if good else "doctor_clock_wrong", facts)


# --- tokens and journal


def _token_places(accounts: Iterable[Account], connector: Connector) -> Iterator[Finding]:
    """On a station that renews: whether locks hold where the token files lie. On others: whether tokens can be read."""
    tried: set[Path] = set()
    for account in accounts:
        try:
            store = connector.tokens(account)
            if not connector.settings.station.refresh_tokens:
                store.current()
                yield Finding(Level.GOOD, "doctor_tokens_readable", {"account": account.name})
                continue
            place = connector.token_place(account)
            if not isinstance(place, TokenFile):
                place.check()
                yield Finding(Level.GOOD, "doctor_tokens_in_database", {"account": account.name})
                continue
            folder = place.path.parent
            if folder in tried:
                continue
            tried.add(folder)
            place.check()
            probe_lock(folder)
            yield Finding(Level.GOOD, "doctor_lock", {"path": str(folder)})
        except BatchError as error:
            yield _wrong(error)


def _journal(settings: Settings, world: World) -> Iterator[Finding]:
    """Whether it opens and can be written, and lies where SQLite is safe."""
    try:
        with open_journal(settings, world) as journal:
            journal.settle_debt([0])  # no debt has this number: nothing changes, but only a writable file allows it
            file = journal.file
            if journal.on_server:
                yield from _server(journal, settings, world)
    except BatchError as error:
        yield _wrong(error)
        return
    if file is None:
        return
    facts = {"path": str(file), "program": synchronised_by(file.absolute().parent)}
    if facts["program"]:
        yield Finding(Level.WRONG, "doctor_journal_synchronised", facts)
    elif on_network(file):
        yield Finding(Level.WRONG, "doctor_journal_on_network", facts)
    else:
        yield Finding(Level.GOOD, "doctor_journal", facts)


def _server(journal: Journal, settings: Settings, world: World) -> Iterator[Finding]:
    """Whether locks hold between two connections, and its clock goes as ours: stations tell by time what is old."""
    before = world.clock.now()
    server = journal.server()
    ahead = _ahead(server.now, before, world.clock.now())
    facts = {"place": server.place, "version": server.version, "tables": server.tables}
    yield Finding(Level.GOOD, "doctor_journal_server", facts)
    probe = f"doctor {settings.station.name} {world.new_id()}"
    with open_journal(settings, world) as other:
        holds = journal.try_hold(probe) is None and other.try_hold(probe) is not None
    yield Finding(
        Level.GOOD if holds else Level.WRONG, "doctor_server_lock" if holds else "doctor_server_no_lock", facts
    )
    seconds = round(abs(ahead).total_seconds())
    good = abs(ahead) <= SERVER_SKEW
    code = "doctor_server_clock" if good else "doctor_server_clock_wrong"
    yield Finding(Level.GOOD if good else Level.WRONG, code, {**facts, "seconds": seconds, "late": ahead > timedelta()})
    if importlib.util.find_spec("procrastinate"):
        from batch.job_queue import living_workers  # noqa: PLC0415  (of the extra `team`)

        workers = journal.on_driver(living_workers)
        yield Finding(Level.GOOD if workers else Level.NOT_CHECKED, "doctor_workers", {"count": workers})


def on_network(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether `path` lies on a share of another computer, as far as the system says."""
    real = os.path.realpath(path)
    if sys.platform == "win32":
        drive = os.path.splitdrive(real)[0]
        return drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\") == DRIVE_REMOTE
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False  # macOS
    found = {}
    for line in lines:
        fields, _, source = line.partition(" - ")
        found[fields.split()[4].replace("\\040", " ")] = source.split()[0]
    tops = [top for top in found if real == top or real.startswith(top.rstrip("/") + "/")]
    return bool(tops) and found[max(tops, key=len)] in NETWORK_FILE_SYSTEMS
