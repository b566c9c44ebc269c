"""`batch.yaml` + environment + system keyring -> `Settings`, or every mistake of the file at once.

A person mends such a file in one go only when all mistakes are listed together. Secrets never reach a message:
neither the value of a secret key, nor that of an unknown key, which may be a misspelled secret.
"""

from __future__ import annotations

import difflib
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from batch import __version__
from batch.errors import SettingsError
from batch.settings_file import read_yaml, sentences
from batch.settings_values import (
    AppName,
    File,
    Host,
    KnownSecret,
    Port,
    Positive,
    Secret,
    Text,
    TokenUrl,
    WebPage,
    token_characters,
    variable,
)

FILE_NAME = "batch.yaml"
KEYRING_SERVICE = "allegro-batch"
KNOWN_HOSTS = {
    "production": {"auth_url": "https://allegro.pl", "api_url": "https://api.allegro.pl"},
    "sandbox": {
        "auth_url": "https://allegro.pl.allegrosandbox.pl",
        "api_url": "https://api.allegro.pl.allegrosandbox.pl",
    },
}
SECRET_KEYS = {"client_secret", "journal", "token_url"}  # the last two may hold a password
MOST_PROBLEMS = 50  # a person mends no more in one go, and each unknown key is compared with all known ones


def find_settings(workbook: Path | None, config: Path | None) -> Path:
    """The settings file: `config` when given, else `batch.yaml` beside the workbook, else in the current folder.

    Raises SettingsError settings_missing (looked: list of paths) when there is none.
    """
    folders = [workbook.absolute().parent, Path.cwd()] if workbook else [Path.cwd()]
    places = [config] if config else list(dict.fromkeys(folder / FILE_NAME for folder in folders))
    for place in places:
        if place.exists():
            return place
    raise SettingsError("settings_missing", looked=[str(place) for place in places])


def load_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the file `path`; `${NAME}` is looked up in `environ`.

    Raises SettingsError: settings_invalid (path, problems: one dictionary of language -> sentence for each
    mistake), or what `settings_file.read_yaml` raises when the file is no YAML.
    """
    data = read_yaml(path)
    try:
        return Settings.model_validate(
            {} if data is None else data, context={"environ": environ, "folder": path.parent}
        )
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False)[:MOST_PROBLEMS]]
    # Raised out here, since the ValidationError holds the file's values.
    raise SettingsError("settings_invalid", path=str(path), problems=problems)


class Section(BaseModel):
    """A part of the file: frozen, no unknown keys; a known key without a value counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_blank(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


class Station(Section):
    """This computer."""

    name: Text = Field(default_factory=lambda: platform.node() or "PC")
    refresh_tokens: bool = True
    """False: another station renews the tokens, this one only reads them."""


class Limits(Section):
    """How much Allegro allows (#12700, #9983): requests per client id, offer writes and changes per seller."""

    offer_writes_per_minute: Positive = 2490
    offer_writes_per_hour: Positive = 74_700
    requests_per_minute: Positive = 9000
    changes_per_minute: Positive = 9000


class Environment(Section):
    """One Allegro (production, sandbox, a simulator) and the application registered there."""

    auth_url: Host
    """`https://host`, without a slash at the end; so is `api_url`."""
    api_url: Host
    client_id: Text
    client_secret: Secret | None = None
    """As written, `${NAME}` and `keyring:NAME` included; `read_secret` gives the value."""
    app_name: AppName
    info_url: WebPage
    redirect_port: Port = 8042
    limits: Limits = Limits()

    @property
    def user_agent(self) -> str:
        """`AppName/Version (+info_url)`, which Allegro checks against the name registered for the client id."""
        return f"{token_characters(self.app_name)}/{__version__} (+{self.info_url})"

    def read_secret(self, environ: Mapping[str, str] = os.environ) -> str:
        """The client secret, looked up only now: a station that never renews may lack it.

        Raises SettingsError: secret_missing, secret_variable (key, name), secret_keyring (key, name).
        """
        if self.client_secret is None:
            raise SettingsError("secret_missing", client_id=self.client_id)
        return _looked_up("client_secret", self.client_secret.get_secret_value(), environ)


class AccountSource(Section):
    """Where a station without a token file reads an account's access token, and where the main one publishes it."""

    token_url: TokenUrl | None = None
    publish: File | None = None


class Settings(Section):
    """All of `batch.yaml`."""

    language: Literal["pl", "en"] | None = None
    station: Station = Field(default_factory=Station)
    environments: Annotated[dict[str, Environment], Field(min_length=1)]
    accounts: dict[str, AccountSource] = {}
    journal: KnownSecret | None = None
    """A SQLAlchemy URL, secret because it may hold a password (`read_journal` gives it); None is this user's file."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_known_hosts(cls, data: Any) -> Any:
        environments = data.get("environments") if isinstance(data, dict) else None
        if not isinstance(environments, dict):
            return data
        filled = {
            name: {**KNOWN_HOSTS.get(name, {}), **{key: value for key, value in entry.items() if value is not None}}
            if isinstance(entry, dict)
            else entry
            for name, entry in environments.items()
        }
        return {**data, "environments": filled}

    def environment(self, name: str) -> Environment:
        """The environment an account names, whatever its case. SettingsError environment_unknown (name, known)."""
        for known, environment in self.environments.items():
            if known.casefold() == name.strip().casefold():
                return environment
        raise SettingsError("environment_unknown", name=name, known=sorted(self.environments))

    def read_journal(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """The journal's URL, or None for the file of this user. What stands where the password does is looked up.

        Raises SettingsError: secret_variable (key, name), secret_keyring (key, name).
        """
        if self.journal is None:
            return None
        url = _looked_up("journal", self.journal.get_secret_value(), environ)
        return re.sub(
            r"(?<=:)(\$\{\w+\}|keyring:[^@/]+)(?=@)",
            lambda written: quote(_looked_up("journal", written[0], environ), safe=""),
            url,
        )

    def read_shared_journal(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """The journal's URL where that is on a server. Raises as `read_journal`."""
        url = self.read_journal(environ)
        return url if url is not None and url.startswith("postgresql") else None

    def account(self, name: str) -> AccountSource:
        """The configuration of account `name`; an empty one when the file has none."""
        return self.accounts.get(name, AccountSource())


def _looked_up(key: str, written: str, environ: Mapping[str, str]) -> str:
    """The secret that `${NAME}` or `keyring:NAME` stands for; anything else is the secret itself."""
    written = written.strip()
    if name := variable(written):
        if not environ.get(name):
            raise SettingsError("secret_variable", key=key, name=name)
        return environ[name]
    if written.startswith("keyring:"):
        return _from_keyring(key, written.removeprefix("keyring:").strip())
    return written


def _from_keyring(key: str, name: str) -> str:
    try:
        import keyring  # noqa: PLC0415  (slow to load, and few need it)

        found = keyring.get_password(KEYRING_SERVICE, name)
    except Exception:  # noqa: BLE001  (each system's backend raises errors of its own)
        found = None
    if not found:
        raise SettingsError("secret_keyring", key=key, name=name, service=KEYRING_SERVICE)
    return found


# --- mistakes -> sentences

_EXPECTED = {
    "bool_parsing": "flag",
    "bool_type": "flag",
    "dict_type": "section",
    "int_type": "number",
    "greater_than": "number",
    "less_than": "number",
    "greater_than_equal": "port",
    "less_than_equal": "port",
    "literal_error": "language",
    "model_type": "section",
    "path_type": "text",
    "string_type": "text",
    "string_unicode": "text",
    "too_short": "environment",
    "string_too_short": "text",
}


def _problem(detail: ErrorDetails) -> dict[str, str]:
    """One mistake as a sentence in each language: the dotted key, its value, what is expected."""
    parts = [str(part) for part in detail["loc"] if part != "[key]"]
    key, kind = ".".join(parts) or FILE_NAME, detail["type"]
    if kind in {"extra_forbidden", "invalid_key"}:
        nearest = difflib.get_close_matches(parts[-1], _known_keys(parts[:-1]), n=1, cutoff=0)[0]
        return sentences("settings_problem_unknown", key=key, nearest=nearest)
    if kind == "missing":
        return sentences("settings_problem_missing", key=key)
    if kind == "variable":
        return sentences("settings_problem_variable", key=key, name=detail["ctx"]["name"])
    expected = sentences(f"settings_expected_{_EXPECTED.get(kind, kind)}")
    return sentences("settings_problem_value", key=key, value=_shown(detail), expected=expected)


def _known_keys(section: list[str]) -> list[str]:
    model: type[Section]
    match section:
        case ["station"]:
            model = Station
        case ["environments", _]:
            model = Environment
        case ["environments", _, "limits"]:
            model = Limits
        case ["accounts", _]:
            model = AccountSource
        case _:
            model = Settings
    return list(model.model_fields)


def _shown(detail: ErrorDetails) -> str:
    """The value as the user wrote it, unless it is secret or a whole section (which may hold secrets)."""
    value = detail["input"]
    if SECRET_KEYS.intersection(detail["loc"]):
        return "***"
    if detail["type"] in {"dict_type", "model_type"} or isinstance(value, dict | list):
        return "…"
    if isinstance(value, int) and value.bit_length() > 1000:  # Python writes no number of more than 4300 digits
        return "…"
    text = re.sub(r"([a-z]+://)?\S*@", r"\1***@", str(value))  # a password may stand before it
    return text if len(text) <= 60 else text[:59] + "…"
