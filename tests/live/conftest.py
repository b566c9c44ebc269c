"""A LibreOffice that plays Excel, for the tests of this folder; without one they say why they are skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import xlwings

from tests.helpers.excel_on_libreoffice import Engine, Excel
from tests.helpers.libreoffice import RunningLibreOffice


@pytest.fixture(scope="session")
def office() -> Iterator[RunningLibreOffice]:
    """One LibreOffice for all tests of a process."""
    running = RunningLibreOffice()
    yield running
    running.close()


@pytest.fixture
def excel(office: RunningLibreOffice) -> Iterator[Excel]:
    """An Excel as xlwings sees it, with no workbook open yet."""
    before = xlwings.engines.active
    engine = Engine(office)
    xlwings.engines.active = xlwings.Engine(impl=engine)
    yield Excel(engine)
    xlwings.engines.active = before
    office.ask("close_all")
