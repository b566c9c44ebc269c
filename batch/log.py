"""The log file: what the tool did, for the day something goes wrong. Nothing secret is ever given to it."""

from __future__ import annotations

import logging
from pathlib import Path

LARGEST = 5_000_000  # bytes; then the file becomes the one before


def start_log(path: Path) -> None:
    """Write the log to `path` from now on. A log that cannot be written is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LARGEST:
            path.replace(path.with_suffix(".old.log"))
        handler: logging.Handler = logging.FileHandler(path, encoding="utf-8")
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("batch")
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
