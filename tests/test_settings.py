"""`batch.yaml`: what it may say, every mistake at once, and no secret in any sentence."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from batch import __version__
from batch.errors import SettingsError
from batch.messages import LANGUAGES, catalogue
from batch.settings import AccountSource, Environment, Settings, Station, find_settings, load_settings

SECRET = "SECRET-8f3a"
PRODUCTION = {
    "client_id": "abc",
    "client_secret": SECRET,
    "app_name": "MyShop",
    "info_url": "https://example.com/about",
}
SIMULATOR = {**PRODUCTION, "auth_url": "http://localhost:8123", "api_url": "http://localhost:8123"}


def settings_of(folder: Path, data: Any, environ: dict[str, str] | None = None) -> Settings:
    path = folder / "batch.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    return load_settings(path, environ or {})


def refused(folder: Path, data: Any, environ: dict[str, str] | None = None) -> str:
    """The whole English text of the refusal, after checking that no language and no traceback shows a secret."""
    with pytest.raises(SettingsError) as caught:
        settings_of(folder, data, environ)
    error = caught.value
    assert SECRET not in "".join(traceback.format_exception(error))
    assert error.__context__ is None
    texts = [str(catalogue(language).explain(error.code, **error.facts)) for language in LANGUAGES]
    assert not any(SECRET in text for text in texts)
    return f"{error.code}: {texts[1]}"


def environment(folder: Path, **changed: Any) -> Environment:
    return settings_of(folder, {"environments": {"production": {**PRODUCTION, **changed}}}).environment("production")


def test_the_example_of_the_contract_is_understood(tmp_path: Path) -> None:
    """All keys together, with their defaults and the hosts that are known."""
    settings = settings_of(
        tmp_path,
        {
            "language": "pl",
            "station": {"name": "PC-1", "refresh_tokens": False},
            "environments": {"production": PRODUCTION, "sandbox": PRODUCTION, "simulator": SIMULATOR},
            "accounts": {"e-sklep1": {"token_url": "file:///Y:/allegro/x.json", "publish": "x.json"}},
            "journal": None,
        },
    )
    production, sandbox = settings.environment("production"), settings.environment(" Sandbox ")
    assert (settings.language, settings.station.name, settings.station.refresh_tokens) == ("pl", "PC-1", False)
    assert (production.auth_url, production.api_url) == ("https://allegro.pl", "https://api.allegro.pl")
    assert sandbox.auth_url == "https://allegro.pl.allegrosandbox.pl"
    assert sandbox.api_url == "https://api.allegro.pl.allegrosandbox.pl"
    assert settings.environment("simulator").api_url == "http://localhost:8123"
    assert production.redirect_port == 8042
    assert production.limits.model_dump() == {
        "offer_writes_per_minute": 2490,
        "offer_writes_per_hour": 74700,
        "requests_per_minute": 9000,
        "changes_per_minute": 9000,
    }
    assert settings.account("e-sklep1").publish == tmp_path / "x.json"
    assert settings.account("other").token_url is None
    assert settings.journal is None


def test_only_environments_are_required_and_keys_without_a_value_are_absent(tmp_path: Path) -> None:
    text = "station:\naccounts:\nlanguage:\nenvironments:\n  production:\n    auth_url:\n    limits:\n" + "".join(
        f"    {key}: {value}\n" for key, value in PRODUCTION.items()
    )
    settings = settings_of(tmp_path, text)
    assert settings.language is None
    assert settings.station.refresh_tokens
    assert settings.station.name
    assert settings.environment("production").auth_url == "https://allegro.pl"


def test_all_mistakes_are_reported_at_once_each_with_key_value_and_expectation(tmp_path: Path) -> None:
    text = refused(
        tmp_path,
        {
            "langauge": "pl",
            "station": {"refresh_tokens": "perhaps"},
            "environments": {
                "production": {
                    **PRODUCTION,
                    "limits": {"offer_writes_per_minute": 0, "requests_per_minute": 10**9},
                    "redirect_port": 70000,
                },
                "own": {"client_id": 5, "client_secrte": SECRET},
            },
        },
    )
    for expected in (
        "langauge: there is no such setting. The nearest known one is language.",
        'station.refresh_tokens: is "perhaps", but should be: true or false.',
        'environments.production.limits.offer_writes_per_minute: is "0", but should be: a whole number above zero',
        'environments.production.limits.requests_per_minute: is "1000000000", but should be: a whole number above zero',
        'environments.production.redirect_port: is "70000", but should be: a port number from 1 to 65535.',
        "environments.own.auth_url: this setting is missing.",
        "environments.own.api_url: this setting is missing.",
        'environments.own.client_id: is "5", but should be: text in quotes, not blank.',
        "environments.own.app_name: this setting is missing.",
        "environments.own.client_secrte: there is no such setting. The nearest known one is client_secret.",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param("", "environments: this setting is missing", id="empty file"),
        pytest.param("- a\n- b\n", "batch.yaml: is", id="a list"),
        pytest.param({"environments": {}}, "at least one environment", id="no environment"),
        pytest.param({"environments": {"production": None}}, "environments.production: is", id="environment empty"),
        pytest.param({"environments": SECRET}, "environments: is", id="secret instead of a section"),
        pytest.param({"environments": {"production": SECRET}}, "environments.production: is", id="secret one level up"),
        pytest.param(
            {5: 1, "environments": {"production": PRODUCTION}}, "5: there is no such setting", id="a number as key"
        ),
        pytest.param({"environments": {7: PRODUCTION}}, "environments.7", id="a number as environment"),
        pytest.param(
            {"environments": {"production": {**PRODUCTION, "redirect_port": f"80r:{SECRET}@host/base"}}},
            'redirect_port: is "***@host/base"',
            id="a password in the wrong place",
        ),
    ],
)
def test_a_file_of_the_wrong_shape_gets_a_sentence(tmp_path: Path, data: Any, expected: str) -> None:
    assert expected in refused(tmp_path, data)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([SECRET], id="list"),
        pytest.param({SECRET: 1}, id="mapping"),
        pytest.param({"a": SECRET}, id="mapping's value"),
        pytest.param("", id="blank"),
        pytest.param(True, id="flag"),
    ],
)
@pytest.mark.parametrize("key", ["client_secret", "journal", "token_url"])
def test_a_secret_of_the_wrong_type_is_named_but_not_shown(tmp_path: Path, key: str, value: Any) -> None:
    data: dict[str, Any] = {"environments": {"production": dict(PRODUCTION)}, "accounts": {"shop": {}}}
    {"client_secret": data["environments"]["production"], "journal": data, "token_url": data["accounts"]["shop"]}[key][
        key
    ] = value
    text = refused(tmp_path, data)
    assert f'{key}: is "***"' in text


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"client_secret: *{SECRET}", id="looks like an alias"),
        pytest.param(f"client_secret: !{SECRET}", id="looks like a tag"),
        pytest.param(f"client_secret: '{SECRET}", id="quote not closed"),
        pytest.param(f"client_secret: @{SECRET}", id="reserved character"),
        pytest.param(f"\tclient_secret: {SECRET}", id="tab"),
        pytest.param(f"client_secret: {SECRET}: x", id="second colon"),
        pytest.param(f'client_secret: "{SECRET}\\q"', id="unknown escape"),
        pytest.param(f"client_secret: {SECRET}\x07", id="control character"),
    ],
)
def test_broken_yaml_names_line_and_column_and_repeats_nothing(tmp_path: Path, line: str) -> None:
    text = refused(tmp_path, f"language: pl\n{line}\n")
    assert "settings_yaml" in text
    assert "line 2" in text or "line 3" in text or "line 4" in text


def test_a_date_that_does_not_exist_and_endless_nesting_are_no_traceback(tmp_path: Path) -> None:
    assert "settings_yaml" in refused(tmp_path, "language: 2026-99-99\n")
    assert "settings_yaml" in refused(tmp_path, "[" * 5000)


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "1" + ":1" * 3000])
def test_a_number_without_end_is_a_mistake_like_any_other(tmp_path: Path, number: str) -> None:
    """Python reads it and cannot write it."""
    path = tmp_path / "batch.yaml"
    path.write_text(f"language: {number}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    assert "language: jest „…”" in str(catalogue("pl").explain(caught.value.code, **caught.value.facts))


def test_no_more_mistakes_are_told_than_a_person_mends(tmp_path: Path) -> None:
    """A file that is none of ours, read as one."""
    path = tmp_path / "batch.yaml"
    path.write_text("".join(f"k{n}: 1\n" for n in range(5000)), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    assert len(caught.value.facts["problems"]) == 50


def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    text = refused(tmp_path, f"environments:\n  a:\n    client_secret: {SECRET}\n    client_secret: {SECRET}2\n")
    assert "client_secret appears a second time in line 4" in text


def test_other_encodings_are_refused_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    path = tmp_path / "batch.yaml"
    text = yaml.safe_dump({"environments": {"production": PRODUCTION}, "station": {"name": "Łódź"}}, allow_unicode=True)
    path.write_bytes(text.encode("utf-8-sig"))
    assert load_settings(path, {}).station.name == "Łódź"
    for encoding in ("cp1250", "utf-16"):
        path.write_bytes(text.encode(encoding))
        with pytest.raises(SettingsError) as caught:
            load_settings(path, {})
        assert caught.value.code == "settings_encoding"
        assert SECRET not in repr(caught.value.__context__)


def test_what_is_no_settings_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="settings_unreadable"):
        load_settings(tmp_path)
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * 2_000_000)
    with pytest.raises(SettingsError, match="settings_unreadable"):
        load_settings(huge)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://localhost:8123/", "http://localhost:8123"),
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8123", "http://[::1]:8123"),
        ("http://allegro.pl", None),
        ("http://localhost.evil.pl", None),
        ("http://127.0.0.1.evil.pl", None),
        ("http://192.168.1.5:8123", None),
        ("http://[::2]", None),
        ("https://api.example.com/path", None),
        ("https://api.example.com?x=1", None),
        ("https://api.example.com#x", None),
        ("https://api.example.com:port", None),
        ("https://[::1", None),
        ("https://", None),
        ("ftp://api.example.com", None),
        ("api.example.com", None),
        ("", None),
    ],
)
def test_hosts_are_bare_and_plain_http_is_for_this_computer_only(tmp_path: Path, url: str, kept: str | None) -> None:
    if kept is None:
        assert "environments.production.api_url: is" in refused(
            tmp_path, {"environments": {"production": {**PRODUCTION, "api_url": url}}}
        )
    else:
        assert environment(tmp_path, api_url=url).api_url == kept


def test_a_password_inside_a_host_is_not_shown(tmp_path: Path) -> None:
    text = refused(
        tmp_path, {"environments": {"production": {**PRODUCTION, "api_url": f"https://user:{SECRET}@allegro.pl"}}}
    )
    assert "https://***@allegro.pl" in text


@pytest.mark.parametrize(
    "url",
    ["ftp://x/y", "Y:/allegro/x.json", "http://example.com/x.json", "file:", "https://", "http://[::1"],
)
def test_a_token_url_is_a_file_or_https(tmp_path: Path, url: str) -> None:
    data = {"environments": {"production": PRODUCTION}, "accounts": {"shop": {"token_url": url}}}
    assert "accounts.shop.token_url" in refused(tmp_path, data)


def test_environment_variables_are_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    data = {"environments": {"production": {**PRODUCTION, "client_id": "${CLIENT}"}}, "journal": "${JOURNAL}"}
    settings = settings_of(tmp_path, data, {"CLIENT": "from-environment", "JOURNAL": "sqlite://"})
    assert settings.environment("production").client_id == "from-environment"
    assert settings.journal is not None
    assert settings.journal.get_secret_value() == "sqlite://"
    text = refused(tmp_path, data, {"JOURNAL": ""})
    assert "environments.production.client_id: the environment variable CLIENT is blank or not set." in text
    assert "journal: the environment variable JOURNAL is blank or not set." in text


def test_the_client_secret_is_looked_up_only_when_it_is_needed(tmp_path: Path) -> None:
    """A station that never renews loads its settings without the secret."""
    for value, code in ((None, "secret_missing"), ("${NO_SUCH}", "secret_variable")):
        found = environment(tmp_path, client_secret=value)
        with pytest.raises(SettingsError) as caught:
            found.read_secret({})
        assert caught.value.code == code
        for language in LANGUAGES:
            catalogue(language).explain(code, **caught.value.facts)
    assert environment(tmp_path, client_secret="${MINE}").read_secret({"MINE": SECRET}) == SECRET
    assert environment(tmp_path).read_secret({}) == SECRET


class _Keyring(keyring.backend.KeyringBackend):
    priority = 1.0

    def get_password(self, service: str, username: str) -> str | None:
        if username == "broken":
            raise RuntimeError(SECRET)
        return SECRET if (service, username) == ("allegro-batch", "shop") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


def test_the_client_secret_may_lie_in_the_system_keyring(tmp_path: Path) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(_Keyring())
    try:
        assert environment(tmp_path, client_secret="keyring:shop").read_secret({}) == SECRET
        for name in ("nobody", "broken"):
            with pytest.raises(SettingsError) as caught:
                environment(tmp_path, client_secret=f"keyring:{name}").read_secret({})
            assert caught.value.code == "secret_keyring"
            assert name in str(catalogue("pl").explain("secret_keyring", **caught.value.facts))
            assert SECRET not in "".join(traceback.format_exception(caught.value))
    finally:
        keyring.set_keyring(before)


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        {
            "environments": {"production": PRODUCTION},
            "accounts": {"shop": {"token_url": f"https://example.com/x?key={SECRET}"}},
            "journal": f"postgresql://user:{SECRET}@host/db",
        },
    )
    assert SECRET not in repr(settings) + str(settings) + str(settings.model_dump())


@pytest.mark.parametrize(
    ("app_name", "expected"),
    [
        ("MyShop", "MyShop"),
        ("My  Shop ", "My-Shop"),
        ("Żółw & Łoś", "Zolw-&-Los"),
        ("Sklep (nowy)/1", "Sklep-nowy1"),
    ],
)
def test_the_user_agent_is_what_allegro_asks_for(tmp_path: Path, app_name: str, expected: str) -> None:
    found = environment(tmp_path, app_name=app_name, info_url="https://example.com/a_(b)")
    assert found.user_agent == f"{expected}/{__version__} (+https://example.com/a_%28b%29)"


def test_a_name_or_page_that_no_header_can_carry_is_a_mistake(tmp_path: Path) -> None:
    text = refused(
        tmp_path, {"environments": {"production": {**PRODUCTION, "app_name": "店", "info_url": "https://żółw.pl"}}}
    )
    assert "app_name: is" in text
    assert "info_url: is" in text


@given(name=st.text(min_size=1, max_size=30))
def test_any_app_name_gives_a_header_or_a_mistake(name: str) -> None:
    """What is accepted fits into a header of visible ASCII with exactly one name, version and comment."""
    try:
        found = Settings.model_validate({"environments": {"production": {**PRODUCTION, "app_name": name}}})
    except ValueError:
        return
    product, comment = found.environment("production").user_agent.split(" ", 1)
    assert product.count("/") == 1
    assert product.isascii()
    assert comment == "(+https://example.com/about)"


_KEYS = st.sampled_from(
    [
        *Settings.model_fields,
        *Station.model_fields,
        *Environment.model_fields,
        *AccountSource.model_fields,
        "production",
    ]
) | st.sampled_from(["typo", 5, None])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=15,
)


@settings_of_hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_whatever_the_file_holds_is_settings_or_a_sentence(tmp_path: Path, data: Any) -> None:
    try:
        settings_of(tmp_path, data)
    except SettingsError as error:
        catalogue("pl").explain(error.code, **error.facts)  # raises where a text is missing


def test_settings_are_found_beside_the_workbook_then_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, current = tmp_path / "beside", tmp_path / "current"
    beside.mkdir()
    current.mkdir()
    monkeypatch.chdir(current)
    workbook = beside / "shop.xlsx"
    with pytest.raises(SettingsError) as caught:
        find_settings(workbook, None)
    assert caught.value.facts["looked"] == [str(beside / "batch.yaml"), str(current / "batch.yaml")]
    assert str(beside) in str(catalogue("pl").explain("settings_missing", **caught.value.facts))
    (current / "batch.yaml").touch()
    assert find_settings(workbook, None) == current / "batch.yaml"
    (beside / "batch.yaml").touch()
    assert find_settings(workbook, None) == beside / "batch.yaml"
    assert find_settings(None, None) == current / "batch.yaml"
    with pytest.raises(SettingsError, match="settings_missing"):
        find_settings(workbook, tmp_path / "other.yaml")


def test_an_unknown_environment_names_the_known_ones(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, {"environments": {"production": PRODUCTION, "simulator": SIMULATOR}})
    with pytest.raises(SettingsError) as caught:
        settings.environment("produkcja")
    assert caught.value.facts == {"name": "produkcja", "known": ["production", "simulator"]}
    assert "produkcja" in str(catalogue("pl").explain("environment_unknown", **caught.value.facts))
