"""The environment that run.bat makes: once, renewed, mended. With a real venv and pip, and a package of our own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from batch import environment
from batch.environment import NotReady, environment_folder, python_of, ready_python


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that needs one package."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "Mój program (1) & co"
    folder.mkdir()
    need(folder, "first")
    return folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the Python modules that are started, without starting them: each takes seconds."""
    started: list[str] = []
    monkeypatch.setattr(environment, "_follow", lambda command, log, tell: started.append(command[2]) or fake(command))
    return started


def fake(command: Sequence[str]) -> None:
    """What `-m venv FOLDER` leaves behind, as far as it matters here."""
    if command[2] == "venv":
        python = python_of(Path(command[3]))
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)


def need(program: Path, *packages: str) -> None:
    """Let the program need these packages, which lie beside it."""
    wheels = [program.parent / f"{name}-1-py3-none-any.whl" for name in packages]
    for name, wheel in zip(packages, wheels, strict=True):
        with zipfile.ZipFile(wheel, "w") as file:
            file.writestr(f"{name}.py", "")
            info = f"{name}-1.dist-info"
            file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            file.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            file.writestr(f"{info}/RECORD", "")
    lines = ", ".join(f'"{name} @ {wheel.as_uri()}"' for name, wheel in zip(packages, wheels, strict=True))
    (program / "pyproject.toml").write_text(f"[project]\ndependencies = [{lines}]\n", encoding="utf-8")


def has(python: Path, module: str) -> bool:
    """Whether the environment holds a module."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def test_an_environment_is_made_once_and_renewed_with_the_program(program: Path) -> None:
    """A new version of the program may need more; when that cannot be had, the next start tries again."""
    said: list[str] = []
    python = ready_python(program, said.append)
    assert python == program / ".venv" / "bin" / "python"
    assert has(python, "first")
    assert any("Przygotowuję" in text and "Setting up" in text for text in said)
    said.clear()
    assert ready_python(program, said.append) == python
    assert said == []
    need(program, "first", "second")
    (program.parent / "second-1-py3-none-any.whl").rename(program / "second")
    with pytest.raises(NotReady, match="Nie udało się") as caught:
        ready_python(program, said.append)
    log = program / ".venv-setup.log"
    assert str(log) in str(caught.value)
    assert "second-1-py3-none-any.whl" in log.read_text("utf-8")
    assert not (program / ".venv" / "ready.txt").exists()


def test_a_new_version_only_adds_to_a_sound_environment(program: Path, commands: list[str]) -> None:
    """Nothing is fetched twice."""
    ready_python(program, lambda _text: None)
    need(program, "first", "second")
    commands.clear()
    ready_python(program, lambda _text: None)
    assert commands == ["pip"]
    commands.clear()
    ready_python(program, lambda _text: None)
    assert commands == []


def test_what_was_interrupted_is_made_anew(program: Path, commands: list[str]) -> None:
    """No stamp, no trust: a module may be there by half."""
    ready_python(program, lambda _text: None)
    (program / ".venv" / "ready.txt").unlink()
    (program / ".venv" / "rest").touch()
    commands.clear()
    ready_python(program, lambda _text: None)
    assert commands == ["venv", "pip"]
    assert not (program / ".venv" / "rest").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(program: Path, commands: list[str]) -> None:
    """Somebody installed a newer Python and removed the old one."""
    python = ready_python(program, lambda _text: None)
    python.unlink()
    python.symlink_to("/nowhere/python")
    commands.clear()
    ready_python(program, lambda _text: None)
    assert commands == ["venv", "pip"]


def test_a_second_window_waits_for_the_first(
    program: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double click too many must not clear away what the first is making."""
    said: list[str] = []
    with (program / ".venv.lock").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def first_ends(_seconds: float) -> None:
            assert commands == []
            fcntl.flock(other, fcntl.LOCK_UN)

        monkeypatch.setattr(environment.time, "sleep", first_ends)
        ready_python(program, said.append)
    assert "w innym oknie" in said[0]
    assert commands == ["venv", "pip"]


def test_a_folder_that_cannot_be_written_gets_its_environment_in_local_data(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless an administrator has put a finished one there."""
    monkeypatch.setattr("batch.environment._can_write", lambda _folder: False)  # the superuser may write anywhere
    assert environment_folder(program) == Path(os.environ["XDG_DATA_HOME"]) / "allegro-batch" / "venv"
    (program / ".venv").mkdir()
    (program / ".venv" / "ready.txt").touch()
    assert environment_folder(program) == program / ".venv"
