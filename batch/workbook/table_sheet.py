"""One table of the schema as a sheet: headings, typed columns, dropdowns, hints, colours.

Formats, dropdowns and colours belong to whole columns, not to the rows that exist now, so that a row added
later (typed, pasted, or written by the tool) has them without anyone copying anything. Dropdowns help and
never forbid: a pasted id of Allegro is as good as a name from the list. What the tool writes is grey and says so
when it is selected; nothing is locked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from batch.messages import catalogue, entries
from batch.workbook.names import list_source
from batch.workbook.schema import SETTINGS, Column, Kind, Table
from batch.workbook.styles import GREY_INK, INK, STATUS_COLOURS, Styles
from batch.workbook.values import link_formula

Row = Mapping[str, object]

LAST_ROW = 1_048_575  # of a sheet, counted from 0
FILTER_BUTTON = 4  # characters of a heading that the filter's button would cover
NUMBERS = (Kind.MONEY, Kind.INTEGER, Kind.NUMBER)
WARSAW = ZoneInfo("Europe/Warsaw")


def add_table_sheet(
    workbook: Workbook, styles: Styles, table: Table, language: str, rows: Sequence[Row], *, capacity: int = 1
) -> Worksheet:
    """Add the sheet of `table` with `rows` (by column key) in its body of at least `capacity` rows.

    An Excel table has at least one body row; it grows by itself when somebody types beneath it.
    Raises KeyError for a value whose key is no column of the table.
    """
    sheet = workbook.add_worksheet(table.sheet[language])
    inputs = any(not column.written for column in table.columns)
    sheet.set_tab_color(INK if inputs else GREY_INK)
    sheet.set_row(0, 32)
    sheet.freeze_panes(1, 0)
    _print_setup(sheet)
    indexes = {column.key: index for index, column in enumerate(table.columns)}
    styled = [styles.cell(column.kind, shaded=inputs and column.written) for column in table.columns]
    _add_table(sheet, styles, table, language, max(len(rows), capacity, 1), striped=not inputs)
    for index, (column, style) in enumerate(zip(table.columns, styled, strict=True)):
        width = max(column.width, len(column.heading[language]) + FILTER_BUTTON)
        sheet.set_column(index, index, width, style, {"hidden": column.hidden})
        if inputs and table is not SETTINGS:  # each setting has a rule of its own; two must not overlap
            add_validation(sheet, index, column, language, account_column=indexes.get("account", 0))
        if column.key == "status":
            colour_statuses(sheet, styles, index)
    _keep_quiet_about_digits(sheet, table)
    for number, row in enumerate(rows, start=1):
        for key, value in row.items():
            index = indexes[key]
            write_cell(sheet, number, index, value, kind=table.columns[index].kind, style=styled[index])
    return sheet


def write_cell(sheet: Worksheet, row: int, column: int, value: object, *, kind: Kind, style: Format) -> None:
    """Write `value` with the type that a column of `kind` has; a blank value leaves the cell blank.

    What is no number stays text in a column of numbers, as when a person types it. Aware times become Warsaw's.
    """
    if value is None or value == "":
        return
    if kind in {Kind.MONEY, Kind.INTEGER} and isinstance(value, bool | date | time | timedelta):
        # Refused as a number, and to be refused when it comes back.
        sheet.write_string(row, column, str(value), style)
    elif isinstance(value, datetime):
        sheet.write_datetime(row, column, local_time(value), style)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, style)
    elif isinstance(value, int | float | Decimal) and kind in NUMBERS:
        sheet.write_number(row, column, float(value), style)
    elif kind is Kind.LINK:
        sheet.write_formula(row, column, f"={link_formula(str(value))}", style, value)
    else:
        sheet.write_string(row, column, str(value), style)


def add_validation(
    sheet: Worksheet, index: int, column: Column, language: str, *, row: int | None = None, account_column: int = 0
) -> None:
    """Give a column (or only its cell in `row`) its hint and its dropdown, or the check of a number's sign.

    `account_column` is where the sheet names the account whose own names a dropdown is to show.
    """
    first, last = (1, LAST_ROW) if row is None else (row, row)
    texts = catalogue(language)
    rule: dict[str, Any] = {"validate": "any"}
    if column.choices:
        rule = {"validate": "list", "source": [choice.words[language] for choice in column.choices]}
    elif column.dictionary:
        account_cell = xl_rowcol_to_cell(first, account_column, col_abs=True)
        rule = {"validate": "list", "source": list_source(column.dictionary, account_cell)}
    elif column.kind is Kind.MONEY:
        rule = {"validate": "decimal", "criteria": ">", "value": 0}
    elif column.kind is Kind.INTEGER:
        rule = {"validate": "integer", "criteria": ">=", "value": 0}
    rule |= {
        "input_title": column.heading[language],
        "input_message": column.help[language],
        "error_type": "information" if column.dictionary else "warning",
        "error_title": column.heading[language],
        "error_message": texts.say("template_not_in_list" if column.dictionary else "template_unusual_value"),
    }
    sheet.data_validation(first, index, last, index, rule)


def colour_statuses(sheet: Worksheet, styles: Styles, index: int, *, last: int = LAST_ROW) -> None:
    """Give the cells of a column that begin with the sign of a status its colours."""
    for key in STATUS_COLOURS:
        rule = {
            "type": "text",
            "criteria": "begins with",
            "value": entries()[key]["sign"],
            "format": styles.status(key),
        }
        sheet.conditional_format(1, index, last, index, rule)


def local_time(moment: datetime) -> datetime:
    """The clock in Warsaw at an aware `moment`; a naive one is taken to be Warsaw's already."""
    return moment.astimezone(WARSAW).replace(tzinfo=None) if moment.tzinfo else moment


def _add_table(sheet: Worksheet, styles: Styles, table: Table, language: str, body: int, *, striped: bool) -> None:
    columns = [
        {"header": column.heading[language], "header_format": styles.heading(grey=column.written or column.fixed)}
        for column in table.columns
    ]
    options = {"name": table.name, "columns": columns, "style": "Table Style Light 1", "banded_rows": striped}
    sheet.add_table(0, 0, body, len(columns) - 1, options)


def _print_setup(sheet: Worksheet) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _keep_quiet_about_digits(sheet: Worksheet, table: Table) -> None:
    """Digits kept as text are meant so: no green triangle in every EAN cell."""
    texts = [index for index, column in enumerate(table.columns) if column.kind not in (*NUMBERS, Kind.DATETIME)]
    ranges = " ".join(f"{name}2:{name}{LAST_ROW + 1}" for name in map(xl_col_to_name, texts))
    sheet.ignore_errors({"number_stored_as_text": ranges})
