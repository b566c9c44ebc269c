"""The simulator's consent page and the link page in a real browser, as a seller goes through them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from batch.simulator import Simulator
from tests.helpers.browser import browser, needs_browser
from tests.helpers.linking import settle_port
from tests.helpers.ports import free_port
from tests.helpers.shop import Shop

pytestmark = needs_browser

PICTURES = os.environ.get("PICTURES")
"""A folder where the pages are left as pictures, for a person to look at."""


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def link_by_hand(shop: Shop, chrome: webdriver.Chrome, login: str) -> tuple[int, str]:
    """`link` in a process of its own; choose the login, consent; exit code and what was said."""
    process = shop.start("link", "e-sklep1", "--no-browser")
    try:
        assert process.stdout is not None
        chrome.get(process.stdout.readline().strip())
        Select(chrome.find_element(By.NAME, "login")).select_by_visible_text(login)
        chrome.find_element(By.CSS_SELECTOR, "button[value=allow]").click()
        WebDriverWait(chrome, 30).until(lambda page: page.find_elements(By.TAG_NAME, "main"))
        _, said = process.communicate(timeout=30)
        return process.returncode, said
    finally:
        process.kill()
        process.communicate()


def picture(chrome: webdriver.Chrome, name: str) -> None:
    if PICTURES:
        chrome.save_screenshot(str(Path(PICTURES) / f"{name}.png"))


def shop_in(folder: Path, simulator: Simulator) -> Shop:
    shop = Shop(folder, simulator, accounts=["e-sklep1"])
    (folder / "e-sklep1.allegro.token").unlink()
    shop.fill([])
    settle_port(shop, free_port())
    return shop


def test_a_seller_links_an_account(tmp_path: Path, simulator: Simulator, chrome: webdriver.Chrome) -> None:
    """Consent page, button, link page: it names account and login, loads nothing from elsewhere, and fits a phone."""
    shop = shop_in(tmp_path, simulator)
    chrome.get_log("performance")
    code, said = link_by_hand(shop, chrome, "e-sklep2")
    assert code == 0, said
    main = chrome.find_element(By.TAG_NAME, "main")
    assert chrome.find_element(By.TAG_NAME, "h1").text == "Konto połączone" == chrome.title
    assert [value.text for value in main.find_elements(By.TAG_NAME, "dd")][:3] == ["e-sklep1", "e-sklep2", "simulator"]
    assert chrome.find_element(By.TAG_NAME, "html").get_attribute("lang") == "pl"
    assert main.find_element(By.TAG_NAME, "svg").is_displayed()
    assert main.value_of_css_property("border-radius") != "0px", "the page's own style is in force"
    picture(chrome, "link")
    assert {url.split("/")[2].split(":")[0] for url in asked_for(chrome)} == {"localhost"}
    complaints = [entry for entry in chrome.get_log("browser") if "favicon" not in entry["message"]]
    assert complaints == []
    chrome.set_window_size(500, 800)
    try:
        assert chrome.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        picture(chrome, "link-narrow")
    finally:
        chrome.set_window_size(1000, 800)
    assert json.loads((tmp_path / "e-sklep1.allegro.token").read_text())["login"] == "e-sklep2"


def test_a_device_code_typed_on_the_verification_page(
    tmp_path: Path, simulator: Simulator, chrome: webdriver.Chrome
) -> None:
    """The address holds the code already; the person compares it with the console and consents."""
    simulator.lifetimes.device_interval = 1
    shop = shop_in(tmp_path, simulator)
    process = shop.start("link", "e-sklep1", "--device")
    assert process.stdout is not None
    chrome.get(process.stdout.readline().strip())
    code = process.stdout.readline().strip()
    assert chrome.find_element(By.NAME, "code").get_attribute("value") == code.replace(" ", "")
    Select(chrome.find_element(By.NAME, "login")).select_by_visible_text("e-sklep1")
    chrome.find_element(By.CSS_SELECTOR, "button[value=allow]").click()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said


def asked_for(chrome: webdriver.Chrome) -> set[str]:
    """The addresses that the pages asked for, since this was last called."""
    messages = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    urls = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    return {url for url in urls if url.startswith("http")}
