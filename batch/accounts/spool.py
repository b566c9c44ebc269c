"""The new pair on this computer's own disk, from the moment Allegro sent it until the token file holds it.

A network share, or a database, may vanish between Allegro's answer and the save. By then the old refresh token is
spent, so the new pair is written here first (fsync), and the next start puts it where it belongs. One entry a place.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path

from batch.accounts.token_file import Token, TokenFormatError, parse_token, replace_file, token_bytes


@dataclass(frozen=True, slots=True)
class Spool:
    """The folder of entries, its owner's alone; made when first needed."""

    folder: Path

    def put(self, key: str, token: Token) -> None:
        """Keep `token`, which belongs into the place `key`. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._entry(key), token_bytes(token))

    def find(self, key: str) -> Token | None:
        """The pair that the place `key` may still lack; None without a readable one."""
        with contextlib.suppress(OSError, TokenFormatError):
            return parse_token(self._entry(key).read_bytes())
        return None

    def drop(self, key: str) -> None:
        """Forget the entry of `key`; one that cannot be removed does no harm, it is older than the place."""
        with contextlib.suppress(OSError):
            self._entry(key).unlink()

    def _entry(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:32]}.token"
