"""The `Settings` table: one row a setting, its value typed as the setting needs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date

from xlsxwriter.workbook import Workbook

from batch.workbook.schema import SETTING_ROWS, SETTINGS, Kind, Setting
from batch.workbook.styles import LINE, NUMBER_FORMATS, Styles, fit_height
from batch.workbook.table_sheet import Row, add_table_sheet, add_validation, write_cell

DATE_FORMAT = "yyyy-mm-dd"


def add_settings_sheet(workbook: Workbook, styles: Styles, language: str, given: Sequence[Row]) -> None:
    """Add the sheet with every setting at its default, or at the value that a row of `given` has for its key.

    Raises KeyError for a key that is no setting.
    """
    defaults = {each.key: default_value(each, language) for each in SETTING_ROWS}
    values = defaults | {row["key"]: row["value"] for row in given}
    if unknown := values.keys() - defaults.keys():
        raise KeyError(*unknown)
    texts = [{"key": each.key, "name": each.name[language], "help": each.help[language]} for each in SETTING_ROWS]
    sheet = add_table_sheet(workbook, styles, SETTINGS, language, texts)
    value_column, help_column = SETTINGS.column("value"), SETTINGS.column("help")
    index = SETTINGS.columns.index(value_column)
    for number, setting in enumerate(SETTING_ROWS, start=1):
        value = values[setting.key]
        kind = _kind(setting)
        number_format = DATE_FORMAT if isinstance(value, date) else NUMBER_FORMATS[kind]
        frame = {"border": 1, "border_color": LINE, "bold": True}
        style = styles.get(num_format=number_format, valign="top", align="left", indent=1, **frame)
        sheet.write_blank(number, index, None, style)
        write_cell(sheet, number, index, value, kind=kind, style=style)
        cell = dataclasses.replace(value_column, choices=setting.choices, help=setting.help)
        add_validation(sheet, index, cell, language, row=number)
        fit_height(sheet, number, [(setting.help[language], help_column.width)])


def default_value(setting: Setting, language: str) -> str | int:
    """The default as a person would type it: a word of the language, a number, or text."""
    for choice in setting.choices:
        if choice.code == setting.default:
            return choice.words[language]
    return int(setting.default) if setting.default.isdigit() else setting.default


def _kind(setting: Setting) -> Kind:
    """Numbers and dates go into cells of no fixed type, words and templates into text cells."""
    if setting.choices or (setting.default and not setting.default.isdigit()):
        return Kind.TEXT
    return Kind.NUMBER
