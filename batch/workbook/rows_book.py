"""Rows of one of our tables as a workbook of their own, to be corrected and pasted back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlsxwriter.workbook import Workbook

from batch.workbook.schema import Column
from batch.workbook.styles import Styles
from batch.workbook.table_sheet import FILTER_BUTTON, write_cell


def write_rows(
    path: Path, sheet_name: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]], language: str
) -> None:
    """Write `rows`, values in the order of `columns`, under their headings. Text stays text, whatever it looks like.

    Raises OSError, or an XlsxWriter exception, when the file cannot be made.
    """
    with Workbook(str(path)) as workbook:
        styles = Styles(workbook)
        sheet = workbook.add_worksheet(sheet_name)
        sheet.freeze_panes(1, 0)
        formats = [styles.cell(column.kind) for column in columns]
        for index, column in enumerate(columns):
            heading = column.heading[language]
            sheet.set_column(index, index, max(column.width, len(heading) + FILTER_BUTTON), formats[index])
            sheet.write_string(0, index, heading, styles.heading(grey=column.written))
        for number, row in enumerate(rows, 1):
            for index, (column, value) in enumerate(zip(columns, row, strict=True)):
                write_cell(sheet, number, index, value, kind=column.kind, style=formats[index])
        sheet.autofilter(0, 0, len(rows), len(columns) - 1)
