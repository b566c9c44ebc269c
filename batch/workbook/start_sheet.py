"""The sheet `Start`: what to do first, the buttons, the last run's figures and those of the last two weeks.

Every figure is a formula over the tables, named in `names`, so the tool never has to write here; the charts show
these figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from xlsxwriter.chart import Chart
from xlsxwriter.utility import quote_sheetname, xl_rowcol_to_cell
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from batch.messages import Catalogue, catalogue, entries
from batch.workbook import schema
from batch.workbook.macros.build import MODULE
from batch.workbook.names import column_name, list_name
from batch.workbook.schema import CURRENCIES, ORDERS, PRODUCTS, RESULTS, Kind, Table
from batch.workbook.styles import FAINT_LINE, GREY_INK, INK, LINE, NUMBER_FORMATS, STATUS_COLOURS, Styles

WIDTHS = (2, 5, 30, 14, 14, 16, 3, 34, 32)
NUMBER, NAME, FIRST, SECOND, THIRD, CHARTS, TEXT_END, ACTION = 1, 2, 3, 4, 5, 6, 7, 8  # columns of the page
CHART_WIDTH = 486  # pixels, from CHARTS to the page's end
STEP_HEIGHT, LINE_HEIGHT = 34, 18  # points
HIDDEN = 25  # column of the cells that macros look for
MACRO_TEXTS = ("macro_in_the_cloud", "macro_no_runner", "macro_not_saved")
MACRO_PLACES = {"macro_account_row": "ROW", "macro_account_column": "COLUMN"}
DAYS = 14
SHORT_DATE = {"pl": "dd.mm", "en": "mm-dd"}
DRAFTS = ("draft_created", "draft_incomplete")
NOT_SOLD = ("CANCELLED", "LINE_REMOVED")
CHANGES = ("offer_updated", "offer_published", "offer_ended")


@dataclass(frozen=True, slots=True)
class Button:
    """A button, its macro, and the action of run.bat that it starts; `key` names its texts."""

    key: str
    macro: str
    action: str


LINK = Button("start_button_link", "LinkAccount", "link")
STEPS = (
    LINK,
    Button("start_button_dictionaries", "FetchDictionaries", "dictionaries"),
    Button("start_button_check", "CheckWorkbook", "check"),
    Button("start_button_run", "RunAll", "run"),
)
"""The four steps in their order, each with its button."""

DAILY = (
    Button("start_button_prices", "UpdatePrices", "prices"),
    Button("start_button_orders", "FetchOrders", "orders"),
    Button("start_button_tokens", "RefreshTokens", "tokens"),
)


def add_start_sheet(workbook: Workbook, styles: Styles, language: str, *, macros: bool) -> None:
    """Add the sheet, with buttons or, in a workbook without macros, with the commands that do the same."""
    _StartSheet(workbook, styles, language, macros=macros).build()


def add_button(sheet: Worksheet, line: int, column: int, macro: str, caption: str) -> None:
    """A button for a macro of our module."""
    look = {"width": 214, "height": 32, "x_offset": 8, "y_offset": 6}
    sheet.insert_button(line, column, {"macro": f"{MODULE}.{macro}", "caption": caption, **look})


class _StartSheet:
    """The sheet while it is being made: what every part of it needs."""

    def __init__(self, workbook: Workbook, styles: Styles, language: str, *, macros: bool) -> None:
        self.workbook = workbook
        self.styles = styles
        self.language = language
        self.texts: Catalogue = catalogue(language)
        self.macros = macros
        self.sheet: Worksheet = workbook.add_worksheet(self.texts.say("start_sheet"))

    def build(self) -> None:
        """Add everything, from top to bottom."""
        sheet = self.sheet
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 1)
        sheet.set_tab_color(INK)
        for column, width in enumerate(WIDTHS):
            sheet.set_column(column, column, width)
        self._title()
        line = self._steps(3)
        line = self._daily(line + 1)
        line = self._last_run(line + 1)
        line = self._days(line + 1)
        sheet.print_area(0, 0, line, ACTION)
        if self.macros:
            self._macro_cells()

    def _title(self) -> None:
        band = {"bg_color": INK, "valign": "vcenter"}
        for line, (height, look) in enumerate(((32, {"bold": True, "font_size": 20}), (22, {"font_size": 11}))):
            self.sheet.set_row(line, height)
            for column in range(NUMBER, ACTION + 1):
                self.sheet.write_blank(line, column, None, self.styles.get(**band))
            text = self.texts.say(("start_title", "start_subtitle")[line])
            style = self.styles.get(**band, **look, font_color="#FFFFFF", indent=1)
            self.sheet.write_string(line, NUMBER, text, style)

    def _section(self, line: int, key: str) -> int:
        """A heading across the page; returns the line after it."""
        self.sheet.set_row(line, 24)
        for column in range(NUMBER, ACTION + 1):
            self.sheet.write_blank(line, column, None, self.styles.section())
        self.sheet.write_string(line, NUMBER, self.texts.say(key), self.styles.section())
        return line + 1

    def _steps(self, line: int) -> int:
        """Number, title and explanation of each step with its button; returns the line after them."""
        line = self._section(line, "start_steps")
        badge = self.styles.get(bold=True, font_size=14, font_color=INK, valign="vcenter", align="center")
        for number, button in enumerate(STEPS, start=1):
            step = self.texts.explain(f"start_step_{number}")
            self.sheet.set_row(line, STEP_HEIGHT)
            self.sheet.write_number(line, NUMBER, number, badge)
            self.sheet.write_string(line, NAME, step.title, self.styles.get(bold=True, valign="vcenter"))
            self._explained(line, FIRST, step.message)
            self._action(line, button)
            line += 1
        return line

    def _daily(self, line: int) -> int:
        """What is done again and again."""
        line = self._section(line, "start_daily")
        for button in DAILY:
            label = self.texts.explain(button.key)
            self.sheet.set_row(line, STEP_HEIGHT)
            self.sheet.write_string(line, NAME, label.title, self.styles.get(bold=True, valign="vcenter"))
            self._explained(line, FIRST, label.message)
            self._action(line, button)
            line += 1
        if not self.macros:
            self._explained(line, NAME, self.texts.say("start_how_to_command"), font_color=GREY_INK)
            self.sheet.set_row(line, STEP_HEIGHT)
            line += 1
        return line

    def _explained(self, line: int, first: int, text: str, **look: object) -> None:
        style = self.styles.get(valign="vcenter", text_wrap=True, **look)
        self.sheet.merge_range(line, first, line, TEXT_END, text, style)

    def _action(self, line: int, button: Button) -> None:
        """The button, or in a workbook without macros the command that does the same."""
        if self.macros:
            add_button(self.sheet, line, ACTION, button.macro, self.texts.title(button.key))
        else:
            command = f"run.bat {button.action} {self.texts.say('start_file')}"
            look = {"font_name": "Consolas", "font_size": 10, "font_color": INK, "valign": "vcenter", "indent": 1}
            self.sheet.write_string(line, ACTION, command, self.styles.get(**look))

    # --- figures

    def _last_run(self, line: int) -> int:
        """How many rows of the newest run, and of all products, stand at which status."""
        line = self._section(line, "start_figures")
        self.sheet.set_row(line, LINE_HEIGHT + 4)
        run, time, status = (column_name(RESULTS, key) for key in ("run", "time", "status"))
        newest = f'=IF(COUNT({time})=0,"{self.texts.say("start_no_run")}",INDEX({run},MATCH(MAX({time}),{time},0)))'
        self.sheet.write_formula(line, NAME, newest, self.styles.get(bold=True), self.texts.say("start_no_run"))
        self._name_cell("start_run", line, NAME)
        moment = self.styles.get(num_format=NUMBER_FORMATS[Kind.DATETIME], align="right", font_color=GREY_INK)
        self.sheet.merge_range(line, FIRST, line, SECOND, None, moment)
        self.sheet.write_formula(line, FIRST, f'=IF(COUNT({time})=0,"",MAX({time}))', moment, "")
        heading = line + 1
        self._headings(heading, ("start_status", "start_in_run", "start_in_products"))
        products = column_name(PRODUCTS, "status")
        for at, key in enumerate(STATUS_COLOURS, start=heading + 1):
            sign = entries()[key]["sign"]
            self.sheet.set_row(at, LINE_HEIGHT)
            self.sheet.write_string(at, NAME, f"{sign} {self.texts.say(key)}", self.styles.status(key))
            self._figure(at, FIRST, f'=COUNTIFS({run},start_run,{status},"{sign}*")')
            self._figure(at, SECOND, f'=COUNTIF({products},"{sign}*")')
        end = heading + 1 + len(STATUS_COLOURS)
        chart = self._chart("bar", heading, end - 1, [(FIRST, "")])
        chart.set_y_axis({"reverse": True, "line": {"color": LINE}, "num_font": {"size": 9}})
        chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}, "min": 0})
        self._place(chart, line, "start_chart_run", height=end - line)
        return end

    def _days(self, line: int) -> int:
        """Drafts, changes and the value of orders on each of the last days on which anything happened."""
        line = self._section(line, "start_days")
        self.sheet.set_row(line, LINE_HEIGHT + 4)
        self.sheet.write_string(line, NAME, self.texts.say("start_currency"), self.styles.get(font_color=GREY_INK))
        chosen = self.styles.get(align="right", bold=True, border=1, border_color=LINE)
        self.sheet.write_string(line, FIRST, CURRENCIES[0].code, chosen)
        codes = [currency.code for currency in CURRENCIES]
        self.sheet.data_validation(line, FIRST, line, FIRST, {"validate": "list", "source": codes})
        self._name_cell("start_currency", line, FIRST)
        heading, first = line + 1, line + 2
        last = first + DAYS - 1
        self._headings(heading, ("start_day", "start_drafts", "start_changes", "start_order_value"))
        day_style = self.styles.get(
            num_format=SHORT_DATE[self.language], align="left", bottom=4, bottom_color=FAINT_LINE
        )
        times = f"{column_name(RESULTS, 'time')},{column_name(ORDERS, 'bought_at')}"
        # Before anything has happened, the days end with the one on which the workbook was made.
        today = (date.today() - date(1899, 12, 30)).days  # noqa: DTZ011  (the user's own calendar)
        for at in range(first, last + 1):
            below = xl_rowcol_to_cell(at + 1, NAME)
            day = f"={below}-1" if at < last else f"=IF(COUNT({times})=0,{today},INT(MAX({times})))"
            self.sheet.set_row(at, LINE_HEIGHT)
            self.sheet.write_formula(at, NAME, day, day_style, today - (last - at))
            self._figure(at, FIRST, _counted(DRAFTS, at))
            self._figure(at, SECOND, _counted(CHANGES, at))
            self._figure(at, THIRD, _sold(at), number_format="#,##0.00")
        work = self._chart("column", heading, last, [(FIRST, "#2F5597"), (SECOND, "#9DC3E6")])
        work.set_legend({"position": "top", "font": {"size": 9}})
        orders = self._chart("column", heading, last, [(THIRD, "#548235")])
        for chart in (work, orders):
            chart.set_x_axis({"num_format": SHORT_DATE[self.language], "text_axis": True, "num_font": {"size": 8}})
            quiet = {"color": FAINT_LINE}
            chart.set_y_axis({"major_gridlines": {"visible": True, "line": quiet}, "line": quiet, "min": 0,
                              "num_font": {"size": 8}, "num_format": "#,##0"})  # fmt: skip
        self._place(work, line, "start_chart_work", height=8)
        self._place(orders, line + 8, "start_chart_orders", height=8)
        return last + 1

    def _headings(self, line: int, keys: Sequence[str]) -> None:
        for at, key in enumerate(keys, start=NAME):
            align = "left" if at == NAME else "right"
            style = self.styles.get(bold=True, bottom=1, bottom_color=LINE, font_color=INK, align=align)
            self.sheet.write_string(line, at, self.texts.say(key), style)
        self.sheet.set_row(line, LINE_HEIGHT)

    def _figure(self, line: int, column: int, formula: str, *, number_format: str = "#,##0") -> None:
        style = self.styles.get(num_format=number_format, bottom=4, bottom_color=FAINT_LINE)
        self.sheet.write_formula(line, column, formula, style, 0)

    def _chart(self, kind: str, heading: int, last: int, series: Sequence[tuple[int, str]]) -> Chart:
        """A chart of the columns below `heading`, each in its colour, or (no colour) each point in its status's."""
        chart = self.workbook.add_chart({"type": kind})
        name, first = self.sheet.get_name(), heading + 1
        for column, colour in series:
            look = {"fill": {"color": colour}} if colour else {
                "points": [{"fill": {"color": colours.bar}} for colours in STATUS_COLOURS.values()],
                "data_labels": {"value": True, "num_format": "#,##0;;"},
            }  # fmt: skip
            chart.add_series(
                {
                    "name": [name, heading, column],
                    "categories": [name, first, NAME, last, NAME],
                    "values": [name, first, column, last, column],
                    "gap": 50,
                    **look,
                }
            )
        chart.set_legend({"none": True})
        chart.set_chartarea({"border": {"color": FAINT_LINE}})
        return chart

    def _place(self, chart: Chart, line: int, title: str, *, height: int) -> None:
        """Put a chart beside `height` lines of figures."""
        chart.set_title({"name": self.texts.say(title), "name_font": {"size": 11, "color": INK}, "overlay": False})
        chart.set_size({"width": CHART_WIDTH, "height": height * LINE_HEIGHT * 4 // 3 - 6})
        self.sheet.insert_chart(line, CHARTS, chart, {"x_offset": 12, "y_offset": 4, "object_position": 2})

    # --- what macros look for

    def _macro_cells(self) -> None:
        """Their words, and where the accounts stand now, in a hidden column; each cell has the name they ask for."""
        self.sheet.set_column(HIDDEN, HIDDEN, None, None, {"hidden": True})
        for line, key in enumerate(MACRO_TEXTS):
            self.sheet.write_string(line, HIDDEN, self.texts.say(key))
            self._name_cell(key, line, HIDDEN)
        for line, (key, function) in enumerate(MACRO_PLACES.items(), start=len(MACRO_TEXTS)):
            self.sheet.write_formula(line, HIDDEN, f"={function}(INDEX({list_name('accounts')},1))")
            self._name_cell(key, line, HIDDEN)

    def _name_cell(self, name: str, line: int, column: int) -> None:
        cell = xl_rowcol_to_cell(line, column, row_abs=True, col_abs=True)
        self.workbook.define_name(name, f"={quote_sheetname(self.sheet.get_name())}!{cell}")


def _counted(codes: Sequence[str], line: int) -> str:
    """How many rows of `Results` have one of `codes` on the day that stands in `line`."""
    listed = ",".join(f'"{code}"' for code in codes)
    return f"=SUMPRODUCT(COUNTIFS({column_name(RESULTS, 'code')},{{{listed}}},{_on_day(RESULTS, 'time', line)}))"


def _sold(line: int) -> str:
    """The value of what was bought on the day that stands in `line` and not cancelled since, in the currency chosen."""
    status = column_name(ORDERS, "order_status")
    words = [schema.word(schema.ORDER_STATUSES, code, language) for code in NOT_SOLD for language in schema.LANGUAGES]
    conditions = [
        _on_day(ORDERS, "bought_at", line),
        f"{column_name(ORDERS, 'currency')},start_currency",
        *(f'{status},"<>{word}"' for word in words),
    ]
    return f"=SUMIFS({column_name(ORDERS, 'line_total')},{','.join(conditions)})"


def _on_day(table: Table, key: str, line: int) -> str:
    """The condition that a time is on the day that stands in `line`, for COUNTIFS and the like."""
    day, times = xl_rowcol_to_cell(line, NAME), column_name(table, key)
    return f'{times},">="&{day},{times},"<"&{day}+1'
