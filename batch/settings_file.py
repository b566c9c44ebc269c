"""The file behind the settings: YAML -> plain data, and a mistake -> a sentence in each language.

Nothing of the file's own text is repeated in an error: a YAML parser likes to quote the offending line, which
may hold a secret.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from batch.errors import SettingsError
from batch.messages import LANGUAGES, catalogue

MAX_BYTES = 100_000
"""A settings file has a page of text; what is larger was named by mistake (a workbook, a log), and a YAML parser takes
minutes over a megabyte that is made for it (`1:1:1:…` is one number)."""


def read_yaml(path: Path) -> Any:
    """The data in the file `path`; None when it holds none.

    Raises SettingsError: settings_unreadable (path, reason), settings_encoding (path),
    settings_yaml (path, line, column), settings_repeated (path, line, key).
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError("settings_unreadable", path=str(path), reason=error.strerror or str(error)) from None
    if len(content) > MAX_BYTES:
        raise SettingsError("settings_unreadable", path=str(path), reason=f"> {MAX_BYTES} B")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is None:  # raised out here: the decoding error would carry the file's bytes along as its context
        raise SettingsError("settings_encoding", path=str(path))
    problem: SettingsError
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except _Repeated as error:
        problem = SettingsError("settings_repeated", path=str(path), line=error.line, key=error.key)
    except yaml.YAMLError as error:
        line, column = _place(error, text)
        problem = SettingsError("settings_yaml", path=str(path), line=line, column=column)
    except (RecursionError, ValueError):  # nested without end; a date such as 2026-99-99
        problem = SettingsError("settings_yaml", path=str(path), line=None, column=None)
    raise problem


def sentences(key: str, /, **facts: Any) -> dict[str, str]:
    """The catalogue's sentence `key` in every language; errors carry all, since who reads is not known here.

    A fact that is itself such a dictionary is filled in by its language.
    """
    return {
        language: catalogue(language).say(
            key, **{name: fact[language] if isinstance(fact, Mapping) else fact for name, fact in facts.items()}
        )
        for language in LANGUAGES
    }


class _Repeated(Exception):
    def __init__(self, line: int, key: str) -> None:
        super().__init__(line, key)
        self.line = line
        self.key = key


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses a key given twice: YAML would silently keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key in seen and key is not None:
                raise _Repeated(key_node.start_mark.line + 1, key)
            if key is not None:
                seen.add(key)
        return super().construct_mapping(node, deep)


def _place(error: yaml.YAMLError, text: str) -> tuple[int | None, int | None]:
    """Line and column, from 1, of what the parser stumbled over."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return mark.line + 1, mark.column + 1
    position = getattr(error, "position", None)  # a character that YAML forbids
    if not isinstance(position, int):
        return None, None
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
