"""A new workbook from the schema: tables with dropdowns and hints, a start sheet, help, and macros in an .xlsm.

It is built on the user's machine, never downloaded: Excel refuses the macros of a file from the internet.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from xlsxwriter.workbook import Workbook

from batch.errors import WorkbookError
from batch.messages import catalogue
from batch.workbook import schema
from batch.workbook.help_sheet import add_help_sheet
from batch.workbook.macros.build import vba_project
from batch.workbook.names import define_names
from batch.workbook.settings_sheet import add_settings_sheet
from batch.workbook.start_sheet import LINK, add_button, add_start_sheet
from batch.workbook.styles import Styles
from batch.workbook.table_sheet import Row, add_table_sheet

SUFFIXES = (".xlsx", ".xlsm")


def write_template(
    path: Path, language: str, *, rows: Mapping[str, Sequence[Row]] | None = None, product_capacity: int = 1
) -> None:
    """Write a new workbook in `language` to `path`: .xlsm with buttons and macros, .xlsx without.

    `rows` fills tables: name of the table -> rows by column key; rows of `Settings` replace the values of those
    keys. `Products` gets at least `product_capacity` body rows: one is enough for Excel, which grows a table
    as one types beneath it; other programs do not.
    Raises WorkbookError `workbook_suffix`, `workbook_exists`, `workbook_not_created`; a file that is there
    is never touched. Raises KeyError for a table, column or setting that the schema does not have.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise WorkbookError("workbook_suffix", path=str(path))
    _create(path, _build(language, rows or {}, product_capacity, macros=suffix == ".xlsm"))


def _build(language: str, rows: Mapping[str, Sequence[Row]], product_capacity: int, *, macros: bool) -> bytes:
    """The bytes of the workbook."""
    if unknown := rows.keys() - {table.name for table in schema.TABLES}:
        raise KeyError(*unknown)
    content = io.BytesIO()
    with Workbook(content, {"in_memory": True}) as workbook:
        styles = Styles(workbook)
        add_start_sheet(workbook, styles, language, macros=macros)
        for table in schema.TABLES:
            given = rows.get(table.name, ())
            if table is schema.SETTINGS:
                add_settings_sheet(workbook, styles, language, given)
            else:
                capacity = product_capacity if table is schema.PRODUCTS else 1
                sheet = add_table_sheet(workbook, styles, table, language, given, capacity=capacity)
                if table is schema.ACCOUNTS and macros:
                    caption = catalogue(language).title("start_button_link_selected")
                    add_button(sheet, 0, len(table.columns) + 1, LINK.macro, caption)
        add_help_sheet(workbook, styles, language)
        define_names(workbook, language)
        if macros:
            workbook.add_vba_project(io.BytesIO(vba_project(len(workbook.worksheets()))), is_stream=True)
    return content.getvalue()


def _create(path: Path, content: bytes) -> None:
    """Write a file that must not exist yet; whoever else creates it first keeps theirs."""
    try:
        file = path.open("xb")
        try:
            with file:
                file.write(content)
        except BaseException:
            path.unlink()  # ours, and incomplete
            raise
    except FileExistsError:
        raise WorkbookError("workbook_exists", path=str(path)) from None
    except OSError as error:
        raise WorkbookError("workbook_not_created", path=str(path), reason=error.strerror) from error
