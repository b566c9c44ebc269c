"""`Token` and its file: one JSON object that is read whole or not at all, and replaced atomically.

The file is shared: other stations read it at any moment and people write it by hand. So reading is tolerant
(optional fields, a byte order mark, fields we do not know, which survive a rewrite), and writing goes through a
temporary file in the same folder, flushed to disk, that replaces the old one.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from batch.errors import AccountError, LoginNeeded

MAX_BYTES = 100_000
"""A token file has two JWTs, 3 KB in all; more is some other file."""

_TRIES = 50 if os.name == "nt" else 1
_WAIT = 0.1
"""Windows refuses to replace a file while somebody reads it, and the reverse: milliseconds, with a scanner seconds."""

_T = TypeVar("_T")
_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]|\.\.')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_NO_NAME = re.compile(r'[:*?"<>|\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class Token:
    """An account's access token, the one-time key to the next, and whose they are. The secrets are not in its repr.

    `expires_at` is UTC by Allegro's clock as best known. `generation` grows by 1 with each renewal, so that the
    newer of two pairs can be told. `extra` holds the file's fields we do not know, as they were.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime
    environment: str
    refreshed_at: datetime | None = None
    login: str | None = None
    user_id: str | None = None
    generation: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)


class TokenFormatError(Exception):
    """The text is no token. Its message names the field at fault (or `json`), never a value."""


def token_path(account: str, token_file: str | None, folder: Path) -> Path:
    """Where the tokens of `account` lie: `token_file` relative to `folder` (that of the workbook), or the default.

    The default is `ACCOUNT.allegro.token`. What cannot stand in a file name (on Windows either), and `..`, become
    `_` there, so that no account name leads out of the folder.
    """
    if token_file and token_file.strip():
        return folder / token_file.strip()
    name = _FORBIDDEN.sub("_", account.strip())
    return folder / f"{'_' if _RESERVED.match(name) else ''}{name}.allegro.token"


def check_name(path: Path) -> None:
    """Raise AccountError token_file_name (path) where no file can be of that name on some PC.

    Any folder is allowed, also one of another drive, share or above. But a device (`NUL`) swallows what is written,
    a stream (`a.txt:b`) hides in another file, and stations of both systems share a file.
    """
    if _NO_NAME.search(path.name) or _RESERVED.match(path.name):
        raise AccountError("token_file_name", path=str(path))


def check_replaceable(path: Path) -> None:
    """Raise AccountError token_file_other (path) when the file holds something else than tokens, whole or broken.

    A cell that names the workbook, or somebody's letter, must not cost it. Raises OSError.
    """
    if not path.exists():
        return
    content = _read(path)
    ours = content.lstrip(b"\xef\xbb\xbf\0 \t\r\n")[:1] in {b"", b"{"}
    with contextlib.suppress(TokenFormatError):
        fields = _json_object(content)
        ours = not fields or not fields.keys().isdisjoint(_FIELDS)
    if len(content) > MAX_BYTES or not ours:
        raise AccountError("token_file_other", path=str(path))


def read_token(path: Path) -> Token:
    """The token in the file `path`.

    Raises LoginNeeded token_missing (path), token_broken (path, field); AccountError token_folder_missing (path),
    token_unreadable (path, reason).
    """
    try:
        content: bytes | None = _patiently(lambda: _read(path))
    except FileNotFoundError:
        content = None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise AccountError("token_unreadable", path=str(path), reason=reason(error)) from None
    if content is None:
        if not path.parent.is_dir():
            raise AccountError("token_folder_missing", path=str(path.parent))
        raise LoginNeeded("token_missing", path=str(path))
    try:
        return parse_token(content)
    except TokenFormatError as error:
        broken = str(error)
    raise LoginNeeded("token_broken", path=str(path), field=broken)


def parse_token(content: bytes) -> Token:
    """The token in the JSON text `content`. Raises TokenFormatError, which holds nothing of the text."""
    fields = _json_object(content)
    known: dict[str, Any] = {name: fields.pop(name, None) or None for name in _FIELDS}  # a blank counts as absent
    for name, value in known.items():
        if not _FIELDS[name](value):
            raise TokenFormatError(name)
    return Token(
        access_token=known["access_token"],
        refresh_token=known["refresh_token"],
        expires_at=_moment("expires_at", known["expires_at"]),
        environment=known["environment"].strip(),
        refreshed_at=None if known["refreshed_at"] is None else _moment("refreshed_at", known["refreshed_at"]),
        login=known["login"],
        user_id=None if known["user_id"] is None else str(known["user_id"]),
        generation=known["generation"] or 0,
        extra=fields,
    )


def token_bytes(token: Token) -> bytes:
    """The JSON text of `token`, unknown fields last."""
    fields = {
        "access_token": token.access_token,
        "refresh_token": token.refresh_token,
        "expires_at": iso(token.expires_at),
        "refreshed_at": None if token.refreshed_at is None else iso(token.refreshed_at),
        "environment": token.environment,
        "login": token.login,
        "user_id": token.user_id,
        "generation": token.generation,
        **token.extra,
    }
    return (json.dumps(fields, indent=2) + "\n").encode("ascii")


def access_only(token: Token) -> Token:
    """The token as stations that never renew may see it: without the refresh token."""
    return replace(token, refresh_token=None)


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Put `content` in the place of the file `path`: whoever reads sees the old file or the new one, whole.

    The file is its owner's alone where the system knows such a thing, unless `mode` says otherwise. It is on disk
    when this returns. Raises OSError and leaves the old file. Call it under the lock: temporary files that a killed
    process left behind are removed first, since they hold secrets.
    """
    for leftover in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent)  # made with 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        _patiently(lambda: temporary.replace(path))
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def check_writable(path: Path, token: Token) -> None:
    """Raise OSError when `token`, or a pair twice as long, could not take the place of the file `path`."""
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with tempfile.NamedTemporaryFile(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent) as file:
        file.write(2 * token_bytes(token))


def _patiently(action: Callable[[], _T]) -> _T:
    for _ in range(_TRIES - 1):
        with contextlib.suppress(PermissionError):
            return action()
        time.sleep(_WAIT)
    return action()


def _read(path: Path) -> bytes:
    if stat.S_ISFIFO(path.stat().st_mode):  # nobody may ever write into it
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable; Windows and some shares cannot do that, and need not."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def reason(error: Exception) -> str:
    """The system's own words for what went wrong with a file, which name no path."""
    return getattr(error, "strerror", None) or type(error).__name__


def _json_object(content: bytes) -> dict[str, Any]:
    if len(content) <= MAX_BYTES:
        with contextlib.suppress(ValueError, RecursionError):
            fields = json.loads(content.decode("utf-8-sig"))
            if isinstance(fields, dict):
                json.dumps(fields, indent=2)  # what could not be written again must not be renewed
                return fields
    raise TokenFormatError("json")


def is_secret(value: object) -> TypeGuard[str]:
    """Visible ASCII only: it becomes part of an HTTP header."""
    return isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]+", value) is not None


ROOM = timedelta(days=365)  # at the end of the calendar no other zone could show it
MOST_GENERATIONS = 10**9


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "access_token": is_secret,
    "refresh_token": lambda value: value is None or is_secret(value),
    "expires_at": lambda value: isinstance(value, str),
    "refreshed_at": lambda value: value is None or isinstance(value, str),
    "environment": lambda value: isinstance(value, str) and bool(value.strip()) and value.strip().isprintable(),
    "login": lambda value: value is None or (isinstance(value, str) and value.isprintable()),
    "user_id": lambda value: value is None or (isinstance(value, str) and value.isprintable()) or _is_whole(value),
    "generation": lambda value: value is None or (_is_whole(value) and value < MOST_GENERATIONS),
}


def _moment(name: str, text: str) -> datetime:
    """ISO 8601 -> aware UTC; a time without a zone is UTC, as the contract says."""
    with contextlib.suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text.strip())
        moment + ROOM
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    raise TokenFormatError(name)


def iso(moment: datetime) -> str:
    """UTC with seconds and a Z."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
