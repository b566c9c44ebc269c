"""Whose access token is it?"""

from __future__ import annotations

from dataclasses import dataclass

from batch.allegro.session import ApiSession, understanding


@dataclass(frozen=True, slots=True)
class Profile:
    """The seller that a session acts for."""

    login: str
    user_id: str


def read_profile(session: ApiSession) -> Profile:
    """GET /me. Raises as ApiSession.get."""
    answer = session.get("/me")
    with understanding(answer):
        login, user_id = str(answer.data["login"]), str(answer.data["id"])
        if not (login.strip() and login.isprintable()):
            raise ValueError(login)
    return Profile(login, user_id)
