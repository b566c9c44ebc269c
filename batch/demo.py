"""The main job with no account: a simulator, a filled workbook, two linked accounts, a run, its answers.

Besides good rows the workbook holds one of each mistake, of each refusal and of each kind of change, so that a new
user sees what the tool says to them; a few orders come in. Nothing that exists is overwritten: a folder that is not
empty gets a neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from batch import pipeline
from batch.accounts.endpoint import parse_grant
from batch.accounts.renewal import write_new
from batch.accounts.spool import Spool
from batch.accounts.token_place import TokenFile
from batch.errors import UsageError
from batch.messages import Catalogue
from batch.report import Summary
from batch.settings import FILE_NAME, load_settings
from batch.simulator import Simulator, catalogue
from batch.workbook import schema
from batch.workbook.template import write_template
from batch.world import Progress, system_world

ACCOUNTS = ("e-sklep1", "e-sklep2")
ENVIRONMENT = "simulator"


def show(folder: Path, good_rows: int, words: Catalogue, progress: Progress) -> Summary:
    """Play the whole job in a new folder; what is left there can be opened and looked at. Raises UsageError."""
    folder = _free(folder)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError("demo_folder", path=str(folder), reason=error.strerror or str(error)) from error
    workbook = folder / "demo.xlsx"
    with Simulator() as simulator:
        settings = _write_settings(folder, simulator.url, words.language)
        world = system_world(progress)
        for account in ACCOUNTS:
            write_new(
                TokenFile(folder / f"{account}.allegro.token"),
                parse_grant(simulator.issue_tokens(account), world.clock.now(), host=simulator.url),
                environment=ENVIRONMENT,
                login=account,
                user_id=account,
                spool=Spool(world.data_folder / "tokens"),
            )
        furnish(simulator)
        write_template(workbook, words.language, rows=tables(good_rows, words.language))
        request = pipeline.Request(workbook, load_settings(settings), words)
        pipeline.fetch_dictionaries(request, world)
        return pipeline.run(request, world)


CHANGES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("KUBEK-1", {"price": "24.90", "stock": 12, "status": "ACTIVE"}, {"price": 26.90, "stock": 12}),
    ("KUBEK-2", {"price": "24.90", "stock": 7, "status": "ACTIVE"}, {"price": 24.90, "stock": 15}),
    ("KUBEK-3", {"price": "24.90", "stock": 7, "status": "ACTIVE"}, {"price": 249.00}),
    ("TALERZ-1", {"price": "39.00", "stock": 4, "status": "ACTIVE"}, {"stock": 0}),
    ("TALERZ-2", {"price": "39.00", "stock": 4, "status": "INACTIVE"}, {"action": "publish"}),
    ("TALERZ-3", {"price": "39.00", "stock": 4, "status": "ACTIVE"}, {}),
)
"""Offers that are there already: external id, what Allegro holds, what the row wants."""


def furnish(simulator: Simulator) -> None:
    """Give the accounts the offers and orders that they have before the first run."""
    simulator.add_offers(ACCOUNTS[0], [{"external_id": name, **held} for name, held, _ in CHANGES])
    _sell(simulator)


def _sell(simulator: Simulator) -> None:
    """A few orders: an invoice, two VAT rates, a parcel locker, another currency, and one cancelled in time."""
    company = {
        "name": "Udix sp. z o.o.",
        "ids": [{"type": "PL_NIP", "value": "5252674798"}],
        "vatPayerStatus": "ACTIVE",
    }
    address = {"street": "Wiśniowa 1", "city": "Warszawa", "zipCode": "00-001", "countryCode": "PL", "company": company}
    locker = {"id": "POZ08A", "name": "Paczkomat POZ08A"}
    simulator.add_order(
        "e-sklep1", [{"quantity": 2}, {"rate": "5.00"}], messageToSeller="=Proszę o fakturę!",
        invoice={"required": True, "address": address},
    )  # fmt: skip
    simulator.add_order("e-sklep1", [{"rate": "8.00"}], delivery={"pickupPoint": locker}, note={"text": "VIP"})
    simulator.add_order("e-sklep2", [{"rate": "21.00"}], currency="CZK", marketplace={"id": "allegro-cz"})
    simulator.add_order("e-sklep2", status="CANCELLED")


def _free(folder: Path) -> Path:
    """`folder`, or the first of folder-2, folder-3 … that is not there or empty."""
    candidates = (folder if n == 1 else folder.with_name(f"{folder.name}-{n}") for n in range(1, 1_000_000))
    free = next(path for path in candidates if not path.exists() or (path.is_dir() and not any(path.iterdir())))
    if free.exists():
        free.rmdir()
    return free


def _write_settings(folder: Path, url: str, language: str) -> Path:
    path = folder / FILE_NAME
    settings = {
        "language": language,
        "environments": {
            ENVIRONMENT: {
                "auth_url": url,
                "api_url": url,
                "client_id": "demo",
                "client_secret": "demo",
                "app_name": "Demo",
                "info_url": "https://example.com",
            }
        },
        "journal": f"sqlite:///{(folder / 'journal.sqlite').absolute().as_posix()}",
    }
    path.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def tables(good_rows: int, language: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of the demonstration: good ones, every mistake, every refusal."""

    accounts = [{"account": name, "environment": ENVIRONMENT} for name in ACCOUNTS]
    common = {
        "handling_time": schema.word(schema.HANDLING_TIMES, "PT24H", language),
        "invoice": schema.word(schema.INVOICES, "VAT", language),
        "country": schema.word(schema.COUNTRIES, "PL", language),
        "province": schema.word(schema.PROVINCES, "WIELKOPOLSKIE", language),
        "city": "Poznań",
        "post_code": "60-166",
        "vat_rate": "23%",
    }
    defaults = [
        {"account": "e-sklep1", "shipping_rates": "Kurier i automaty", **common},
        {"account": "e-sklep1", "profile": "gabaryty", "shipping_rates": "Duże gabaryty", **common},
        {"account": "e-sklep1", "profile": "bez cennika", **common},
        {"account": "e-sklep1", "profile": "zły cennik", "shipping_rates": "Paczkomaty 2019", **common},
        {"account": "e-sklep2", **common},
    ]
    products = [*_good(good_rows), *_mistakes(), *_refusals(), *_changes(language)]
    return {"Accounts": accounts, "Defaults": defaults, "Products": products}


def _good(rows: int) -> Iterator[dict[str, Any]]:
    for number in range(rows):
        yield {
            "account": ACCOUNTS[number % 2],
            "ean": catalogue.gtin(number),
            "price": 19.99 + number % 50,
            "stock": 1 + number % 30,
            "profile": "gabaryty" if number % 10 == 4 else None,
        }


def _mistakes() -> Iterator[dict[str, Any]]:
    """One row for each thing the tool refuses by itself."""
    fresh = iter(range(100_000, 200_000))

    def row(**cells: Any) -> dict[str, Any]:
        good = {"account": "e-sklep1", "ean": catalogue.gtin(next(fresh)), "price": 49.9, "stock": 5}
        return good | cells

    yield row(ean="5,90123E+12")
    yield row(ean="5901234123458")
    yield row(ean=None)
    yield row(price="1.234")
    yield row(price=None)
    yield row(price=0.5)
    yield row(stock=2.5)
    yield row(stock=None)
    yield row(account="e-sklep3")
    yield row(profile="wyprzedaż")
    yield row(profile="bez cennika")
    yield row(profile="zły cennik")
    yield row(action="sprzedaj")
    yield row(ean=catalogue.gtin(0))


def _refusals() -> Iterator[dict[str, Any]]:
    """One row for each answer of Allegro that is not simply a draft."""
    for gtin in (
        catalogue.NOT_IN_CATALOGUE,
        catalogue.AMBIGUOUS,
        catalogue.MISSING_PARAMETERS,
        catalogue.LIMIT_REACHED,
        catalogue.INCOMPLETE,
        catalogue.SLOW,
        catalogue.SLOW_REFUSED,
    ):
        yield {"account": "e-sklep1", "ean": gtin, "price": 99, "stock": 3}


def _changes(language: str) -> Iterator[dict[str, Any]]:
    """One row for each kind of change of an offer that is there."""
    for name, _, cells in CHANGES:
        action = {"action": schema.word(schema.ACTIONS, cells["action"], language)} if "action" in cells else {}
        yield {"account": ACCOUNTS[0], "external_id": name, **cells, **action}
