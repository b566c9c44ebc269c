"""Everything raised on purpose: a code of the catalogue, the facts behind it, and who is affected.

The words (what is wrong, what to do) come from `messages`; an error carries facts only, so that one
sentence serves the console, the log, the workbook and the report. No fact is ever a secret.
"""

from __future__ import annotations

from typing import Any


class BatchError(Exception):
    """Base of all expected errors. `code` names its texts in the catalogue, `facts` fills them.

    `lost`: the call that ended with it, or an earlier attempt at the same, may have been processed.
    """

    lost = False

    def __init__(self, code: str, **facts: Any) -> None:
        self.code = code
        self.facts = facts
        super().__init__(code, facts)

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return f"{self.code}: {facts}" if facts else self.code


class UsageError(BatchError):
    """The command line cannot be carried out as given. Exit 2."""


class SettingsError(BatchError):
    """`batch.yaml` or the `Settings` table cannot be used. Exit 2."""


class WorkbookError(BatchError):
    """The workbook cannot be read, or cannot be written safely. Exit 2 when nothing was sent yet."""


class JournalError(BatchError):
    """The journal cannot be opened or written; nothing may be sent without it. Exit 2."""


class AttemptTaken(BatchError):
    """Another run is working on the same seller or product now."""


class AccountError(BatchError):
    """This account stops; the others go on. Exit 3: a person must act."""


class LoginNeeded(AccountError):
    """No usable token, and none can be had without the person logging in again."""


class Forbidden(AccountError):
    """Allegro refuses this account or this client id (HTTP 403)."""


class ApiError(BatchError):
    """An answer of Allegro that is not a success, or no answer at all.

    `status` is the HTTP status (None without an answer), `errors` Allegro's own error objects,
    `trace_id` its id for support, `retry_after` seconds where Allegro named them.
    """

    def __init__(
        self,
        code: str,
        *,
        status: int | None = None,
        errors: list[dict[str, Any]] | None = None,
        trace_id: str | None = None,
        retry_after: float | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(code, status=status, trace_id=trace_id, **facts)
        self.status = status
        self.errors = errors or []
        self.trace_id = trace_id
        self.retry_after = retry_after


class Rejected(ApiError):
    """400, 404, 409, 422 …: this request is wrong and is not sent again unchanged."""


class TooMany(ApiError):
    """429: not processed; this account waits, then stops."""


class ServerTrouble(ApiError):
    """5xx or an answer that cannot be understood: whether it was processed is unknown."""

    lost = True


class NoAnswer(ApiError):
    """Timeout or broken connection. `sent` is False when the request certainly never left."""

    def __init__(self, code: str, *, sent: bool, **facts: Any) -> None:
        super().__init__(code, **facts)
        self.sent = self.lost = sent


class TokenTrouble(ApiError):
    """The token cannot be renewed just now (not: "log in again"); the call it was for was never sent."""


def error_words(errors: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Allegro's error objects as (message in the user's language, code) pairs."""
    return tuple((str(e.get("userMessage") or e.get("message") or ""), str(e.get("code") or "")) for e in errors)
