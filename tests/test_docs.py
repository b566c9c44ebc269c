"""The documentation says what the program does. `python -m tests.test_docs` writes the tables of README anew."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from batch.cli import main
from batch.messages import LANGUAGES, catalogue, entries
from batch.workbook.help_sheet import result_codes, settings
from batch.workbook.schema import SETTING_ROWS
from batch.workbook.start_sheet import DAILY, STEPS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = sorted(key.removeprefix("command_") for key in entries() if key.startswith("command_"))
COMMANDS.remove("app")
languages = pytest.mark.parametrize("language", LANGUAGES)


def command_table(language: str) -> str:
    """Every command with its help."""
    words = catalogue(language)
    headings = {"pl": ("polecenie", "co robi"), "en": ("command", "what it does")}
    return _table(headings[language], ((f"`{name}`", words.say(f"command_{name}")) for name in COMMANDS))


def setting_table(language: str) -> str:
    """Every setting with its fixed name, its default and its help."""
    headings = {
        "pl": ("ustawienie", "nazwa stała", "domyślnie", "opis"),
        "en": ("setting", "fixed name", "default", "meaning"),
    }
    told = zip(SETTING_ROWS, settings(language), strict=True)
    rows = ((name, f"`{row.key}`", f"`{default}`" if default else "", text) for row, (name, default, text, _) in told)
    return _table(headings[language], rows)


def code_table(language: str) -> str:
    """Every result code with its status, its title and what to do."""
    headings = {"pl": ("status", "kod", "znaczenie", "co zrobić"), "en": ("status", "code", "meaning", "what to do")}
    return _table(
        headings[language],
        ((status, f"`{code}`", title, advice) for status, code, title, advice in result_codes(language)),
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(" ".join(cell.split()) for cell in line) + " |" for line in lines)


TABLES: dict[str, Callable[[str], str]] = {
    "commands": command_table,
    "settings": setting_table,
    "codes": code_table,
}


def written_anew(readme: str) -> str:
    """README with its tables as the program is now."""
    for name, table in TABLES.items():
        for language in LANGUAGES:
            start, end = f"<!-- {name} {language} -->\n", f"<!-- end of {name} {language} -->"
            before, found, rest = readme.partition(start)
            assert found, f"README has no place for the {name} ({language})"
            readme = f"{before}{start}{table(language)}\n{end}{rest.partition(end)[2]}"
    return readme


@languages
@pytest.mark.parametrize("name", TABLES)
def test_readme_documents_every_command_setting_and_code(name: str, language: str) -> None:
    """As the help of the program and the help sheet do; nobody edits one and forgets the other."""
    assert f"<!-- {name} {language} -->\n{TABLES[name](language)}\n<!-- end of" in README


@languages
def test_readme_names_every_button_and_status(language: str) -> None:
    """With the words that stand on the button and in the cell."""
    words = catalogue(language)
    for button in (*STEPS, *DAILY):
        assert f"| {words.title(button.key)} | `{button.action}` |" in README
    for key, entry in entries().items():
        if key.startswith("status_"):
            assert f"| {entry['sign']} {words.say(key)} |" in README


def test_readme_shows_pictures_that_are_there() -> None:
    """Pictures of both languages, none missing, none that nobody shows; small enough to live in the repository."""
    shown = set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README))
    there = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "samples" / "pictures").glob("*.png")}
    assert shown == set(there)
    assert all(path.stat().st_size < 300_000 for path in there.values())


def test_links_inside_the_documents_lead_somewhere() -> None:
    """Headings and files that README points to exist."""
    headings = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", README, re.M)
    }
    for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target.removeprefix("#") in headings
        elif "://" not in target:
            assert (ROOT / target).exists()


def test_readme_begins_with_the_two_commands_of_a_fresh_machine() -> None:
    """The first fenced block runs the demo, the second the tests; CI runs the very same."""
    demo, tests = re.findall(r"^```sh\n(.*?)\n```", README, re.MULTILINE | re.DOTALL)[:2]
    assert demo.endswith("-m batch demo")
    assert "-m pytest" in tests
    assert "README.md" in (ROOT / ".ci" / "run").read_text("utf-8")


@languages
def test_every_command_has_help_with_an_example(
    language: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In both languages."""
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)  # that of this process stays
    for name in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help", "--lang", language])
        assert not ended.value.code
        shown = capsys.readouterr().out
        flat = " ".join(shown.split())
        assert " ".join(catalogue(language).say(f"command_{name}").split()) in flat
        assert f"python -m batch {name}" in flat
        assert "--lang" in shown
        assert "--config" in shown


if __name__ == "__main__":
    (ROOT / "README.md").write_text(written_anew(README), encoding="utf-8", newline="\n")
