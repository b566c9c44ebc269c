"""The shape of the code: the map is complete, and imports point one way."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import batch

PACKAGE = Path(batch.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)

STAGES = (
    "validate",
    "resolve",
    "plan",
    "plan_changes",
    "plan_undo",
    "execute",
    "execute_changes",
    "export",
    "sum_orders",
    "report",
    "run_report",
    "queued_run",
)
SHARED = {"model", "order", "errors", "messages", "clock", "parallel"}
WORKBOOK_TYPES = {"workbook.schema", "workbook.read", "workbook.values"}  # tables and cells as data
NOUNS = {
    "workbook": SHARED | {"workbook"},
    "allegro": SHARED | {"allegro"},
    "accounts": SHARED | {"accounts", "database"},
    "database": SHARED | {"database"},
    "journal": SHARED | {"database"},
    "ledger": SHARED | {"database"},
    "seller_lock": SHARED,
    "job_queue": SHARED | {"database"},
    "settings": {*SHARED, "settings_file", "settings_values"},
    "settings_file": SHARED,
    "settings_values": SHARED,
    "messages": set(),
    "errors": set(),
    "model": set(),
    "order": {"model"},
    "clock": set(),
    "parallel": set(),
    "log": set(),
    "simulator": {"simulator"},
}


def imports(path: Path) -> set[str]:
    """The modules of this package that a file imports, without the leading `batch.`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "batch":
            inner = node.module.removeprefix("batch").lstrip(".")
            for alias in node.names:
                full = f"{inner}.{alias.name}".lstrip(".")
                is_module = (PACKAGE / full.replace(".", "/")).with_suffix(".py").exists()
                found.add(full if is_module or not inner else inner)
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("batch.") for a in node.names if a.name.startswith("batch.")}
    return found - {"__version__"}


def top(path: Path) -> str:
    """The part of the package a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_the_map_names_every_part() -> None:
    """Whoever adds a module or a folder adds it to the map."""
    named = set(re.findall(r"[a-z_]+", batch.__doc__ or ""))
    parts = {top(path) for path in MODULES} - {"__init__", "__main__"}
    assert parts <= named


@pytest.mark.parametrize("folder", ["allegro", "validate", "simulator"])
def test_the_map_of_a_folder_names_its_files(folder: str) -> None:
    """The same for the folders that have a map of their own."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / folder / "__init__.py").read_text("utf-8"))) or ""
    files = {path.name for path in (PACKAGE / folder).glob("*.py")} - {"__init__.py"}
    assert files <= set(re.findall(r"[a-z_]+\.py", docstring))


@pytest.mark.parametrize("stage", STAGES)
def test_stages_know_data_only(stage: str) -> None:
    """No stage imports anything that touches the world."""
    allowed = WORKBOOK_TYPES | {"allegro.retry"}
    for path in MODULES:
        if top(path) == stage:
            foreign = {m for m in imports(path) if m not in allowed and m.split(".")[0] not in {*SHARED, *STAGES}}
            assert not foreign, f"{path.name} imports {foreign}"


@pytest.mark.parametrize("noun", NOUNS)
def test_nouns_know_only_themselves_and_data(noun: str) -> None:
    """The world's parts do not know the stages nor each other."""
    for path in MODULES:
        if top(path) == noun:
            foreign = {m for m in imports(path) if m.split(".")[0] not in NOUNS[noun]}
            assert not foreign, f"{path.relative_to(PACKAGE)} imports {foreign}"


def test_every_module_says_what_it_is() -> None:
    """A module opens with its purpose."""
    silent = [path.name for path in MODULES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert not silent


WORDS_NOT_SAID = {"auction", "bundle", "barcode", "sku", "qty", "cennik", "gpsr", "inventory"}


def test_names_are_the_fields_words() -> None:
    """Names in the code use the glossary's words, not their rivals."""
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        names |= {a.arg for n in ast.walk(tree) if isinstance(n, ast.arguments) for a in (*n.args, *n.kwonlyargs)}
        words = {word.lower() for name in names for word in re.findall(r"[A-Za-z][a-z]*", name)}
        assert not words & WORDS_NOT_SAID, f"{path.name}: {words & WORDS_NOT_SAID}"
