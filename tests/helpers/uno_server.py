"""Keeps workbooks open in a headless LibreOffice and does with them what it is told, one JSON object a line.

Run by the Python that LibreOffice's bridge (python3-uno) is installed for; imports nothing of the project.

    uno_server.py [PIPE]      a LibreOffice of its own, or the one that listens on PIPE

The first line of the answers names the pipe. Rows and columns count from 1, cells are typed and shown as Excel does
it: text that looks like something else becomes it, unless the cell is formatted as text or an apostrophe leads.
"""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.beans.PropertyState import AMBIGUOUS_VALUE
from com.sun.star.lang import Locale
from uno_session import connect, office

DATES, TEXT = 2 | 4, 256  # com.sun.star.util.NumberFormat
NAMED = {"date": DATES, "currency": 8, "logical": 1024}
ERRORS = 4  # com.sun.star.sheet.FormulaResult


class Server:
    """Every public method is a command."""

    def __init__(self, desktop):
        self._desktop = desktop
        self._kept = []  # a hidden document lives as long as somebody refers to it
        self._found = {}  # what was looked up of each document: every look costs milliseconds

    def open(self, path):
        hidden = PropertyValue(Name="Hidden", Value=True)
        opened = self._desktop.loadComponentFromURL(Path(path).resolve().as_uri(), "_blank", 0, (hidden,))
        self._kept.append(opened)

    def close(self, book):
        document = self._document(book)
        self._found.clear()
        self._kept.remove(document)
        document.close(True)

    def close_all(self):
        """So that no lock file stays behind."""
        self._found.clear()
        while self._kept:
            self._kept.pop().close(True)

    def books(self):
        return [uno.fileUrlToSystemPath(c.URL) for c in self._desktop.Components if c.URL.startswith("file:")]

    def book(self, book):
        document = self._document(book)
        return {"read_only": document.isReadonly(), "modified": document.isModified()}

    def sheets(self, book):
        return self._known(book, "sheets", lambda: list(self._document(book).Sheets.ElementNames))

    def sheet(self, book, sheet):
        found = self._sheet(book, sheet)
        cursor = found.createCursor()
        cursor.gotoEndOfUsedArea(False)
        end = cursor.RangeAddress
        return {"protected": found.isProtected(), "used": [1, 1, end.EndRow + 1, end.EndColumn + 1]}

    def protect(self, book, sheet):
        self._sheet(book, sheet).protect("")

    def tables(self, book, sheet):
        areas = {name: found.DataArea for name, found in self._tables(book).items()}
        number = self.sheets(book).index(sheet)
        return {name: _table(self._tables(book)[name], area) for name, area in areas.items() if area.Sheet == number}

    def resize(self, book, table, area):
        found = self._tables(book)[table]
        address = found.DataArea
        address.StartRow, address.StartColumn, address.EndRow, address.EndColumn = (n - 1 for n in area)
        found.DataArea = address

    def sort(self, book, sheet, area, column, descending):
        """By one column (from 0) of the area, as the user's sort buttons do it."""
        field = uno.createUnoStruct("com.sun.star.table.TableSortField")
        field.Field, field.IsAscending = column, not descending
        fields = uno.Any("[]com.sun.star.table.TableSortField", (field,))
        given = (PropertyValue(Name="SortFields", Value=fields), PropertyValue(Name="ContainsHeader", Value=False))
        uno.invoke(self._range(book, sheet, area), "sort", (given,))

    def get(self, book, sheet, area):
        found = self._range(book, sheet, area)
        data = found.getDataArray()
        rows = [[_plain(value) for value in row] for row in data]
        for column in range(len(rows[0])):
            if any(isinstance(row[column], float) for row in rows):
                self._name_numbers(book, found, rows, column)
        if any(value is None for row in data for value in row):  # an error; a blank cell is a blank text
            for error in _parts(found.queryFormulaCells(ERRORS)):
                at = error.RangeAddress
                for row in range(at.StartRow, at.EndRow + 1):
                    for column in range(at.StartColumn, at.EndColumn + 1):
                        text = error.getCellByPosition(column - at.StartColumn, row - at.StartRow).String
                        rows[row - area[0] + 1][column - area[1] + 1] = {"error": text}
        return rows

    def _name_numbers(self, book, found, rows, column):
        """Say of the numbers in a column what their formats make of them."""
        for top, bottom in _alike(found, column, len(rows)):
            kind = self._kind(book, found.getCellRangeByPosition(column, top, column, bottom))
            name = next((name for name, bits in NAMED.items() if kind & bits), "")
            for row in rows[top : bottom + 1]:
                if name and isinstance(row[column], float):
                    row[column] = {name: row[column]}

    def put(self, book, sheet, area, rows):
        document, whole = self._document(book), self._range(book, sheet, area)
        for column in range(len(rows[0])):
            for top, bottom in _alike(whole, column, len(rows)):
                part = whole.getCellRangeByPosition(column, top, column, bottom)
                values = [row[column] for row in rows[top : bottom + 1]]
                kind = self._kind(book, part)
                if kind & TEXT:
                    part.setDataArray(tuple((_shown(value),) for value in values))
                    continue
                part.setFormulaArray(tuple((_shown(value),) for value in values))
                for at, value in enumerate(values):
                    code = {dict: "YYYY-MM-DD HH:MM", bool: "BOOLEAN"}.get(type(value))
                    if code and not kind & DATES:
                        part.getCellByPosition(0, at).NumberFormat = self._key(document, code)

    def formulas(self, book, sheet, area):
        """Formulas, and what else was typed, without the apostrophe of texts."""
        found = self._range(book, sheet, area)
        return [[cell[1:] if cell.startswith("'") else cell for cell in row] for row in found.getFormulaArray()]

    def put_formulas(self, book, sheet, area, rows):
        self._range(book, sheet, area).setFormulaArray(tuple(map(tuple, rows)))

    def number_format(self, book, sheet, area):
        found = self._range(book, sheet, area)
        if found.getPropertyState("NumberFormat") == AMBIGUOUS_VALUE:
            return None
        return self._document(book).NumberFormats.getByKey(found.NumberFormat).FormatString

    def set_number_format(self, book, sheet, area, code):
        self._range(book, sheet, area).NumberFormat = self._key(self._document(book), code)

    def merged(self, book, sheet, area):
        return self._range(book, sheet, area).IsMerged

    def merge(self, book, sheet, area):
        self._range(book, sheet, area).merge(True)

    def hide_rows(self, book, sheet, area):
        self._range(book, sheet, area).Rows.IsVisible = False

    def _document(self, book):
        return self._known(book, "", lambda: self._look_up(book))

    def _look_up(self, book):
        url = Path(book).resolve().as_uri()
        return next(component for component in self._desktop.Components if url == component.URL)

    def _sheet(self, book, sheet):
        return self._known(book, sheet, lambda: self._document(book).Sheets.getByName(sheet))

    def _tables(self, book):
        ranges = self._known(book, "tables of all sheets", lambda: self._document(book).DatabaseRanges)
        return self._known(book, "tables", lambda: {name: ranges.getByName(name) for name in ranges.ElementNames})

    def _kind(self, book, part):
        key = part.NumberFormat
        return self._known(book, key, lambda: self._document(book).NumberFormats.getByKey(key).Type)

    def _known(self, book, name, look_up):
        if (book, name) not in self._found:
            self._found[book, name] = look_up()
        return self._found[book, name]

    def _range(self, book, sheet, area):
        top, left, bottom, right = area
        return self._sheet(book, sheet).getCellRangeByPosition(left - 1, top - 1, right - 1, bottom - 1)

    def _key(self, document, code):
        key = document.NumberFormats.queryKey(code, Locale(), False)
        return key if key >= 0 else document.NumberFormats.addNew(code, Locale())


def _alike(whole, column, height):
    """Stretches of a column with one number format: all of it, or each cell."""
    part = whole.getCellRangeByPosition(column, 0, column, height - 1)
    if height > 1 and part.getPropertyState("NumberFormat") == AMBIGUOUS_VALUE:
        return [(row, row) for row in range(height)]
    return [(0, height - 1)]


def _plain(value):
    """A value without LibreOffice's own sign for a tab in a text of several lines."""
    return value.replace("\x01", "\t") or None if isinstance(value, str) else value


def _table(found, area):
    return {
        "area": [area.StartRow + 1, area.StartColumn + 1, area.EndRow + 1, area.EndColumn + 1],
        "headers": found.ContainsHeader,
        "totals": found.TotalsRow,
    }


def _parts(ranges):
    found = ranges.createEnumeration()
    while found.hasMoreElements():
        part = found.nextElement()
        yield part


def _shown(value):
    """A value as one types it."""
    if isinstance(value, dict):
        return repr(value["date"])
    if isinstance(value, bool):
        return str(value).upper()
    return "" if value is None else value if isinstance(value, str) else repr(value)


def main(pipe):
    with nullcontext(pipe) if pipe else office() as name:
        server = Server(connect(name))
        say({"result": name})
        for line in sys.stdin:
            arguments = json.loads(line)
            try:
                say({"result": getattr(server, arguments.pop("do"))(**arguments)})
            except Exception as error:  # noqa: BLE001  (the test that asked sees it)
                say({"error": f"{type(error).__name__}: {error}"})
        server.close_all()


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
