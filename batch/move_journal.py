"""The journal as lines of JSON, on its way from one database to another: `journal export`, `journal import`.

The first line says what the file is, the last one how many rows it holds, so that a file cut short is told. Tokens are
not among them. Nobody may be at work meanwhile: what a run learns later would be missing in the other database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from batch.database.database import HEAD
from batch.errors import AttemptTaken, JournalError, UsageError
from batch.journal import Journal
from batch.run import open_journal
from batch.seller_lock import SellerLocks
from batch.settings import Settings
from batch.world import World

KIND = "allegro-batch journal"


def export_journal(settings: Settings, world: World, file: Path) -> int:
    """Write all of the journal into the new `file`, its owner's alone since it names buyers; how many rows.

    Raises JournalError, or UsageError journal_file_exists, journal_file_unwritable (path, reason).
    """
    with open_journal(settings, world) as journal, SellerLocks(journal) as sellers:
        _hold_all(journal, sellers)
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as lines:
                return _write(journal, lines)
        except FileExistsError:
            raise UsageError("journal_file_exists", path=str(file)) from None
        except OSError as error:
            raise UsageError("journal_file_unwritable", path=str(file), reason=error.strerror) from None


def import_journal(settings: Settings, world: World, file: Path) -> int:
    """Add what `file` holds to the journal, all or nothing; how many rows.

    Raises JournalError as `Journal.take_in`, or UsageError journal_file_unreadable (path, reason), journal_file_broken
    (path, line), journal_file_version (path, found, known).
    """
    with open_journal(settings, world) as journal, SellerLocks(journal) as sellers:
        _hold_all(journal, sellers)
        try:
            with file.open(encoding="utf-8") as lines:
                return journal.take_in(_read(lines, file))
        except OSError as error:
            raise UsageError("journal_file_unreadable", path=str(file), reason=error.strerror) from None
        except JournalError as error:
            if error.code == "journal_row_wrong":
                raise UsageError("journal_file_broken", path=str(file), line=error.facts["row"] + 1) from None
            raise


def _hold_all(journal: Journal, sellers: SellerLocks) -> None:
    for seller in journal.sellers():
        try:
            sellers.hold(seller)
        except AttemptTaken as error:
            raise JournalError("journal_in_use", by=error.facts.get("by", "")) from None


def _write(journal: Journal, lines: TextIO) -> int:
    count = 0
    lines.write(json.dumps({"file": KIND, "version": HEAD}) + "\n")
    for table, values in journal.rows():
        lines.write(json.dumps({"table": table, "values": values}) + "\n")
        count += 1
    lines.write(json.dumps({"rows": count}) + "\n")
    return count


def _read(lines: TextIO, file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    count, complete, number = 0, False, 0
    try:
        for number, line in enumerate(lines, 1):
            content = json.loads(line)
            if number == 1:
                if content["file"] != KIND:
                    break
                if content["version"] != HEAD:
                    raise UsageError("journal_file_version", path=str(file), found=content["version"], known=HEAD)
            elif "rows" in content:
                complete = content["rows"] == count
                break
            else:
                yield str(content["table"]), dict(content["values"])
                count += 1
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise UsageError("journal_file_broken", path=str(file), line=max(number, 1))
