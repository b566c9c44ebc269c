"""`TokenStore` on a station that renews: when it asks Allegro, when it must not, and what a failure leaves."""

from __future__ import annotations

import json
import os
import stat
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from batch.accounts import lock
from batch.accounts.endpoint import parse_grant
from batch.accounts.renewal import write_new
from batch.accounts.spool import Spool
from batch.accounts.token_place import TokenFile
from batch.errors import AccountError, ApiError, BatchError, LoginNeeded, ServerTrouble, SettingsError, TooMany
from batch.messages import LANGUAGES, catalogue
from tests.helpers.accounts import Clock, Station
from tests.helpers.token_endpoint import AllegroTokens


def explained(error: BatchError) -> str:
    """The Polish text, after checking that every language has one for these facts."""
    texts = [str(catalogue(language).explain(error.code, **error.facts)) for language in LANGUAGES]
    return texts[0]


def test_a_token_with_time_left_is_used_as_it_is(pc: Station, allegro: AllegroTokens) -> None:
    """Nothing is sent, nothing is written, not even a lock."""
    pc.write(left=3600)
    before = pc.path.read_bytes()
    store = pc.store()
    assert {store.current().access_token for _ in range(3)} == {allegro.access_token}
    assert allegro.requests == 0
    assert pc.path.read_bytes() == before
    assert [entry.name for entry in pc.folder.iterdir()] == [pc.path.name]


@pytest.mark.parametrize("left", [-86_400, 0, 299])
def test_a_due_token_is_renewed_once_and_the_new_pair_is_in_the_file(
    pc: Station, allegro: AllegroTokens, left: float
) -> None:
    old = pc.write(left=left, note="mine")
    store = pc.store()
    token = store.current()
    assert store.current() == token
    assert allegro.renewals == 1
    held = pc.read()
    assert held["access_token"] == token.access_token == allegro.access_token
    assert held["refresh_token"] == allegro.refresh_token != old["refresh_token"]
    assert (held["generation"], held["note"], held["user_id"]) == (8, "mine", "123")
    assert datetime.fromisoformat(held["expires_at"]) > pc.clock() + timedelta(hours=11)
    assert not list(pc.spool.iterdir())
    if os.name != "nt":
        assert stat.S_IMODE(pc.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(pc.spool.stat().st_mode) == 0o700


def test_a_new_store_takes_what_another_station_renewed(pc: Station, allegro: AllegroTokens) -> None:
    pc.write()
    other = Station(allegro, pc.folder, "pc2")
    mine, theirs = pc.store(), other.store()
    assert mine.current() == theirs.current()
    assert allegro.renewals == 1


def test_a_store_that_saw_the_old_token_looks_again_before_it_renews(pc: Station, allegro: AllegroTokens) -> None:
    """Both loaded the file before either renewed: the decision is taken again under the lock."""
    pc.write(left=400)
    other = Station(allegro, pc.folder, "pc2")
    mine, theirs = pc.store(), other.store()
    assert mine.current() == theirs.current()
    pc.clock.offset = other.clock.offset = timedelta(seconds=200)
    assert mine.current().access_token == theirs.current().access_token == allegro.access_token
    assert allegro.renewals == 1
    assert not allegro.refused


def test_after_a_401_the_file_is_looked_at_before_allegro_is_asked(pc: Station, allegro: AllegroTokens) -> None:
    pc.write(left=3600)
    mine, theirs = pc.store(), Station(allegro, pc.folder, "pc2").store()
    rejected = mine.current().access_token
    newer = theirs.renew_now()
    assert mine.renew(rejected) == newer
    assert allegro.renewals == 1


def test_after_a_401_without_a_newer_token_there_is_one_renewal_for_all_threads(
    pc: Station, allegro: AllegroTokens
) -> None:
    pc.write(left=3600)
    store = pc.store()
    rejected = store.current().access_token
    found: list[str] = []
    barrier = threading.Barrier(12)

    def worker() -> None:
        barrier.wait()
        found.append(store.renew(rejected).access_token)

    threads = [threading.Thread(target=worker) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [allegro.access_token] * 12
    assert allegro.renewals == 1


def test_threads_that_find_the_token_due_renew_once(pc: Station, allegro: AllegroTokens) -> None:
    pc.write()
    store = pc.store()
    barrier = threading.Barrier(12)
    found: list[str] = []

    def worker() -> None:
        barrier.wait()
        found.append(store.current().access_token)

    threads = [threading.Thread(target=worker) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [allegro.access_token] * 12
    assert allegro.requests == 1


def test_a_late_401_about_an_older_token_costs_no_renewal(pc: Station, allegro: AllegroTokens) -> None:
    """Nor a look at the file, which a share may take its time for."""
    pc.write()
    store = pc.store()
    token = store.current()
    pc.path.unlink()
    assert store.renew("access.SECRET.0") == token
    assert allegro.renewals == 1


def test_when_even_the_fresh_token_is_rejected_no_second_renewal_follows(pc: Station, allegro: AllegroTokens) -> None:
    """Each renewal kills the token of other stations and counts at Allegro; a second one would not help."""
    pc.write(left=3600)
    store = pc.store()
    token = store.renew(store.current().access_token)
    for _ in range(3):
        with pytest.raises(LoginNeeded) as caught:
            store.renew(token.access_token)
    assert caught.value.code == "token_rejected"
    assert str(pc.path) in explained(caught.value)
    assert allegro.renewals == 1


def test_the_clock_may_still_demand_a_renewal_after_that(pc: Station, allegro: AllegroTokens) -> None:
    pc.write(left=3600)
    store = pc.store()
    store.renew(store.current().access_token)
    pc.clock.offset += timedelta(hours=12)
    allegro.clock_offset = 12 * 3600
    assert store.current().access_token == allegro.access_token
    assert allegro.renewals == 2


def test_renew_now_renews_although_there_is_time_left(pc: Station, allegro: AllegroTokens) -> None:
    pc.write(left=3600)
    assert pc.store().renew_now().generation == 8
    assert allegro.renewals == 1


@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_a_wrong_clock_costs_at_most_one_needless_renewal(pc: Station, allegro: AllegroTokens, hours: int) -> None:
    """Once Allegro has told its time, the token is judged by that, not renewed at each look."""
    pc.clock.offset = timedelta(hours=hours)
    pc.write(expires_at=Clock()().isoformat())
    store = pc.store()
    rejected = store.current().access_token
    token = store.current() if allegro.renewals else store.renew(rejected)
    assert {store.current() for _ in range(5)} == {token}
    assert allegro.renewals == 1
    assert abs(datetime.fromisoformat(pc.read()["expires_at"]) - Clock()() - timedelta(hours=12)) < timedelta(minutes=1)


def test_a_token_that_lives_seconds_is_not_renewed_at_each_look(pc: Station, allegro: AllegroTokens) -> None:
    pc.write()
    allegro.lifetime = 60
    store = pc.store()
    assert {store.current().access_token for _ in range(5)} == {allegro.access_token}
    assert allegro.renewals == 1


@pytest.mark.parametrize("trouble", ["before", 429, 500, 503, {"answer": {"access_token": "x"}}, {"answer": b"<html>"}])
def test_trouble_at_the_endpoint_leaves_the_file_byte_identical_and_is_no_login(
    pc: Station, allegro: AllegroTokens, trouble: Any
) -> None:
    pc.write()
    before = pc.path.read_bytes()
    allegro.script = [trouble] * 50
    with pytest.raises(ApiError) as caught:
        pc.store().current()
    assert not isinstance(caught.value, AccountError)
    assert allegro.url in explained(caught.value)
    assert pc.path.read_bytes() == before
    assert not pc.spool.exists() or not list(pc.spool.iterdir())


def test_trouble_is_not_asked_about_again_by_every_thread(pc: Station, allegro: AllegroTokens) -> None:
    pc.write()
    allegro.script = [500] * 100
    store = pc.store()
    for _ in range(10):
        with pytest.raises(ServerTrouble):
            store.current()
    asked = allegro.requests
    assert asked < 10
    pc.clock.offset += timedelta(seconds=31)
    allegro.script = []
    assert store.current().access_token == allegro.access_token


def test_a_retry_after_keeps_the_store_quiet_for_so_long(pc: Station, allegro: AllegroTokens) -> None:
    pc.write()
    allegro.script = [{"status": 429, "refuse": True, "headers": {"Retry-After": "600"}}]
    store = pc.store()
    for _ in range(3):
        with pytest.raises(TooMany):
            store.current()
        pc.clock.offset += timedelta(seconds=100)
    assert allegro.requests == 1
    pc.clock.offset += timedelta(seconds=400)
    assert store.current().access_token == allegro.access_token


def test_while_the_old_token_has_time_left_a_failed_renewal_does_no_harm(pc: Station, allegro: AllegroTokens) -> None:
    old = pc.write(left=200)
    allegro.script = [500] * 50
    store = pc.store()
    assert {store.current().access_token for _ in range(5)} == {old["access_token"]}
    assert allegro.requests < 10
    pc.clock.offset += timedelta(seconds=200)
    with pytest.raises(ServerTrouble):
        store.current()


def test_but_a_rejected_token_is_never_handed_out_again(pc: Station, allegro: AllegroTokens) -> None:
    old = pc.write(left=3600)
    allegro.script = [500] * 50
    store = pc.store()
    for _ in range(2):
        with pytest.raises(ServerTrouble):
            store.renew(old["access_token"])


def test_a_dead_refresh_token_needs_a_login_and_nothing_is_touched(pc: Station, allegro: AllegroTokens) -> None:
    pc.write(refresh_token="refresh.SECRET.dead")
    before, store = pc.path.read_bytes(), pc.store()
    with pytest.raises(LoginNeeded) as caught:
        store.current()
    assert caught.value.code == "token_grant_dead"
    with pytest.raises(LoginNeeded, match="token_grant_dead"):
        store.state()  # what `Accounts` says of them
    assert str(pc.path) in explained(caught.value)
    assert pc.path.read_bytes() == before
    assert len(allegro.refused) == 1


def test_an_invalid_grant_is_believed_only_after_another_look_at_the_file(pc: Station, allegro: AllegroTokens) -> None:
    """Where the lock does not work (a synchronised folder), another station may have been faster."""
    pc.write(refresh_token="refresh.SECRET.dead")
    answers = {"status": 400, "answer": {"error": "invalid_grant", "error_description": "x"}, "refuse": True}

    def faster() -> None:
        pc.write(left=3600, generation=8)

    allegro.script = [{**answers, "before_answer": faster}]
    assert pc.store().current().access_token == allegro.access_token
    assert pc.read()["generation"] == 8
    assert allegro.renewals == 0


def test_a_newer_pair_is_never_overwritten(pc: Station, allegro: AllegroTokens) -> None:
    """Somebody past the lock saved generation 12 while our answer was on its way."""
    pc.write()
    allegro.script = [{"before_answer": lambda: pc.write(left=3600, generation=12)}]
    assert pc.store().current().generation == 12
    assert pc.read()["generation"] == 12
    assert not list(pc.spool.iterdir())


@pytest.mark.parametrize(
    ("changed", "login", "code"),
    [
        ({"environment": "production"}, None, "token_other_environment"),
        ({"login": "somebody"}, "seller", "token_other_login"),
        ({"refresh_token": None}, None, "token_not_renewable"),
        ({"access_token": None}, None, "token_broken"),
    ],
)
def test_tokens_that_cannot_be_used_need_a_person_and_are_not_sent(
    pc: Station, allegro: AllegroTokens, changed: dict[str, Any], login: str | None, code: str
) -> None:
    pc.write(**changed)
    with pytest.raises(LoginNeeded) as caught:
        pc.store(login=login).current()
    assert caught.value.code == code
    assert str(pc.path) in explained(caught.value)
    assert allegro.requests == 0


def test_without_a_file_there_is_a_login_to_make_and_no_litter(pc: Station) -> None:
    with pytest.raises(LoginNeeded) as caught:
        pc.store().current()
    assert caught.value.code == "token_missing"
    assert str(pc.path) in explained(caught.value)
    assert not list(pc.folder.iterdir())


def test_a_share_that_is_not_connected_is_not_a_login(pc: Station, tmp_path: Path) -> None:
    pc.folder = tmp_path / "away"
    with pytest.raises(AccountError) as caught:
        pc.store().current()
    assert caught.value.code == "token_folder_missing"
    assert str(pc.folder) in explained(caught.value)


def test_in_a_synchronised_folder_nothing_is_renewed(pc: Station, allegro: AllegroTokens, tmp_path: Path) -> None:
    """There the lock holds nobody off. A token with time left is used as it is, and a stranger's program is named."""
    pc.folder = tmp_path / "OneDrive - Firma"
    pc.folder.mkdir()
    pc.write(left=3600)
    assert pc.store().current().access_token == allegro.access_token
    pc.write()
    before = pc.path.read_bytes()
    with pytest.raises(AccountError) as caught:
        pc.store().current()
    assert caught.value.code == "token_folder_synchronised"
    assert "OneDrive" in explained(caught.value)
    assert allegro.requests == 0
    assert pc.path.read_bytes() == before
    assert [entry.name for entry in pc.folder.iterdir()] == [pc.path.name]


def test_a_folder_in_place_of_the_file_is_said_so(pc: Station) -> None:
    pc.path.mkdir()
    with pytest.raises(AccountError) as caught:
        pc.store().current()
    assert caught.value.code == "token_unreadable"
    assert str(pc.path) in explained(caught.value)


def test_a_folder_in_place_of_the_lock_stops_before_anything_is_sent(pc: Station, allegro: AllegroTokens) -> None:
    pc.write()
    Path(f"{pc.path}.lock").mkdir()
    with pytest.raises(AccountError) as caught:
        pc.store().current()
    assert caught.value.code == "token_lock_failed"
    assert f"{pc.path}.lock" in explained(caught.value)
    assert allegro.requests == 0


def test_what_could_not_be_saved_is_not_renewed(pc: Station, allegro: AllegroTokens) -> None:
    """The refresh token is spent only when the next one has a place to go."""
    name = "s" * 245  # the lock's name just fits into a file system, that of a temporary file does not
    pc.write()
    pc.path.rename(pc.folder / name)
    with pytest.raises(AccountError) as caught:
        pc.store(token_file=name).current()
    assert caught.value.code == "token_unwritable"
    assert name in explained(caught.value)
    assert allegro.requests == 0


def test_a_lock_that_is_never_released_is_named(
    pc: Station, allegro: AllegroTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    pc.write()
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.1)
    with FileLock(f"{pc.path}.lock"), pytest.raises(AccountError) as caught:
        pc.store().current()
    assert caught.value.code == "tokens_locked"
    assert str(pc.path) in explained(caught.value)
    assert allegro.requests == 0


def test_the_lock_is_held_while_allegro_is_asked_and_let_go_afterwards(pc: Station, allegro: AllegroTokens) -> None:
    held: list[bool] = []

    def look() -> None:
        other = FileLock(f"{pc.path}.lock")
        try:
            other.acquire(blocking=False)
        except TimeoutError:
            held.append(True)
        else:
            other.release()
            held.append(False)

    pc.write()
    allegro.script = [{"before_answer": look}]
    pc.store().current()
    look()
    assert held == [True, False]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_to_a_shared_file_stays_a_link(pc: Station, allegro: AllegroTokens, tmp_path: Path) -> None:
    """Replacing the link would leave the other stations with the dead pair."""
    share = tmp_path / "share"
    share.mkdir()
    pc.write()
    pc.path.rename(share / "real.token")
    pc.path.symlink_to(share / "real.token")
    pc.store().current()
    assert pc.path.is_symlink()
    assert json.loads((share / "real.token").read_text())["access_token"] == allegro.access_token
    assert (share / "real.token.lock").exists()


def test_a_new_file_goes_on_from_the_generation_that_was_there(pc: Station, allegro: AllegroTokens) -> None:
    """Whether it was in the file or only in the spool, so that no forgotten entry can come back over it."""
    grant = parse_grant(allegro.issue(), pc.clock(), host=allegro.url)
    spool = Spool(pc.spool)

    def link() -> int:
        whose = {"environment": "simulator", "login": "seller", "user_id": "1"}
        return write_new(pc.place, grant, **whose, spool=spool).generation

    assert link() == 1
    pc.write(generation=7)
    assert link() == 8
    held = pc.store().current()
    spool.put(pc.place.key, held)
    pc.path.unlink()
    assert link() == 9
    assert spool.find(pc.place.key) is None
    assert pc.read()["generation"] == 9


def test_a_new_file_in_a_folder_that_is_away_is_not_made(pc: Station, allegro: AllegroTokens, tmp_path: Path) -> None:
    """A folder made in place of a drive that is not connected would hide the real one."""
    whose = {"environment": "simulator", "login": "seller", "user_id": "1"}
    path = tmp_path / "away" / "x.token"
    with pytest.raises(AccountError, match="token_folder_missing"):
        write_new(
            TokenFile(path), parse_grant(allegro.issue(), pc.clock(), host=allegro.url), **whose, spool=Spool(pc.spool)
        )
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("left", "changed", "code"),
    [
        (3600, {}, "tokens_ok"),
        (10, {}, "tokens_ok"),
        (3600, {"refresh_token": None}, "tokens_ok_last"),
        (-10, {}, "tokens_expired_renewable"),
        (-10, {"refresh_token": None}, "tokens_expired"),
        (10, {"expires_at": "soon"}, "tokens_broken"),
        (10, {"environment": "sandbox"}, "tokens_foreign"),
        (10, {"login": "other"}, "tokens_foreign"),
    ],
)
def test_the_state_of_the_tokens_is_told_without_touching_anything(
    pc: Station, allegro: AllegroTokens, left: float, changed: dict[str, Any], code: str
) -> None:
    fields = pc.write(left=left, **changed)
    before = pc.path.read_bytes()
    state = pc.store(login="seller").state()
    assert state.code == code
    if code.startswith(("tokens_ok", "tokens_expired")):
        assert state.login == "seller"
        assert state.valid_until == datetime.fromisoformat(fields["expires_at"])
    for language in LANGUAGES:
        catalogue(language).say(code, **state.facts)
    assert allegro.requests == 0
    assert (pc.path.read_bytes(), len(list(pc.folder.iterdir()))) == (before, 1)


def test_the_state_of_what_is_not_there(pc: Station, tmp_path: Path) -> None:
    assert pc.store().state().code == "tokens_missing"
    pc.path.mkdir()
    assert pc.store().state().code == "tokens_unreadable"
    pc.folder = tmp_path / "away"
    state = pc.store().state()
    assert state.code == "tokens_unreadable"
    for language in LANGUAGES:
        catalogue(language).say(state.code, **state.facts)


def test_the_main_station_publishes_the_access_token_and_never_the_other(pc: Station, allegro: AllegroTokens) -> None:
    pc.write()
    public = pc.folder / "shop.access.json"
    pc.store(publish=public).current()
    published = json.loads(public.read_text())
    assert published.keys() == {"access_token", "expires_at", "environment", "login"}
    assert published["access_token"] == allegro.access_token
    if os.name != "nt":
        assert stat.S_IMODE(public.stat().st_mode) == 0o600
        public.chmod(0o640)  # a person lets the other stations' group read it
        pc.store(publish=public).renew_now()
        assert stat.S_IMODE(public.stat().st_mode) == 0o640
    assert json.loads(public.read_text())["access_token"] == allegro.access_token


def test_what_is_not_published_yet_is_published_at_the_next_start(pc: Station, allegro: AllegroTokens) -> None:
    pc.write(left=3600)
    public = pc.folder / "shop.access.json"
    pc.store(publish=public).current()
    assert json.loads(public.read_text())["access_token"] == allegro.access_token
    assert allegro.requests == 0


def test_failing_to_publish_does_not_stop_the_account(pc: Station, allegro: AllegroTokens, tmp_path: Path) -> None:
    pc.write()
    assert pc.store(publish=tmp_path / "away" / "x.json").current().access_token == allegro.access_token
    assert pc.read()["access_token"] == allegro.access_token


def test_publishing_over_the_token_file_is_refused(pc: Station) -> None:
    pc.write()
    before = pc.path.read_bytes()
    with pytest.raises(SettingsError) as caught:
        pc.store(publish=pc.folder / ".." / pc.folder.name / pc.path.name)
    assert str(pc.path.name) in explained(caught.value)
    assert pc.path.read_bytes() == before
