"""The simulator stands alone and its map is complete."""

from __future__ import annotations

import ast
from pathlib import Path

import batch.simulator

MODULES = sorted(Path(batch.simulator.__file__).parent.glob("*.py"))


def test_it_imports_nothing_else_of_the_package() -> None:
    """One misreading of the API must not agree with itself."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.split(".")[0] in {"batch", ""}]
            assert all(name.startswith("batch.simulator") for name in ours), f"{module.name}: {ours}"


def test_the_map_names_every_module() -> None:
    """The docstring of the package, one line a module."""
    named = {line.split()[0] for line in str(batch.simulator.__doc__).splitlines() if ".py " in line}
    assert named == {module.name for module in MODULES} - {"__init__.py"}
