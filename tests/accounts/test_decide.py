"""The pure decisions: is a renewal due, and whose tokens are these."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batch.accounts.decide import Owner, renewal_due, supersedes
from batch.accounts.token_file import Token
from batch.errors import LoginNeeded

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = Token("a", "r", NOW, "production", login="Seller", generation=3)


def living(left: float, life: float | None = 12 * 3600) -> Token:
    """A token with `left` seconds to live out of `life`."""
    expires_at = NOW + timedelta(seconds=left)
    return replace(
        TOKEN, expires_at=expires_at, refreshed_at=None if life is None else expires_at - timedelta(seconds=life)
    )


@pytest.mark.parametrize(
    ("token", "due"),
    [
        pytest.param(living(12 * 3600), False, id="just renewed"),
        pytest.param(living(301), False, id="a second more than the margin"),
        pytest.param(living(300), False, id="exactly the margin"),
        pytest.param(living(299), True, id="a second less than the margin"),
        pytest.param(living(0), True, id="expires now"),
        pytest.param(living(-86_400), True, id="expired yesterday"),
        pytest.param(living(301, None), False, id="hand-written: when it was renewed is unknown"),
        pytest.param(living(299, None), True, id="hand-written, less than the margin"),
        pytest.param(living(59, 60), False, id="lives a minute, just renewed"),
        pytest.param(living(29, 60), True, id="lives a minute, half of it gone"),
        pytest.param(living(299, -5), True, id="renewed after it expired: nonsense, so the margin counts"),
    ],
)
def test_a_renewal_is_due_when_less_than_the_margin_is_left(token: Token, due: bool) -> None:
    assert renewal_due(token, NOW) is due


def test_only_a_higher_generation_supersedes() -> None:
    assert supersedes(replace(TOKEN, generation=4), TOKEN)
    assert not supersedes(TOKEN, TOKEN)
    assert not supersedes(TOKEN, replace(TOKEN, generation=4))


@pytest.mark.parametrize(
    ("environment", "login", "refusal"),
    [
        ("production", None, None),
        ("Production ", "seller", None),
        ("production", "", None),
        ("sandbox", None, ("token_other_environment", "production", "sandbox")),
        ("sandbox", "other", ("token_other_environment", "production", "sandbox")),
        ("production", "other", ("token_other_login", "Seller", "other")),
    ],
)
def test_tokens_of_another_environment_or_login_are_refused_naming_both(
    environment: str, login: str | None, refusal: tuple[str, str, str] | None
) -> None:
    owner = Owner(environment, login)
    assert owner.owns(TOKEN) is (refusal is None)
    if refusal is None:
        assert owner.check(TOKEN, "x.token") is TOKEN
        return
    with pytest.raises(LoginNeeded) as caught:
        owner.check(TOKEN, "x.token")
    code, found, expected = refusal
    assert caught.value.code == code
    assert caught.value.facts == {"path": "x.token", "found": found, "expected": expected}


def test_the_first_token_seen_settles_whose_account_it_is() -> None:
    """A file that somebody exchanges in the middle of a run is not followed."""
    owner = Owner("production")
    owner.check(replace(TOKEN, login=None), "x.token")
    owner.check(TOKEN, "x.token")
    with pytest.raises(LoginNeeded, match="token_other_login"):
        owner.check(replace(TOKEN, login="other"), "x.token")


def test_a_login_since_then_is_newer_whatever_its_generation() -> None:
    """Its file was gone, so that it began anew; a pair that an earlier run could not save is dead by then."""
    then = datetime(2026, 11, 24, 12, tzinfo=UTC)
    left_behind = replace(TOKEN, generation=7, refreshed_at=then)
    assert not supersedes(left_behind, replace(TOKEN, generation=1, refreshed_at=then + timedelta(hours=1)))
    assert supersedes(left_behind, replace(TOKEN, generation=6, refreshed_at=then + timedelta(minutes=2)))
