"""The page of a run in a real browser: the filter filters, the sort sorts, nothing hostile runs, nothing is fetched.

With the environment variable PICTURES set to a folder, the pages are left there as pictures, to be looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from batch.keep_report import keep_report
from batch.messages import catalogue
from batch.model import CellRef, Money, Outcome, Problem
from batch.sum_orders import OrderFigures
from tests.helpers.browser import browser, needs_browser
from tests.helpers.summaries import products_of, summary_of

pytestmark = needs_browser

PICTURES = os.environ.get("PICTURES")
HOSTILE = "</td></table><script>document.title = 'hacked'</script><img src=https://evil.example/x onerror=alert(1)>"
ROWS = 40


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with browser(tmp_path_factory.mktemp("profile") / "new") as driver:
        yield driver


def outcomes_of_every_kind() -> list[Outcome]:
    """Changed, made, unchanged, pending, failed in two ways, in doubt, incomplete; the last refusal is hostile."""
    found = []
    for row in range(2, 2 + ROWS):
        account, ean = f"sklep {row % 2}", f"59012340{row:05d}"
        cell = CellRef("Produkty", "C", row)
        money = Money(Decimal(row), "PLN")
        match row % 8:
            case 0:
                one = Outcome(
                    row, account, "draft_created", offer_id=f"70{row}", external_id=ean, new_price=money, new_stock=4
                )
            case 1:
                one = Outcome(row, account, "offer_unchanged", offer_id=f"70{row}")
            case 2:
                one = Outcome(
                    row, account, "update_pending", {"waits": None}, offer_id=f"70{row}", external_id=ean, new_stock=row
                )
            case 3:
                one = Outcome.of_problems(row, account, [Problem("price_missing", cell)], ean)
            case 4:
                one = Outcome(row, account, "rejected", {"reason": "allegro"}, cell, HOSTILE, external_id=HOSTILE,
                              errors=((HOSTILE, "X"),))  # fmt: skip
            case 5:
                one = Outcome(row, account, "in_doubt", external_id=ean)
            case 6:
                one = Outcome(row, account, "draft_incomplete", offer_id=f"70{row}", external_id=ean,
                              errors=(("Brak zdjęcia", "X"),))  # fmt: skip
            case _:
                one = Outcome(row, account, "offer_updated", {"left": []}, offer_id=f"70{row}", external_id=ean,
                              old_price=money, new_price=money, old_stock=5, new_stock=7)  # fmt: skip
        found.append(one)
    return found


def open_page(chrome: webdriver.Chrome, folder: Path, language: str) -> None:
    """Make a report with every part and open it."""
    outcomes = outcomes_of_every_kind()
    products = products_of([{"account": one.account, "ean": one.external_id} for one in outcomes])
    orders = OrderFigures(
        12, 3, 31, totals={"PLN": {Decimal(23): Decimal("1234.50"), None: Decimal(7)}}, unreadable=[HOSTILE]
    )
    summary = summary_of(outcomes, products, language=language, notes=[HOSTILE], orders=orders)
    kept = keep_report(summary, products, catalogue(language), folder)
    assert kept.report, kept.notes
    chrome.get_log("performance"), chrome.get_log("browser")
    chrome.get(Path(kept.report).as_uri())


def rows(chrome: webdriver.Chrome) -> list[int]:
    """The numbers of the rows that can be seen, in their order."""
    shown = "[...document.querySelectorAll('#table tbody tr')].filter(row => row.offsetParent)"
    numbers: list[int] = chrome.execute_script(f"return {shown}.map(row => Number(row.cells[0].textContent))")
    return numbers


def picture(chrome: webdriver.Chrome, name: str) -> None:
    if PICTURES:
        chrome.save_screenshot(str(Path(PICTURES) / f"{name}.png"))


@pytest.mark.parametrize("language", ["pl", "en"])
def test_nothing_hostile_runs_and_nothing_is_fetched(chrome: webdriver.Chrome, tmp_path: Path, language: str) -> None:
    """Offer names and messages are other people's text; the console is silent, its own script is in force."""
    open_page(chrome, tmp_path, language)
    picture(chrome, f"report-{language}")
    assert chrome.title == f"{catalogue(language).say('report_title')} 20261124-210000-abc"
    assert chrome.find_element(By.TAG_NAME, "html").get_attribute("lang") == language
    assert chrome.find_element(By.CSS_SELECTOR, ".notes li").text == HOSTILE
    assert chrome.find_elements(By.TAG_NAME, "img") == []
    assert len(chrome.find_elements(By.TAG_NAME, "script")) == 1
    assert chrome.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"}
    own = ("chrome:", "data:")  # what the browser's empty first page is made of
    assert {url for url in asked if not url.startswith(own)} == {chrome.current_url}


def test_a_script_that_got_past_escaping_would_not_run(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    """The page's own policy is the second lock: a user may edit the template."""
    open_page(chrome, tmp_path, "pl")
    page = tmp_path / "20261124-210000-abc" / "report.html"
    page.write_text(page.read_text("utf-8").replace("</footer>", f"</footer>{HOSTILE}"), encoding="utf-8")
    chrome.get(page.as_uri())
    assert chrome.title.startswith("Raport")
    assert any("Content Security Policy" in entry["message"] for entry in chrome.get_log("browser"))


def test_the_filters_filter_and_the_headings_sort(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    """By words, status, outcome and account together; numbers as numbers, twice is backwards."""
    open_page(chrome, tmp_path, "pl")
    listed = [row for row in range(2, 2 + ROWS) if row % 8 != 1]
    assert rows(chrome) == listed
    Select(chrome.find_element(By.ID, "status")).select_by_visible_text("błąd")
    assert rows(chrome) == [row for row in listed if row % 8 in {3, 4}]
    assert chrome.find_element(By.ID, "shown").text == "10"
    Select(chrome.find_element(By.ID, "account")).select_by_visible_text("sklep 0")
    assert rows(chrome) == [row for row in listed if row % 8 == 4]
    chrome.find_element(By.CSS_SELECTOR, "[data-show=in_doubt]").click()
    assert rows(chrome) == [row for row in listed if row % 8 == 5]
    Select(chrome.find_element(By.ID, "code")).select_by_index(0)
    chrome.find_element(By.ID, "search").send_keys("zdjęcia 5901234000014")
    assert rows(chrome) == [14]
    chrome.find_element(By.ID, "search").send_keys(" nic")
    assert rows(chrome) == []
    assert chrome.find_element(By.ID, "none").is_displayed()
    chrome.find_element(By.ID, "search").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    number = chrome.find_element(By.CSS_SELECTOR, "#table th button")
    number.click()
    assert rows(chrome) == listed
    number.click()
    assert rows(chrome) == listed[::-1]
    chrome.find_elements(By.CSS_SELECTOR, "#table th button")[1].click()
    assert [row % 2 for row in rows(chrome)] == sorted(row % 2 for row in listed)


def test_links_lead_to_the_offers(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    """In a tab of their own, which learns nothing about the page."""
    open_page(chrome, tmp_path, "pl")
    link = chrome.find_element(By.CSS_SELECTOR, "#table a")
    assert link.get_attribute("href") == "https://allegro.example/oferta/702"
    assert link.get_attribute("rel") == "noopener noreferrer"


def test_it_fits_a_phone_and_prints_without_its_controls(chrome: webdriver.Chrome, tmp_path: Path) -> None:
    """A narrow page scrolls its table only; on paper there is nothing to press, and every row."""
    open_page(chrome, tmp_path, "pl")
    try:
        for width in (1000, 500):
            chrome.set_window_size(width, 900)
            assert chrome.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), width
            picture(chrome, f"report-{width}")
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert not chrome.find_element(By.ID, "search").is_displayed()
        assert len(rows(chrome)) == 35
    finally:
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        chrome.set_window_size(1280, 900)
