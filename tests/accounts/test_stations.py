"""The five station set-ups of the original, in its order, each with its own rows of the list below.

| set-up                                              | who renews             | tests                          |
|-----------------------------------------------------|------------------------|--------------------------------|
| 1. one PC, one account, with a schedule             | the schedule           | test_1_…                       |
| 2. one PC, one account, without a schedule          | each command           | test_2_…                       |
| 3. several accounts, each with its own token file   | each its own           | test_3_…                       |
| 4a. several PCs, one token file on a network share  | whoever comes first    | test_4a_…                      |
| 4b. several PCs, only the main station renews       | the main station alone | test_4b_…                      |

Each PC is a folder with its own workbook, settings, journal and user data; what runs at once runs in processes of
its own. Allegro is the simulator: it kills the access token at each renewal, and both pairs when two stations renew.
"""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from batch.simulator import Simulator, catalogue
from tests.helpers.at_once import at_home, call, wait_at_once
from tests.helpers.shop import Shop

Account = dict[str, Any]
E1: Account = {"account": "e-sklep1", "environment": "simulator"}
E2: Account = {"account": "e-sklep2", "environment": "simulator"}


def pc(
    folder: Path,
    simulator: Simulator,
    accounts: Sequence[Account] = (E1,),
    *,
    products: int = 0,
    renews: bool = True,
    **settings: Any,
) -> Shop:
    """A PC with a workbook of its own; nobody has linked an account yet. `settings` is its section `accounts`."""
    folder.mkdir(parents=True)
    shop = Shop(folder, simulator, accounts=[])
    shop.write_settings(station={"name": folder.name, "refresh_tokens": renews}, accounts=settings)
    rows = [
        {"account": account["account"], "ean": catalogue.gtin(n), "price": 20, "stock": 1}
        for account in accounts
        for n in range(products)
    ]
    shop.fill(rows, Accounts=accounts)
    return shop


def link(simulator: Simulator, file: Path, login: str, *, due: bool = True, **changed: Any) -> None:
    """The token file of `login`, linked eleven hours ago or more: its token is due for renewal, or has an hour."""
    answer = simulator.issue_tokens(login)
    now = datetime.now(UTC)
    token = {
        "access_token": answer["access_token"],
        "refresh_token": answer["refresh_token"],
        "expires_at": f"{now + (timedelta(minutes=1) if due else timedelta(hours=1))}",
        "refreshed_at": f"{now - timedelta(hours=11)}",
        "environment": "simulator",
        "login": login,
        "user_id": "1",
        "generation": 1,
        **changed,
    }
    file.write_text(json.dumps(token), encoding="utf-8")


def held(file: Path) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return fields


def renewals(simulator: Simulator) -> int:
    count: int = simulator.state()["renewals"]
    return count


def works(simulator: Simulator, file: Path) -> bool:
    """Whether Allegro accepts the access token and the refresh token in the file."""
    pair = simulator.world.tokens.whose(held(file)["access_token"])
    return pair is not None and pair.refresh == held(file).get("refresh_token", pair.refresh)


def all_at_once(shops: Sequence[Shop], *arguments: str) -> list[tuple[int, str]]:
    """The same command on every PC at the same moment; exit codes and what was said."""
    processes = [shop.start(*arguments) for shop in shops]
    return [(process.returncode, err) for process in processes for _, err in [process.communicate(timeout=120)]]


# --- 1. one PC, one account, with a schedule


def test_1_the_schedule_renews_once_and_every_run_uses_the_file(tmp_path: Path, simulator: Simulator) -> None:
    """Several runs, one renewal when it was due, a valid file at the end."""
    shop = pc(tmp_path / "PC-1", simulator, products=1)
    file = shop.folder / "e-sklep1.allegro.token"
    link(simulator, file, "e-sklep1")
    log = shop.folder / "state" / "allegro-batch" / "batch.log"
    process = shop.start("schedule", "--every", "1s")
    try:
        shop.wait_for(lambda: len(shop.offers()) == 1)
        asked = len(simulator.requests)
        shop.wait_for(lambda: len(simulator.requests) > asked + 4)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert renewals(simulator) == 1
    assert held(file)["generation"] == 2
    assert works(simulator, file)
    assert "a turn failed" not in log.read_text("utf-8")


# --- 2. one PC, one account, without a schedule


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command on a PC's workbook in this process, without waiting; its exit code."""
    wait_at_once(monkeypatch)

    def run(shop: Shop, command: str, *arguments: str) -> int:
        at_home(shop.folder, monkeypatch)
        return call(command, shop.workbook, *arguments)

    return run


@pytest.mark.parametrize("command", [["run"], ["tokens", "--refresh"]])
def test_2_each_command_renews_what_is_due_and_no_more(
    tmp_path: Path, simulator: Simulator, here: Callable[..., int], command: list[str]
) -> None:
    """The first start renews; a second one right after it only when that is what was asked for (Odnów tokeny)."""
    shop = pc(tmp_path / "PC-1", simulator, products=1)
    file = shop.folder / "e-sklep1.allegro.token"
    link(simulator, file, "e-sklep1")
    assert here(shop, *command) == 0
    assert renewals(simulator) == 1
    assert works(simulator, file)
    assert here(shop, *command) == 0
    assert renewals(simulator) == (2 if "--refresh" in command else 1)
    assert works(simulator, file)


# --- 3. several accounts, each with its own token file


def test_3_each_account_renews_its_own_file(tmp_path: Path, simulator: Simulator, here: Callable[..., int]) -> None:
    """`e-sklep1.allegro.token` and `e-sklep2.allegro.token`; the offers go to the right sellers."""
    shop = pc(tmp_path / "PC-1", simulator, [E1, E2], products=2)
    files = [shop.folder / f"{login}.allegro.token" for login in ("e-sklep1", "e-sklep2")]
    for login, file in zip(("e-sklep1", "e-sklep2"), files, strict=True):
        link(simulator, file, login)
    assert here(shop, "run") == 0
    assert renewals(simulator) == 2
    assert [held(file)["login"] for file in files] == ["e-sklep1", "e-sklep2"]
    assert all(works(simulator, file) for file in files)
    assert [len(shop.offers(login)) for login in ("e-sklep1", "e-sklep2")] == [2, 2]


FOREIGN = {
    "of another login": ({**E2, "login": "e-sklep2", "token_file": "e-sklep1.allegro.token"}, {}),
    "of another environment": (E2, {"environment": "production"}),
}


@pytest.mark.parametrize("row", FOREIGN)
def test_3_a_token_file_of_somebody_else_is_refused_by_both_names(
    tmp_path: Path, simulator: Simulator, here: Callable[..., int], row: str
) -> None:
    """That account stops (exit 3), nothing is sent or renewed for it; the other one works."""
    second, changed = FOREIGN[row]
    shop = pc(tmp_path / "PC-1", simulator, [E1, second], products=1)
    link(simulator, shop.folder / "e-sklep1.allegro.token", "e-sklep1", due=False)
    link(simulator, shop.folder / "e-sklep2.allegro.token", "e-sklep2", **changed)
    before = held(shop.folder / "e-sklep2.allegro.token")
    assert here(shop, "run") == 3
    assert [len(shop.offers(login)) for login in ("e-sklep1", "e-sklep2")] == [1, 0]
    assert renewals(simulator) == 0
    assert held(shop.folder / "e-sklep2.allegro.token") == before
    said = shop.table("Accounts")[1]["token_state"]
    for name in ("e-sklep1", "e-sklep2") if row == "of another login" else ("production", "simulator"):
        assert name in said


def test_3_one_file_for_two_accounts_that_were_never_linked_is_refused(
    tmp_path: Path, simulator: Simulator, here: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Or the rows of one seller would become offers of the other; both accounts are named."""
    shop = pc(tmp_path / "PC-1", simulator, [E1, {**E2, "token_file": ".\\E-sklep1.allegro.token"}], products=1)
    link(simulator, shop.folder / "e-sklep1.allegro.token", "e-sklep1", due=False)
    assert here(shop, "run") == 3
    assert "Konta e-sklep2 i e-sklep1 wskazują ten sam plik" in capsys.readouterr().err
    assert here(shop, "schedule", "--once") == 3, "the other account goes on there too"
    assert [len(shop.offers(login)) for login in ("e-sklep1", "e-sklep2")] == [1, 0]


# --- 4a. several PCs, one token file on a network share


def test_4a_several_pcs_renew_the_shared_file_once(tmp_path: Path, simulator: Simulator) -> None:
    """Three PCs start at once on a token that is due: all work, one of them renews."""
    share = tmp_path / "Y"
    share.mkdir()
    file = share / "allegro.token"
    link(simulator, file, "e-sklep1")
    row = {**E1, "token_file": str(file)}
    shops = [pc(tmp_path / name, simulator, [row], products=1) for name in ("PC-1", "PC-2", "PC-3")]
    simulator.settings.latency = 0.1
    assert all_at_once(shops, "dictionaries") == [(0, "")] * 3
    assert renewals(simulator) == 1
    assert held(file)["generation"] == 2
    assert works(simulator, file)
    assert sorted(path.name for path in share.iterdir()) == ["allegro.token", "allegro.token.lock"]


def test_4a_a_renewal_by_another_pc_in_the_middle_of_a_run_does_no_harm(
    tmp_path: Path, simulator: Simulator, here: Callable[..., int]
) -> None:
    """The run's access token dies; it takes the new one from the file, without a renewal of its own."""
    share = tmp_path / "Y"
    share.mkdir()
    file = share / "allegro.token"
    link(simulator, file, "e-sklep1", due=False)
    row = {**E1, "token_file": str(file)}
    first, second = (pc(tmp_path / name, simulator, [row], products=4) for name in ("PC-1", "PC-2"))
    simulator.settings.latency = 0.3
    process = first.start("run", "--only", "drafts")
    first.wait_for(lambda: any(exchange.method == "POST" for exchange in simulator.requests))
    assert here(second, "tokens", "--refresh") == 0
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert len(first.offers()) == 4
    assert renewals(simulator) == 1


# --- 4b. several PCs, only the main station renews


@contextlib.contextmanager
def web(folder: Path) -> Iterator[str]:
    """The folder on a web server of this computer (elsewhere it would have to be https)."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


WAYS = ["token file", "token_url file", "token_url http"]


@pytest.fixture
def stations(tmp_path: Path, simulator: Simulator, request: pytest.FixtureRequest) -> Iterator[tuple[Shop, Shop, Path]]:
    """The main station, another one that reads in one of the WAYS, and the file that it reads."""
    share = tmp_path / "Y"
    share.mkdir()
    public = share / "e-sklep1.access.json"
    main = pc(tmp_path / "MAIN", simulator, products=2, **{"e-sklep1": {"publish": str(public)}})
    file = main.folder / "e-sklep1.allegro.token"
    link(simulator, file, "e-sklep1")
    with web(share) as address:
        row, settings, read = {
            "token file": ({**E1, "token_file": str(file)}, {}, file),
            "token_url file": (E1, {"e-sklep1": {"token_url": public.as_uri()}}, public),
            "token_url http": (E1, {"e-sklep1": {"token_url": f"{address}/{public.name}"}}, public),
        }[request.param]
        yield main, pc(tmp_path / "PC-2", simulator, [row], products=4, renews=False, **settings), read


@pytest.mark.parametrize("stations", WAYS, indirect=True)
def test_4b_the_others_use_what_the_main_station_publishes(
    stations: tuple[Shop, Shop, Path], simulator: Simulator, here: Callable[..., int]
) -> None:
    """The published file has no refresh token; the other station works with it, and finds what the main one made."""
    main, other, read = stations
    assert here(main, "run") == 0
    if read.suffix == ".json":
        assert "refresh_token" not in held(read)
    before = read.read_bytes()
    assert here(other, "run") == 0
    assert len(main.offers()) == 4
    assert renewals(simulator) == 1
    assert read.read_bytes() == before
    assert [shop.table("Accounts")[0]["token_state"] for shop in (main, other)] == ["Tokeny w porządku."] * 2


@pytest.mark.parametrize("stations", ["token_url file"], indirect=True)
def test_4b_a_renewal_on_the_main_station_reaches_a_run_on_another(
    stations: tuple[Shop, Shop, Path], simulator: Simulator, here: Callable[..., int]
) -> None:
    """In the middle of it: the other reads again, and goes on."""
    main, other, _ = stations
    assert here(main, "tokens", "--refresh") == 0
    simulator.settings.latency = 0.3
    process = other.start("run", "--only", "drafts")
    other.wait_for(lambda: any(exchange.method == "POST" for exchange in simulator.requests[1:]))
    assert here(main, "tokens", "--refresh") == 0
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert len(other.offers()) == 4
    assert renewals(simulator) == 2


COMMANDS = [
    (["run"], 3),
    (["check"], 3),
    (["dictionaries"], 3),
    (["tokens"], 3),
    (["tokens", "--refresh"], 3),
    (["schedule", "--once"], 3),
    (["doctor"], 3),
    (["link", "e-sklep1"], 2),
]


@pytest.mark.parametrize("stations", ["token file"], indirect=True)
def test_4b_refresh_tokens_false_is_obeyed_by_every_command(
    stations: tuple[Shop, Shop, Path],
    simulator: Simulator,
    here: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The token has expired and the main station sleeps: nothing is renewed or written; it is said who must act."""
    _, other, read = stations
    link(simulator, read, "e-sklep1", expires_at="2026-01-01T00:00:00Z")
    before = read.read_bytes()
    for command, code in COMMANDS:
        assert here(other, *command) == code, command
        said = capsys.readouterr()
        assert "stanowisku głównym" in said.out + said.err, command
    assert read.read_bytes() == before
    assert sorted(path.name for path in read.parent.iterdir() if "token" in path.name) == [read.name]
    assert not [exchange for exchange in simulator.requests if exchange.path == "/auth/oauth/token"]
    assert yaml.safe_load((other.folder / "batch.yaml").read_text("utf-8"))["station"]["refresh_tokens"] is False
