"""Opens one workbook in a headless LibreOffice of its own and prints what it makes of it, as JSON.

Run by the Python that LibreOffice's bridge (python3-uno) is installed for; imports nothing of the project.

    uno_session.py WORKBOOK MACRO...

The answer: `names` (defined name -> number of cells with content, or null for an error), `start` (the text of
every cell of the first sheet after a full recalculation, by row), `errors` (cells of that sheet in error),
`buttons` (the macro of each), `called` (macro -> 4711 when its module compiles and the call came back).
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

ALLOW_MACROS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>0</value></prop></item>
</oor:items>"""
ALWAYS_EXECUTE_NO_WARN = 4


def main(workbook, macros):
    with office() as pipe:
        desktop = connect(pipe)
        hidden = PropertyValue(Name="Hidden", Value=True)
        trusted = PropertyValue(Name="MacroExecutionMode", Value=ALWAYS_EXECUTE_NO_WARN)
        document = desktop.loadComponentFromURL(Path(workbook).resolve().as_uri(), "_blank", 0, (hidden, trusted))
        document.calculateAll()
        sys.stdout.write(json.dumps(look(document, macros)))
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
    cells = [[start.getCellByPosition(column, row) for column in range(1, 6)] for row in range(40)]
    forms = start.DrawPage.Forms
    form = forms.getByIndex(0) if forms.Count else None
    buttons = (
        [event.ScriptCode for number in range(form.Count) for event in form.getScriptEvents(number)] if form else []
    )
    return {
        "start": [[cell.String for cell in row] for row in cells],
        "errors": [cell.AbsoluteName for row in cells for cell in row if cell.getError()],
        "names": {name: count(document, name) for name in document.NamedRanges.ElementNames},
        "buttons": buttons,
        "called": {macro: call(document, macro) for macro in macros},
    }


def count(document, name):
    """How many cells with content a name stands for; None where it cannot be worked out."""
    cell = document.Sheets.getByIndex(0).getCellByPosition(30, 0)
    cell.setFormula(f"=SUMPRODUCT(--(LEN({name})>0))")
    return None if cell.getError() else cell.Value


def call(document, macro):
    """Call a macro through a function added to its module, for a failure inside VBA is silent."""
    module, name = macro.split(".")
    library = document.BasicLibraries.getByName("VBAProject")
    probe = f"\nPublic Function probe_{name}()\n {name}\n probe_{name} = 4711\nEnd Function\n"
    library.replaceByName(module, library.getByName(module) + probe)
    script = f"vnd.sun.star.script:VBAProject.{module}.probe_{name}?language=Basic&location=document"
    return document.getScriptProvider().getScript(script).invoke((), (), ())[0]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
