"""A new workbook, and the settings file beside it. Nothing that exists is overwritten."""

from __future__ import annotations

from pathlib import Path

from batch.settings import FILE_NAME
from batch.workbook.template import write_template


def create_workbook(workbook: Path, config: Path | None, language: str) -> Path | None:
    """Write an empty workbook, and `batch.yaml` if it is missing; returns the latter's path when it was made.

    Raises WorkbookError when the workbook exists or cannot be made.
    """
    write_template(workbook, language)
    settings = config or workbook.absolute().parent / FILE_NAME
    try:
        with settings.open("x", encoding="utf-8", newline="\n") as file:
            file.write(_settings_text(language))
    except FileExistsError:
        return None
    return settings


def _settings_text(language: str) -> str:
    return (templates_folder() / "settings" / f"batch.{language}.yaml").read_text("utf-8")


def templates_folder() -> Path:
    """The folder `templates`: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "_templates"
    return installed if installed.is_dir() else package.parent / "templates"
