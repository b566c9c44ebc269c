"""The new pair on this computer's own disk, from the moment Allegro sent it until the token file holds it.

A network share may vanish between Allegro's answer and the save. By then the old refresh token is spent, so the
new pair is written here first (fsync), and the next start puts it where it belongs. One entry a token file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from batch.accounts.token_file import Token, TokenFormatError, parse_token, replace_file, token_bytes


@dataclass(frozen=True, slots=True)
class Spool:
    """The folder of entries, its owner's alone; made when first needed."""

    folder: Path

    def put(self, path: Path, token: Token) -> None:
        """Keep `token`, which belongs into the file `path`. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._entry(path), token_bytes(token))

    def find(self, path: Path) -> Token | None:
        """The pair that the file `path` may still lack; None without a readable one."""
        with contextlib.suppress(OSError, TokenFormatError):
            return parse_token(self._entry(path).read_bytes())
        return None

    def drop(self, path: Path) -> None:
        """Forget the entry of `path`; one that cannot be removed does no harm, it is older than the file."""
        with contextlib.suppress(OSError):
            self._entry(path).unlink()

    def _entry(self, path: Path) -> Path:
        name = os.path.normcase(os.path.abspath(path))  # noqa: PTH100  (not resolved: the share may be away)
        return self.folder / f"{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:32]}.token"
