"""The help sheet: every column, every setting and every result code, from the schema and the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import jinja2
from xlsxwriter.format import Format
from xlsxwriter.utility import quote_sheetname
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from batch.messages import catalogue, entries
from batch.workbook.schema import DICTIONARY_KINDS, SETTING_ROWS, TABLES, Choice, Column
from batch.workbook.settings_sheet import default_value
from batch.workbook.styles import INK, LINE, LINK_INK, Styles, fit_height
from batch.workbook.table_sheet import colour_statuses

WIDTHS = (24, 32, 62, 62)


class _SomeFact(jinja2.ChainableUndefined):
    """A fact of an event that has not happened: an advice shows a gap where it would stand."""

    def __str__(self) -> str:
        return "…"


def add_help_sheet(workbook: Workbook, styles: Styles, language: str) -> None:
    """Add the sheet, one section below the other."""
    texts = catalogue(language)
    sheet = workbook.add_worksheet(texts.say("help_sheet"))
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    for column, width in enumerate(WIDTHS):
        sheet.set_column(column, column, width)
    sheet.set_row(0, 30)
    sheet.write_string(0, 0, texts.say("help_title"), styles.title())
    sections = (
        ("columns", ("sheet", "column", "meaning", "values"), _columns(language)),
        ("settings", ("setting", "default", "meaning", "values"), settings(language)),
        ("codes", ("status", "code", "meaning", "advice"), result_codes(language)),
    )
    line = 3
    for number, (name, headings, lines) in enumerate(sections):
        title = texts.say(f"help_{name}")
        jump = styles.get(font_color=LINK_INK, underline=1)
        sheet.write_url(1, number, f"internal:help_{name}", jump, title)  # by name: the user may rename the sheet
        workbook.define_name(f"help_{name}", f"={quote_sheetname(sheet.get_name())}!$A${line + 1}")
        sheet.write_string(line, 0, title, styles.get(bold=True, font_size=13, font_color=INK))
        _write_line(sheet, line + 1, [texts.say(f"help_heading_{each}") for each in headings], styles.heading())
        line += 2
        for cells in lines:
            look = {"text_wrap": True, "valign": "top", "align": "left", "indent": 1, "bottom": 4, "bottom_color": LINE}
            _write_line(sheet, line, cells, styles.get(**look))
            fit_height(sheet, line, zip(cells, WIDTHS, strict=True))
            line += 1
        line += 1
    colour_statuses(sheet, styles, 0, last=line)


def _write_line(sheet: Worksheet, line: int, cells: Sequence[str], style: Format) -> None:
    for column, text in enumerate(cells):
        sheet.write_string(line, column, text, style)


def _columns(language: str) -> Iterable[Sequence[str]]:
    for table in TABLES:
        for column in table.columns:
            if not column.hidden:
                words = (column.heading[language], column.help[language], _accepted(column, language))
                yield table.sheet[language], *words


def _accepted(column: Column, language: str) -> str:
    texts = catalogue(language)
    if column.written:
        return texts.say("help_written")
    if column.dictionary:
        from_allegro = column.dictionary in {kind.code for kind in DICTIONARY_KINDS}
        return texts.say("help_names_or_ids" if from_allegro else "help_names")
    return _listed(column.choices, language)


def settings(language: str) -> Iterable[Sequence[str]]:
    """Every setting: name, default, help, accepted words."""
    for setting in SETTING_ROWS:
        default = str(default_value(setting, language))
        yield setting.name[language], default, setting.help[language], _listed(setting.choices, language)


def result_codes(language: str) -> Iterable[Sequence[str]]:
    """Every entry of the catalogue that has a status: the status, the code, its title and advice."""
    environment = jinja2.Environment(undefined=_SomeFact, autoescape=False)  # noqa: S701  (plain text, no HTML)
    for code, entry in entries().items():
        if "status" in entry:
            status = entries()[f"status_{entry['status']}"]
            parts = entry[language]
            advice = environment.from_string(parts["advice"]).render()
            yield f"{status['sign']} {status[language]}", code, parts["title"], advice


def _listed(choices: tuple[Choice, ...], language: str) -> str:
    return ", ".join(choice.words[language] for choice in choices)
