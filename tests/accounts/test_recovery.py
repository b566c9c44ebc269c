"""Killed, interrupted, cut off from share or database at any step: the next start works, without a person if it can."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch.accounts.spool import Spool
from batch.accounts.token_place import TokenFile
from batch.errors import LoginNeeded, TokenTrouble
from batch.messages import catalogue
from tests.helpers.accounts import Station, wait_until
from tests.helpers.renew_process import Process
from tests.helpers.token_endpoint import GRACE, AllegroTokens

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills by signal and forks")


@pytest.fixture
def process() -> Iterator[Process]:
    running = Process()
    yield running
    running.close()


def litter(pc: Station) -> list[str]:
    """Every file but the token file and its lock."""
    files = {path.name for path in pc.folder.rglob("*") if path.is_file()}
    return sorted(files - {pc.path.name, f"{pc.path.name}.lock"})


@pytest.mark.parametrize("grace", [True, False], ids=["within the grace", "after the grace"])
def test_a_renewal_killed_at_any_step_is_made_good_by_the_next_start(
    shared: Station,
    tmp_path: Path,
    allegro: AllegroTokens,
    process: Process,
    grace: bool,
    request: pytest.FixtureRequest,
) -> None:
    """Only where the answer reached no disk, and 60 seconds have passed, must a person log in."""
    one_in = 15 if shared.database and request.config.getoption("databases") == "short" else 1
    steps, outcomes = 1, []
    kill_at = 0
    while kill_at <= steps:
        folder = tmp_path / str(kill_at)
        folder.mkdir()
        pc = Station(allegro, folder, database=shared.database)
        pc.write()
        old, before = allegro.refresh_token, allegro.renewals
        process.start(pc, pc.name, kill_at=kill_at, fork=True)
        process.answer()  # its process id
        answer = process.answer()
        if kill_at == 0:
            steps = answer["steps"]
            answer = process.answer()
        assert answer == {"exit": 0 if kill_at == 0 else -signal.SIGKILL}
        allegro.age += 0 if grace else GRACE + 1
        spent_unsaved = allegro.renewals > before and old in str(newest(pc))
        if spent_unsaved and not grace:
            with pytest.raises(LoginNeeded, match="token_grant_dead") as caught:
                pc.store().current()
            said = str(catalogue("en").explain(caught.value.code, **caught.value.facts))
            assert pc.place.name in said
            assert "link command" in said
            outcomes.append("login")
        else:
            token = pc.store().current()
            assert token.access_token == allegro.access_token
            assert pc.read()["refresh_token"] == allegro.refresh_token
            assert litter(pc) == []
            outcomes.append("works")
        kill_at += one_in
    assert steps > 10
    if one_in > 1:
        return
    # Between the answer and its copy on this disk lie four steps: the spool's folder, a file, its content, its name.
    assert outcomes.count("login") == (0 if grace else 4), outcomes


def newest(pc: Station) -> Any:
    """The refresh token that the next start would find, file or spool."""
    spooled = Spool(pc.spool).find(pc.place.key)
    return spooled.refresh_token if spooled else pc.read()["refresh_token"]


def test_killed_while_the_answer_is_on_its_way(shared: Station, allegro: AllegroTokens, process: Process) -> None:
    """The renewal happened, nobody heard of it: the old token is sent again."""
    pc = shared
    pc.write()
    pid: list[int] = []
    allegro.script = [{"before_answer": lambda: os.kill(pid[0], signal.SIGKILL), "wait": pid}]
    process.start(pc, pc.name, fork=True)
    pid.append(process.answer()["pid"])
    assert process.answer() == {"exit": -signal.SIGKILL}
    assert allegro.renewals == 1
    assert pc.store().current().access_token == allegro.access_token
    assert allegro.refused == []


def test_ctrl_c_while_the_answer_is_on_its_way_ends_after_the_pair_is_saved(
    shared: Station, allegro: AllegroTokens, process: Process
) -> None:
    pc = shared
    pc.write()
    pid: list[int] = []
    allegro.script = [{"before_answer": lambda: os.kill(pid[0], signal.SIGINT), "wait": pid, "delay_after": 0.2}]
    process.start(pc, pc.name, fork=True)
    pid.append(process.answer()["pid"])
    assert process.answer() == {"exit": 130}
    assert pc.read()["refresh_token"] == allegro.refresh_token
    assert litter(pc) == []


def test_ctrl_c_while_the_renewal_is_being_started_ends_after_the_pair_is_saved(
    shared: Station, allegro: AllegroTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread may be at work before whoever started it knows."""
    pc = shared
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if threading.current_thread() is threading.main_thread():
            wait_until(lambda: allegro.renewals == 1)
            raise KeyboardInterrupt

    pc.write()
    allegro.script = [{"delay_after": 0.3}]
    store = pc.store()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.current()
    assert pc.read()["refresh_token"] == allegro.refresh_token
    assert litter(pc) == []


def test_a_share_that_vanishes_before_the_save_loses_nothing(
    shared: Station, allegro: AllegroTokens, tmp_path: Path
) -> None:
    """The run goes on with the new token; the next start puts the pair into the file."""
    pc = shared
    pc.folder, pc.own = tmp_path / "share", tmp_path / "own"
    pc.folder.mkdir()
    pc.write()
    allegro.script = [{"before_answer": pc.vanish}]
    store = pc.store()
    token = store.current()
    assert token.access_token == allegro.access_token
    assert store.current() == token
    if pc.database is None:
        assert store.state().code == "tokens_unreadable"
    else:
        with pytest.raises(TokenTrouble, match="tokens_database"):
            store.state()
    pc.come_back()
    assert pc.read()["generation"] == 7
    again = pc.store()
    assert again.state().code == "tokens_ok"
    assert again.current() == token
    assert pc.read()["generation"] == 8
    assert allegro.requests == 1
    assert list(pc.spool.iterdir()) == []


def test_the_same_run_saves_the_pair_once_the_share_is_back(
    shared: Station, allegro: AllegroTokens, tmp_path: Path
) -> None:
    """Other stations must not wait for this one's next start; and not even the spool is needed."""
    pc = shared
    (tmp_path / "own").write_text("a file where the spool's folder should be")
    pc.folder, pc.own = tmp_path / "share", tmp_path / "own"
    pc.folder.mkdir()
    pc.write()
    allegro.script = [{"before_answer": pc.vanish}]
    store = pc.store()
    token = store.current()
    pc.come_back()
    pc.clock.sleep(31)
    assert store.current() == token
    assert pc.read()["generation"] == 8
    assert allegro.requests == 1


@pytest.mark.parametrize(
    ("spooled", "file", "recovered"),
    [
        pytest.param(8, 7, True, id="newer than the file"),
        pytest.param(8, None, True, id="no file"),
        pytest.param(8, "broken", True, id="broken file"),
        pytest.param(7, 7, False, id="as old as the file"),
        pytest.param(6, 7, False, id="older than the file"),
    ],
)
def test_a_spool_entry_is_put_back_only_over_something_older(
    shared: Station, allegro: AllegroTokens, spooled: int, file: Any, recovered: bool
) -> None:
    pc = shared
    pc.write(left=3600, generation=spooled)
    entry = pc.place.read()
    Spool(pc.spool).put(pc.place.key, entry)
    if file is None:
        pc.write_text(None)
    elif file == "broken":
        pc.write_text('{"access_token": ')
    else:
        pc.write(left=3600, generation=file, access_token="of-the-file")
    token = pc.store().current()
    assert token.access_token == (entry.access_token if recovered else "of-the-file")
    assert pc.read()["access_token"] == token.access_token
    assert litter(pc) == []
    assert allegro.requests == 0


@pytest.mark.parametrize("changed", [{"login": "other"}, {"environment": "production"}])
def test_a_spool_entry_of_somebody_else_is_left_alone(
    shared: Station, allegro: AllegroTokens, changed: dict[str, Any]
) -> None:
    pc = shared
    pc.write(left=3600, generation=9, **changed)
    Spool(pc.spool).put(pc.place.key, pc.place.read())
    pc.write(left=3600)
    assert pc.store().current().generation == 7
    assert pc.read()["generation"] == 7
    assert Spool(pc.spool).find(pc.place.key) is not None


def test_the_spool_keeps_apart_the_files_of_several_accounts(pc: Station, allegro: AllegroTokens) -> None:
    spool = Spool(pc.spool)
    pc.write()
    token = pc.place.read()
    spool.put(TokenFile(pc.folder / "a.token").key, token)
    assert spool.find(TokenFile(pc.folder / "b.token").key) is None
    spool.drop(TokenFile(pc.folder / "b.token").key)
    found = spool.find(TokenFile(pc.folder / "x" / ".." / "a.token").key)
    assert found is not None
    assert found.refresh_token == token.refresh_token


def test_a_broken_spool_entry_is_as_good_as_none(shared: Station, allegro: AllegroTokens) -> None:
    pc = shared
    pc.write()
    Spool(pc.spool).put(pc.place.key, pc.place.read())
    for entry in pc.spool.iterdir():
        entry.write_text("{")
    assert pc.store().current().access_token == allegro.access_token
    assert litter(pc) == []
