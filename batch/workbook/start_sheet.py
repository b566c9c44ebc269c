"""The sheet `Start`: what to do first, the buttons, and the last run's figures.

The figures are formulas over the tables, so the tool never has to write here. Their values at creation are
stored beside them, because not every program recalculates when it opens a workbook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from xlsxwriter.chart import Chart
from xlsxwriter.utility import quote_sheetname, xl_rowcol_to_cell
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from batch.messages import Catalogue, catalogue, entries
from batch.workbook import schema
from batch.workbook.macros.build import MODULE
from batch.workbook.schema import Kind
from batch.workbook.styles import GREY_INK, INK, LINE, NUMBER_FORMATS, STATUS_COLOURS, Styles
from batch.workbook.table_sheet import Row, local_time, reference

NUMBER, NAME, FIGURE, PRODUCTS_FIGURE, CHARTS, LAST = 1, 2, 3, 4, 5, 14  # columns of the page
HIDDEN = 25  # column of the texts that macros show
STEPS = 4
EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  (Excel has no time zones)
MACRO_TEXTS = ("macro_which_account", "macro_in_the_cloud", "macro_no_runner", "macro_not_saved")


@dataclass(frozen=True, slots=True)
class Button:
    """A button, its macro, and the command that does the same; `key` names its texts."""

    key: str
    macro: str
    command: str


BUTTONS = (
    Button("start_button_link", "LinkAccount", "link {file} {account}"),
    Button("start_button_dictionaries", "FetchDictionaries", "dictionaries {file}"),
    Button("start_button_check", "CheckWorkbook", "check {file}"),
    Button("start_button_run", "RunAll", "run {file}"),
    Button("start_button_update", "UpdatePrices", "run {file} --only updates"),
    Button("start_button_orders", "FetchOrders", "run {file} --only orders"),
    Button("start_button_tokens", "RefreshTokens", "tokens {file} --refresh"),
)


def add_start_sheet(
    workbook: Workbook, styles: Styles, language: str, rows: Mapping[str, Sequence[Row]], *, macros: bool
) -> None:
    """Add the sheet; `rows` (of the tables, as in `write_template`) give the formulas' values at creation."""
    texts = catalogue(language)
    sheet = workbook.add_worksheet(texts.say("start_sheet"))
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 1)
    for column, width in ((0, 2), (NUMBER, 4), (NAME, 40), (FIGURE, 17), (PRODUCTS_FIGURE, 17)):
        sheet.set_column(column, column, width)
    sheet.set_row(0, 30)
    sheet.write_string(0, NUMBER, texts.say("start_title"), styles.title())
    sheet.write_string(1, NUMBER, texts.say("start_subtitle"), styles.get(font_color=GREY_INK))
    line = _steps(sheet, styles, texts, line=3)
    line = _buttons(sheet, styles, texts, line=line + 1, macros=macros)
    _figures(workbook, sheet, styles, language, rows, line=line + 1)
    if macros:
        _macro_texts(workbook, sheet, language, rows)


def _steps(sheet: Worksheet, styles: Styles, texts: Catalogue, *, line: int) -> int:
    """Number, title and explanation of each step; returns the line after them."""
    sheet.write_string(line, NUMBER, texts.say("start_steps"), styles.section())
    digit = styles.get(bold=True, font_color=INK, valign="vcenter", align="center")
    for number in range(1, STEPS + 1):
        at = line + number
        step = texts.explain(f"start_step_{number}")
        sheet.set_row(at, 32)
        sheet.write_number(at, NUMBER, number, digit)
        sheet.write_string(at, NAME, step.title, styles.get(bold=True, valign="vcenter"))
        sheet.merge_range(at, FIGURE, at, LAST, step.message, styles.get(valign="vcenter", text_wrap=True))
    return line + STEPS + 1


def _buttons(sheet: Worksheet, styles: Styles, texts: Catalogue, *, line: int, macros: bool) -> int:
    """Buttons, or in a workbook without macros the commands, each with what it does; returns the line after them."""
    sheet.write_string(line, NUMBER, texts.say("start_buttons" if macros else "start_commands"), styles.section())
    if not macros:
        line += 1
        sheet.write_string(line, NUMBER, texts.say("start_how_to_command"), styles.get(font_color=GREY_INK))
    words = {"file": texts.say("start_file"), "account": texts.say("start_account")}
    for at, button in enumerate(BUTTONS, start=line + 1):
        label = texts.explain(button.key)
        sheet.set_row(at, 27)
        sheet.merge_range(at, FIGURE, at, LAST, label.message, styles.get(valign="vcenter", text_wrap=True))
        if macros:
            look = {"caption": label.title, "width": 235, "height": 30, "x_offset": 3, "y_offset": 3}
            sheet.insert_button(at, NAME, {"macro": f"{MODULE}.{button.macro}", **look})
        else:
            command = f"allegro-batch {button.command.format(**words)}"
            sheet.write_string(at, NAME, command, styles.get(valign="vcenter", font_name="Consolas", font_size=9))
    return line + 1 + len(BUTTONS)


def _figures(
    workbook: Workbook, sheet: Worksheet, styles: Styles, language: str, rows: Mapping[str, Sequence[Row]], *, line: int
) -> None:
    """How many rows of the newest run, and of all products, stand at which status; as numbers and as charts."""
    texts = catalogue(language)
    sheet.write_string(line, NUMBER, texts.say("start_figures"), styles.section())
    last_run = _newest_run(sheet, styles, language, rows.get("Results", ()), line=line + 1)
    heading = styles.get(bold=True, bottom=1, bottom_color=LINE, font_color=INK)
    for column, key in ((NAME, "start_status"), (FIGURE, "start_figures"), (PRODUCTS_FIGURE, "start_figures_products")):
        sheet.write_string(line + 2, column, texts.say(key), heading)
    run, status = (reference(schema.RESULTS, key, language) for key in ("run", "status"))
    newest = xl_rowcol_to_cell(line + 1, NAME, row_abs=True, col_abs=True)
    product_status = reference(schema.PRODUCTS, "status", language)
    for at, key in enumerate(STATUS_COLOURS, start=line + 3):
        sign = entries()[key]["sign"]
        sheet.write_string(at, NAME, f"{sign} {texts.say(key)}", styles.status(key))
        in_run = f'=SUMPRODUCT(({run}={newest})*(LEFT({status},1)="{sign}"))'
        sheet.write_formula(at, FIGURE, in_run, None, _count(last_run, sign))
        in_products = f'=COUNTIF({product_status},"{sign}*")'
        sheet.write_formula(at, PRODUCTS_FIGURE, in_products, None, _count(rows.get("Products", ()), sign))
    for position, column in enumerate((FIGURE, PRODUCTS_FIGURE)):
        chart = _chart(workbook, sheet.get_name(), line + 2, column)
        sheet.insert_chart(line + 1, CHARTS, chart, {"x_offset": 12 + position * 320, "y_offset": 0})


def _newest_run(sheet: Worksheet, styles: Styles, language: str, results: Sequence[Row], *, line: int) -> Sequence[Row]:
    """Show name and time of the run that `Results` holds the latest row of, and return its rows."""
    run, time = (reference(schema.RESULTS, key, language) for key in ("run", "time"))
    none_yet = catalogue(language).say("start_no_run")
    times = [(local_time(at), row["run"]) for row in results if isinstance(at := row.get("time"), datetime)]
    moment, name = max(times, default=(None, none_yet))
    newest = f'=IF(COUNT({time})=0,"{none_yet}",INDEX({run},MATCH(MAX({time}),{time},0)))'
    sheet.write_formula(line, NAME, newest, styles.get(bold=True), name)
    since_epoch = (moment - EXCEL_EPOCH) / timedelta(days=1) if moment else ""
    style = styles.get(num_format=NUMBER_FORMATS[Kind.DATETIME], align="left")
    sheet.write_formula(line, FIGURE, f'=IF(COUNT({time})=0,"",MAX({time}))', style, since_epoch)
    return [row for row in results if row.get("run") == name]


def _count(rows: Sequence[Row], sign: str) -> int:
    return sum(str(row.get("status") or "").startswith(sign) for row in rows)


def _chart(workbook: Workbook, sheet: str, heading: int, column: int) -> Chart:
    """A bar for each status, in its colour, over the figures below `heading`."""
    first, last = heading + 1, heading + len(STATUS_COLOURS)
    chart = workbook.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": [sheet, heading, column],
            "categories": [sheet, first, NAME, last, NAME],
            "values": [sheet, first, column, last, column],
            "points": [{"fill": {"color": colours.ink}} for colours in STATUS_COLOURS.values()],
            "data_labels": {"value": True},
            "gap": 40,
        }
    )
    chart.set_title({"name": [sheet, heading, column], "name_font": {"size": 11, "color": INK}})
    chart.set_legend({"none": True})
    chart.set_y_axis({"reverse": True, "line": {"color": LINE}})
    chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}, "min": 0})
    chart.set_size({"width": 310, "height": 230})
    chart.set_chartarea({"border": {"color": LINE}})
    return chart


def _macro_texts(workbook: Workbook, sheet: Worksheet, language: str, rows: Mapping[str, Sequence[Row]]) -> None:
    """The words of the macros in a hidden column, each cell under the name the macro looks for."""
    texts = catalogue(language)
    sheet.set_column(HIDDEN, HIDDEN, None, None, {"hidden": True})
    for line, key in enumerate(MACRO_TEXTS):
        sheet.write_string(line, HIDDEN, texts.say(key))
        _name_cell(workbook, sheet, key, line)
    accounts = rows.get("Accounts", ())
    first_account = f'=INDEX({reference(schema.ACCOUNTS, "account", language)},1)&""'
    value = str(accounts[0].get("account") or "") if accounts else ""
    sheet.write_formula(len(MACRO_TEXTS), HIDDEN, first_account, None, value)
    _name_cell(workbook, sheet, "macro_first_account", len(MACRO_TEXTS))


def _name_cell(workbook: Workbook, sheet: Worksheet, name: str, line: int) -> None:
    cell = xl_rowcol_to_cell(line, HIDDEN, row_abs=True, col_abs=True)
    workbook.define_name(name, f"={quote_sheetname(sheet.get_name())}!{cell}")
