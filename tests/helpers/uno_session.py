"""Opens one workbook in a headless LibreOffice of its own and tells or prints what it makes of it.

Run by the Python that LibreOffice's bridge (python3-uno) is installed for; imports nothing of the project.

    uno_session.py look WORKBOOK MACRO...
    uno_session.py print WORKBOOK PDF SHEET!RANGE... (one for each sheet)

`look` writes JSON: `names` (defined name -> number of cells with content, or null for an error), `start` (the text of
every cell of the first sheet after a full recalculation, by row), `errors` (cells of that sheet in error), `lists`
(what the dropdowns of the third sheet offer, by cell), `buttons` (the macro of each, on all sheets), `called`
(macro -> 4711 when its module compiles and the call came back).

`print` writes one page a sheet, as large as the range, with the buttons; sheets are counted from 1. `4!#A1:C9` draws
the grid that a window shows and paper does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.sheet.ValidationType import LIST
from com.sun.star.table import BorderLine, TableBorder

ALLOW_MACROS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>0</value></prop></item>
</oor:items>"""
ALWAYS_EXECUTE_NO_WARN = 4
MARGIN = 300  # hundredths of a millimetre
GRID = 0xD9D9D9


def main(command, workbook, *more):
    with opened(workbook) as document:
        document.calculateAll()
        if command == "look":
            sys.stdout.write(json.dumps(look(document, more)))
        else:
            pdf, *ranges = more
            print_ranges(document, pdf, ranges)


@contextlib.contextmanager
def opened(workbook):
    """The workbook, open in a LibreOffice of our own."""
    with office() as pipe:
        desktop = connect(pipe)
        shown = properties(Hidden=False, MacroExecutionMode=ALWAYS_EXECUTE_NO_WARN)  # a hidden one has no active cell
        document = desktop.loadComponentFromURL(Path(workbook).resolve().as_uri(), "_blank", 0, shown)
        yield document
        document.close(True)
        desktop.terminate()


@contextlib.contextmanager
def office():
    """A LibreOffice of our own; gives the name of the pipe on which it listens."""
    profile = Path(tempfile.mkdtemp(prefix="libreoffice"))
    (profile / "user").mkdir()
    (profile / "user" / "registrymodifications.xcu").write_text(ALLOW_MACROS)
    pipe = f"workbook{os.getpid()}"
    options = ["--headless", "--norestore", "--nologo", "--nodefault", "--nolockcheck"]
    process = subprocess.Popen(
        ["soffice", *options, f"-env:UserInstallation={profile.as_uri()}", f"--accept=pipe,name={pipe};urp;"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # soffice is a wrapper: it and what it starts end together
    )
    try:
        yield pipe
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(profile, ignore_errors=True)


def properties(**values):
    return tuple(PropertyValue(Name=name, Value=value) for name, value in values.items())


def connect(pipe):
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    deadline = time.monotonic() + 60
    while True:
        try:
            context = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except NoConnectException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)


def look(document, macros):
    start = document.Sheets.getByIndex(0)
    cells = [[start.getCellByPosition(column, row) for column in range(1, 6)] for row in range(50)]
    return {
        "start": [[cell.String for cell in row] for row in cells],
        "errors": [cell.AbsoluteName for row in cells for cell in row if cell.getError()],
        "names": {name: count(document, name) for name in document.NamedRanges.ElementNames},
        "lists": dropdowns(document.Sheets.getByIndex(2)),
        "buttons": [script for number in range(document.Sheets.Count) for script in buttons(document, number)],
        "called": {macro: call(document, macro) for macro in macros},
    }


def buttons(document, number):
    """The scripts of a sheet's buttons."""
    forms = document.Sheets.getByIndex(number).DrawPage.Forms
    form = forms.getByIndex(0) if forms.Count else None
    return [event.ScriptCode for at in range(form.Count) for event in form.getScriptEvents(at)] if form else []


def count(document, name):
    """How many cells with content a name stands for; None where it cannot be worked out."""
    cell = document.Sheets.getByIndex(0).getCellByPosition(30, 0)
    cell.setFormula(f"=SUMPRODUCT(--(LEN({name})>0))")
    return None if cell.getError() else cell.Value


def dropdowns(sheet):
    """What the dropdowns fed by formulas offer in a sheet's first rows, by cell; nothing where that is an error."""
    offered = {}
    for row in range(1, 5):
        for column in range(20):
            cell = sheet.getCellByPosition(column, row)
            rule = cell.Validation
            formula = rule.getFormula1()
            if rule.Type == LIST and not formula.startswith('"'):
                first = sheet.getCellByPosition(40, rule.getSourcePosition().Row)  # for which the formula is told
                first.setFormula(f'=TEXTJOIN("|";0;{formula})')
                here = sheet.getCellByPosition(41, row)
                sheet.copyRange(here.CellAddress, sheet.getCellRangeByName(first.AbsoluteName).RangeAddress)
                name = cell.AbsoluteName.rpartition(".")[2].replace("$", "")
                offered[name] = [] if here.getError() else here.String.split("|")
    return offered


def call(document, macro):
    """Call a macro through a function added to its module, for a failure inside VBA is silent.

    `Module.Name@2!B3` selects cell B3 of the second sheet first; `Module.Name("x")` gives what the function gives.
    """
    macro, _, place = macro.partition("@")
    sheet, _, cell = (place or "1!A1").partition("!")
    selected = document.Sheets.getByIndex(int(sheet) - 1)
    document.CurrentController.setActiveSheet(selected)
    document.CurrentController.select(selected.getCellRangeByName(cell))
    module, name = macro.split(".", 1)
    body = f" probe = {name}\n" if "(" in name else f" {name}\n probe = 4711\n"
    library = document.BasicLibraries.getByName("VBAProject")
    source = library.getByName(module)
    library.replaceByName(module, f"{source}\nPublic Function probe()\n{body}End Function\n")
    script = f"vnd.sun.star.script:VBAProject.{module}.probe?language=Basic&location=document"
    try:
        return document.getScriptProvider().getScript(script).invoke((), (), ())[0]
    finally:
        library.replaceByName(module, source)


def print_ranges(document, pdf, ranges):
    """Each sheet's page becomes as large as its range, and only the sheets named are printed."""
    areas = {int(sheet) - 1: area for sheet, _, area in (text.partition("!") for text in ranges)}
    styles = document.StyleFamilies.getByName("PageStyles")
    for number in range(document.Sheets.Count):
        sheet = document.Sheets.getByIndex(number)
        sheet.setPrintTitleRows(False)
        if number not in areas:
            sheet.setPrintAreas(())  # with areas elsewhere: nothing of this one
            continue
        area = sheet.getCellRangeByName(areas[number].removeprefix("#"))
        if areas[number].startswith("#"):
            dress_as_window(area)
        sheet.setPrintAreas((area.RangeAddress,))
        style = styles.getByName(sheet.PageStyle)
        style.IsLandscape = style.HeaderIsOn = style.FooterIsOn = False
        style.LeftMargin = style.RightMargin = style.TopMargin = style.BottomMargin = MARGIN
        style.ScaleToPagesX = style.ScaleToPagesY = 1
        style.Width, style.Height = area.Size.Width + 2 * MARGIN + 50, area.Size.Height + 2 * MARGIN + 50
        for shape in (sheet.DrawPage.getByIndex(each) for each in range(sheet.DrawPage.Count)):
            if shape.ShapeType.endswith("ControlShape"):
                shape.Control.Printable = True
    document.storeToURL(Path(pdf).resolve().as_uri(), properties(FilterName="calc_pdf_Export"))


def dress_as_window(area):
    """The grid, and rows as high as their texts, as Excel makes them when it loads a workbook."""
    line = BorderLine(GRID, 0, 9, 0)
    area.TableBorder = TableBorder(
        HorizontalLine=line, VerticalLine=line, IsHorizontalLineValid=True, IsVerticalLineValid=True
    )
    for number in range(1, area.Rows.Count):
        area.Rows.getByIndex(number).OptimalHeight = True


if __name__ == "__main__":
    main(*sys.argv[1:])
