"""Does a lock in this folder keep another process off, and end with it? Tried with real processes.

Run as a program (`python -m batch.accounts.lock_probe FILE`), it is the other process: it tries to take the lock and
says `held`, `busy` or `failed`, once at the start and again for each line on its stdin.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from batch.accounts.token_file import reason
from batch.errors import AccountError

DEATH_SECONDS = 10.0  # until a file server has noticed that the process which held a lock is gone


def probe_lock(folder: Path) -> None:
    """Try the kind of lock that token files have, in `folder`; nothing is left there.

    Raises AccountError token_lock_failed (path, reason), or token_lock_useless (path, what): `what` is `shared` when
    two processes got it at once, `kept` when it outlived a killed one.
    """
    file = folder / f".allegro-batch-{uuid.uuid4().hex[:8]}.lock"
    lock = FileLock(file, timeout=0, fallback_to_soft=False)
    try:
        with _another(file) as other:
            _expect(_say(other), "held", folder)
            if _taken(lock):
                raise AccountError("token_lock_useless", path=str(folder), what="shared")
            other.kill()
            other.wait()
            if not _taken(lock, DEATH_SECONDS):
                raise AccountError("token_lock_useless", path=str(folder), what="kept")
        with _another(file) as other:
            _expect(_say(other), "busy", folder)
            lock.release()
            _expect(_say(other, "again"), "held", folder)
    except OSError as error:
        raise AccountError("token_lock_failed", path=str(file), reason=reason(error)) from None
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def _taken(lock: FileLock, timeout: float = 0) -> bool:
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        return False
    return True


@contextlib.contextmanager
def _another(file: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", __spec__.name if __name__ == "__main__" else __name__, str(file)]
    with subprocess.Popen(  # noqa: S603  (this very file)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _say(other: subprocess.Popen[str], line: str = "") -> str:
    """What the other process says of the lock, after another try if there is a `line` to be said."""
    assert other.stdin is not None
    assert other.stdout is not None
    if line:
        other.stdin.write(f"{line}\n")
        other.stdin.flush()
    return other.stdout.readline().strip()


def _expect(said: str, expected: str, folder: Path) -> None:
    if said == expected:
        return
    if said in {"held", "busy"}:
        raise AccountError("token_lock_useless", path=str(folder), what="shared" if said == "held" else "kept")
    raise AccountError("token_lock_failed", path=str(folder), reason=said.removeprefix("failed ") or "?")


def main() -> None:
    """The other process."""
    lock = FileLock(sys.argv[1], timeout=0, fallback_to_soft=False)
    try_again = True
    while try_again:
        try:
            said = "held" if _taken(lock) else "busy"
        except OSError as error:
            said = f"failed {reason(error)}"
        sys.stdout.write(f"{said}\n")
        sys.stdout.flush()
        try_again = bool(sys.stdin.readline())


if __name__ == "__main__":
    main()
