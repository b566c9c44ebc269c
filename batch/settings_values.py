"""The kinds of values `batch.yaml` holds: how each is checked, and the catalogue's name of what was expected.

A check that fails raises a PydanticCustomError, so that it is collected with all the others; its type is the last
part of the entry `settings_expected_…`.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Any
from unicodedata import normalize
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError


def _from_environment(value: Any, info: ValidationInfo) -> Any:
    """`${NAME}` -> the value of the environment variable NAME; anything else as it is."""
    name = variable(value)
    if name is None:
        return value
    found = (info.context or {}).get("environ", {}).get(name)
    if not found:
        raise PydanticCustomError("variable", "{name} is not set", {"name": name})
    return found


def variable(value: Any) -> str | None:
    """NAME when `value` is the text `${NAME}`."""
    match = re.fullmatch(r"\$\{(\w+)\}", value.strip()) if isinstance(value, str) else None
    return match[1] if match else None


def _nonblank(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise PydanticCustomError("text", "blank or not printable")
    return value.strip()


def _host(value: str) -> str:
    """`https://host[:port]`; plain http is for this computer only, since tokens go there."""
    scheme, host, rest = _split(value)
    if scheme not in {"http", "https"} or not host or rest:
        raise PydanticCustomError("host", "not a host")
    if scheme == "http" and not is_loopback(host):
        raise PydanticCustomError("encrypted", "plain http")
    return value.rstrip("/")


def _web_page(value: str) -> str:
    scheme, host, _ = _split(value)
    if scheme not in {"http", "https"} or not host or not value.isascii() or " " in value:
        raise PydanticCustomError("web_page", "not the address of a page")
    return value.replace("(", "%28").replace(")", "%29")  # it stands between brackets in the User-Agent


def _token_url(secret: SecretStr) -> SecretStr:
    scheme, host, rest = _split(secret.get_secret_value())
    if (scheme == "file" and rest) or (scheme == "https" and host) or (scheme == "http" and is_loopback(host)):
        return secret
    raise PydanticCustomError("token_url", "neither file:// nor https://")


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, host and whatever a bare host would not have; blank where the text is no URL."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "", "", ""
    rest = parts.path.rstrip("/") + parts.query + parts.fragment + (parts.username or "") + (parts.password or "")
    return parts.scheme, host, rest


def is_loopback(host: str) -> bool:
    """Whether `host` is this computer."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address == IPv6Address("::1") or address in IPv4Network("127.0.0.0/8")


def token_characters(name: str) -> str:
    """The name as a token of HTTP: blanks become hyphens, letters lose their accents, the rest goes (#13632)."""
    plain = normalize("NFKD", name.replace("ł", "l").replace("Ł", "L")).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w!#$%&'*+.^`|~-]", "", re.sub(r"\s+", "-", plain.strip()), flags=re.ASCII)


def _app_name(value: str) -> str:
    if not token_characters(value):
        raise PydanticCustomError("app_name", "no usable character")
    return value


def _beside_settings(value: Path, info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", "")) / value


Text = Annotated[str, BeforeValidator(_from_environment), AfterValidator(_nonblank)]
Host = Annotated[Text, AfterValidator(_host)]
Positive = Annotated[int, Field(strict=True, gt=0, lt=10**9)]
Secret = Annotated[SecretStr, Field(min_length=1)]
"""As written; a `${NAME}` in it is looked up when it is needed."""
KnownSecret = Annotated[Secret, BeforeValidator(_from_environment)]
TokenUrl = Annotated[KnownSecret, AfterValidator(_token_url)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
AppName = Annotated[Text, AfterValidator(_app_name)]
WebPage = Annotated[Text, AfterValidator(_web_page)]
File = Annotated[Path, AfterValidator(_beside_settings)]
