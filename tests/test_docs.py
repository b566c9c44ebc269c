"""The documentation says what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from batch.messages import catalogue, entries

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = sorted(key.removeprefix("command_") for key in entries() if key.startswith("command_"))
COMMANDS.remove("app")


def command_table() -> str:
    """The table of commands as README must hold it; `python -m tests.test_docs` prints it."""
    words = catalogue("en")
    return "\n".join(f"| `{name}` | {words.say(f'command_{name}')} |" for name in COMMANDS)


def test_readme_lists_the_commands_as_the_help_does() -> None:
    """Nobody edits one and forgets the other."""
    assert command_table() in README


def test_readme_begins_with_the_two_commands_of_a_fresh_machine() -> None:
    """The first fenced block runs the demo, the second the tests; CI runs the very same."""
    demo, tests = re.findall(r"^```sh\n(.*?)\n```", README, re.MULTILINE | re.DOTALL)[:2]
    assert demo.endswith("-m batch demo")
    assert "-m pytest" in tests
    assert "README.md" in (ROOT / ".ci" / "run").read_text("utf-8")


@pytest.mark.parametrize("language", ["pl", "en"])
def test_every_command_has_help_with_an_example(language: str) -> None:
    """In both languages, from the real program."""
    for name in COMMANDS:
        shown = subprocess.run(
            [sys.executable, "-m", "batch", name, "--help", "--lang", language],
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        flat = " ".join(shown.split())
        assert " ".join(catalogue(language).say(f"command_{name}").split()) in flat
        assert f"python -m batch {name}" in flat
        assert "--lang" in shown
        assert "--config" in shown


if __name__ == "__main__":
    sys.stdout.write(command_table() + "\n")
