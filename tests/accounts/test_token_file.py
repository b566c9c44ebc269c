"""The token file: read with patience, written whole or not at all, and never outside its folder."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.accounts.token_file import (
    Token,
    TokenFormatError,
    check_replaceable,
    parse_token,
    read_token,
    replace_file,
    token_bytes,
    token_path,
)
from batch.accounts.token_place import told_apart
from batch.errors import AccountError, LoginNeeded
from batch.messages import LANGUAGES, catalogue
from batch.model import Account

SECRET = "SECRET-8f3a"
WHOLE: dict[str, Any] = {
    "access_token": "access-" + SECRET,
    "refresh_token": "refresh-" + SECRET,
    "expires_at": "2026-03-01T12:00:00Z",
    "refreshed_at": "2026-03-01T00:00:00Z",
    "environment": "production",
    "login": "seller",
    "user_id": "123",
    "generation": 7,
}


def parsed(**changed: Any) -> Token:
    fields = {name: value for name, value in {**WHOLE, **changed}.items() if value is not ...}
    return parse_token(json.dumps(fields).encode())


def test_a_file_of_the_contract_is_read_and_written_alike() -> None:
    token = parsed()
    assert (token.access_token, token.refresh_token) == (WHOLE["access_token"], WHOLE["refresh_token"])
    assert token.expires_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert token.refreshed_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert (token.environment, token.login, token.user_id, token.generation) == ("production", "seller", "123", 7)
    assert json.loads(token_bytes(token)) == WHOLE


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:00:00+00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T13:00:00+01:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01 12:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (" 2026-03-01T12:00:00.250Z ", datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, moment: datetime) -> None:
    assert parsed(expires_at=text).expires_at == moment


@pytest.mark.parametrize("blank", [..., None, ""])
@pytest.mark.parametrize("field", ["refresh_token", "refreshed_at", "login", "user_id", "generation"])
def test_a_file_written_by_hand_may_lack_what_is_not_needed(field: str, blank: Any) -> None:
    token = parsed(**{field: blank})
    assert getattr(token, field) == (0 if field == "generation" else None)


def test_a_user_id_may_be_a_number() -> None:
    assert parsed(user_id=123).user_id == "123"


def test_fields_we_do_not_know_survive_a_rewrite() -> None:
    mine = {"notatka": "żółw", "scope": ["a", {"b": None}], "x": 1.5}
    assert json.loads(token_bytes(parsed(**mine))) == {**WHOLE, **mine}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"access_token": ...}, "access_token"),
        ({"access_token": None}, "access_token"),
        ({"access_token": 5}, "access_token"),
        ({"access_token": SECRET + "\r\nX-Header: 1"}, "access_token"),
        ({"access_token": SECRET + "ł"}, "access_token"),
        ({"refresh_token": [SECRET]}, "refresh_token"),
        ({"refresh_token": SECRET + " x"}, "refresh_token"),
        ({"environment": ...}, "environment"),
        ({"environment": "  "}, "environment"),
        ({"expires_at": ...}, "expires_at"),
        ({"expires_at": 1772366400}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+10:00"}, "expires_at"),
        ({"refreshed_at": SECRET}, "refreshed_at"),
        ({"login": 5}, "login"),
        ({"login": "half \ud800 of a character"}, "login"),
        ({"environment": "simulator\x1b[31m"}, "environment"),
        ({"user_id": "1\n2"}, "user_id"),
        ({"user_id": [1]}, "user_id"),
        ({"generation": -1}, "generation"),
        ({"generation": "7"}, "generation"),
        ({"generation": 10**9}, "generation"),
        ({"generation": True}, "generation"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(TokenFormatError) as caught:
        parsed(**changed)
    assert str(caught.value) == field
    assert SECRET not in repr(caught.value.__context__)


TEXT = json.dumps(WHOLE).encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 512, id="zeros after a power cut"),
        pytest.param(TEXT[:100], id="truncated"),
        pytest.param(TEXT + TEXT, id="twice"),
        pytest.param(TEXT.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xff" + TEXT, id="not UTF-8"),
        pytest.param(b"[1]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b'{"x": ' + b"9" * 10_000 + b"}", id="a number without end"),
        pytest.param(b'{"x": "' + b"x" * 200_000 + b'"}', id="another file, far too large"),
    ],
)
def test_a_broken_file_asks_for_a_login_and_shows_nothing_of_itself(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.token"
    path.write_bytes(content)
    with pytest.raises(LoginNeeded) as caught:
        read_token(path)
    assert caught.value.code == "token_broken"
    assert caught.value.facts == {"path": str(path), "field": "json"}
    assert caught.value.__context__ is None
    for language in LANGUAGES:
        assert str(path) in str(catalogue(language).explain(caught.value.code, **caught.value.facts))


def test_a_byte_order_mark_of_notepad_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "x.token"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT)
    assert read_token(path) == parsed()


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_token_or_a_format_error(content: bytes) -> None:
    with pytest.raises(TokenFormatError):
        parse_token(content)


@given(
    fields=st.dictionaries(
        st.sampled_from([*WHOLE, "other"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.lists(st.integers(), max_size=2),
    )
)
def test_any_fields_are_a_token_that_can_be_written_or_a_format_error(fields: dict[str, Any]) -> None:
    try:
        token = parse_token(json.dumps({**WHOLE, **fields}).encode())
    except TokenFormatError:
        return
    assert parse_token(token_bytes(token)).access_token == token.access_token


def test_a_missing_file_is_a_login_but_a_missing_folder_is_a_drive_to_connect(tmp_path: Path) -> None:
    with pytest.raises(LoginNeeded, match="token_missing"):
        read_token(tmp_path / "x.token")
    with pytest.raises(AccountError) as caught:
        read_token(tmp_path / "away" / "x.token")
    assert caught.value.code == "token_folder_missing"
    assert not isinstance(caught.value, LoginNeeded)


def test_what_cannot_be_opened_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "folder.token").mkdir()
    for name in ("folder.token", "nul\0byte", "x" * 300):
        with pytest.raises(AccountError, match="token_unreadable"):
            read_token(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_into_which_nobody_writes_is_unreadable(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AccountError) as caught:
        read_token(tmp_path / "pipe")
    assert caught.value.code == "token_unreadable"


def test_the_secrets_are_not_in_the_repr() -> None:
    assert SECRET not in repr(parsed(extra_secret=SECRET))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_the_file_is_its_owners_alone_whatever_it_was_before(tmp_path: Path) -> None:
    path = tmp_path / "x.token"
    path.write_text("old")
    path.chmod(0o644)
    replace_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"new"


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.token"
    path.mkdir()  # a folder in its place cannot be replaced
    with pytest.raises((IsADirectoryError, PermissionError)):
        replace_file(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.token"]


def test_what_a_killed_process_left_behind_is_removed(tmp_path: Path) -> None:
    """A temporary file holds a refresh token; the next replacement clears it away, and nobody else's files."""
    for name in ("x.token.abc123.tmp", "y.token.abc123.tmp", "x.token.lock"):
        (tmp_path / name).write_text(SECRET)
    replace_file(tmp_path / "x.token", b"new")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.token", "x.token.lock", "y.token.abc123.tmp"]


@pytest.mark.parametrize(
    ("account", "token_file", "expected"),
    [
        ("e-sklep1", None, "e-sklep1.allegro.token"),
        ("e-sklep1", "  ", "e-sklep1.allegro.token"),
        (" Łódź 2 ", None, "Łódź 2.allegro.token"),
        ("a/b\\c:d", None, "a_b_c_d.allegro.token"),
        ('*?"<>|', None, "______.allegro.token"),
        ("..", None, "_.allegro.token"),
        ("../../etc/passwd", None, "____etc_passwd.allegro.token"),
        ("a\nb", None, "a_b.allegro.token"),
        ("nul", None, "_nul.allegro.token"),
        ("COM1.x", None, "_COM1.x.allegro.token"),
        ("console", None, "console.allegro.token"),
        ("e-sklep1", "tokens/x.token", "tokens/x.token"),
        ("e-sklep1", " x.token ", "x.token"),
    ],
)
def test_where_the_tokens_of_an_account_lie(account: str, token_file: str | None, expected: str) -> None:
    assert token_path(account, token_file, Path("folder")) == Path("folder") / expected


def test_an_absolute_token_file_is_taken_as_it_is(tmp_path: Path) -> None:
    assert token_path("x", str(tmp_path / "y.token"), Path("folder")) == tmp_path / "y.token"


@given(account=st.text(st.characters() | st.sampled_from("./\\:"), max_size=30))
def test_no_account_name_leads_out_of_the_folder(account: str) -> None:
    path = token_path(account, None, Path("folder"))
    assert path.parent == Path("folder")
    assert path.name.endswith(".allegro.token")
    assert ".." not in path.name.removesuffix(".allegro.token")


@pytest.mark.parametrize(
    ("content", "refused"),
    [(b"", False), (b"{}", False), (b'{"access_token": "a.', False), (b'{"refresh_token": "a"}', False),
     (b'{"name": "package"}', True), (b"PK", True)],
)  # fmt: skip
def test_what_a_link_may_replace(tmp_path: Path, content: bytes, refused: bool) -> None:
    """Tokens, whole or broken, and nothing else that a cell may name by mistake."""
    path = tmp_path / "x.token"
    path.write_bytes(content)
    with pytest.raises(AccountError, match="token_file_other") if refused else contextlib.nullcontext():
        check_replaceable(path)


@pytest.mark.parametrize("name", ["{folder}/x.token", "sub/../x.token", "./X.TOKEN", "link.token", "sub\\..\\x.token"])
def test_two_accounts_with_one_token_file_are_seen_however_it_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "link.token").symlink_to(tmp_path / "x.token")
    files = {"a": "x.token", "b": name.format(folder=tmp_path), "c": "other.token"}
    accounts = {each: Account(each, "simulator", file, active=True, row=2) for each, file in files.items()}
    found = told_apart(accounts, tmp_path)
    assert [found[each].token_file_of for each in "abc"] == ["b", "a", None]
