"""A Windows Python under Wine, built once into a cache folder: `python -m tests.windows.windows_python`.

Its interpreter and libraries are python.org's, as the wheel of panda3d for Windows carries them; the standard
library's Python files are those of the Python that runs this; python.exe is compiled from `python.c`. Needs wine,
the mingw compiler (gcc-mingw-w64-x86-64-win32) and PyPI. Nothing binary is kept in the repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from filelock import FileLock

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("ALLEGRO_BATCH_WINDOWS", Path.home() / ".cache" / "allegro-batch-windows"))
WHOLE = "ALLEGRO_BATCH_WINDOWS_WHOLE"  # environment variable: run what is too slow for CI as well
CARRIER = "panda3d==1.10.16"
COMPILER = "x86_64-w64-mingw32-gcc"
DIGITS = f"{sys.version_info.major}{sys.version_info.minor}"
PREFIX = CACHE / "prefix"
PYTHON = CACHE / f"python{DIGITS}"
STORE, OLD, LAUNCHER = CACHE / "store", CACHE / "old", CACHE / f"launcher{DIGITS}"
STAND_INS = {
    STORE / "python.exe": ("Python was not found; run without arguments to install from the Microsoft Store", 9009),
    OLD / "python.exe": ("this is Python 3.8", 11),
}
"""Programs without a Python behind them: what each says, and its exit code."""


class NotPossible(Exception):
    """No Windows Python can be had here; the text says why."""


def build() -> None:
    """Build what is missing in the cache. Raises NotPossible."""
    for program, package in (("wine", "wine, wine64"), (COMPILER, "gcc-mingw-w64-x86-64-win32")):
        if shutil.which(program) is None:
            raise NotPossible(f"{program} is not installed (Debian: {package})")
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "build.lock"):  # several test processes want it at once
        if not (PYTHON / "python.exe").exists():
            _build_python()
        for program, (says, code) in STAND_INS.items():
            if not program.exists():
                _compile("stand_in.c", program, f'-DSAYS="{says}"', f"-DCODE={code}")
        if not (LAUNCHER / "py.exe").exists():
            python = windows_path(PYTHON / "python.exe").replace("\\", "\\\\")
            _compile("py.c", LAUNCHER / "py.exe", "-municode", f'-DPYTHON=L"{python}"')
        if not (PREFIX / "system.reg").exists():
            subprocess.run(["wineboot", "--init"], env=wine_environment(), check=True, capture_output=True, timeout=300)


def wine_environment(**more: str) -> dict[str, str]:
    """The environment for `wine`: our own prefix, UTF-8, no noise; pip's and OpenSSL's paths as Windows sees them."""
    given = {
        name: f"Z:{value}" if value.startswith("/") and name.startswith(("PIP_", "SSL_", "REQUESTS_")) else value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name not in {"CI", "VIRTUAL_ENV"}
    }
    ours = {"WINEPREFIX": str(PREFIX), "WINEARCH": "win64", "WINEDEBUG": "-all", "DISPLAY": "", "LC_ALL": "C.UTF-8",
            "WINEDLLOVERRIDES": "mscoree,mshtml="}  # fmt: skip
    return given | ours | more


def windows_path(path: Path) -> str:
    """A Unix path as Wine shows it."""
    return "Z:" + str(path).replace("/", "\\")


def run_windows(
    *command: str, text: str = "", timeout: float = 300, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a Windows program with `text` on its standard input, and wait for it alone.

    Wine gives a program pipes, but neither /dev/null nor files, and its services keep those pipes open long after
    the program that started them. So what is there when the program ends (64 KiB at most) is its output.
    """
    with subprocess.Popen(
        ["wine", *command],
        env=wine_environment(**environment),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(text.encode())
        process.stdin.close()
        try:
            process.wait(timeout)
        finally:
            process.kill()
        shown = [_waiting(pipe).decode("utf-8", "replace").replace("\r\n", "\n")
                 for pipe in (process.stdout, process.stderr)]  # fmt: skip
    return subprocess.CompletedProcess(process.args, process.returncode, *shown)


def _waiting(pipe: IO[bytes] | None) -> bytes:
    """What has been written into a pipe that may stay open."""
    assert pipe is not None
    os.set_blocking(pipe.fileno(), False)
    return pipe.read() or b""


def _build_python() -> None:
    """Put the parts together beside their place and move them there, so that no half of it is ever taken for it."""
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        folder = Path(temporary) / "python"
        libraries, packages = folder / "DLLs", folder / "Lib"
        libraries.mkdir(parents=True)
        with zipfile.ZipFile(_download(Path(temporary))) as wheel:
            for member in wheel.namelist():
                name = Path(member).name
                if not member.startswith("deploy_libs/") or name.startswith("api-ms-"):
                    continue
                place = folder if name.lower() in {f"python{DIGITS}.dll", "vcruntime140.dll"} else libraries
                (place / name).write_bytes(wheel.read(member))
        ignored = shutil.ignore_patterns("site-packages", "test", "lib-dynload", "config-*", "__pycache__", "idlelib")
        shutil.copytree(sysconfig.get_path("stdlib"), packages, ignore=ignored)
        (packages / "site-packages").mkdir()
        _compile("python.c", folder / "python.exe", "-municode", f'-DINTERPRETER=L"python{DIGITS}.dll"')
        _compile("bcryptprimitives.c", folder / "bcryptprimitives.dll", "-shared", "-ladvapi32")
        scripts = packages / "venv" / "scripts" / "nt"
        scripts.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "python.exe", scripts)
        folder.rename(PYTHON)


def _download(folder: Path) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", CARRIER, "--no-deps", "--dest", str(folder)]
    command += ["--only-binary=:all:", "--platform", "win_amd64", "--python-version", version]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise NotPossible(f"{CARRIER} for Windows could not be fetched: {done.stderr.strip()[-300:]}")
    return next(folder.glob("*.whl"))


def _compile(source: str, target: Path, *options: str) -> None:
    target.parent.mkdir(exist_ok=True)
    flags = [option for option in options if not option.startswith("-l")]
    libraries = [option for option in options if option.startswith("-l")]
    subprocess.run([COMPILER, "-O2", "-s", *flags, "-o", target, HERE / source, *libraries], check=True)


if __name__ == "__main__":
    build()
    print(run_windows(windows_path(PYTHON / "python.exe"), "-VV").stdout.strip())
