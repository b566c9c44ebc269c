"""Is a folder one that a cloud program keeps the same on several computers? There a lock holds nobody off.

OneDrive, Dropbox, Google Drive and iCloud copy a file some time after it was saved, and lock nothing meanwhile: two
stations would both renew, and the loser's pair would win. They are told by what they leave in their folders, by
what they tell the system, and by the names they give.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_NAMES = {
    "OneDrive": r"onedrive( - .+)?",
    "Dropbox": r"dropbox( \(.+\))?",
    "Google Drive": r"google drive|googledrive(-.+)?|my drive|mój dysk",
    "iCloud Drive": r"iclouddrive|icloud drive|com~apple~clouddocs|mobile documents",
}
"""What the folders are called on Windows, macOS and Linux, whole names without regard to case."""

_MARKERS = {
    "OneDrive": (".849C9593-D756-4E56-8D6E-42412F2A707B",),
    "Dropbox": (".dropbox.cache",),
    "Google Drive": (".tmp.drivedownload", ".tmp.driveupload"),
}
"""What the programs keep at the top of what they synchronise. (`.dropbox` alone is also their folder in every home.)"""

_VARIABLES = {"OneDrive": ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")}
"""Environment variables that hold the folder."""


def synchronised_by(folder: Path, environ: Mapping[str, str] = os.environ) -> str | None:
    """The program that synchronises `folder` (which need not exist), by its name; None when none is known to."""
    real = Path(os.path.realpath(folder))
    places = [place for path in (folder.absolute(), real) for place in (path, *path.parents)]
    for program, names in _NAMES.items():
        if any(re.fullmatch(names, place.name, re.IGNORECASE) for place in places):
            return program
    for program, variables in _VARIABLES.items():
        tops = {_plain(Path(os.path.realpath(environ[name]))) for name in variables if environ.get(name)}
        if tops & {_plain(place) for place in places}:
            return program
    for program, markers in _MARKERS.items():
        if any((place / marker).exists() for place in places for marker in markers):
            return program
    return None


def _plain(path: Path) -> str:
    return os.path.normcase(path)
