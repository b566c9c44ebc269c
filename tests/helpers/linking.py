"""What a person's browser does while an account is linked: consent on the simulator's page, come back to the tool."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import yaml

from batch.simulator import Simulator
from tests.helpers.shop import Shop


def asked_for(address: str) -> dict[str, str]:
    """The query of the address that is opened."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def way_back(simulator: Simulator, address: str, *, login: str = "e-sklep1", decision: str = "allow") -> str:
    """Open the consent page, press a button; the address that Allegro sends the browser to."""
    page = requests.get(address, timeout=10)
    assert page.status_code == 200, page.text
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
    form: dict[str, Any] = {name: html.unescape(value) for name, value in fields}
    answer = requests.post(
        f"{simulator.url}/auth/oauth/authorize",
        {**form, "login": login, "decision": decision},
        timeout=10,
        allow_redirects=False,
    )
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def settle_port(shop: Shop, port: int) -> None:
    """Let the browser come back to `port`."""
    path = shop.folder / "batch.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    settings["environments"]["simulator"]["redirect_port"] = port
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
