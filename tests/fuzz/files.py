"""Settings and token files made hostile: what they say, or a refusal that names the file; and nothing secret in it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import yaml

from batch.accounts.token_file import iso, parse_token, read_token, token_bytes
from batch.errors import AccountError, LoginNeeded, SettingsError
from batch.messages import LANGUAGES, catalogue
from batch.settings import load_settings
from tests.fuzz.mutate import bytes_of, json_of, value_of

SECRET = "never-to-be-told"
ENVIRONMENT = {
    "auth_url": "http://localhost:8123",
    "api_url": "http://localhost:8123",
    "client_id": "demo",
    "client_secret": SECRET,
    "app_name": "Demo",
    "info_url": "https://example.com",
    "redirect_port": 8042,
    "limits": {"offer_writes_per_minute": 2490, "requests_per_minute": 9000},
}
SETTINGS = {
    "language": "pl",
    "station": {"name": "PC-1", "refresh_tokens": True},
    "environments": {"production": {"client_id": "x", "client_secret": SECRET, "app_name": "A", "info_url": "https://e.pl"},
                     "simulator": ENVIRONMENT},
    "accounts": {"k1": {"token_url": "file:///Y:/k1.json", "publish": "k1.json"}},
    "journal": f"postgresql://user:{SECRET}@host/base",
}  # fmt: skip
TOKEN = {
    "access_token": f"access-{SECRET}",
    "refresh_token": f"refresh-{SECRET}",
    "expires_at": "2026-11-24T12:00:00Z",
    "refreshed_at": "2026-11-24T00:00:00Z",
    "environment": "simulator",
    "login": "e-sklep1",
    "user_id": "1",
    "generation": 7,
}
YAML = (
    b"&a", b"*a", b"!!python/object:os.system", b"!!binary |", b"<<: *a", b"? ", b"- ", b"{", b"[", b"|\n", b"\t",
    b"---\n", b"...\n", b"%YAML 9.9\n", b"0x" + b"f" * 5000, b"1:" * 3000 + b"1", b"2026-99-99", b".inf", b".nan",
    b"~", b"'", b'"\\ud800"', b"[" * 3000, b"{a: " * 3000, b"a: &a [x,x]\nb: &b [*a,*a]\n", b"\xed\xa0\x80", b"\0",
    b"\x85", b"\xe2\x80\xa8", b"!!set {", b"=",
)  # fmt: skip
YAML_LAUGHS = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
YAML_LISTS = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


def settings(random: Random, folder: Path) -> str:
    """One `batch.yaml`; `read`, or the code of the refusal."""
    match random.randrange(8):
        case 0 | 1 | 2:
            content = yaml.safe_dump(value_of(random, SETTINGS), allow_unicode=True).encode("utf-8", "surrogatepass")
        case 3:
            content = random.choice(
                (YAML_LAUGHS, YAML_LISTS, YAML_LAUGHS + "environments: *a39", YAML_LISTS + "language: *a39")
            ).encode()
        case _:
            content = yaml.safe_dump(SETTINGS).encode()
            for _ in range(random.choice((1, 1, 3))):
                content = bytes_of(random, content, YAML)
    return check_settings(content, folder)


def check_settings(content: bytes, folder: Path) -> str:
    """Settings that can be used, or a sentence in both languages that names the file and tells no secret."""
    path = folder / "batch.yaml"
    path.write_bytes(content)
    try:
        read = load_settings(path, {})
    except SettingsError as error:
        for language in LANGUAGES:
            text = str(catalogue(language).explain(error.code, **error.facts))
            assert str(path) in text
            assert SECRET not in text
        return error.code
    for environment in read.environments.values():
        environment.user_agent.encode("ascii")
    assert SECRET not in repr(read)
    return "read"


def token_file(random: Random, folder: Path) -> str:
    """One token file; `read`, or the code of the refusal."""
    text = json.dumps(TOKEN)
    content = json_of(random, text).encode("utf-8", "surrogatepass")
    if not random.randrange(3):
        content = bytes_of(
            random, content, (b"\\u0000", b"\\ud800", b"NaN", b"{", b"[", b'"', b"1e999", b"\0", b"\xff")
        )
    return check_token_file(content, folder)


def check_token_file(content: bytes, folder: Path) -> str:
    """A token that is written and read again alike, or a refusal that names the file and tells nothing of it."""
    path = folder / "k1.allegro.token"
    path.write_bytes(content)
    try:
        token = read_token(path)
    except (LoginNeeded, AccountError) as error:
        for language in LANGUAGES:
            text = str(catalogue(language).explain(error.code, **error.facts))
            assert str(path) in text
            assert SECRET not in text
        return error.code
    f"Bearer {token.access_token}".encode("ascii")
    iso(token.expires_at)
    for text in (token.login, token.environment, token.user_id):
        (text or "").encode()  # they go into the log, the workbook and the journal
    assert SECRET not in repr(token)
    assert parse_token(token_bytes(token)) == parse_token(token_bytes(parse_token(token_bytes(token))))
    return "read"
