"""Where the token of a join comes from, and what is shown of it."""

from __future__ import annotations

import pytest

from device_agents import enlisting
from lepton_edge.core.errors import UsageError

TOKEN = "LE1.authority.id.secret"


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(enlisting.arguments, "forget", found.append)
    return found


def test_an_argument_is_taken_out_of_what_the_system_shows(forgotten: list[str]) -> None:
    assert enlisting.read_token(TOKEN, None, {}) == TOKEN
    assert forgotten == ["secret"]


def test_a_variable_is_shown_to_nobody_else_and_stays(forgotten: list[str]) -> None:
    assert enlisting.read_token(None, None, {enlisting.VARIABLE: TOKEN}) == TOKEN
    assert forgotten == []


def test_a_token_in_the_place_of_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError) as refused:
        enlisting.refuse_misplaced(TOKEN)
    assert "secret" not in f"{refused.value} {refused.value.hint}"
