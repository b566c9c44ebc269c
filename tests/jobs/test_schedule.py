"""`schedule` as a seller starts it: real processes against the simulator."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch.simulator import Simulator, catalogue
from tests.helpers.at_once import at_home, call
from tests.helpers.shop import Shop


def test_runs_come_again_and_again_and_end_cleanly(tmp_path: Path, simulator: Simulator) -> None:
    """Survives broken settings; a second schedule leaves; Ctrl+C lets the run under way finish, and is exit 0."""
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])
    shop.fill([{"ean": catalogue.gtin(0), "price": 20, "stock": 1}])
    process = shop.start("schedule", "--every", "1s")
    log, settings = tmp_path / "state" / "allegro-batch" / "batch.log", tmp_path / "batch.yaml"
    try:
        shop.wait_for(lambda: len(shop.offers()) == 1)
        second = shop.run("schedule", "--every", "1s")
        assert (second.returncode, second.stdout) == (2, "")
        assert "działa już inny harmonogram" in second.stderr

        good = settings.read_text("utf-8")
        settings.write_text("language: [", encoding="utf-8")
        shop.wait_for(lambda: "a turn failed" in log.read_text("utf-8"))
        settings.write_text(good, encoding="utf-8")

        simulator.settings.latency = 0.4
        shop.fill([{"ean": catalogue.gtin(n), "price": 20, "stock": 1} for n in range(2)])
        shop.wait_for(lambda: len(shop.offers()) == 2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, said
    assert said.rstrip().endswith("Harmonogram zakończony.")
    assert len(shop.offers()) == 2
    assert {row["status"][0] for row in shop.table("Products")} <= {"✔", "–"}, "the last run was finished"


def test_tokens_stay_fresh_between_runs(tmp_path: Path, simulator: Simulator) -> None:
    """The next run is a day away, the token has minutes: it is renewed before the last five, and published."""
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"], times=20)
    shop.link("e-sklep1", expires_in=330)
    file, public = tmp_path / "e-sklep1.allegro.token", tmp_path / "e-sklep1.access.json"
    shop.write_settings(accounts={"e-sklep1": {"publish": str(public)}})
    shop.fill([])
    old = json.loads(file.read_text("utf-8"))["access_token"]
    process = shop.start("schedule", "--every", "24h")
    try:
        shop.wait_for(lambda: json.loads(file.read_text("utf-8"))["access_token"] != old)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert said.count("Przebieg") == 1
    held = json.loads(file.read_text("utf-8"))
    assert simulator.world.tokens.whose(held["access_token"])
    assert json.loads(public.read_text("utf-8"))["access_token"] == held["access_token"]


def test_a_turn_of_the_systems_scheduler(tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that `--dry-run` shows is one run; the token that would not last until the next one is renewed."""
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])
    shop.link("e-sklep1", expires_in=40 * 60)
    file = tmp_path / "e-sklep1.allegro.token"
    eleven_hours_old = json.loads(file.read_text()) | {"refreshed_at": f"{datetime.now(UTC) - timedelta(hours=11)}"}
    file.write_text(json.dumps(eleven_hours_old))
    shop.fill([{"ean": catalogue.gtin(0), "price": 20, "stock": 1}])
    at_home(tmp_path, monkeypatch)
    assert call("schedule", shop.workbook, "--once", "--every", "1h") == 0
    assert len(shop.offers()) == 1
    assert simulator.state()["renewals"] == 1


@pytest.mark.parametrize("arguments", [["--every", "soon"], ["--install", "--remove"], ["--every", "25h"]])
def test_what_cannot_be_is_refused_before_anything_runs(
    tmp_path: Path, simulator: Simulator, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home(tmp_path, monkeypatch)
    shop = Shop(tmp_path, simulator, accounts=["e-sklep1"])
    shop.fill([])
    assert call("schedule", shop.workbook, *arguments) == 2
    assert simulator.requests == []
