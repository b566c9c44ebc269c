"""How a new workbook looks: a few sober colours and the cell formats made from them.

Typing is part of the look: a column's number format decides whether Excel keeps an EAN's digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from batch.workbook.schema import Kind

INK = "#1F3864"  # titles, headings of columns the user fills
GREY_INK = "#595959"  # headings of the other columns, secondary text
GREY_PAPER = "#F2F2F2"  # cells the tool writes, where a table has cells of both kinds
LINE = "#BFBFBF"
FAINT_LINE = "#E0E0E0"
LINK_INK = "#0563C1"
LINE_HEIGHT = 15  # points
LETTERS = 1.15  # a column's width counts digits, and letters are narrower

# Text columns are Excel's "Text": digits stay as typed, and a buyer's note that starts with "=" stays a note.
NUMBER_FORMATS = {
    Kind.TEXT: "@",
    Kind.LONG_TEXT: "@",
    Kind.LINK: "General",  # a formula edited in a text cell would become its own text
    Kind.MONEY: "#,##0.00",
    Kind.INTEGER: "General",  # "0" would show a stock of 2.5 as 3
    Kind.NUMBER: "General",
    Kind.DATETIME: "yyyy-mm-dd hh:mm",
}


@dataclass(frozen=True, slots=True)
class Colours:
    """Paper and ink of a status, and its bar in a chart."""

    paper: str
    ink: str
    bar: str


STATUS_COLOURS = {
    "status_done": Colours("#E2EFDA", "#375623", "#70AD47"),
    "status_warning": Colours("#FFF2CC", "#7F6000", "#E2AC00"),
    "status_pending": Colours("#DDEBF7", "#1F4E78", "#5B9BD5"),
    "status_failed": Colours("#FBE0D6", "#9C0006", "#C0392B"),
    "status_skipped": Colours("#EDEDED", "#595959", "#A5A5A5"),
    "status_doubt": Colours("#E4DFEC", "#403151", "#8064A2"),
    "status_planned": Colours("#DAEEF3", "#215967", "#31859C"),
}
"""By the keys of the catalogue's statuses, in the order in which they are shown."""


class Styles:
    """The formats of one workbook; each is made once, however often it is asked for."""

    def __init__(self, workbook: Workbook) -> None:
        self._workbook = workbook
        self._made: dict[tuple[tuple[str, object], ...], Format] = {}

    def get(self, **properties: object) -> Format:
        """The format with these XlsxWriter properties."""
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            self._made[key] = self._workbook.add_format(properties)
        return self._made[key]

    def cell(self, kind: Kind, *, shaded: bool = False) -> Format:
        """The format of a body cell; `shaded` marks a column that the tool writes."""
        properties: dict[str, object] = {"num_format": NUMBER_FORMATS[kind], "valign": "top"}
        if kind not in (Kind.MONEY, Kind.INTEGER, Kind.NUMBER):
            properties |= {"align": "left", "indent": 1}  # off the figures that end in the column before
        if kind is Kind.LONG_TEXT:
            properties["text_wrap"] = True
        if shaded:
            properties |= {"bg_color": GREY_PAPER, "border": 1, "border_color": FAINT_LINE}
        if kind is Kind.LINK:
            properties |= {"font_color": LINK_INK, "underline": 1}
        return self.get(**properties)

    def heading(self, *, grey: bool = False) -> Format:
        """The format of a column's heading; grey for a column that is not the user's to fill."""
        return self.get(
            bold=True,
            font_color="#FFFFFF",
            bg_color=GREY_INK if grey else INK,
            text_wrap=True,
            valign="vcenter",
            indent=1,
            border=1,
            border_color=LINE,
        )

    def title(self) -> Format:
        """The first line of a sheet that is read, not filled."""
        return self.get(bold=True, font_size=18, font_color=INK)

    def section(self) -> Format:
        """The heading of a part of such a sheet, which is underlined over its whole width."""
        return self.get(bold=True, font_size=13, font_color=INK, bottom=2, bottom_color=INK)

    def status(self, key: str) -> Format:
        """A status cell in its colours; also usable as a conditional format."""
        colours = STATUS_COLOURS[key]
        return self.get(bg_color=colours.paper, font_color=colours.ink)


def fit_height(sheet: Worksheet, line: int, cells: Iterable[tuple[str, float]]) -> None:
    """Make a row as high as its wrapped texts need, given each text with its column's width in characters.

    Excel would do so by itself, other programs do not.
    """
    lines = max(
        sum(math.ceil(len(part) / (width * LETTERS)) or 1 for part in text.split("\n")) for text, width in cells
    )
    sheet.set_row(line, LINE_HEIGHT * lines)
